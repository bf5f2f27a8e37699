# SPDX-License-Identifier: Apache-2.0
"""The machine: its cores, what a process has used of them, how many descriptors there are, and programs on a core."""
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
os.environ.setdefault("EHLOD_BIN", os.path.join(BUILD, "ehlod"))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import support  # noqa: E402  (it reads the environment)

CORES = sorted(os.sched_getaffinity(0))
OURS = {CORES[0]}                   # where the contestant runs
OTHERS = {CORES[-1]}                # and where its peer and its callers do
BOTH = {CORES[0], CORES[-1]}
WANTED_DESCRIPTORS = 65536


def raise_descriptors():
    """As many as there may be, for all that is started here; how many that are."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for most in (max(hard, WANTED_DESCRIPTORS), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return most
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def cpu_us(pid):
    """What the whole process has used, user and system: its CPU clock, as clock_getcpuclockid(3) names it."""
    return time.clock_gettime(~pid << 3 | 2) * 1e6


def pss_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss:\s*(\d+) kB", f.read(), re.M)[1]) * 1024


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return {"system": platform.platform(), "processor": model[1] if model else platform.machine(), "cores": len(CORES),
            "load": os.getloadavg()[0], "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                                     check=False).stdout.strip() or None}


def pinned(cores, command):
    return ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]


def tool(name):
    return os.path.join(BUILD, "bench", name)


class Ended:
    """A program that ran to its end: what it said, and what it used (its start and end with it)."""

    def __init__(self, command, cores):
        begun = time.monotonic()
        with subprocess.Popen(pinned(cores, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=support.with_sbin()) as process:
            self.output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.wall_us = (time.monotonic() - begun) * 1e6
        self.cpu_us = (used.ru_utime + used.ru_stime) * 1e6
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}:\n{self.output}")

    @property
    def json(self):
        return json.loads(self.output)


class Peer(support.Program):
    """The bench's own mail server. It knows which dialogues were spoken with it."""

    def __init__(self, folder, *arguments, address="127.0.0.1", port=None, cores=None):
        self.port = port or support.free_port()
        self.told = 1  # that it listens
        log = os.path.join(folder, f"peer-{self.port}-{os.urandom(4).hex()}.log")
        super().__init__(pinned(cores or OTHERS, [tool("peer"), "--address", address, "--port", str(self.port), *arguments]), log)
        self.wait_for(lambda: self.log().endswith("\n"), 10, "the peer listens")

    def ask(self):
        """(dialogues that have ended since it was asked last, how it stands)"""
        self.signal(signal.SIGUSR1)
        self.told += 2
        lines = self.wait_for(lambda: self.log().count("\n") >= self.told and self.log().split("\n"), 10, "it tells")
        spoken, stands = map(json.loads, lines[self.told - 2:self.told])
        if stands["broken"]:
            raise SystemExit(f"{stands['broken']} connections of the peer broke")
        return spoken, stands

    def stop(self, timeout=15):
        code = super().stop(timeout)
        if code:
            raise SystemExit(f"the peer ended with {code}:\n{self.log()}")

    def drain(self):
        """All dialogues since the last time, when none is under way any more."""
        spoken = Counter()

        def is_over():
            more, stands = self.ask()
            spoken.update(more)
            return stands["open"] == 0
        support.wait_until(is_over, 20, "all connections of the peer are closed")
        return dict(spoken)
