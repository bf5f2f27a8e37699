# SPDX-License-Identifier: Apache-2.0
"""The times that ehlod shows beside those of a packet capture: idle, and with a thousand other runs in flight.

A wrong time comes from somewhere, so each kind of time is looked at on its own: its median over a hundred runs or more. What
a busy machine does to single ones (ehlod is put aside between reading the clock and sending) is in the last hundredth
of all of them; nothing is tried again."""
import collections
import datetime
import re
import statistics
import struct
import subprocess
import sys
import threading

import pytest
from capture import Capture
from conftest import target
from paced_mta import __file__ as PACED
from support import SCALE
from tls_mta import secured

pytestmark = pytest.mark.alone

RUNS = 100  # through each of the three ways to a server
CROWD = 1000
PACE_S = 0.4  # between a command of the crowd's and its reply
MEDIAN_US, P99_US = 20 * SCALE, 100 * SCALE
TIME_OF_DAY = "time of day"

HANDSHAKE, CHANGE, INSIDE = 22, 20, 23  # kinds of TLS records
FLIGHT = 4  # of the server: EncryptedExtensions, Certificate, CertificateVerify, Finished
TICKETS = 2


@pytest.fixture(name="ways")
def ways_fixture(fake, tls_mta, certificates):
    """{name: (server, target)}"""
    servers = {"plain": fake(), "starttls": tls_mta(certificates.good()),
               "implicit": tls_mta(certificates.good(), implicit=True)}
    return {name: (mta, target(mta.address) if name == "plain" else secured(mta, certificates, name))
            for name, mta in servers.items()}


@pytest.fixture(name="crowd")
def crowd_fixture(cleanup, many_descriptors):
    """A thousand targets, all slow."""
    del many_descriptors
    paced = cleanup.enter_context(subprocess.Popen([sys.executable, "-B", PACED, str(PACE_S)], stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE))
    cleanup.callback(paced.stdin.close)
    port = int(paced.stdout.readline())
    return {f"c{i}": target(f"127.1.{i // 250}.{i % 250 + 1}:{port}", tags=["crowd"], timeout="60s") for i in range(CROWD)}


class Times:
    """Runs, one after another, and what the capture says of them."""

    def __init__(self, folder, cleanup, ehlod, ways, others):
        self.ways = ways
        self.service = ehlod({"server": {"max_runs": CROWD + 10},
                              "targets": {**{name: mx for name, (_, mx) in ways.items()}, **others}})
        self.capture = Capture(folder, [mta.port for mta, _ in ways.values()])
        cleanup.callback(self.capture.stop)
        self.results = []

    def run_each(self):
        for name in self.ways:
            answer = self.service.get(f"/check/{name}?max_age=0", timeout=30)
            assert answer.status == 200, answer
            self.results.append(answer.json)

    def in_flight(self):
        return int(re.search(r"^ehlod_runs_in_flight (\d+)$", self.service.get("/metrics").text, re.M)[1])

    def compare(self):
        """{kind: how many microseconds more are shown than the capture says, for each}"""
        streams = self.capture.connections([(r["local"]["port"], r["peer"]["port"]) for r in self.results])
        self.capture.finish()
        wrong = collections.defaultdict(list)
        for result, both in zip(self.results, streams):
            for kind, shown_us, true_us in timed(result, *both):
                wrong[kind].append(shown_us - true_us)
        return wrong


def timed(result, client, server):
    """[(kind, as it is shown, as it was captured)], in microseconds"""
    way, commands = result["target"], result["commands"]
    begun_us = datetime.datetime.fromisoformat(result["started_at"].replace("Z", "+00:00")).timestamp() * 1e6
    asked, answered, handshake = spoken(way, client, server)
    assert len(asked) == len(answered) == len(commands)
    yield "connect", result["timing_ms"]["connect"] * 1000, server.opened_us - client.opened_us
    if handshake:
        yield f"handshake, {way}", result["timing_ms"]["tls"] * 1000, handshake[1] - handshake[0]
    for command, asked_us, answered_us in zip(commands, asked, answered):
        kind = "banner" if command["phase"] == "banner" else "command"
        yield f"{kind}, {way}", (command["reply_ms"] - command["at_ms"]) * 1000, answered_us - asked_us
        yield TIME_OF_DAY, begun_us + command["reply_ms"] * 1000, answered_us


