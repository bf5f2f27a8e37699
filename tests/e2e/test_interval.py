# SPDX-License-Identifier: Apache-2.0
"""Targets that run by themselves, so that everybody is answered at once."""
import threading
import time

import pytest
from balance import AT_ONCE, Agent, FIRST, lazy, reload_with, status_of, timed
from conftest import target
from fake_mta import Gate
from support import HOST, free_port, scaled, wait_until


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


def times_of_runs(mta, count):
    """When each of the first so many was seen."""
    at = []
    while len(at) < count:
        wait_until(lambda: mta.connections() > len(at), 20, "the next one runs")
        at += [time.monotonic()] * (mta.connections() - len(at))
    return at


def test_a_start_is_no_burst(ehlod, mta):
    """Many targets of one interval are spread over it."""
    count = 40
    service = ehlod({"targets": {f"mx{i}": target(mta.address, interval="10s") for i in range(count)},
                     "server": {"max_per_address": 100}})
    at = times_of_runs(mta, count)
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


def test_the_first_turn_comes_early_and_once(ehlod, mta):
    """After a start there is nothing to answer with, so nobody is left to wait for a turn that is a day away."""
    service = ehlod({"targets": {"mx1": lazy(mta.address)}})
    wait_until(lambda: status_of(service) == "pass", FIRST + 5, "it has run by itself")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + FIRST + 1, FIRST + 10, "another early turn would have come")
    assert service.get("/check/mx1").json["age_ms"] > 1000 * FIRST and mta.connections() == 1


def test_an_unknown_does_not_stand_for_an_interval(ehlod, fake):
    """What ehlod could not tell for a moment, as all its runs were taken, it looks at again soon."""
    gate = Gate("250 2.1.5 Ok")
    slow, mta = fake(RCPT=gate), fake()
    service = ehlod({"server": {"max_runs": 1},
                     "targets": {"slow": target(slow.address, timeout="50s", timeouts={"reply": "40s"}),
                                 "mx1": target(mta.address, interval="24h", timeout="1s")}})
    asked = service.ask("/check/slow")
    wait_until(lambda: status_of(service) == "unknown", FIRST + 10, "its turn was in vain")
    assert service.get("/check/mx1").status == 500 and mta.connections() == 0
    gate.open()
    assert asked.answer().status == 200
    wait_until(lambda: status_of(service) == "pass", FIRST + 5, "it has run again")
    assert mta.connections() == 1


def test_first_turns_are_no_burst(ehlod, mta):
    count = 60
    service = ehlod({"targets": {f"mx{i}": target(mta.address, interval="1h") for i in range(count)},
                     "server": {"max_per_address": 100}})
    at = times_of_runs(mta, count)
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
    wait_until(lambda: service.connections_read() == 2, 10, "both wait")
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


@pytest.mark.parametrize("interval", ["0", "24h"])
def test_the_verdict_on_another_server_is_not_this_ones(ehlod, mta, interval):
    """The source address is not this machine's, so that nothing is known of the new one."""
    service = ehlod({"targets": {"mx1": target(mta.address, interval=interval)}})
    assert service.get("/check/mx1").status == 200 and status_of(service) == "pass"
    reload_with(service, {"targets": {"mx1": target(mta.address, interval=interval, tags=["eu"])}})
    assert status_of(service) == "pass"
    other = {"targets": {"mx1": target("127.0.0.9:25", interval=interval, source="192.0.2.7")}}
    reload_with(service, other)
    assert status_of(service) in (None, "unknown")
    result = service.get("/check/mx1").json
    assert (result["status"], result["flags"], result["peer"]["host"]) == ("unknown", [], "127.0.0.9"), result


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
