# SPDX-License-Identifier: Apache-2.0
"""What a load balancer needs beside /check: targets that run by themselves, so that everybody is answered at once; targets
taken out of service by hand; and agent-check as HAProxy speaks it, here spoken by hand."""
import json
import os
import signal
import socket
import sqlite3
import struct
import threading
import time

import pytest
from conftest import target
from fake_mta import Gate
from service import Service, assert_problem, write_config
from support import HOST, accepts, free_port, scaled, wait_until

# Shorter than what HAProxy waits by default.
AT_ONCE = 1


def hour(address, **more):
    return target(address, cache_ttl="1h", **more)


def timed(call):
    before = time.monotonic()
    answer = call()
    return answer, time.monotonic() - before


class Agent:
    def __init__(self, port):
        self.port = port

    def ask(self, data=None, half_close=False):
        """What comes until the end, for these bytes; None: nothing is sent."""
        with socket.create_connection((HOST, self.port), timeout=scaled(10)) as s:
            if data is not None:
                s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(4096), b"")).decode("ascii")


@pytest.fixture(name="with_agent")
def with_agent_fixture(ehlod):
    def start(config):
        port = free_port()
        service = ehlod({**config, "server": {"agent_listen": f"{HOST}:{port}", **config.get("server", {})}})
        return service, Agent(port)
    return start


# ---- interval ----

def test_a_target_with_an_interval_runs_by_itself(ehlod, mta):
    service = ehlod({"targets": {"mx1": target(mta.address, interval="1s", cache_ttl="0")}})
    wait_until(lambda: mta.connections() >= 3, 20, "it has run three times")
    first = service.get("/check/mx1").json
    assert first["status"] == "pass" and first["age_ms"] <= scaled(1000), first
    shown = service.get("/targets").json["targets"][0]
    assert shown["status"] == "pass" and shown["age_ms"] is not None, shown


def test_everybody_is_answered_at_once_while_the_server_hangs(ehlod, fake):
    """The last result stands for the interval and the timeout together, and by then the next one is there."""
    gate = Gate("250 2.1.5 Ok")
    gate.open()
    mta = fake(RCPT=gate)
    timeout = scaled(3)
    service = ehlod({"targets": {"mx1": target(mta.address, interval="1s", timeout=f"{timeout:g}s")}})
    wait_until(lambda: service.get("/targets").json["targets"][0]["status"] == "pass", 20, "the first run is over")
    gate.event.clear()
    seen, end = set(), time.monotonic() + 2 * timeout + 2
    while time.monotonic() < end and "fail" not in seen:
        answer, took = timed(lambda: service.get("/check/mx1"))
        assert took < scaled(AT_ONCE), (took, answer)
        seen.add(answer.json["status"])
    assert seen == {"pass", "fail"}, seen
    for _ in range(20):  # the next one hangs, too
        answer, took = timed(lambda: service.get("/check/mx1"))
        assert answer.status == 503 and took < scaled(AT_ONCE), (took, answer)
    gate.open()
    wait_until(lambda: service.get("/check/mx1").status == 200, 20, "it works again")


def test_one_run_at_a_time(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"mx1": target(mta.address, interval="1s", timeout="50s", timeouts={"reply": "40s"})}})
    wait_until(lambda: gate.waiting, 20, "the first run hangs")
    before = time.monotonic()
    wait_until(lambda: time.monotonic() > before + 3, 10, "three turns have passed")
    assert mta.connections() == 1
    gate.open()
    wait_until(lambda: mta.connections() > 1, 20, "it goes on")
    assert service.get("/check/mx1").status == 200


def test_max_age_and_stop_after_are_what_they_are(ehlod, mta):
    """The interval's result is of the whole plan and the target's own age; other questions get runs of their own."""
    service = ehlod({"targets": {"mx1": target(mta.address, interval="1h", cache_ttl="0")}})
    assert service.get("/check/mx1").status == 200
    runs = mta.connections()
    assert service.get("/check/mx1").status == 200 and mta.connections() == runs
    assert service.get("/check/mx1?max_age=0").status == 200 and mta.connections() == runs + 1
    assert service.get("/check/mx1?stop_after=banner").status == 200 and mta.connections() == runs + 2
    assert service.get("/check/mx1?stop_after=banner").status == 200 and mta.connections() == runs + 3