def spoken(way, client, server):
    """When the server was asked for each reply, when the reply was whole, and the handshake from hello to hello's answer.
    The banner is asked for by connecting, or by the end of a handshake that comes first."""
    end = {"plain": len(client.data), "starttls": client.data.find(b"STARTTLS\r\n") + 10, "implicit": 0}[way]
    asks = [found.end() for found in re.finditer(rb"\r\n", client.data[:end])]
    answers = [found.end() for found in re.finditer(rb"(?m)^\d{3} .*\r\n", server.data)] if end else []
    answers = answers[:len(asks) + 1]  # what looks like a reply behind these is encrypted
    asked, answered = [server.opened_us, *map(client.when, asks)], [*map(server.when, answers)]
    if way == "plain":
        return asked, answered, None
    handshake, asked_inside, answered_inside = inside(records(client, end), records(server, answers[-1] if end else 0))
    if way == "implicit":
        return asked_inside, answered_inside, handshake
    return asked + asked_inside[1:], answered + answered_inside, handshake


def inside(said, heard):
    """The handshake (from the hello to the last of the server's flight), when the client had said the end of its own and each
    command, and when each reply was whole: one record each. What both say at last is that this was all."""
    assert [kind for kind, _ in said[:2]] == [kind for kind, _ in heard[:2]] == [HANDSHAKE, CHANGE]
    assert {kind for kind, _ in said[2:] + heard[2:]} == {INSIDE}
    said, heard = [at_us for _, at_us in said], [at_us for _, at_us in heard]
    return (said[0], heard[1 + FLIGHT]), said[2:-1], heard[2 + FLIGHT + TICKETS:-1]


def records(stream, at):
    """[(kind, when it was whole)] for all TLS records from there on"""
    found = []
    while at < len(stream.data):
        kind, _, length = struct.unpack_from("!BHH", stream.data, at)
        at += 5 + length
        found.append((kind, stream.when(at)))
    return found


def check(wrong, title):
    """The median of each kind, and the last hundredth of all. (The time of day is no duration.)"""
    durations = [us for kind, values in wrong.items() if kind != TIME_OF_DAY for us in values]
    print(f"{title}, microseconds too much:\n{'':22}  times  median     p99  highest")
    for kind, values in [*sorted(wrong.items()), ("all durations", durations)]:
        sizes = sorted(map(abs, values))
        print(f"{kind:22} {len(sizes):6} {statistics.median(values):7.1f} {last_hundredth(sizes):7.1f} {sizes[-1]:8.1f}")
    for kind, values in wrong.items():
        limit_us = MEDIAN_US if kind.startswith("command") or kind == TIME_OF_DAY else 2 * MEDIAN_US
        assert len(values) >= RUNS and abs(statistics.median(values)) <= limit_us, kind
    assert len(durations) >= 20 * RUNS and last_hundredth(sorted(map(abs, durations))) <= P99_US


def last_hundredth(sizes):
    """Where it begins."""
    return sizes[len(sizes) * 99 // 100]


def test_times_are_those_of_the_wire(tmp_path, cleanup, ehlod, ways):
    times = Times(tmp_path, cleanup, ehlod, ways, {})
    for _ in range(RUNS):
        times.run_each()
    check(times.compare(), "idle")


def test_times_are_those_of_the_wire_among_a_thousand_runs(tmp_path, cleanup, ehlod, ways, crowd):
    """The crowd's begin at once and their results are shown together, so the loop is late by far more than the times that
    are shown; most runs are in between, with a thousand others in flight."""
    times = Times(tmp_path, cleanup, ehlod, ways, crowd)
    among = 0
    while among < RUNS:
        asked = times.service.ask("/check?tag=crowd&max_age=0", timeout=60)
        over = threading.Event()
        answers = []
        thread = threading.Thread(target=lambda: (answers.append(asked.answer()), over.set()))
        thread.start()
        while not over.is_set():
            before = times.in_flight()
            times.run_each()
            among += before >= CROWD and times.in_flight() >= CROWD
        thread.join()
        assert answers[0].json["counts"]["pass"] == CROWD
    check(times.compare(), f"with {CROWD} others")
