# SPDX-License-Identifier: Apache-2.0
"""The bench's own parts, and the whole of it at the smallest scale: what it measures there is no measure."""
import json
import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import machine  # noqa: E402
import wire  # noqa: E402
from contestants import PLAIN, STARTTLS, Batch, Ehlod, Floor, Tls, module, serve  # noqa: E402
from dialogues import play_in_turns, targets_at  # noqa: E402
from certificates import NAME, Certificates  # noqa: E402
from figures import Goal, Row, table  # noqa: E402
from support import scaled  # noqa: E402

# What was asked for, and the limits that were set for it: (sign, limit, stretch).
GOALS = {
    "plain-floor": ("<=", 1.6, 1.3), "plain-source": ("<=", 1.0, None), "plain-blackbox": (">=", 6, None),
    "plain-blackbox-probe": (">=", 6, None), "starttls-blackbox": (">=", 2.2, None),
    "starttls-blackbox-probe": (">=", 2.2, None), "starttls-floor": ("<=", 1.15, 1.0), "latency-p99": ("<=", 0.5, None),
    "shared-bare": (">=", 0.7, None), "memory-plain": ("<=", 12, None), "memory-TLS": ("<=", 64, None),
    "workers": (">=", 1.8, None), "targets": ("<=", 1.1, None), "times-idle-median": ("<=", 20, None),
    "times-idle-p99": ("<=", 100, None), "times-busy-median": ("<=", 20, None), "times-busy-p99": ("<=", 100, None)}
NO_GOAL = {"plain-floor-blackbox", "plain-floor-probe", "plain-check-smtp", "plain-swaks", "plain-rate",
           "starttls-floor-blackbox", "starttls-floor-probe", "starttls-check-smtp", "starttls-swaks", "sink-floor",
           "latency-p50", "startup", "startup-target", "flight"}
# What may be missing: this version has no such key, there is one core, the program is only installed for the bench.
MAY_LACK = {"workers", "plain-check-smtp", "starttls-check-smtp", *(name for name in GOALS if name.startswith("times-"))}