def test_a_start_is_no_burst(ehlod, mta):
    """Many targets of one interval are spread over it."""
    count = 40
    service = ehlod({"targets": {f"mx{i}": target(mta.address, interval="10s") for i in range(count)},
                     "server": {"max_per_address": 100}})
    at = []
    while len(at) < count:
        wait_until(lambda: mta.connections() > len(at), 20, "the next one runs")
        at += [time.monotonic()] * (mta.connections() - len(at))
    assert service.get("/-/healthy").status == 200
    busiest = max(sum(begin <= t < begin + 1 for t in at) for begin in at)
    assert at[-1] - at[0] > 5 and busiest < count / 2, [round(t - at[0], 2) for t in at]


def test_a_reload_keeps_the_phase_and_takes_what_changes(ehlod, mta, fake):
    other = fake()
    config = {"targets": {"mx1": target(mta.address, interval="2s")}}
    service = ehlod(config)
    wait_until(lambda: mta.connections() >= 1, 20, "it runs")
    for i in range(8):  # more often than the interval: it still gets its turn
        config["targets"][f"more{i}"] = target(other.address)
        reload_with(service, config)
        before = time.monotonic()
        wait_until(lambda: time.monotonic() > before + 0.5, 5, "half a second")
    assert mta.connections() >= 2
    reload_with(service, {"targets": {"mx1": target(other.address)}})
    runs, before = mta.connections(), time.monotonic()
    wait_until(lambda: time.monotonic() > before + 3, 10, "a turn would have come")
    assert mta.connections() == runs and other.connections() == 0


def reload_with(service, config):
    server = {"listen": [f"{HOST}:{service.port}"], **config.get("server", {})}
    write_config(os.path.dirname(service.config_path), {**config, "server": server})
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 200, answer


# How early the first turn is.
FIRST = 10


def lazy(address, **more):
    """Its turn does not come while the test goes on, but for one that comes early."""
    return target(address, interval="24h", timeout="50s", timeouts={"reply": "40s"}, **more)


def status_of(service, name="mx1"):
    return next(t["status"] for t in service.get("/targets").json["targets"] if t["name"] == name)


def test_the_first_turn_comes_early_and_once(ehlod, mta):
    """After a start there is nothing to answer with, so nobody is left to wait for a turn that is a day away."""
    service = ehlod({"targets": {"mx1": lazy(mta.address)}})
    wait_until(lambda: status_of(service) == "pass", FIRST + 5, "it has run by itself")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + FIRST + 1, FIRST + 10, "another early turn would have come")
    assert service.get("/check/mx1").json["age_ms"] > 1000 * FIRST and mta.connections() == 1


def test_first_turns_are_no_burst(ehlod, mta):
    count = 60
    service = ehlod({"targets": {f"mx{i}": target(mta.address, interval="1h") for i in range(count)},
                     "server": {"max_per_address": 100}})
    at = []
    while len(at) < count:
        wait_until(lambda: mta.connections() > len(at), 20, "the next one runs")
        at += [time.monotonic()] * (mta.connections() - len(at))
    assert service.get("/-/healthy").status == 200
    busiest = max(sum(begin <= t < begin + 1 for t in at) for begin in at)
    assert at[-1] - at[0] > FIRST / 2 and busiest < count / 2, [round(t - at[0], 2) for t in at]


def test_who_asks_before_the_first_turn_waits_for_a_run_and_spares_the_turn(ehlod, fake):
    """What the server is like is worth the time that it takes: no guess is made of a start of ehlod's."""
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"mx1": lazy(mta.address)}})
    asked = [service.ask("/check/mx1") for _ in range(3)]
    wait_until(lambda: gate.waiting, 10, "a run is under way")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + FIRST + 1, FIRST + 10, "the early turn has passed")
    gate.open()
    assert [a.answer().json["status"] for a in asked] == ["pass"] * 3
    assert mta.connections() == 1


@pytest.fixture(name="hanging")
def hanging_fixture(fake):
    """(mta, gate): whose RCPT hangs where the gate is closed."""
    gate = Gate("250 2.1.5 Ok")
    gate.open()
    yield fake(RCPT=gate), gate
    gate.open()


def test_after_a_reload_nobody_waits(ehlod, hanging):
    """What was known stays, where the plan does: also for agents and probes."""
    mta, gate = hanging
    config = {"targets": {"mx1": lazy(mta.address)}, "server": {"agent_listen": f"{HOST}:{free_port()}"}}
    service = ehlod(config)
    agent = Agent(int(config["server"]["agent_listen"].split(":")[1]))
    before = service.get("/check/mx1").json
    gate.event.clear()
    for more in ({"tags": ["eu"]}, {"cache_ttl": "5s", "wait": "0"}, {}):
        reload_with(service, {**config, "targets": {"mx2": target("127.0.0.1:1"), "mx1": lazy(mta.address, **more)}})
        answer, took = timed(lambda: service.get("/check/mx1"))
        assert answer.status == 200 and answer.json["id"] == before["id"] and took < scaled(AT_ONCE), (took, answer)
        assert agent.ask(b"mx1\n") == "up\n" and "probe_success 1" in service.get("/probe?target=mx1").text
    assert mta.connections() == 1


