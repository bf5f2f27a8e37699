# SPDX-License-Identifier: Apache-2.0
"""A machine that is as bad as can be: interrupted system calls, nobody who reads the log, no resolv.conf, peers that
are gone, a clock that jumps. The letters are rows of the fault catalogue."""
import contextlib
import glob
import json
import os
import re
import signal
import smtplib
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import KEPT, target
from fake_mta import Gate
from netns import Net, as_root
from postfix import AS_ROOT
from service import SANITIZER, run_ehlod, write_config
from support import EHLOD, HOST, SCALE, Acceptor, Program, free_port, scaled, wait_until, with_sbin

OURS = "www@probe.example.org"


def sink_at(port):
    return {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"]}}


def delivered_route(**more):
    return {"name": "through", "from": "probe@example.org", "to": OURS, "expect": "delivered", "mailbox": "local",
            **more}


@pytest.fixture(name="net")
def net_fixture(cleanup):
    def make(**more):
        net = Net(**more)
        cleanup.callback(net.stop)
        return net
    return make


# ---- R04: system calls that are interrupted or not ready ----

@contextlib.contextmanager
def injected(service, call, error):
    """Every third call of that name fails so, the first one among them; yields how many have."""
    program = subprocess.Popen([*AS_ROOT, "strace", "-f", "-p", str(service.pid), "-e", f"trace={call}", "-e",
                                f"inject={call}:error={error}:when=1+3"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = []
    reader = threading.Thread(target=lambda: said.extend(program.stderr), daemon=True)
    reader.start()
    try:
        wait_until(lambda: said or program.poll() is not None, 10, "strace says something")
        assert said and b"attached" in said[0], f"this test needs ptrace, by root or through sudo -n: {said}"
        yield lambda: sum(b"INJECTED" in line for line in said)
    finally:
        if program.poll() is None:
            as_root("kill", str(program.pid))  # it lets the service go
        program.wait(scaled(10))
        reader.join(scaled(10))
        program.stderr.close()


# What can be interrupted, and of what may not be ready that which is asked again. (recvfrom and sendmsg are
# libmicrohttpd's, on edge-triggered sockets: there the kernel's "not ready" promises another event.)
SYSTEM_CALLS = [(call, "EINTR") for call in ("accept4", "connect", "recvmsg", "sendto", "recvfrom", "sendmsg", "read",
                                             "write", "poll", "epoll_wait", "close")]
SYSTEM_CALLS += [(call, "EAGAIN") for call in ("accept4", "recvmsg", "sendto")]


@pytest.mark.parametrize("call, error", SYSTEM_CALLS, ids=lambda value: value)
def test_r04_a_storm_of_system_calls_that_fail_in_passing(ehlod, fake, call, error):
    port = free_port()
    service = ehlod({"mailboxes": sink_at(port), "targets": {
        "good": target(fake().address, cache_ttl="0"),
        "bad": target(fake(RCPT="550 5.1.1 No such user").address, cache_ttl="0"),
        "through": target(f"{HOST}:{port}", delivered_route(min_send_interval="0"), cache_ttl="0", wait="10s")}})
    with injected(service, call, error) as count:
        for _ in range(3):
            good, bad, through = (service.get(f"/check/{name}") for name in ("good", "bad", "through"))
            assert (good.status, good.json["status"]) == (200, "pass"), good.json["failure"]
            assert (bad.status, bad.json["failure"]["reason"]) == (503, "rejected"), bad
            assert (through.status, through.json["routes"][0]["state"]) == (200, "delivered"), through
            for result in (good.json, bad.json, through.json):
                assert result["duration_ms"] < scaled(2000), "no event is missed and then waited for"
        assert service.get("/-/reload", method="POST").status == 200
        if not service.is_sanitized():  # a sanitizer that looks for leaks cannot while it is traced
            service.stop_cleanly()
        wait_until(count, 10, "at least one call has failed")


# ---- R07: a log that cannot be written ----

def redirected(where):
    """A wrapper that starts the service with its standard error there, as a shell would write it."""
    return ["sh", "-c", f'exec "$0" "$@" {where}']


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"], ids=["closed", "full disk", "all closed"])
def test_r07_standard_error_that_cannot_be_written(ehlod, mta, where):
    service = ehlod({"targets": {"mx": target(mta.address, cache_ttl="0")}}, wrapper=redirected(where))
    for _ in range(5):
        assert service.get("/check/mx").json["status"] == "pass"
    expected = "/dev/full" if "full" in where else "/dev/null"
    assert os.readlink(f"/proc/{service.pid}/fd/2") == expected, "no socket has taken its number"


def test_r07_standard_error_is_a_full_pipe(tmp_path, ehlod, mta):
    """Lines are dropped and counted, nothing waits for who does not read."""
    path = str(tmp_path / "log.fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        service = ehlod({"targets": {"mx": target(mta.address, cache_ttl="0")}}, "--log-level", "debug",
                        wrapper=redirected(f"2>{path}"))
        asked, slowest = 5000, 0
        with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
            for _ in range(asked):
                begun = time.monotonic()
                s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                assert s.recv(65536).startswith(b"HTTP/1.1 200")
                slowest = max(slowest, time.monotonic() - begun)
        assert slowest < scaled(1)
        assert service.get("/check/mx").json["status"] == "pass"
        heard = read_pipe(reader)
        assert 0 < len(heard) <= 64 * 1024 + 4096

        def hear_of(pattern):
            nonlocal heard
            heard += read_pipe(reader)
            return re.search(pattern, heard, re.M)
        assert service.get("/-/healthy").status == 200
        told = wait_until(lambda: hear_of(rb" dropped=(\d+)$"), 10, "what was lost is told once there is room")
        assert int(told[1]) >= asked - heard[:told.start()].count(b"\n")
        assert service.get("/targets").status == 200
        wait_until(lambda: hear_of(rb" target=/targets .*$"), 10, "the next line is there")
        assert heard.count(b" dropped=") == 1 and heard.endswith(b"\n"), "whole lines, and what was lost is told once"
    finally:
        os.close(reader)


def read_pipe(fd):
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(fd, 65536):
            parts.append(part)
    return b"".join(parts)


# ---- R14: resolv.conf ----

def garbage():
    return ("nameserver\nnameserver not-an-address\nnameserver 999.999.999.999\nnameserver [::1\n"
            "nameserver " + "x" * 10000 +
            "\noptions timeout:-5 attempts:99999 ndots:9 rotate bogus\nsearch " + "a." * 2000 +
            "\nsortlist 1.2.3.4/99 /// \n\x01\x02\x7f;#\ndomain\nlookup x y z\n\\\n")


@pytest.mark.parametrize("text", ["", "\0\nnameserver\0\n\0", "\0", garbage(), None],
                         ids=["empty", "NUL-leading lines", "NUL alone", "garbage", "missing"])
def test_r14_a_sick_resolv_conf(net, tmp_path, text):
    way = net(hosts=f"{HOST} mx.example.org\n")
    if text is not None:
        as_root("sh", "-c", 'cat >"$1/resolv.conf"', "sh", way.etc, data=text)
    port = way.mail_server(way.here, HOST)
    dns_limit_ms = 1500 * SCALE
    hosts = {"literal": HOST, "hosts": "mx.example.org", "nowhere": "nowhere.example.org"}
    path = write_config(str(tmp_path), {"targets": {
        name: {"address": f"{host}:{port}", "timeouts": {"dns": f"{dns_limit_ms:g}ms"}}
        for name, host in hosts.items()}})
    # `ip netns exec` gives it mounts of its own, so that /etc can be another here.
    without = 'hosts=$(cat /etc/hosts) && mount -t tmpfs none /etc && echo "$hosts" >/etc/hosts && '
    done = subprocess.run([*AS_ROOT, "ip", "netns", "exec", way.here,
                           "sh", "-c", (without if text is None else "") + 'exec "$0" "$@"',
                           EHLOD, "check", "--config", path, "--format", "json"],
                          capture_output=True, timeout=scaled(30), check=False, env=with_sbin())
    assert done.stdout and not SANITIZER.search(done.stderr.decode(errors="replace")), done
    results = json.loads(done.stdout)["targets"]
    assert results["literal"]["status"] == "pass" and results["hosts"]["status"] == "pass", results
    failure = results["nowhere"]["failure"]
    assert (results["nowhere"]["status"], failure["phase"]) == ("unknown", "dns"), failure
    assert done.returncode == 3
    assert results["nowhere"]["duration_ms"] < dns_limit_ms + 250 * SCALE


# ---- L04: nobody there to be written to ----

SIGPIPE_BIT = 1 << (signal.SIGPIPE - 1)


def test_l04_callers_that_are_gone_before_the_answer(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address, timeout="60s", timeouts={"reply": "50s"})}})
    with open(f"/proc/{service.pid}/status", encoding="ascii") as f:
        assert int(re.search(r"^SigIgn:\s*(\w+)", f.read(), re.M)[1], 16) & SIGPIPE_BIT
    before = service.descriptors()
    asked = service.ask_many(20, "/check/slow", timeout=30)
    stays = service.ask("/check/slow", timeout=30)
    wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    for n, one in enumerate(asked):
        if n % 2:
            one.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.connection.close()
    gate.open()
    assert stays.answer().json["status"] == "pass"
    wait_until(lambda: service.descriptors() <= before, 10, "all are closed")
    assert service.get("/check/slow?max_age=0").json["status"] == "pass"


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_l04_a_client_of_the_sink_that_is_gone_before_the_reply(ehlod, reset):
    port = free_port()
    service = ehlod({"mailboxes": sink_at(port), "targets": {}})
    before = service.descriptors()
    for _ in range(50):
        with socket.create_connection((HOST, port), timeout=scaled(10)) as s:
            assert s.recv(100).startswith(b"220 ")
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.sendall(b"EHLO client.example.net\r\n" + b"NOOP\r\n" * 50)
    wait_until(lambda: service.descriptors() <= before, 10, "all are closed")
    assert smtplib.SMTP(HOST, port, "client.example.net", timeout=scaled(10)).quit()[0] == 221
    assert service.get("/-/healthy").status == 200


