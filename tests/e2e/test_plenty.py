# SPDX-License-Identifier: Apache-2.0
"""Much of everything: replies as long as they may be, thousands of runs, ten thousand targets. Memory is bounded and
comes back, and nobody waits for another. The letters are rows of the fault catalogue."""
import contextlib
import re
import selectors
import socket
import threading
import time

import pytest
from conftest import KEPT, target
from service import Service, parse_only_reply, read_to_end
from sockets import ESTABLISHED, sockets_of
from support import HOST, free_port, scaled, wait_until

DIALOGUE_KIB = 256  # what a run takes of a server at most
RUNS_KEPT = 1000


class Flood:
    """A server on every loopback address whose replies are as long as they may be; it holds back its answer to RCPT
    until it is told to go on."""

    def __init__(self, byte):
        self.long = self.holding = True
        self.line = byte * 640
        self.held = []
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.stopped = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def reply(self, code):
        if not self.long:
            return code + b" Ok\r\n"
        return (code + b"-" + self.line + b"\r\n") * 98 + code + b" " + self.line + b"\r\n"

    def go_on(self):
        self.holding = False
        for s in self.held:
            s.sendall(self.reply(b"250"))

    def stop(self):
        self.stopped = True
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), timeout=scaled(5)).close()
        self.thread.join(scaled(10))
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _serve(self):
        while not self.stopped:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    s = self.listener.accept()[0]
                    s.settimeout(scaled(20))
                    self.selector.register(s, selectors.EVENT_READ)
                    s.sendall(self.reply(b"220"))
                else:
                    self._answer(key.fileobj)

    def _answer(self, s):
        with contextlib.suppress(OSError):
            line = s.recv(4096)
            if line.startswith(b"RCPT") and self.holding:
                self.held.append(s)
            elif line.startswith((b"RSET", b"QUIT")):
                s.sendall(b"250 Ok\r\n" if line.startswith(b"RSET") else b"221 Bye\r\n")
            elif line:
                s.sendall(self.reply(b"250"))
            else:
                self.selector.unregister(s)
                s.close()