def test_a_reload_while_a_run_hangs_begins_no_second_one(ehlod, hanging):
    mta, gate = hanging
    gate.event.clear()
    config = {"targets": {"mx1": lazy(mta.address)}}
    service = ehlod(config)
    asked = [service.ask("/check/mx1")]
    wait_until(lambda: gate.waiting, 10, "the first run hangs")
    reload_with(service, {"targets": {**config["targets"], "mx2": target("127.0.0.1:1")}})
    asked.append(service.ask("/check/mx1"))
    wait_until(lambda: "ehlod_runs_shared_total{how=\"joined\"} 1" in service.get("/metrics").text, 10, "it has joined")
    gate.open()
    assert [a.answer().json["status"] for a in asked] == ["pass", "pass"] and mta.connections() == 1
    assert service.get("/check/mx1").status == 200 and mta.connections() == 1


def test_another_plan_is_run_soon_while_a_run_of_the_old_one_hangs(ehlod, hanging):
    mta, gate = hanging
    gate.event.clear()
    service = ehlod({"targets": {"mx1": lazy(mta.address)}})
    asked = service.ask("/check/mx1")
    wait_until(lambda: gate.waiting, FIRST + 5, "the first run hangs")
    wait_until(lambda: "ehlod_runs_shared_total{how=\"joined\"} 1" in service.get("/metrics").text, FIRST + 5, "its turn has come")
    mta.answers["RCPT"] = "550 5.1.1 No such user"
    reload_with(service, {"targets": {"mx1": lazy(mta.address, helo="b.example.org")}})
    wait_until(lambda: status_of(service) == "fail", FIRST + 5, "it has run by itself")
    gate.open()
    assert asked.answer().json["status"] == "pass"
    assert service.get("/check/mx1").status == 503 and mta.connections() == 2


@pytest.mark.parametrize("change", ["helo", "renamed", "file", "timeout"])
def test_another_plan_is_run_soon(ehlod, mta, tmp_path, change):
    """What was known was of another question."""
    dialogue = tmp_path / "to_www.smtp"
    dialogue.write_text("EHLO a.example.org\n")

    def config(name="mx1", **more):
        one = {"address": mta.address, "interval": "24h", **more}
        return {"targets": {name: {**one, "dialogue": str(dialogue)} if change == "file" else {**lazy(mta.address), **one}}}
    service = ehlod(config())
    before = service.get("/check/mx1").json["id"]
    name = "mx2" if change == "renamed" else "mx1"
    if change == "file":
        dialogue.write_text("EHLO b.example.org\n")
    reload_with(service, config(name, **{"helo": {"helo": "b.example.org"}, "timeout": {"timeout": "45s"}}.get(change, {})))
    wait_until(lambda: mta.connections() == 2, FIRST + 5, "it has run by itself")
    answer, took = timed(lambda: service.get(f"/check/{name}"))
    assert answer.status == 200 and answer.json["id"] != before and took < scaled(AT_ONCE), (took, answer)
    assert mta.connections() == 2


@pytest.mark.alone
@pytest.mark.parametrize("interval", [None, "5s"])
def test_200_requests_a_second_start_one_run_a_cache_ttl(ehlod, mta, interval):
    """From callers as HAProxy (OPTIONS by HTTP/1.0) and Prometheus (/probe) are, together."""
    more = {"interval": interval} if interval else {}
    service = ehlod({"targets": {"mx1": target(mta.address, cache_ttl="1s", **more)}})
    asked, wrong, stop = [], [], time.monotonic() + 4

    def balancer():
        return service.raw(b"OPTIONS /check/mx1 HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")

    def scraper():
        return b"probe_success 1" in service.get("/probe?target=mx1").body

    def call(which, number):
        due = time.monotonic() + number / 200
        while due < stop:
            wait_until(lambda: time.monotonic() >= due, 5, "it is due")
            asked.append(due)
            if not which():
                wrong.append(due)
            due += 0.05
    threads = [threading.Thread(target=call, args=(which, number))
               for number, which in enumerate([balancer, scraper] * 5)]
    before = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - before
    assert not wrong and len(asked) >= 700, (len(asked), wrong)
    assert mta.connections() <= (took / 5 + 2 if interval else took + 2), (mta.connections(), took)