# ---- L06: the wall clock jumps ----

class Clock:
    """The wall clock of a service; the monotonic one goes on as ever, or (both) jumps with it."""

    def __init__(self, folder, both=False):
        self.path, self.both = os.path.join(str(folder), "clock"), both
        self.jump("+0")

    def jump(self, offset):
        with open(f"{self.path}.new", "w", encoding="ascii") as f:
            f.write(offset + "\n")
        os.replace(f"{self.path}.new", self.path)

    def wrapper(self):
        library, = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return ["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={self.path}", "FAKETIME_NO_CACHE=1",
                f"FAKETIME_DONT_FAKE_MONOTONIC={0 if self.both else 1}", f"ASAN_OPTIONS={sanitizer}"]


class Relay:
    """Takes every message and keeps it to itself."""

    def __init__(self):
        self.messages = []
        listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{listener.getsockname()[1]}"
        self.acceptor = Acceptor(listener, self._take)

    def stop(self):
        self.acceptor.stop()

    def _take(self, s):
        s.settimeout(scaled(20))
        threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with contextlib.suppress(OSError), s, s.makefile("rb") as stream:
            s.sendall(b"220 relay.example.org ESMTP\r\n")
            for line in stream:
                if line.upper() == b"DATA\r\n":
                    s.sendall(b"354 Go on\r\n")
                    self.messages.append(b"".join(iter(stream.readline, b".\r\n")))
                s.sendall(b"221 Bye\r\n" if line.upper() == b"QUIT\r\n" else b"250 Ok\r\n")