def test_r04_short_writes_to_a_caller_that_sips(ehlod, cleanup):
    """The answer is more than a socket ever takes at once (net.ipv4.tcp_wmem: 4 MiB)."""
    flood = Flood(b"x")
    cleanup.callback(flood.stop)
    flood.go_on()
    service = ehlod({"server": {"max_per_address": 250}, "targets": {
        f"t{n}": target(f"{HOST}:{flood.port}", cache_ttl=KEPT) for n in range(250)}})
    whole = service.get("/check")
    assert whole.json["counts"]["pass"] == 250 and len(whole.body) > 6 * 1024 * 1024
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(scaled(20))
        s.connect((HOST, service.port))
        s.sendall(b"GET /check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until(lambda: unsent(service.port) > 0, 10, "the service has filled the socket, and waits")
        assert service.get("/-/healthy").status == 200, "others do not wait for this one"
        status, _, body = parse_only_reply(read_to_end(s))
    assert status == 200 and without_age(body) == without_age(whole.body)


def unsent(port):
    """The most bytes that wait in a socket of that port for a peer who has no room."""
    return max((s.unsent for s in sockets_of(port) if s.state == ESTABLISHED), default=0)


def without_age(body):
    return re.sub(rb'"age_ms":\d+', b"", body)


# A byte that is no UTF-8 is kept as four (\xHH), and shown in JSON as five.
@pytest.mark.alone
@pytest.mark.parametrize("byte, runs, kept, shown, workers", [(b"x", 1000, 1, 1, 1), (b"\xff", 200, 4, 5, 2)],
                         ids=["text", "no text"])
def test_r10_memory_is_bounded_when_all_servers_flood(ehlod, cleanup, many_descriptors, byte, runs, kept, shown, workers):
    del many_descriptors
    flood = Flood(byte)
    cleanup.callback(flood.stop)
    patient = {"cache_ttl": "0", "timeout": "50s", "timeouts": {"banner": "45s", "reply": "45s"}}
    service = ehlod({"server": {"workers": workers},
                     "targets": {f"t{n}": target(f"127.0.{n // 250}.{n % 250 + 1}:{flood.port}", **patient)
                                 for n in range(runs)}})
    before = service.status_field("VmRSS")
    # HEAD renders the answer and keeps it to itself: what lies in a quarter of a gigabyte of sockets is not meant.
    asked = [service.ask(f"/check/t{n}", method="HEAD", timeout=50) for n in range(runs)]
    wait_until(lambda: len(flood.held) == runs, 40, "all runs are at RCPT at once")
    at_once = service.status_field("VmRSS") - before
    assert service.get("/-/healthy").status == 200
    flood.go_on()
    for one in asked:
        answer = one.answer()
        assert answer.status == 200 and int(answer.headers["Content-Length"]) > 200 * 1024, "nothing of it was cut off"
    peak, most = service.status_field("VmHWM") - before, runs * DIALOGUE_KIB
    print(f"KiB a run: {at_once / runs:.0f} under way, {peak / runs:.0f} at the peak")
    if not service.is_sanitized():
        # A run's arena may be half empty, and an answer waits beside its result until it is read.
        assert at_once < 2 * kept * most and peak < (2 * kept + shown) * most
        wait_until(lambda: service.status_field("VmRSS") - before < 1.1 * kept * most, 10, "only the results are left")
    # Other results take the place of these.
    flood.long = False
    for _ in range(RUNS_KEPT // runs):
        assert service.get("/check?max_age=0", timeout=40).json["counts"]["pass"] == runs
    most = 4096 + 5 * runs + service.heaps_kib()
    if not service.is_sanitized():
        wait_until(lambda: service.status_field("VmRSS") < before + most, 10, "memory falls back")


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 2])
def test_r11_of_many_runs_the_newest_are_kept(ehlod, workers):
    port, side_by_side = free_port(), 50
    route = {"name": "in", "from": "a@example.org", "to": "www@probe.example.org"}
    service = ehlod({"server": {"max_per_address": side_by_side, "workers": workers},
                     "mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"]}},
                     "targets": {f"t{n}": target(f"{HOST}:{port}", route) for n in range(side_by_side)}})
    rss, ids = {}, []
    for runs in range(side_by_side, 6000 + 1, side_by_side):
        whole = service.get("/check?max_age=0", timeout=30).json
        assert whole["counts"]["pass"] == side_by_side, whole["counts"]
        ids += [result["id"] for result in whole["targets"].values()]
        rss[runs] = service.status_field("VmRSS")
    assert len(set(ids)) == 6000
    # Those that were begun together may have ended in any order.
    assert service.get(f"/runs/{ids[0]}").status == 404
    assert {service.get(f"/runs/{i}").status for i in ids[-RUNS_KEPT - 2 * side_by_side:-RUNS_KEPT]} == {404}
    kept = [service.get(f"/runs/{i}") for i in ids[-RUNS_KEPT:]]
    assert {answer.status for answer in kept} == {200} and kept[-1].json["id"] == ids[-1]
    print(f"RSS in KiB: {rss[2000]} after 2,000 runs, {rss[6000]} after 6,000")
    if not service.is_sanitized():
        assert rss[6000] - rss[2000] < 512 * workers, "nothing grows from run to run"


@pytest.mark.alone
def test_r12_ten_thousand_targets(tmp_path, cleanup, mta):
    port, count = free_port(), 10000
    config = [f'server: {{listen: ["{HOST}:{port}"]}}',
              "modules:",
              f'  mx: {{address: "{mta.address}", routes: [{{from: a@example.org, to: www@example.test}}]}}',
              "targets:"]
    config += [f"  host{n}.example.org: {{module: mx}}" for n in range(count)]
    begun = time.monotonic()
    service = Service(str(tmp_path), "\n".join(config) + "\n", port=port)
    cleanup.callback(service.stop_cleanly)
    service.ready()
    started = time.monotonic() - begun
    begun = time.monotonic()
    listed = service.get("/targets").json["targets"]
    assert len(listed) == count and {t["status"] for t in listed} == {None}
    took = time.monotonic() - begun
    assert service.get(f"/check/host{count - 1}.example.org").json["status"] == "pass"
    print(f"{started:.2f} s to start, {took:.2f} s for /targets, {service.status_field('VmRSS')} KiB")
    assert started < scaled(5) and took < scaled(2)
    assert service.get("/targets").json["targets"][-1]["status"] == "pass"
    if not service.is_sanitized():
        assert service.status_field("VmRSS") < 256 * 1024