# ---- drain ----

def test_a_drained_target_is_answered_without_the_mail_server(ehlod, mta):
    service = ehlod({"targets": {"mx1": target(mta.address, cache_ttl="0", interval="1s"), "mx2": hour(mta.address)}})
    answer = service.get("/targets/mx1/drain?for=30m&reason=kernel%20update", method="POST")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json", answer
    drained = answer.json["drained"]
    assert answer.json["name"] == "mx1" and drained["reason"] == "kernel update" and drained["until"] > drained["since"]
    wait_until(lambda: service.get("/-/healthy").status == 200, 5, "it answers")
    runs = mta.connections()
    for method in ("GET", "HEAD", "OPTIONS"):
        assert service.get("/check/mx1", method=method).status == 503
    result = service.get("/check/mx1").json
    assert (result["status"], result["flags"]) == ("fail", ["drained"]), result
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("config", "drained")
    assert result["failure"]["message"] == (f"out of service since {drained['since']}, until {drained['until']}: "
                                            "kernel update")
    assert "kernel update" in service.get("/check/mx1?format=text").text
    whole = service.get("/check")
    assert whole.status == 503 and whole.json["counts"] == {"pass": 1, "warn": 0, "fail": 1, "unknown": 0}
    assert service.get("/check?min_pass=1").status == 200
    before = time.monotonic()
    wait_until(lambda: time.monotonic() > before + 2, 5, "two turns have passed")
    assert mta.connections() <= runs + 1  # mx2's
    shown = {t["name"]: t["drained"] for t in service.get("/targets").json["targets"]}
    assert shown == {"mx1": drained, "mx2": None}
    answer = service.get("/targets/mx1/undrain", method="POST")
    assert answer.status == 200 and answer.json["drained"] is None
    assert service.get("/check/mx1").status == 200 and mta.connections() > runs


def test_what_is_in_line_when_a_target_is_drained_is_not_begun(ehlod, hanging):
    mta, gate = hanging
    gate.event.clear()
    names = [f"mx{i}" for i in range(20)]
    service = ehlod({"server": {"max_runs": 1}, "targets": {n: target(mta.address, interval="1s", timeout="50s", timeouts={
        "reply": "40s"}) for n in names}})
    wait_until(lambda: "\nehlod_runs_waiting 19\n" in service.get("/metrics").text, 10, "they are in line")
    for name in names:
        service.get(f"/targets/{name}/drain", method="POST")
    wait_until(lambda: "\nehlod_runs_waiting 0\n" in service.get("/metrics").text, 10, "nobody waits for them")
    gate.open()
    wait_until(lambda: "\nehlod_runs_in_flight 0\n" in service.get("/metrics").text, 10, "the one is over")
    assert mta.connections() == 1


def test_who_wants_to_know_may_look_all_the_same(ehlod, mta):
    """Before it is taken back: a run by POST, and Prometheus, which watches the mail server and not the balancer."""
    service = ehlod({"targets": {"mx1": target(mta.address, cache_ttl="0")}})
    service.get("/targets/mx1/drain", method="POST")
    assert service.get("/check/mx1").status == 503 and mta.connections() == 0
    assert service.get("/check/mx1", method="POST").status == 200 and mta.connections() == 1
    assert "probe_success 1" in service.get("/probe?target=mx1").text and mta.connections() == 2
    assert service.get("/check/mx1").status == 503 and mta.connections() == 2


def test_what_was_known_before_a_drain_is_no_answer_after_it(ehlod, mta):
    service = ehlod({"targets": {"mx1": hour(mta.address)}})
    assert service.get("/check/mx1").status == 200
    service.get("/targets/mx1/drain", method="POST")
    mta.answers["RCPT"] = "451 4.3.0 The user data base is gone"
    service.get("/targets/mx1/undrain", method="POST")
    assert service.get("/check/mx1").json["failure"]["reason"] == "deferred"


@pytest.mark.parametrize("query", ["", "?for=1s"])
def test_one_that_is_back_in_service_runs_soon(ehlod, mta, query):
    service = ehlod({"targets": {"mx1": lazy(mta.address)}})
    assert service.get("/check/mx1").status == 200
    service.get("/targets/mx1/drain" + query, method="POST")
    if not query:
        service.get("/targets/mx1/undrain", method="POST")
    wait_until(lambda: mta.connections() == 2, FIRST + 5, "it has run by itself")
    wait_until(lambda: service.get("/check/mx1").status == 200, 5, "it is back in service")
    assert mta.connections() == 2