@pytest.mark.parametrize("offset, days", [("+1d", 1), ("-1d", -1)], ids=["a day ahead", "a day back"])
def test_l06_the_wall_clock_jumps(tmp_path, cleanup, ehlod, fake, offset, days):
    clock, relay, port, gate = Clock(tmp_path), Relay(), free_port(), Gate("250 2.1.5 Ok")
    cleanup.callback(relay.stop)
    service = ehlod({"mailboxes": sink_at(port), "targets": {
        "kept": target(fake().address, cache_ttl=KEPT),
        "slow": target(fake(RCPT=gate).address, timeout="60s", timeouts={"reply": "50s"}),
        "silent": target(fake(RCPT=None).address, timeouts={"reply": "300ms"}),
        "through": target(relay.address, delivered_route(deliver_within="10m", min_send_interval="10m"), wait="0")}},
        wrapper=clock.wrapper())
    begun = time.monotonic()
    kept = service.get("/check/kept").json
    sent = service.get("/check/through").json
    assert sent["routes"][0]["state"] == "pending" and len(relay.messages) == 1
    slow = service.ask("/check/slow", timeout=30)
    wait_until(lambda: gate.waiting, 10, "a run is under way")

    clock.jump(offset)
    # Over there it is another day, and nothing else has changed.
    silent = service.get("/check/silent").json
    assert abs(day_of(silent) - day_of(kept) - days) < 0.1
    failure = silent["failure"]
    assert (failure["phase"], failure["reason"]) == ("rcpt", "timeout")
    assert 300 <= failure["elapsed_ms"] < 300 + 250 * SCALE
    again = service.get("/check/kept").json
    assert again["id"] == kept["id"] and 0 <= again["age_ms"] <= (time.monotonic() - begun) * 1000
    another = service.get("/check/through?max_age=0").json
    assert another["id"] != sent["id"] and another["routes"][0]["delivery"]["run"] == sent["id"]
    assert len(relay.messages) == 1, "min_send_interval is not over"
    gate.open()
    result = slow.answer().json
    assert result["status"] == "pass" and 0 <= result["duration_ms"] <= (time.monotonic() - begun) * 1000
    times = [t for c in result["commands"] for t in (c["at_ms"], c["first_byte_ms"], c["reply_ms"])]
    assert times == sorted(times) and times[0] >= 0
    assert all(t is None or t >= 0 for t in result["timing_ms"].values())

    def run():
        return service.get(f"/runs/{sent['id']}").json["routes"][0]
    assert run()["state"] == "pending", "deliver_within is not over"
    with smtplib.SMTP(HOST, port, "relay.example.org", timeout=scaled(10)) as client:
        client.sendmail("probe@example.org", OURS, relay.messages[0])
    wait_until(lambda: run()["state"] == "delivered", 10, "it is delivered")
    assert 0 < run()["delivery"]["latency_ms"] <= (time.monotonic() - begun) * 1000


