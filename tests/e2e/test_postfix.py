# SPDX-License-Identifier: Apache-2.0
"""ehlod against a real Postfix: every verdict with Postfix' own codes, and a dialogue that its log calls complete."""
import pytest
from conftest import target
from support import wait_until

ACCEPTED = {"name": "inbound", "from": "probe@example.net", "to": "www@example.test", "expect": "accepted"}
UNKNOWN = {"name": "unknown", "from": "probe@example.net", "to": "nobody@example.test", "expect": "rejected",
           "reply": "550 5.1.1"}
RELAY = {"name": "relay", "from": "probe@example.net", "to": "someone@example.com",
         "expect": ["rejected", "deferred"]}
BUSY = {"name": "busy", "from": "probe@example.net", "to": "busy@example.test", "expect": "deferred"}

# route, its state, Postfix' code and enhanced code, a piece of its text
AS_WANTED = [
    (ACCEPTED, "accepted", 250, "2.1.5", "Ok"),
    (UNKNOWN, "rejected", 550, "5.1.1", "User unknown in local recipient table"),
    (RELAY, "deferred", 454, "4.7.1", "Relay access denied"),
    (BUSY, "deferred", 450, "4.2.1", "Mailbox is busy"),
]

# route, reason and codes of the failure
NOT_AS_WANTED = [
    ({**ACCEPTED, "to": "nobody@example.test"}, "rejected", 550, "5.1.1"),
    ({**ACCEPTED, "to": "busy@example.test"}, "deferred", 450, "4.2.1"),
    ({**UNKNOWN, "to": "www@example.test", "reply": None}, "accepted", 250, "2.1.5"),
    ({**UNKNOWN, "reply": "550 5.7.1"}, "wrong_reply", 550, "5.1.1"),
    ({**RELAY, "expect": "rejected"}, "wrong_reply", 454, "4.7.1"),  # M34
    ({**BUSY, "to": "www@example.test"}, "accepted", 250, "2.1.5"),
]


def without_nulls(route):
    return {key: value for key, value in route.items() if value is not None}


def new_dialogue(postfix, before):
    """What Postfix counted for the one connection since then."""
    wait_until(lambda: len(postfix.dialogues()) > before, 10, "Postfix' log shows the end of the dialogue")
    dialogues = postfix.dialogues()[before:]
    assert len(dialogues) == 1
    return dialogues[0]


def assert_polite(postfix):
    log = postfix.log()
    for complaint in ("lost connection", "improper command pipelining", "timeout after", "non-SMTP command"):
        assert complaint not in log, log


def commands_sent(result):
    return [command["sent"].split(" ")[0] for command in result["commands"] if command["sent"]]


@pytest.mark.parametrize("route, state, code, enhanced, text", AS_WANTED, ids=lambda v: v["name"] if isinstance(v, dict) else "")
def test_a_route_as_wanted(ehlod, postfix, route, state, code, enhanced, text):
    before = len(postfix.dialogues())
    answer = ehlod({"targets": {"mx": target(postfix.address, route)}}).get("/check/mx")
    result = answer.json
    assert answer.status == 200 and result["status"] == "pass" and result["failure"] is None, answer
    shown = result["routes"][0]
    assert (shown["name"], shown["state"], shown["ok"]) == (route["name"], state, True)
    recipient = shown["recipients"][0]
    assert (recipient["to"], recipient["code"], recipient["enhanced"], recipient["ok"]) == \
        (route["to"], code, enhanced, True)
    assert text in recipient["text"]
    rcpt = next(c for c in result["commands"] if c["phase"] == "rcpt")
    assert rcpt["sent"] == f"RCPT TO:<{route['to']}>" and rcpt["ok"] and rcpt["reply"]["code"] == code
    assert new_dialogue(postfix, before)["quit"] == "1"
    assert_polite(postfix)


@pytest.mark.parametrize("route, reason, code, enhanced", NOT_AS_WANTED,
                         ids=lambda v: f"{v['name']}-{v['to']}" if isinstance(v, dict) else "")
def test_a_route_not_as_wanted(ehlod, postfix, route, reason, code, enhanced):
    before = len(postfix.dialogues())
    answer = ehlod({"targets": {"mx": target(postfix.address, without_nulls(route))}}).get("/check/mx")
    result = answer.json
    assert answer.status == 503 and result["status"] == "fail", answer
    failure = result["failure"]
    assert (failure["phase"], failure["reason"], failure["route"]) == ("rcpt", reason, route["name"])
    assert (failure["code"], failure["enhanced"]) == (code, enhanced)
    assert result["routes"][0]["ok"] is False
    assert "DATA" not in commands_sent(result)
    assert new_dialogue(postfix, before)["quit"] == "1"
    assert_polite(postfix)