@pytest.mark.parametrize("more", [{}, {"interval": "24h"}])
def test_a_run_from_before_the_end_of_a_drain_is_nobodys_answer_after_it(ehlod, hanging, more):
    """It has met the server while that was worked on."""
    mta, gate = hanging
    gate.event.clear()
    service = ehlod({"targets": {"mx1": {**hour(mta.address, timeout="50s", timeouts={"reply": "40s"}), **more}}})
    asked = service.ask("/check/mx1")
    wait_until(lambda: gate.waiting, 10, "a run hangs")
    service.get("/targets/mx1/drain", method="POST")
    service.get("/targets/mx1/undrain", method="POST")
    mta.answers["RCPT"] = "550 5.1.1 No such user"
    assert service.get("/check/mx1").json["failure"]["reason"] == "rejected"
    gate.open()
    assert asked.answer().json["status"] == "pass"
    assert service.get("/check/mx1").json["failure"]["reason"] == "rejected" and mta.connections() == 2


def test_a_drain_ends_by_itself(ehlod, mta):
    service = ehlod({"targets": {"mx1": target(mta.address)}})
    assert service.get("/targets/mx1/drain?for=1s", method="POST").json["drained"]["reason"] is None
    assert service.get("/check/mx1").status == 503
    wait_until(lambda: service.get("/check/mx1").status == 200, 10, "it is back in service")
    assert 'target is back in service' in service.log()


def test_a_second_drain_replaces_the_first(ehlod, mta):
    service = ehlod({"targets": {"mx1": target(mta.address)}})
    first = service.get("/targets/mx1/drain?for=1s&reason=one", method="POST").json["drained"]
    second = service.get("/targets/mx1/drain?reason=two", method="POST").json["drained"]
    assert second == {"since": first["since"], "until": None, "reason": "two", "mode": "drain"}
    third = service.get("/targets/mx1/drain?mode=maint", method="POST").json["drained"]
    assert third == {"since": first["since"], "until": None, "reason": None, "mode": "maint"}


@pytest.mark.parametrize("query, parameter", [
    ("for=0", "for"), ("for=31d", "for"), ("for=10", "for"), ("for=", "for"), ("for=-1s", "for"),
    ("mode=main", "mode"), ("mode=", "mode"), ("mode=ready", "mode"), ("mode=maint&mode=maint", "mode"),
    ("reason=" + "x" * 201, "reason"), ("reason=a%0Ab", "reason"), ("reason=%ff", "reason"), ("reason=%00", "reason"),
    ("until=1h", "until"), ("for=1h&for=2h", "for"), ("reason=a&reason=b", "reason")])
def test_a_drain_that_cannot_be_meant_is_refused(service, query, parameter):
    assert_problem(service.get("/targets/good/drain?" + query, method="POST"), 400, parameter)
    assert service.get("/targets").json["targets"][0]["drained"] is None
    assert_problem(service.get("/targets/good/undrain?for=1h", method="POST"), 400, "for")


def test_a_drain_that_is_asked_for_in_another_way_is_refused(service):
    for path in ("/targets/good/drain", "/targets/good/undrain"):
        assert service.get(path).status == 405
        assert service.get(path, method="OPTIONS").headers["Allow"] == "OPTIONS, POST"
    assert "good" in assert_problem(service.get("/targets/goood/drain", method="POST"), 404)["detail"]
    assert "(did you mean maint?)" in assert_problem(service.get("/targets/good/drain?mode=main", method="POST"), 400, "mode")["detail"]
    assert "Did you mean /targets/good/drain?" in assert_problem(service.get("/targets/good/drian", method="POST"), 404)["detail"]
    assert service.get("/targets/good/drain?reason=" + "x" * 200, method="POST").status == 200


@pytest.mark.parametrize("allowed, status", [("nobody", 403), ("loopback", 200), ("anyone", 200)])
def test_who_may_drain_is_who_may_reload(ehlod, mta, allowed, status):
    service = ehlod({"targets": {"mx1": target(mta.address)}, "server": {"allow_reload": allowed}})
    for path in ("/targets/mx1/drain", "/targets/mx1/undrain"):
        assert service.get(path, method="POST").status == status