def day_of(result):
    """A result's beginning, in days since 1970."""
    whole = time.strptime(result["started_at"].partition(".")[0], "%Y-%m-%dT%H:%M:%S")
    return (time.mktime(whole) - time.timezone) / 86400


# ---- L07: the monotonic clock steps back ----

def test_l07_the_monotonic_clock_steps_back(tmp_path, ehlod, fake):
    """What is under way takes as much longer, and no time is below 0; afterwards all is as before."""
    clock, gate = Clock(tmp_path, both=True), Gate("250 2.1.5 Ok")
    service = ehlod({"targets": {"kept": target(fake().address, cache_ttl="0"),
                                 "slow": target(fake(RCPT=gate).address, timeouts={"reply": "20s"}),
                                 "silent": target(fake(RCPT=None).address, timeouts={"reply": "2s"})}},
                    wrapper=clock.wrapper())
    assert service.get("/check/kept").json["status"] == "pass"
    slow = service.ask("/check/slow", timeout=30)
    silent = service.ask("/check/silent", timeout=30)
    wait_until(lambda: gate.waiting, 10, "a run is under way")
    for offset in ("-0.5", "-1", "-3"):
        clock.jump(offset)
        assert service.get("/-/healthy").status == 200
        result = service.get("/check/kept").json
        assert result["status"] == "pass" and 0 <= result["duration_ms"] < 2000 * SCALE and result["age_ms"] >= 0
    gate.open()
    for result, status in ((slow.answer().json, "pass"), (silent.answer().json, "fail")):
        assert result["status"] == status and result["duration_ms"] >= 0
        assert all(t is None or t >= 0 for t in result["timing_ms"].values()), result["timing_ms"]
        assert all(c["at_ms"] >= 0 for c in result["commands"])
    assert service.get("/check/kept").json["status"] == "pass"


# ---- L10: what a child process would inherit ----

def inherited(pid):
    """What each descriptor beyond the standard three is, and whether a child process would get it."""
    for number in set(os.listdir(f"/proc/{pid}/fd")) - {"0", "1", "2"}:
        with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as f:
            flags = int(re.search(r"flags:\s*(\d+)", f.read())[1], 8)
        yield os.readlink(f"/proc/{pid}/fd/{number}"), not flags & os.O_CLOEXEC


