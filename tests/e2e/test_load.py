# SPDX-License-Identifier: Apache-2.0
"""A thousand runs at once: all end at their deadline, on no more threads than loops, and leave no memory behind."""
import socket
import threading
import time

import pytest
from support import HOST, SCALE, Acceptor, free_port, scaled, wait_until

RUNS = 1000
TIMEOUT_S = 2.0
LATE_MS = 250


@pytest.fixture(name="silent")
def silent_fixture(many_descriptors):
    """Takes every connection, on every loopback address, and never says a word; (port, connections)."""
    del many_descriptors
    port = free_port()
    listener = socket.create_server(("0.0.0.0", port), backlog=4096)
    connections = []
    acceptor = Acceptor(listener, connections.append)
    yield port, connections
    acceptor.stop()
    for s in connections:
        s.close()


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 2])
def test_s07_a_thousand_targets_that_never_greet(ehlod, silent, workers):
    port, connections = silent
    targets = {f"t{i}": {"address": f"127.0.{i // 250}.{i % 250 + 1}:{port}", "timeout": f"{TIMEOUT_S:g}s",
                         "cache_ttl": "0"} for i in range(RUNS)}
    service = ehlod({"server": {"workers": workers}, "targets": targets})
    descriptors, rss = service.descriptors(), service.status_field("VmRSS")

    rounds, own = [], service.heaps_kib()
    for _ in range(3 * workers):  # each loop has made the answer
        check_all(service, len(connections), connections)
        wait_until(lambda: service.descriptors() <= descriptors + 2, 10, "all sockets are closed")
        # Each target keeps its latest result, about 1 KiB, which may hold a page of memory that is else free; and what
        # reading the config took was given back before.
        if not is_sanitized(service):
            wait_until(lambda: service.status_field("VmRSS") < rss + RUNS * 5 + 1024 + own, 10, "memory falls back")
        rounds.append(service.status_field("VmRSS"))
    print(f"RSS in KiB: {rss} before, {service.status_field('VmHWM')} at the peak, {rounds} after each round")
    if not is_sanitized(service):
        assert rounds[-1] - rounds[0] < 1024 + own, "nothing grows from round to round"


def is_sanitized(service):
    """Whether freed memory is kept in quarantine; a leak is then told at the end."""
    with open(f"/proc/{service.pid}/maps", encoding="ascii") as f:
        return "libasan" in f.read()


def check_all(service, before, connections):
    """One /check of them all; the service stays quick for others meanwhile."""
    answers = []
    begun = time.monotonic()
    thread = threading.Thread(target=lambda: answers.append(service.get("/check", timeout=30)))
    thread.start()
    wait_until(lambda: len(connections) >= before + RUNS, 10, "all runs are connected")
    assert service.threads() == service.workers()
    asked = time.monotonic()
    assert service.get("/-/healthy").status == 200
    assert time.monotonic() - asked < scaled(0.25), "others are not delayed"
    thread.join(scaled(30))
    took_ms = (time.monotonic() - begun) * 1000

    answer = answers[0]
    assert answer.status == 503
    whole = answer.json
    assert whole["counts"] == {"pass": 0, "warn": 0, "fail": RUNS, "unknown": 0}
    for result in whole["targets"].values():
        failure = result["failure"]
        assert (failure["phase"], failure["reason"]) == ("banner", "deadline"), result
        assert TIMEOUT_S * 1000 - 1 <= result["duration_ms"] <= TIMEOUT_S * 1000 + LATE_MS * SCALE, result
    assert took_ms <= TIMEOUT_S * 1000 + 2 * LATE_MS * SCALE, "from the request to the whole answer"
    assert HOST in whole["targets"]["t0"]["peer"]["address"]
