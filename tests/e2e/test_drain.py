# SPDX-License-Identifier: Apache-2.0
"""Targets taken out of service by hand."""
import signal
import sqlite3
import time

import pytest
from balance import FIRST, hour, lazy, reload_with
from conftest import target
from service import Service, assert_problem
from support import scaled, wait_until


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
