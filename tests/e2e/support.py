# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test needs: time limits that stretch, free ports, programs that are ended for sure."""
import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EHLOD = os.path.abspath(os.environ.get("EHLOD_BIN", os.path.join(ROOT, "build", "ehlod")))
SCALE = float(os.environ.get("EHLOD_TEST_SCALE", "1"))
# Which of the processes that run tests beside each other this is, and how many there are.
JOBS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
JOB = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % JOBS
HOST = "127.0.0.1"


def scaled(seconds):
    return seconds * SCALE


def wait_until(condition, timeout, what):
    """The first true answer of condition(), asked over and over; an assertion when none comes in time."""
    end = time.monotonic() + scaled(timeout)
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {scaled(timeout):g} s: {what}"
        time.sleep(0.02)


def is_readable(s, seconds):
    """Whether the socket has something to read, its end included, within that time. select() refuses the descriptors of
    a test process that has many."""
    poll = select.poll()
    poll.register(s, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Ports:
    """Those that are given to tests. They lie below those that the system gives to whoever names none (a client's, say), so
    that none of these takes one before it is used. Each process of ours has its share of them, and goes round in it."""

    def __init__(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            end = int(f.read().split()[0])
        self.share = range(end // 2 + JOB, end, JOBS) if end > 2048 else [0]
        self.turn = random.randrange(len(self.share))

    def next(self):
        self.turn = (self.turn + 1) % len(self.share)
        return self.share[self.turn]


ports = Ports()


def free_port():
    """A port that nobody has, nor was given of late."""
    while True:
        with socket.socket() as s:
            try:
                s.bind((HOST, ports.next()))
            except OSError:
                continue
            return s.getsockname()[1]


class Acceptor:
    """Takes connections in a thread of its own, and hands each on, until it is stopped. To close the listener would not
    do: a thread that is just about to accept would take the connections of whoever has its descriptor by then."""

    def __init__(self, listener, take):
        self.listener, self.take = listener, take
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(scaled(20))
        self.listener.close()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.take(s)


def accepts(port, host=HOST):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def with_sbin():
    """The environment, with the folders where Debian keeps servers on the path."""
    return {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Program:
    """A program in the foreground, its output in a file."""

    def __init__(self, command, log_path, **popen):
        self.log_path = str(log_path)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, **popen)
        self.pid = self.process.pid

    def log(self):
        return read_text(self.log_path)

    def running(self):
        return self.process.poll() is None

    def wait_for(self, condition, timeout, what):
        """As wait_until, but says at once that the program has ended, and what it said."""
        def asked():
            assert self.running(), f"ended with {self.process.returncode} before {what}:\n{self.log()}"
            return condition()
        return wait_until(asked, timeout, f"{what}; the log:\n{self.log()}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout):
        return self.process.wait(scaled(timeout))

    def stop(self, timeout=15):
        """The exit code; a program that does not end in time is killed, which is a failure."""
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {scaled(timeout):g} s of SIGTERM:\n{self.log()}") from None
