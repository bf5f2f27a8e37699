# SPDX-License-Identifier: Apache-2.0
"""The rows of the fault catalogue about connecting (C), and those about the end of a connection (Q) that need a real
socket. Where the way itself must be sick, ehlod runs in a network of the test's own."""
import os
import signal
import socket
import struct
import threading
import time

import pytest
from conftest import target
from netns import Net
from service import run_ehlod, write_config
from sockets import TIME_WAIT, sockets_of
from support import HOST, SCALE, Acceptor, Program, accepts, free_port, scaled, wait_until, with_sbin


@pytest.fixture(name="net")
def net_fixture(cleanup):
    def make(**more):
        net = Net(**more)
        cleanup.callback(net.stop)
        return net
    return make


class Server:
    """Hands each connection to the handler, in a thread of its own; the handler closes it."""

    def __init__(self, handler, backlog=64):
        self.handler = handler
        self.listener = socket.create_server((HOST, 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        self.threads = []
        self.acceptor = Acceptor(self.listener, self._take) if handler else None

    def _take(self, s):
        s.settimeout(scaled(20))
        self.threads.append(threading.Thread(target=self.handler, args=(s,), daemon=True))
        self.threads[-1].start()

    def stop(self):
        if self.acceptor:
            self.acceptor.stop()
        self.listener.close()
        for thread in self.threads:
            thread.join(scaled(20))


@pytest.fixture(name="server")
def server_fixture(cleanup):
    def start(handler, **more):
        server = Server(handler, **more)
        cleanup.callback(server.stop)
        return server
    return start


def say(s, text):
    s.sendall(text.encode() + b"\r\n")


def hear(s, verb):
    """A command of ours, whole."""
    line = b""
    while not line.endswith(b"\r\n"):
        byte = s.recv(1)
        assert byte, f"the connection ended before {verb}"
        line += byte
    assert line.upper().startswith(verb.encode()), line


def play_to_quit(s, *, before_ehlo_reply=None):
    """A good dialogue of a target without routes, up to QUIT and its reply."""
    say(s, "220 mx.example.org ESMTP")
    hear(s, "EHLO")
    if before_ehlo_reply:
        before_ehlo_reply()
    say(s, "250 mx.example.org")
    hear(s, "QUIT")
    say(s, "221 2.0.0 Bye")


def plain(address, **more):
    return {"targets": {"mx": {"address": address, "cache_ttl": "0", **more}}}


def failed_with(result, phase, reason):
    """The failure, which must be that one."""
    failure = result["failure"]
    assert failure and (failure["phase"], failure["reason"]) == (phase, reason), result
    return failure


# ---- connecting, on loopback ----

def test_c01_a_closed_port_is_refused_in_milliseconds(ehlod):
    address = f"{HOST}:{free_port()}"
    answer = ehlod({"targets": {"mx": target(address)}}).get("/check/mx")
    assert answer.status == 503 and answer.json["status"] == "fail"
    failure = failed_with(answer.json, "connect", "refused")
    assert address in failure["message"] and failure["limit_ms"] is None
    assert failure["elapsed_ms"] <= answer.json["duration_ms"] < 500 * SCALE
    assert answer.json["timing_ms"]["connect"] is not None
    assert answer.json["timing_ms"]["dns"] is None, "a literal is not looked up"
    assert answer.json["timing_ms"]["banner"] is None and answer.json["local"] is None
    assert answer.json["peer"]["address"] == HOST and answer.json["commands"] == []
    assert answer.json["attempts"] == [], "one address needs no list"


def test_c05_a_literal_of_the_other_family_can_never_be_dialled(tmp_path):
    config = write_config(str(tmp_path), plain(f"{HOST}:{free_port()}", family="ipv6"))
    done = run_ehlod("check", "--config", config)
    assert done.returncode == 3 and done.stdout == ""
    assert "targets.mx.family: address is an IPv4 address, but family is ipv6" in done.stderr


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def test_c06_reset_before_any_byte(ehlod, server):
    """However fast it is: a connection stood, so it is no refusal."""
    service = ehlod(plain(server(reset).address))
    for _ in range(20):
        result = service.get("/check/mx").json
        failed_with(result, "banner", "reset")
        assert result["timing_ms"]["connect"] is not None and result["timing_ms"]["banner"] is not None
        assert result["local"]["port"] and result["peer"]["address"] == HOST


def test_c07_closed_at_once(ehlod, server):
    service = ehlod(plain(server(lambda s: s.close()).address))
    for _ in range(20):
        result = service.get("/check/mx").json
        failed_with(result, "banner", "closed")
        assert result["duration_ms"] < 500 * SCALE


def test_c08_connected_by_the_system_but_never_accepted(ehlod, server):
    service = ehlod(plain(server(None).address, timeouts={"banner": "400ms"}))
    result = service.get("/check/mx").json
    failure = failed_with(result, "banner", "timeout")
    assert failure["limit_ms"] == 400 and 400 <= failure["elapsed_ms"] < 400 + 250 * SCALE
    assert result["timing_ms"]["connect"] < 250 * SCALE


# ---- connecting, where the way is sick ----

@pytest.mark.parametrize("kind, address, name", [
    ("unreachable", "192.0.2.1", "EHOSTUNREACH"),
    ("prohibit", "192.0.2.2", "EHOSTUNREACH"),
    (None, "192.0.2.3", "ENETUNREACH"),
    ("unreachable", "2001:db8:2::1", "ENETUNREACH"),
    ("prohibit", "2001:db8:2::2", "EACCES"),
    (None, "2001:db8:2::3", "ENETUNREACH"),
])
def test_c03_icmp_says_unreachable(net, tmp_path, kind, address, name):
    way = net()
    if kind:
        way.dead(kind, address)
    code, result = way.check(tmp_path, plain(f"[{address}]:25" if ":" in address else f"{address}:25",
                                             timeouts={"connect": "20s"}))
    failure = failed_with(result, "connect", "unreachable")
    assert code == 2 and name in failure["message"] and address in failure["message"]
    # On so short a cable the ICMP is back before connect(2) has returned. Linux then takes it for a hint, and
    # believes the next one, a second later.
    assert failure["elapsed_ms"] < 4000 * SCALE, "not at the limit"


def test_c04_ipv6_leads_nowhere_but_ipv4_works(net, tmp_path):
    way = net(hosts="127.0.0.1 mx.example.org\n2001:db8:2::1 mx.example.org\n")
    way.dead("blackhole", "2001:db8:2::1")
    port = way.mail_server(way.here, HOST)
    limit_ms = 1000 * SCALE
    code, result = way.check(tmp_path, plain(f"mx.example.org:{port}", timeouts={"connect": f"{limit_ms:g}ms"}))
    assert code == 1 and result["status"] == "warn" and result["failure"] is None, result
    assert "address_unreachable" in result["flags"]
    assert result["peer"]["address"] == HOST and result["peer"]["family"] == "ipv4"
    dead, good = result["attempts"]
    assert (dead["address"], dead["status"]) == ("2001:db8:2::1", "fail"), "RFC 6724: IPv6 goes first"
    assert (dead["failure"]["phase"], dead["failure"]["reason"]) == ("connect", "timeout")
    assert abs(dead["failure"]["limit_ms"] - limit_ms / 2) < 50 * SCALE, "half each"
    assert limit_ms / 2 - 1 <= dead["timing_ms"]["connect"] < limit_ms / 2 + 250 * SCALE
    assert (good["address"], good["status"], good["failure"]) == (HOST, "pass", None)
    assert result["timing_ms"]["connect"] >= dead["timing_ms"]["connect"], "all attempts together"
    assert result["timing_ms"]["dns"] is not None
    assert "2001:db8:2::1" in result["summary"]


def test_c04_all_addresses_lead_nowhere(net, tmp_path):
    """Inside the one limit; the failure is the first one's, and every attempt is listed."""
    addresses = [f"192.0.2.{i}" for i in range(1, 5)]
    way = net(hosts="".join(f"{a} mx.example.org\n" for a in addresses))
    for address in addresses:
        way.dead("blackhole", address)
    limit_ms = 800 * SCALE
    code, result = way.check(tmp_path, plain("mx.example.org:25", timeouts={"connect": f"{limit_ms:g}ms"}))
    assert code == 2 and [a["address"] for a in result["attempts"]] == addresses
    failure = failed_with(result, "connect", "timeout")
    assert addresses[0] in failure["message"] and result["peer"]["address"] == addresses[0]
    assert limit_ms - 1 <= result["duration_ms"] < limit_ms + 250 * SCALE


def test_c05_a_name_of_the_other_family(net, tmp_path):
    way = net(hosts="192.0.2.1 mx.example.org\n")
    code, result = way.check(tmp_path, plain("mx.example.org:25", family="ipv6"))
    assert code == 2 and "mx.example.org" in failed_with(result, "connect", "no_address_for_family")["message"]
    assert result["attempts"] == [] and result["timing_ms"]["connect"] is None


@pytest.mark.parametrize("warn, status", [(None, "pass"), ({"connect": "500ms"}, "warn")])
def test_c12_the_first_syn_is_lost(net, tmp_path, warn, status):
    """The system says it again after one second; that second is shown."""
    way = net()
    way.dead("blackhole", "192.0.2.10")
    port = way.mail_server(way.there, "0.0.0.0")
    more = {"warn": warn} if warn else {}
    program = way.start(tmp_path, plain(f"192.0.2.10:{port}", timeouts={"connect": "20s"}, **more), "mx")
    way.wait_for_dialling()
    way.alive("192.0.2.10")
    _, result = way.finish(program)
    assert result["status"] == status and result["failure"] is None, result
    assert result["flags"] == (["slow"] if warn else [])
    assert 990 <= result["timing_ms"]["connect"] < 20000
    assert result["duration_ms"] >= result["timing_ms"]["connect"] > result["timing_ms"]["banner"]


def test_d05_the_resolver_of_resolv_conf_is_silent(net, tmp_path):
    way = net(resolver="192.0.2.53")
    way.dead("blackhole", "192.0.2.53")
    limit_ms = 500 * SCALE
    code, result = way.check(tmp_path, plain("mx.example.org:25", timeouts={"dns": f"{limit_ms:g}ms"}))
    assert code == 3 and result["status"] == "unknown"
    failure = failed_with(result, "dns", "timeout")
    assert "192.0.2.53" in failure["message"] and failure["limit_ms"] == limit_ms
    assert limit_ms <= failure["elapsed_ms"] < limit_ms + 250 * SCALE
    assert result["timing_ms"]["connect"] is None


def test_q13_r08_no_local_port_is_left(net, tmp_path):
    """Twelve runs at once to one address, and four ports to dial from."""
    way = net()
    port = way.mail_server(way.here, HOST, BANNER=None)
    way.set(way.here, "ipv4/ip_local_port_range", "20000 20003")
    targets = {f"t{i}": {"address": f"{HOST}:{port}", "timeouts": {"banner": f"{SCALE:g}s"}} for i in range(12)}
    code, whole = way.finish(way.start(tmp_path, {"targets": targets}))
    assert code == 2 and whole["counts"] == {"pass": 0, "warn": 0, "fail": 4, "unknown": 8}
    for result in whole["targets"].values():
        if result["status"] == "fail":
            failed_with(result, "banner", "timeout")
        else:
            assert "EADDRNOTAVAIL" in failed_with(result, "connect", "local_resource")["message"]


# ---- a server that takes its time ----

def test_s04_delays_stand_in_the_phases(ehlod, cleanup, tmp_path):
    """smtp-sink waits one second before each reply to MAIL, and a random number of seconds before one to RCPT."""
    port = free_port()
    as_root = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = Program(["smtp-sink", *as_root, "-W", "mail:1", "-W", "rcpt:1:50", f"{HOST}:{port}", "16"],
                   tmp_path / "sink.log", env=with_sbin())
    cleanup.callback(sink.process.wait)
    cleanup.callback(sink.process.kill)
    sink.wait_for(lambda: accepts(port), 10, "smtp-sink listens")
    route = {"name": "in", "from": "probe@example.org", "to": [f"u{i}@example.org" for i in range(3)]}
    service = ehlod(plain(f"{HOST}:{port}", timeout="50s", timeouts={"reply": "40s"}, routes=[route]))
    result = service.get("/check/mx", timeout=55).json
    assert result["status"] == "pass", result
    took = {phase: [c["reply_ms"] - c["at_ms"] for c in result["commands"] if c["phase"] == phase]
            for phase in ("ehlo", "mail", "rcpt")}
    assert took["ehlo"][0] < 400 * SCALE
    assert 950 <= took["mail"][0] < 1000 + 400 * SCALE
    assert all((ms + 50) % 1000 < 50 + 400 * SCALE for ms in took["rcpt"]), took
    for phase, times in took.items():
        assert abs(result["timing_ms"][phase] - sum(times)) < 1, phase


# ---- the end of a connection ----

def test_q05_221_but_never_closes(ehlod, server):
    """We close, and nothing of it lingers on our side."""
    closed = []

    def handler(s):
        with s:
            play_to_quit(s)
            closed.append(s.recv(1) == b"")
    peer = server(handler)
    service = ehlod(plain(peer.address))
    before = service.descriptors()
    for _ in range(5):
        assert service.get("/check/mx").json["status"] == "pass"
    wait_until(lambda: closed == [True] * 5, 10, "we have closed all of them")
    wait_until(lambda: service.descriptors() <= before, 10, "no descriptor lingers")
    wait_until(lambda: not connections_to(peer.port), 10, "nor a connection")


def connections_to(port):
    return [s for s in sockets_of(peer=port) if s.state != TIME_WAIT]


def test_q14_urgent_data_is_ignored(ehlod, server):
    def handler(s):
        with s:
            s.sendall(b"220 mx.example.org")
            s.send(b"!", socket.MSG_OOB)
            say(s, " ESMTP")
            hear(s, "EHLO")
            s.send(b"!", socket.MSG_OOB)
            say(s, "250 mx.example.org")
            hear(s, "QUIT")
            say(s, "221 2.0.0 Bye")
    service = ehlod(plain(server(handler).address))
    begun = cpu_seconds(service.pid)
    result = service.get("/check/mx").json
    assert result["status"] == "pass" and result["flags"] == [], result
    assert result["commands"][0]["reply"]["lines"] == ["mx.example.org ESMTP"]
    assert cpu_seconds(service.pid) - begun < scaled(0.5), "it does not spin"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("bye", [True, False], ids=["after 221", "instead of 221"])
def test_q15_flood_after_our_end(ehlod, server, bye):
    """The peer goes on and on; we neither read it nor spin, and it learns that nobody listens."""
    ended = []

    def handler(s):
        with s:
            say(s, "220 mx.example.org ESMTP")
            hear(s, "EHLO")
            say(s, "250 mx.example.org")
            hear(s, "QUIT")
            try:
                if bye:
                    say(s, "221 2.0.0 Bye")
                while True:
                    s.sendall(b"250-and on\r\n" * 4096)
            except OSError as error:
                ended.append(not isinstance(error, TimeoutError))
    service = ehlod(plain(server(handler).address))
    before, begun = service.descriptors(), cpu_seconds(service.pid)
    result = service.get("/check/mx").json
    assert result["status"] == "pass", result
    wait_until(lambda: ended == [True], 10, "the peer has noticed")
    wait_until(lambda: service.descriptors() <= before, 10, "no descriptor lingers")
    assert cpu_seconds(service.pid) - begun < scaled(0.5), "it does not spin"
    assert service.get("/-/healthy").status == 200


# ---- when the prober itself is slow ----

def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0]


def test_a_late_reader_shows_when_the_bytes_came(ehlod, server):
    """The service is stopped while the reply arrives, and goes on much later: the kernel's stamp counts."""
    pause = 0.4 * SCALE
    service = None

    def handler(s):
        def stop_it():
            wait_until(lambda: state_of(service.pid) == "S", 10, "it waits for the reply")
            service.signal(signal.SIGSTOP)
            wait_until(lambda: state_of(service.pid) == "T", 10, "it is stopped")
        with s:
            try:
                say(s, "220 mx.example.org ESMTP")
                hear(s, "EHLO")
                stop_it()
                said = time.monotonic()
                say(s, "250 mx.example.org")
                wait_until(lambda: time.monotonic() > said + pause, pause / SCALE + 5, "time has passed")
            finally:
                service.signal(signal.SIGCONT)
            hear(s, "QUIT")
            say(s, "221 2.0.0 Bye")
    service = ehlod(plain(server(handler).address))
    result = service.get("/check/mx").json
    assert result["status"] == "pass", result
    assert result["timing_ms"]["ehlo"] < pause * 1000 / 2, "not when it was read"
    assert result["duration_ms"] < pause * 1000 / 2