@pytest.fixture(name="bench", scope="module")
def bench_fixture(tmp_path_factory):
    """(what it printed, what it wrote)"""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    done = run(BENCH_SCALE="0.002", BENCH_ONLY="", BENCH_JSON=str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(path.read_text(encoding="utf-8"))


def run(**environment):
    return subprocess.run([os.path.join(HERE, "run")], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=scaled(50), check=False)


def test_every_row_is_there(bench):
    assert {row["name"] for row in bench[1]["rows"]} == set(GOALS) | NO_GOAL
    assert len(bench[1]["rows"]) == len(GOALS) + len(NO_GOAL)


def test_goals_are_those_that_were_set(bench):
    found = {row["name"]: row["goal"] and (row["goal"]["sign"], row["goal"]["limit"], row["goal"]["stretch"])
             for row in bench[1]["rows"]}
    assert {name: goal for name, goal in found.items() if goal} == GOALS


def test_every_row_has_a_figure_or_says_why_not(bench):
    for row in bench[1]["rows"]:
        assert set(row) == {"name", "what", "unit", "figure", "goal", "verdict", "spread", "rounds", "note", "detail"}
        if row["figure"] is None:
            assert row["name"] in MAY_LACK and row["verdict"] == "not there" and row["note"] and not row["rounds"], row
            continue
        low, high = row["spread"]
        assert low <= row["figure"] <= high and low == min(row["rounds"]) and high == max(row["rounds"]), row
        assert row["verdict"] in (("met", "missed") if row["goal"] else (None,)), row


def test_table_shows_goal_and_figure_side_by_side(bench):
    for row in bench[1]["rows"]:
        line = re.search(rf"^\| {re.escape(row['name'])} +\|.*$", bench[0], re.M)[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == row["what"] and bool(cells[2]) == bool(row["goal"]) and cells[5] == (row["verdict"] or ""), line
        assert re.match(r"-?[\d.]+ " if row["figure"] is not None else "-$", cells[3]), line


def test_machine_and_scale_are_told(bench):
    assert bench[1]["scale"] == 0.002
    assert set(bench[1]["machine"]) == {"system", "processor", "cores", "load", "when", "commit"}


def test_every_row_is_explained(bench):
    with open(os.path.join(machine.ROOT, "docs", "performance.md"), encoding="utf-8") as f:
        text = f.read()
    assert not [row["name"] for row in bench[1]["rows"] if f"`{row['name']}`" not in text]


def test_unknown_experiment_is_refused():
    done = run(BENCH_ONLY="plain speed")
    assert done.returncode == 1 and "there is no speed" in done.stderr


@pytest.mark.parametrize("sign, figure, verdict", [("<=", 1.6, "met"), ("<=", 1.61, "missed"), (">=", 1.6, "met"),
                                                   (">=", 1.59, "missed")])
def test_a_figure_is_judged(sign, figure, verdict):
    row = Row("a", "b", "×", [figure], Goal(sign, 1.6))
    assert row.verdict == verdict and row.as_json()["verdict"] == verdict and verdict in table([row])


def test_median_and_spread_are_shown():
    row = Row("a", "b", "×", [3, 1, 2])
    assert row.figure == 2 and row.as_json()["spread"] == [1, 3] and "| 2 ×    | 1 – 3" in table([row])


class Setting:
    def __init__(self, folder):
        self.folder, self.rounds = str(folder), 2

    @staticmethod
    def count(whole, least):
        del whole
        return least


@pytest.fixture(name="tls_peer")
def tls_peer_fixture(tmp_path):
    certificates = Certificates(str(tmp_path))
    certificate, key = certificates.good()
    peer = machine.Peer(str(tmp_path), "--cert", certificate, "--key", key)
    yield peer, Tls(certificates, NAME)
    peer.stop()


@pytest.fixture(name="peer_of")
def peer_of_fixture(tmp_path):
    peers = []

    def make(*arguments):
        peers.append(machine.Peer(str(tmp_path), *arguments))
        return peers[-1]
    yield make
    for peer in peers:
        peer.stop()


def test_peer_knows_what_was_spoken(tls_peer):
    peer, tls = tls_peer
    Floor(peer.port).play(7)
    Floor(peer.port, tls).play(3)
    assert peer.drain() == {PLAIN: 7, STARTTLS: 3}
    assert peer.drain() == {}


def test_floor_verifies(tls_peer, tmp_path):
    peer, tls = tls_peer
    assert_floor_fails(peer, "--starttls", tls.ca, "other.example.org")
    other = tmp_path / "other"
    other.mkdir()
    assert_floor_fails(peer, "--starttls", Certificates(str(other)).ca, tls.name)


def assert_floor_fails(peer, *arguments):
    done = subprocess.run([machine.tool("floor"), "--port", str(peer.port), *arguments], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["failed"] == 1, done


@pytest.mark.parametrize("verb, code", [("banner", 554), ("EHLO", 500), ("MAIL", 450), ("RCPT", 550), ("RSET", 500)])
def test_floor_minds_a_refusal(peer_of, verb, code):
    assert_floor_fails(peer_of("--reply", f"{verb}={code} no"))


def test_another_dialogue_than_meant_stops_the_bench(peer_of, tmp_path):
    """So no contestant is cheap because it says less."""
    peer = peer_of()
    service = serve(str(tmp_path), "short", {"m": module(stop_after="mail")}, targets_at(peer.port))
    short = Ehlod(service, "/check/t%d")
    with pytest.raises(SystemExit, match=f"check should have spoken 64 times {PLAIN}, but spoke .*'EHLO MAIL"):
        play_in_turns(Setting(tmp_path), [short], peer)
    short.stop()


def test_a_bad_answer_stops_the_bench(peer_of, tmp_path):
    peer = peer_of("--reply", "RCPT=550 5.1.1 no")
    service = serve(str(tmp_path), "bad", {"m": module()}, targets_at(peer.port))
    check = Ehlod(service, "/check/t%d")
    with pytest.raises(SystemExit, match="no good answer:\nHTTP/1.1 503"):
        check.play(64)
    check.stop()


def test_contestants_take_turns_at_being_first():
    order = []

    class Contestant:
        speaks, batch = "", 1

        def __init__(self, name):
            self.name = name

        def play(self, count):
            order.append(self.name)
            return Batch(count, 10, 10)
    play_in_turns(Setting("/"), [Contestant("a"), Contestant("b")])
    assert order == ["a", "b", "b", "a"]


def test_figures_of_the_capture_are_read():
    output = """idle, microseconds too much:
                        times  median     p99  highest
command, plain            600    -3.2    40.1    301.0
all durations            3000    -4.5    61.0    301.0
with 1000 others, microseconds too much:
all durations            3000     8.0    99.5   4000.2
"""
    rows = {row.name: row.figure for row in wire.rows_of(wire.read(output), "none")}
    assert rows == {"times-idle-median": 4.5, "times-idle-p99": 61.0, "times-busy-median": 8.0, "times-busy-p99": 99.5}