def test_l10_every_descriptor_is_closed_on_exec(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    port, sink = free_port(), free_port()
    service = ehlod({"server": {"listen": [f"{HOST}:{port}", "unix:web.sock"]}, "mailboxes": sink_at(sink),
                     "targets": {"slow": target(fake(RCPT=gate).address)}}, port=port)
    asked = service.ask("/check/slow")
    with smtplib.SMTP(HOST, sink, timeout=scaled(10)):
        wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
        found = list(inherited(service.pid))
        gate.open()
    assert asked.answer().status == 200
    assert sum(name.startswith("socket:") for name, _ in found) >= 6, found  # 3 that listen, 2 callers, 1 run
    assert not any(left for _, left in found), found


# ---- L12: what --help promises ----

def usage(command):
    return lambda _: run_ehlod(command, "--no-such-option").returncode


def check(name):
    return lambda path: run_ehlod("check", "--config", path, name).returncode


def stopped_service(path):
    program = Program([EHLOD, "serve", "--config", path], f"{path}.log")
    program.wait_for(lambda: "listening on" in program.log(), 10, "it has started")
    return program.stop()


def broken(command):
    def run(path):
        with open(f"{path}.bad", "w", encoding="ascii") as f:
            f.write("targets: 5\n")
        return run_ehlod(command, "--config", f"{path}.bad").returncode
    return run


EXITS = {
    "serve": {0: [stopped_service], 1: [broken("serve")], 2: [usage("serve")]},
    "check": {0: [check("good")], 1: [check("slow")], 2: [check("bad")],
              3: [check("ours"), check("none"), broken("check"), usage("check")]},
    "validate": {0: [lambda path: run_ehlod("validate", "--config", path).returncode], 1: [broken("validate")],
                 2: [usage("validate")]},
    "version": {0: [lambda _: run_ehlod("version").returncode], 2: [usage("version")]},
}


@pytest.mark.parametrize("command", EXITS)
def test_l12_the_exit_codes_of_help_are_the_real_ones(tmp_path, fake, command):
    exits = run_ehlod(command, "--help").stdout.partition("exit status:")[2]
    assert {int(code) for code in re.findall(r"^  (\d)  \S", exits, re.M)} == set(EXITS[command]), exits
    good = fake().address
    path = write_config(str(tmp_path), {"server": {"listen": [f"{HOST}:{free_port()}"]}, "targets": {
        "good": target(good), "slow": target(good, warn={"duration": "0.001ms"}),
        "bad": target(fake(RCPT="550 5.1.1 No such user").address), "ours": target(good, source="192.0.2.7")}})
    for code, ways in EXITS[command].items():
        assert [way(path) for way in ways] == [code] * len(ways), f"ehlod {command}, {code}"


# ---- L14: the end, while names are being looked up ----

class ServiceIn(Program):
    """`ehlod serve` in a network of the test's own, asked through a Unix socket."""

    def __init__(self, way, folder, config):
        self.socket = os.path.join(str(folder), "web.sock")
        path = write_config(str(folder), {"server": {"listen": [f"unix:{self.socket}"]}, **config})
        super().__init__([*AS_ROOT, "ip", "netns", "exec", way.here, EHLOD, "serve", "--config", path],
                         os.path.join(str(folder), "ehlod.log"), env=with_sbin())
        self.wait_for(lambda: "listening on" in self.log(), 10, "it listens")

    def signal(self, number):
        as_root("kill", f"-{int(number)}", str(self.pid))

    def ask(self, path):
        return subprocess.Popen([*AS_ROOT, "curl", "-s", "-w", "\n%{http_code}", "--unix-socket", self.socket,
                                 f"http://localhost{path}"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("signals, limit", [(1, 6), (2, 2)], ids=["once", "twice"])
def test_l14_the_end_while_a_resolver_owes_answers(net, tmp_path, cleanup, signals, limit):
    way = net(resolver="192.0.2.53")
    way.dead("blackhole", "192.0.2.53")
    service = ServiceIn(way, tmp_path, {"targets": {
        f"t{n}": {"address": f"mx{n}.example.org:25", "timeout": "60s", "timeouts": {"dns": "60s"}}
        for n in range(10)}})
    cleanup.callback(service.stop)
    asked = service.ask("/check")

    def looking_up():
        sockets = as_root("ip", "netns", "exec", way.here, "cat", "/proc/net/udp", "/proc/net/udp6")
        return re.search(r" [0-9A-F]+:0035 ", sockets)
    service.wait_for(looking_up, 10, "queries are under way")
    begun = time.monotonic()
    for said in (" stopping signal=", " stopping at once signal=")[:signals]:
        service.signal(signal.SIGTERM)
        wait_until(lambda what=said: what in service.log(), 5, said)
    body, status = asked.communicate(timeout=scaled(20))[0].rsplit("\n", 1)
    assert service.wait(10) == 0 and not SANITIZER.search(service.log()), service.log()
    assert time.monotonic() - begun < scaled(limit)
    assert status == "500", body
    assert body.startswith('{"status":"unknown"') and body.count('"phase":"dns","reason":"local_resource"') == 10, body
