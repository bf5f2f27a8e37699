# SPDX-License-Identifier: Apache-2.0
"""Callers who mean no good, or are too many: health and metrics answer all the same, and nothing is left behind."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import target
from doors import PASSWORD, USER, bcrypt
from fake_mta import Gate
from netns import Net, as_root
from service import Service, parse_only_reply, read_to_end, write_config
from support import HOST, SCALE, scaled, wait_until

CHECK = b"GET /check/mx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
FEW = ["prlimit", "--nofile=256:256"]


class Leftovers:
    """What the service holds before and after."""

    def __init__(self, service):
        self.service = service
        self.wait_for_nobody()
        self.descriptors, self.memory = service.descriptors(), service.status_field("VmRSS")

    def wait_for_nobody(self):
        self.service.wait_for(lambda: not self.service.connections(), 15, "nobody is connected")

    def check(self, memory_kib=6000):
        self.wait_for_nobody()
        wait_until(lambda: self.service.descriptors() <= self.descriptors, 10, "no descriptor is left open")
        if not self.service.is_sanitized():
            assert self.service.status_field("VmRSS") < self.memory + memory_kib


class Watched:
    """Asks for health and metrics all the time, and knows how long that took."""

    def __init__(self, service):
        self.service, self.over, self.took, self.bad = service, threading.Event(), [], []
        self.paths = ["/-/healthy", "/-/ready", "/metrics"]
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.is_set():
            for path in self.paths:
                begun = time.monotonic()
                try:
                    status = self.service.get(path, timeout=10).status
                except OSError as error:
                    status = repr(error)
                self.took.append(time.monotonic() - begun)
                if status != 200:
                    self.bad.append((path, status))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join(scaled(30))
        if kind is None:
            assert not self.bad and len(self.took) > 3, (self.bad, len(self.took))
            assert max(self.took) < scaled(4), sorted(self.took)[-5:]


@pytest.fixture(name="small")
def small_fixture(ehlod, mta):
    """With few descriptors, so that all connections can be taken."""
    return ehlod({"targets": {"mx": target(mta.address, cache_ttl="1h")}}, wrapper=FEW)


# --- slowhttptest ---

@pytest.mark.parametrize("mode", [["-H", "-i", "1"], ["-B", "-i", "1"], ["-X", "-n", "1", "-k", "3"]],
                         ids=["h01-slow-heads", "h03-slow-bodies", "h50-slow-reads"])
def test_slowhttptest(small, mode):
    small.get("/check/mx")
    left = Leftovers(small)
    with Watched(small):
        done = subprocess.run(["slowhttptest", *mode, "-c", "400", "-r", "400", "-l", "6", "-p", "3", "-u",
                               f"http://{HOST}:{small.port}/check/mx"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=scaled(40), check=False)
    assert "slow HTTP test status on" in done.stdout, done
    left.check()
    assert small.get("/check/mx").json["status"] == "pass"


# --- many requests ---

def test_h12_ten_thousand_requests_on_one_connection(ehlod, mta):
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    service = ehlod({"targets": {"mx": target(mta.address, cache_ttl="1h")}}, wrapper=["env", f"ASAN_OPTIONS={options}"])
    service.get("/check/mx")
    paths = [b"/-/healthy", b"/check/mx", b"/check/mx?format=text", b"/nothing"]
    batch = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths) * 25
    with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s, s.makefile("rb") as stream:
        def ask():
            s.sendall(batch)
            for number in range(100):
                line = stream.readline()
                assert line.startswith(b"HTTP/1.1 404" if number % 4 == 3 else b"HTTP/1.1 200"), line
                fields = dict(line.lower().strip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
                stream.read(int(fields[b"content-length"]))
        for _ in range(40):  # until every allocator is warm
            ask()
        memory, descriptors = service.status_field("VmRSS"), service.descriptors()
        for _ in range(60):
            ask()
        assert service.descriptors() == descriptors
        assert service.status_field("VmRSS") < memory + 1024
    assert mta.connections() == 1


def test_a_flood_past_all_limits(small):
    """Three times as many as there is room for, who say nothing, or half of something, or ask and never read."""
    left = Leftovers(small)
    kinds = [b"", b"GET /check", CHECK, b"GET /check/mx HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"]
    with Watched(small), contextlib.ExitStack() as stack:
        for number in range(500):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex((HOST, small.port))
            with contextlib.suppress(OSError):
                s.send(kinds[number % len(kinds)])
        time_over = time.monotonic() + 3 * SCALE
        wait_until(lambda: time.monotonic() > time_over, 10, "the flood has lasted")
    left.check()
    assert small.get("/check/mx").json["status"] == "pass"


def test_a_flood_of_resets(small):
    left = Leftovers(small)
    with Watched(small):
        for number in range(2000):
            with contextlib.suppress(OSError), socket.create_connection((HOST, small.port), timeout=scaled(10)) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall((HEALTHY * 20)[:number % 300])
    left.check()


# --- callers who have gone ---

def test_a_half_closed_client_gets_its_answer(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    service = ehlod({"targets": {"mx": target(fake(RCPT=gate).address)}})
    with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s:
        s.sendall(CHECK)
        s.shutdown(socket.SHUT_WR)
        service.wait_for(lambda: gate.waiting, 10, "the run is at RCPT")
        gate.open()
        status, _, body = parse_only_reply(read_to_end(s))
    assert (status, json.loads(body)["status"]) == (200, "pass")


def test_no_run_is_begun_for_callers_who_have_gone(ehlod, fake):
    """They have asked and left while their runs were in line."""
    gate, others = Gate("250 2.1.5 Ok"), [fake() for _ in range(10)]
    holder = fake(RCPT=gate)
    service = ehlod({"server": {"max_runs": 1},
                     "targets": {"holder": target(holder.address),
                                 **{f"mx{n}": target(other.address, cache_ttl="0") for n, other in enumerate(others)}}})
    held = service.ask("/check/holder")
    service.wait_for(lambda: gate.waiting, 10, "the place is taken")
    gone = []
    for n in range(10):
        s = socket.create_connection((HOST, service.port), timeout=scaled(10))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(CHECK.replace(b"mx", b"mx%d" % n))
        gone.append(s)
    stays = service.ask("/check/mx0")
    service.wait_for(lambda: service.connections_read() == 12, 10, "all are read")
    descriptors = service.descriptors()
    for s in gone:
        s.close()
    service.wait_for(lambda: service.descriptors() == descriptors - 10, 10, "they are seen to be gone")
    gate.open()
    assert held.answer().json["status"] == stays.answer().json["status"] == "pass"
    assert service.get("/check/mx9").json["status"] == "pass"
    assert [other.connections() for other in others] == [1, *[0] * 8, 1]


# --- one address ---

@pytest.fixture(name="net")
def net_fixture(cleanup):
    net = Net()
    cleanup.callback(net.stop)
    return net


def in_there(net, namespace, *command, **popen):
    program = subprocess.Popen([*net.enter(namespace), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen)
    net.programs.append(program)
    return program


PORT = 8025


def service_here(net, tmp_path, cleanup, descriptors, **server):
    config = {"server": {"listen": [f"198.51.100.1:{PORT}"], **server}, "targets": {"mx": {"address": "192.0.2.1:25"}}}
    path = write_config(str(tmp_path), config)
    service = Service.__new__(Service)
    super(Service, service).__init__(
        [*net.enter(net.here), "prlimit", f"--nofile={descriptors}:{descriptors}",
         os.environ.get("EHLOD_BIN", "build/ehlod"), "serve", "--config", path], tmp_path / "ehlod.log")
    cleanup.callback(lambda: as_root("kill", str(service.pid)) if service.running() else None)
    service.wait_for(lambda: "try: " in service.log(), 10, "it listens")
    return service


def asks_from(net, namespace, where, status, *options):
    done = subprocess.run([*net.enter(namespace), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time",
                           str(scaled(10)), *options, f"http://198.51.100.1:{PORT}{where}"], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    assert done.stdout == status, (where, done)


FLOOD = """
import base64, socket, sys
opened = []
for n in range(100):
    s = socket.create_connection(("198.51.100.1", %d))
    login = base64.b64encode(b"%s:wrong%%d" %% n)
    s.sendall(b"GET /targets HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Basic " + login + b"\\r\\n\\r\\n")
    opened.append(s)