def restarted(service, how):
    service.signal(how)
    service.wait(15)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_drain_outlives_a_restart(tmp_path, cleanup, mta, how):
    config = {"history": {"path": "history.db"},
              "targets": {name: target(mta.address) for name in ("gone", "kept", "short", "back")}}

    def start():
        service = Service(str(tmp_path), config)
        cleanup.callback(lambda: service.running() and service.stop_cleanly())
        return service.ready()
    service = start()
    drained = {name: service.get(f"/targets/{name}/drain?{query}", method="POST").json["drained"]
               for name, query in (("gone", "mode=maint"), ("kept", "for=1h&reason=%C3%A9tat&mode=maint"), ("short", "for=1s"), ("back", ""))}
    service.get("/targets/back/undrain", method="POST")
    if how == signal.SIGKILL:
        wait_until(lambda: len(rows(tmp_path)) == 4 and rows(tmp_path)["back"] is not None, 10, "it is in the file")
    restarted(service, how)
    del config["targets"]["gone"]
    before = time.monotonic()
    wait_until(lambda: time.monotonic() > before + 1, 5, "the short one is over")
    service = start()
    shown = {t["name"]: t["drained"] for t in service.get("/targets").json["targets"]}
    assert shown == {"kept": drained["kept"], "short": None, "back": None}
    assert service.get("/check/kept").status == 503 and service.get("/check/short").status == 200
    config["targets"]["gone"] = target(mta.address)
    reload_with(service, config)
    shown = {t["name"]: t["drained"] for t in service.get("/targets").json["targets"]}
    assert shown["gone"] == drained["gone"], "nobody has taken it back"


def rows(tmp_path):
    """{target: when its drain ended}, as another program reads it."""
    with sqlite3.connect(f"file:{tmp_path}/history.db?mode=ro", uri=True, timeout=scaled(5)) as db:
        return dict(db.execute("SELECT target, ended_us FROM drain"))


def test_a_file_from_before_has_no_drains_and_gets_them(tmp_path, ehlod, mta):
    config = {"history": {"path": "history.db"}, "targets": {"mx1": target(mta.address)}}
    ehlod(config).stop_cleanly()
    with sqlite3.connect(f"{tmp_path}/history.db") as db:
        db.execute("DROP TABLE drain")
    service = ehlod(config)
    service.get("/targets/mx1/drain", method="POST")
    wait_until(lambda: rows(tmp_path) == {"mx1": None}, 10, "it is in the file")


def test_drains_of_a_file_from_before_modes_are_known(tmp_path, ehlod, mta):
    config = {"history": {"path": "history.db"}, "targets": {"mx1": target(mta.address), "mx2": target(mta.address)}}
    ehlod(config).stop_cleanly()
    with sqlite3.connect(f"{tmp_path}/history.db") as db:
        db.executescript("DROP TABLE drain; CREATE TABLE drain (target TEXT PRIMARY KEY, reason TEXT NOT NULL, since_us INTEGER"
                         " NOT NULL, until_us INTEGER, ended_us INTEGER) WITHOUT ROWID;"
                         "INSERT INTO drain VALUES ('mx1', 'old', 1, NULL, NULL)")
    service = ehlod(config)
    drained = service.get("/targets").json["targets"][0]["drained"]
    assert (drained["reason"], drained["mode"]) == ("old", "drain")
    service.get("/targets/mx2/drain?mode=maint", method="POST")
    wait_until(lambda: rows(tmp_path) == {"mx1": None, "mx2": None}, 10, "it is in the file")
    service.stop_cleanly()
    shown = {t["name"]: t["drained"]["mode"] for t in ehlod(config).get("/targets").json["targets"]}
    assert shown == {"mx1": "drain", "mx2": "maint"}


def test_rows_that_nobody_wrote_are_passed_over(tmp_path, ehlod, mta):
    config = {"history": {"path": "history.db"}, "targets": {n: target(mta.address) for n in "abcdefgh"}}
    ehlod(config).stop_cleanly()
    far, last = 1 << 62, (1 << 63) - 1
    with sqlite3.connect(f"{tmp_path}/history.db") as db:
        db.execute("INSERT INTO drain VALUES ('g', '', 1, NULL, NULL, 'none of ours')")
        db.executemany("INSERT INTO drain (target, reason, since_us, until_us, ended_us) VALUES (?, ?, ?, ?, ?)", [
            ("a", "x" * 201, 1, None, None), ("b", "two\nlines", 1, None, None), ("c", b"\xff", 1, None, None),
            ("d", "far", 1, far, None), ("e", "", -5, None, None), ("f", "", 1, None, far), ("h", "", 1, None, last),
            ("a target", "", 1, None, None), ("other", "", 1, last, None)])
    shown = {t["name"]: t["drained"] for t in ehlod(config).get("/targets").json["targets"]}
    assert [name for name in shown if shown[name]] == ["d"]