def test_several_routes_on_one_connection(ehlod, postfix):
    before = len(postfix.dialogues())
    answer = ehlod({"targets": {"mx": target(postfix.address, ACCEPTED, UNKNOWN, RELAY, BUSY)}}).get("/check/mx")
    result = answer.json
    assert answer.status == 200, answer
    assert [(r["name"], r["state"], r["ok"]) for r in result["routes"]] == [
        ("inbound", "accepted", True), ("unknown", "rejected", True), ("relay", "deferred", True),
        ("busy", "deferred", True)]
    counted = new_dialogue(postfix, before)
    assert counted["ehlo"] == "1" and counted["mail"] == "4" and counted["rcpt"] == "1/4" and counted["quit"] == "1"
    assert int(counted["rset"]) >= 3
    assert_polite(postfix)


def test_one_route_not_as_wanted_fails_all_but_the_others_are_still_played(ehlod, postfix):
    answer = ehlod({"targets": {"mx": target(postfix.address, {**ACCEPTED, "to": "nobody@example.test"}, RELAY)}}
                   ).get("/check/mx")
    result = answer.json
    assert answer.status == 503
    assert [(r["name"], r["state"], r["ok"]) for r in result["routes"]] == [
        ("inbound", "rejected", False), ("relay", "deferred", True)]
    assert result["failure"]["route"] == "inbound"
    assert_polite(postfix)


def test_each_recipient_has_its_own_verdict(ehlod, postfix):
    route = {**ACCEPTED, "to": ["www@example.test", "nobody@example.test"]}
    answer = ehlod({"targets": {"mx": target(postfix.address, route)}}).get("/check/mx")
    assert answer.status == 503
    assert [(r["to"], r["code"], r["ok"]) for r in answer.json["routes"][0]["recipients"]] == [
        ("www@example.test", 250, True), ("nobody@example.test", 550, False)]


def test_the_null_sender(ehlod, postfix):
    answer = ehlod({"targets": {"mx": target(postfix.address, {**ACCEPTED, "from": ""})}}).get("/check/mx")
    assert answer.status == 200
    assert "MAIL FROM:<>" in [c["sent"] for c in answer.json["commands"]]


def test_the_result_tells_the_whole_dialogue(ehlod, postfix):
    result = ehlod({"targets": {"mx": target(postfix.address, ACCEPTED, helo="probe.example.net")}}
                   ).get("/check/mx").json
    assert [(c["phase"], c["sent"]) for c in result["commands"]] == [
        ("banner", None), ("ehlo", "EHLO probe.example.net"), ("mail", "MAIL FROM:<probe@example.net>"),
        ("rcpt", "RCPT TO:<www@example.test>"), ("rset", "RSET"), ("quit", "QUIT")]
    assert [c["reply"]["code"] for c in result["commands"]] == [220, 250, 250, 250, 250, 221]
    assert result["peer"]["name"] == "mail.example.test" and result["peer"]["port"] == postfix.port
    assert result["extensions"]["PIPELINING"] == "" and result["extensions"]["SIZE"] == "10240000"
    assert_times(result)


def assert_times(result):
    """Offsets never run backwards, and every phase that was played has a time."""
    last = 0
    for command in result["commands"]:
        for key in ("at_ms", "first_byte_ms", "reply_ms"):
            assert command[key] >= last, command
            last = command[key]
    for phase in ("connect", "banner", "ehlo", "mail", "rcpt"):
        assert result["timing_ms"][phase] >= 0
    assert result["timing_ms"]["data"] is None
    assert 0 < result["duration_ms"] <= last


def test_stop_after_ehlo_leaves_no_transaction(ehlod, postfix):
    before = len(postfix.dialogues())
    answer = ehlod({"targets": {"mx": target(postfix.address, UNKNOWN)}}).get("/check/mx?stop_after=ehlo")
    assert answer.status == 200
    assert [(r["state"], r["ok"]) for r in answer.json["routes"]] == [("skipped", None)]
    counted = new_dialogue(postfix, before)
    assert counted == {"ehlo": "1", "quit": "1", "commands": "2"}
    assert_polite(postfix)


def test_twenty_runs_are_not_braked(ehlod, postfix):
    """M33: the Postfix of these tests is set up as the documents say, so that probing costs no second."""
    service = ehlod({"targets": {"mx": target(postfix.address, ACCEPTED)}})
    for _ in range(20):
        result = service.get("/check/mx?max_age=0").json
        assert result["status"] == "pass" and "flow_delay" not in result["flags"], result
    assert_polite(postfix)