print(opened[-1].recv(12).decode(), flush=True)
sys.stdin.read()
""" % (PORT, USER)


def test_wrong_passwords_from_one_address_leave_a_place_in_line(net, tmp_path, cleanup):
    """Somebody else's, which was never seen before, is looked at meanwhile."""
    service = service_here(net, tmp_path, cleanup, 1024, basic_auth_users={USER: bcrypt(PASSWORD, cost=11)})
    flood = in_there(net, net.there, "/usr/bin/python3", "-c", FLOOD)
    assert flood.stdout.readline() == b"HTTP/1.1 503\n"
    asks_from(net, net.here, "/targets", "200", "--interface", "198.51.100.1", "-u", f"{USER}:{PASSWORD}")
    flood.stdin.close()
    flood.wait(scaled(10))
    as_root("kill", str(service.pid))
    assert service.wait(15) == 0


def test_h05_one_address_cannot_take_all(net, tmp_path, cleanup):
    """It has half of the places, and half of the reserve; somebody else is answered in full."""
    service = service_here(net, tmp_path, cleanup, 128)
    crowd = in_there(net, net.there, "/usr/bin/python3", "-B", os.path.join(os.path.dirname(__file__), "crowd.py"),
                     "198.51.100.1", str(PORT), "200", "/targets")
    said = json.loads(crowd.stdout.readline())
    assert set(said) >= {"200", "503"} and said["200"] < 30, said
    for _ in range(5):
        asks_from(net, net.here, "/targets", "200")
        asks_from(net, net.here, "/-/healthy", "200")
        asks_from(net, net.here, "/metrics", "200")
    assert 'half of all connections: more of them are answered on health alone address=198.51.100.2' in service.log()
    crowd.stdin.close()
    crowd.wait(scaled(10))

    def again():
        with contextlib.suppress(AssertionError):
            asks_from(net, net.there, "/targets", "200")
            return True
    wait_until(again, 10, "it is let in again")
    as_root("kill", str(service.pid))
    assert service.wait(15) == 0