def test_a_reload_keeps_drains_of_targets_that_are_missing_for_a_while(ehlod, mta):
    """Nobody has said that the server is back, and HAProxy, which was told drain, has not been told ready."""
    config = {"targets": {"mx1": target(mta.address), "mx2": target(mta.address)}}
    service = ehlod(config)
    for name in config["targets"]:
        service.get(f"/targets/{name}/drain", method="POST")
    reload_with(service, {"targets": {"mx1": config["targets"]["mx1"]}})
    reload_with(service, config)
    assert [bool(t["drained"]) for t in service.get("/targets").json["targets"]] == [True, True]
    service.get("/targets/mx2/undrain", method="POST")
    reload_with(service, {"targets": {"mx1": config["targets"]["mx1"]}})
    assert_problem(service.get("/targets/mx2/undrain", method="POST"), 404)
    reload_with(service, config)
    assert [bool(t["drained"]) for t in service.get("/targets").json["targets"]] == [True, False]


# ---- agent-check ----

def test_the_agent_says_how_a_target_is(with_agent, mta, fake):
    bad = fake(RCPT="550 5.1.1 No such \"user\", caf\u00e9")
    service, agent = with_agent({"targets": {"good": hour(mta.address), "bad": hour(bad.address)}})
    assert agent.ask(b"good\n") == "up\n"
    assert agent.ask(b"good\r\n") == agent.ask(b"good", half_close=True) == agent.ask(b"good\nmore\n") == "up\n"
    line = agent.ask(b"bad\n")
    assert line.startswith("down #rcpt/rejected: ") and line.count("\n") == 1 and line.isascii(), line
    service.get("/targets/good/drain", method="POST")
    assert agent.ask(b"good\n") == "drain\n"
    service.get("/targets/good/drain?mode=maint", method="POST")
    assert agent.ask(b"good\n") == "maint\n"
    service.get("/targets/good/undrain", method="POST")
    assert agent.ask(b"good\n") == "ready up\n"


def test_a_name_that_there_is_not_is_down(with_agent, mta):
    _, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"goood\n") == "down #ehlod has no target of that name: goood\n"
    for data in (b"x" * 5000, b"\xff\x01#\n", b"good\0\n" + b"x" * 100000):
        assert agent.ask(data).count("\n") == 1
    for data in (b"good\0\n", b"good\0evil\n", b"\0\n", b"\0good\n", b" good\n", b"good \n"):
        assert agent.ask(data).startswith("down #ehlod has no target of that name: "), data
    assert agent.ask(b"good\n") == "up\n"


def test_without_a_name_all_targets_are_meant(with_agent, mta, fake):
    bad = fake(RCPT="550 5.1.1 No such user")
    service, agent = with_agent({"targets": {"good": hour(mta.address), "bad": hour(bad.address)}})
    line, took = timed(agent.ask)
    assert line.startswith("down #bad rcpt/rejected: "), line
    assert 0.9 < took < scaled(2), took
    assert agent.ask(b"\n") == line
    bad.answers["RCPT"] = "250 2.1.5 Ok"
    service.get("/check/bad?max_age=0")
    assert agent.ask() == "up\n"
    for name in ("good", "bad"):
        service.get(f"/targets/{name}/drain", method="POST")
    assert agent.ask() == "drain\n"
    service.get("/targets/good/drain?mode=maint", method="POST")
    assert agent.ask() == "drain\n", "of both the mildest"
    service.get("/targets/bad/drain?mode=maint", method="POST")
    assert agent.ask() == "maint\n"


def test_the_agent_answers_in_time_whatever_the_mail_server_does(with_agent, fake):
    """While the first run hangs nothing is known, and nothing is said; what it has shown stands while the next one hangs."""
    mta = fake(RCPT=None)
    limit = scaled(3)
    service, agent = with_agent({"targets": {"mx1": target(mta.address, timeouts={"reply": f"{limit:g}s"},
                                                          cache_ttl="0")}})
    line, took = timed(lambda: agent.ask(b"mx1\n"))
    assert line == "\n" and 1.5 < took < 1.7 + scaled(0.3), (line, took)
    wait_until(lambda: "run ended" in service.log(), 20, "the first run is over")
    for _ in range(2):
        line, took = timed(lambda: agent.ask(b"mx1\n"))
        assert line.startswith("down #rcpt/timeout: "), line
        assert took < 1.7 + scaled(0.3), took


@pytest.mark.parametrize("unknown_status, line", [(500, "down #"), (200, "\n")])
def test_what_ehlod_cannot_tell_is_said_as_by_http(with_agent, unknown_status, line):
    """An address that this machine has not got says nothing about the mail server."""
    _, agent = with_agent({"targets": {"mx1": hour("127.0.0.1:25", source="192.0.2.7")},
                           "server": {"unknown_status": unknown_status}})
    assert agent.ask(b"mx1\n").startswith(line)


def test_slow_and_silent_agents_hold_up_nobody(with_agent, mta):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    crowd = [socket.create_connection((HOST, agent.port), timeout=scaled(20)) for _ in range(60)]
    for s in crowd[::2]:
        s.sendall(b"go")
    assert agent.ask(b"good\n") == "up\n"
    assert service.get("/check/good").status == 200
    for s in crowd:
        with s:
            assert b"".join(iter(lambda s=s: s.recv(4096), b"")).endswith(b"\n")
    free = service.descriptors()
    for _ in range(50):
        with socket.create_connection((HOST, agent.port)) as s:
            s.sendall(b"go")
    wait_until(lambda: service.descriptors() <= free, 10, "those who have left are forgotten")


def test_a_flood_of_silent_agents_keeps_nobody_out(with_agent, mta):
    """Whoever says nothing makes room; so HAProxy is answered before its own limit."""
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    crowd = []
    for _ in range(500):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((HOST, agent.port))
        crowd.append(s)
    for _ in range(5):
        line, took = timed(lambda: agent.ask(b"good\n"))
        assert line == "up\n" and took < scaled(2), took
    assert service.get("/check/good").status == 200
    for s in crowd:
        s.close()


def test_agents_that_are_all_being_answered_are_waited_for(with_agent, fake):
    """Who has asked is not sent away for another who asks: that one waits in the kernel's queue."""
    gate = Gate("250 2.1.5 Ok")
    _, agent = with_agent({"targets": {"mx1": target(fake(RCPT=gate).address, timeout="50s", timeouts={"reply": "40s"})}})
    crowd = []
    for _ in range(100):
        crowd.append(socket.create_connection((HOST, agent.port), timeout=scaled(20)))
        crowd[-1].sendall(b"mx1\n")
    wait_until(lambda: gate.waiting, 10, "a run hangs")
    gate.open()
    for s in crowd:
        with s:
            assert b"".join(iter(lambda s=s: s.recv(4096), b"")) in (b"up\n", b"\n")
    assert agent.ask(b"mx1\n") == "up\n"


def test_an_agent_whose_connection_is_reset_is_forgotten_at_once(with_agent, mta):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    free, quickest = service.descriptors(), None
    for _ in range(5):
        for _ in range(20):
            s = socket.create_connection((HOST, agent.port))
            s.sendall(b"go")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        assert agent.ask(b"good\n") == "up\n"  # so all before it are taken
        _, took = timed(lambda: wait_until(lambda: service.descriptors() <= free, 10, "they are forgotten"))
        quickest = min(took, quickest or took)
    assert quickest < 0.5, "not when their second is over"


def test_the_agents_address_can_be_another_after_a_reload(with_agent, mta, tmp_path):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    other = Agent(free_port())
    config = {"targets": {"good": hour(mta.address)}, "server": {"agent_listen": f"{HOST}:{other.port}"}}
    reload_with(service, config)
    assert other.ask(b"good\n") == "up\n" and not accepts(agent.port)
    with socket.create_server((HOST, 0)) as taken:
        config["server"]["agent_listen"] = f"{HOST}:{taken.getsockname()[1]}"
        write_config(str(tmp_path), {**config, "server": {**config["server"], "listen": f"{HOST}:{service.port}"}})
        answer = service.get("/-/reload", method="POST")
        assert answer.status == 500 and "server.agent_listen" in json.dumps(answer.json), answer
    assert other.ask(b"good\n") == "up\n"
    reload_with(service, {"targets": {"good": hour(mta.address)}})
    assert not accepts(other.port)


def test_a_stop_leaves_no_agent_waiting(with_agent, fake):
    mta = fake(RCPT=None)
    service, agent = with_agent({"targets": {"mx1": target(mta.address)}})
    with socket.create_connection((HOST, agent.port), timeout=scaled(10)) as s:
        s.sendall(b"mx1\n")
        wait_until(lambda: mta.connections(), 10, "its run is under way")
        service.signal(signal.SIGTERM)
        assert s.recv(100) == b""
