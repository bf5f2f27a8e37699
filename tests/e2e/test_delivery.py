# SPDX-License-Identifier: Apache-2.0
"""Accepted is not delivered: ehlod sends a real message through a real Postfix and sees it arrive in its own sink,
or not. The letters are rows of the fault catalogue."""
import contextlib
import re
import smtplib
import socket
import time

import pytest
from postfix import Postfix
from service import run_ehlod, write_config
from support import HOST, free_port, scaled, wait_until

SINK = f"{HOST}:{free_port()}"
DOMAINS = ["probe.example.org", "held.example.org", "void.example.org", "each.example.org"]
MAILBOX = {"local": {"sink": SINK, "domains": DOMAINS}}
FLIGHT = 500


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture():
    """Sends mail for probe and held to the sink, but holds that for held; throws away that for void."""
    to_sink = f"smtp:[{HOST}]:{SINK.split(':')[1]}"
    server = Postfix(access={"held.example.org": "HOLD", "bounced-later.example.org": "HOLD"},
                     transport={"probe.example.org": to_sink, "held.example.org": to_sink,
                                "void.example.org": "discard:", "each.example.org": "each:" + to_sink.removeprefix("smtp:"),
                                "bounced.example.org": to_sink, "bounced-later.example.org": to_sink},
                     virtual={f"{name}@example.test": "www@probe.example.org" for name in ("alias", "another")})
    yield server
    server.stop()


def route(to, **more):
    return {"name": "through", "from": "probe@example.net", "to": to, "expect": "delivered", "mailbox": "local",
            "deliver_within": "30s", **more}


def config(address, *routes, **more):
    return {"mailboxes": MAILBOX, "targets": {"mx": {"address": address, "routes": list(routes), "wait": "20s", **more}}}


def only_route(answer):
    assert len(answer.json["routes"]) == 1
    return answer.json["routes"][0]


@pytest.mark.parametrize("to", ["www@probe.example.org", "alias@example.test"], ids=["transport", "alias"])
def test_delivered_through_postfix(ehlod, postfix, to):
    service = ehlod(config(postfix.address, route(to)))
    answer = service.get("/check/mx", timeout=40)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (200, "delivered", True), answer
    delivery = shown["delivery"]
    assert (delivery["state"], delivery["mailbox"], delivery["run"]) == ("delivered", "local", answer.json["id"])
    assert 0 < delivery["latency_ms"] < scaled(30000) and delivery["age_ms"] >= 0 and delivery["flags"] == []
    assert re.fullmatch(r"<ehlod-[0-9a-f]{48}@\S+>", shown["message_id"])
    assert shown["final"]["code"] == 250 and shown["final"]["text"] == f"Ok: queued as {shown['queue_id']}"
    assert re.search(r"delivered in [\d.]+ m?s", answer.json["summary"])
    for phase in ("data", "message", "final"):
        assert answer.json["timing_ms"][phase] >= 0
    wait_until(lambda: shown["queue_id"] not in postfix.queue(), 10, "Postfix is rid of it")
    wait_until(lambda: re.search(rf"{shown['queue_id']}: to=<www@probe\.example\.org>.* status=sent \(250 2\.0\.0 Ok", postfix.log()), 10,
               "Postfix says so")


def test_two_aliases_for_one_address(ehlod, postfix):
    """Their copies come with one name, which is neither's."""
    answer = ehlod(config(postfix.address, route(["alias@example.test", "another@example.test"]))).get("/check/mx", timeout=40)
    shown = only_route(answer)
    assert (shown["state"], shown["delivery"]["flags"]) == ("delivered", []), answer


def test_queued_is_what_postfix_says(ehlod, postfix):
    answer = ehlod(config(postfix.address, route("www@void.example.org", expect="queued"))).get("/check/mx")
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"], shown["delivery"]) == (200, "queued", True, None), answer
    wait_until(lambda: shown["queue_id"] and shown["queue_id"] in postfix.log(), 10, "Postfix knows that name")


def test_v06_a_bounce_is_no_delivery(ehlod, postfix):
    """The next hop (here the sink, which takes none for that domain) refuses it. The bounce quotes the message, token
    and all, and comes to the very mailbox where it is looked for."""
    service = ehlod(config(postfix.address, route("x@bounced.example.org", **{"from": "sender@probe.example.org"})))
    answer = service.get("/check/mx", timeout=40)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "bounced", False), answer
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["route"]) == ("delivery", "bounced", "through")
    assert failure["enhanced"] == "5.7.1", failure
    assert re.fullmatch(r"the server ACCEPTED the message \(250 2\.0\.0\) and sent it back: 5\.7\.1 \(550 5\.7\.1 .*\), "
                        r"seen in local", failure["message"]), failure


def test_v06_a_bounce_after_it_was_lost(ehlod, postfix):
    """As a late one: told of its own run, when it comes."""
    held = "x@bounced-later.example.org"
    service = ehlod(config(postfix.address, route(held, deliver_within="500ms", **{"from": "sender@probe.example.org"})))
    answer = service.get("/check/mx")
    assert only_route(answer)["state"] == "lost", answer
    postfix.release()
    wait_until(lambda: only_route(service.get(f"/runs/{answer.json['id']}"))["state"] == "bounced", 20, "it came back")
    assert only_route(service.get("/check/mx?max_age=0"))["state"] == "bounced", "the last one that is known counts"


def put_into_sink(header, to="www@held.example.org"):
    """As a mail server would, with that header."""
    host, port = SINK.split(":")
    with smtplib.SMTP(host, int(port), timeout=scaled(10)) as client:
        client.sendmail("other@example.net", [to], header + "Subject: ehlod test message\r\n\r\nhello\r\n")


def pending(service):
    """The run of a message that is held, and its token."""
    answer = service.get("/check/mx?wait=0")
    assert only_route(answer)["state"] == "pending", answer
    return answer.json["id"], re.fullmatch(r"<(ehlod-[0-9a-f]+)@\S+>", only_route(answer)["message_id"])[1]


def test_v03_delivered_twice(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@held.example.org")))
    run, token = pending(service)

    def shown():
        return only_route(service.get(f"/runs/{run}"))
    put_into_sink(f"X-Ehlod-Token: {token}\r\n")
    wait_until(lambda: shown()["state"] != "pending", 10, "it is delivered")
    assert shown()["delivery"]["flags"] == ["altered"], "that one was not what we sent"
    put_into_sink(f"X-Ehlod-Token: {token}\r\n")
    wait_until(lambda: "duplicate" in shown()["delivery"]["flags"], 10, "the second one is a duplicate")
    again = service.get("/check/mx?max_age=0")
    assert (again.status, again.json["status"]) == (200, "warn") and "duplicate" in again.json["flags"]


def test_v07_a_stranger_is_not_taken_for_ours(ehlod, postfix):
    """Neither the subject nor the form of a token tells: only one who has our key can make one."""
    service = ehlod(config(postfix.address, route("www@held.example.org")))
    run, token = pending(service)
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    for header in ("", f"X-Ehlod-Token: {forged}\r\n", f"X-Ehlod-Token: {token}x\r\n", f"References: <{token}@example.net>\r\n",
                   f"In-Reply-To: <{token}@example.net>\r\n"):
        put_into_sink(header)
    shown = only_route(service.get(f"/runs/{run}"))
    assert (shown["state"], shown["delivery"]["flags"]) == ("pending", [])
    put_into_sink(f"X-Ehlod-Token: {token}\r\n")
    wait_until(lambda: only_route(service.get(f"/runs/{run}"))["state"] != "pending", 10, "but one who has it")


def test_v13_header_dates_are_nobodys_clock(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@held.example.org")))
    begun = time.monotonic()
    run, token = pending(service)
    put_into_sink("Received: from a.example.net by b.example.org; Fri, 1 Jan 2066 00:00:00 +0000\r\n"
                  f"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nX-Ehlod-Token: {token}\r\n")
    wait_until(lambda: only_route(service.get(f"/runs/{run}"))["state"] != "pending", 10, "it is delivered")
    took_ms = (time.monotonic() - begun) * 1000
    assert 0 < only_route(service.get(f"/runs/{run}"))["delivery"]["latency_ms"] <= took_ms


@pytest.mark.parametrize("to, state", [(["a@probe.example.org", "b@each.example.org", "c@each.example.org"], "delivered"),
                                       (["a@probe.example.org", "b@void.example.org"], "lost")])
def test_every_recipient_must_have_it(ehlod, postfix, to, state):
    """In one message or in several: what counts is who has it."""
    service = ehlod(config(postfix.address, route(to, deliver_within="3s")))
    shown = only_route(service.get("/check/mx"))
    assert (shown["state"], shown["delivery"]["flags"]) == (state, []), shown


def test_v11_a_sink_that_is_full_makes_it_unverified(ehlod, postfix):
    """Our own shortage is no evidence against the mail server."""
    service = ehlod(config(postfix.address, route("www@probe.example.org", deliver_within="1s")))
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            s = stack.enter_context(socket.create_connection(tuple(SINK.split(":")), timeout=scaled(10)))
            assert s.recv(100).startswith(b"220 ")
        answer = service.get("/check/mx")
        shown = only_route(answer)
        assert (answer.status, answer.json["status"], shown["state"], shown["ok"]) == (500, "unknown", "unverified", None)
        failure = answer.json["failure"]
        assert (failure["phase"], failure["reason"]) == ("delivery", "mailbox_unreachable")


def test_a_callers_own_timeout_hides_no_loss(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@void.example.org", deliver_within="500ms"), cache_ttl="0"))
    assert service.get("/check/mx").status == 503
    for query in ("timeout=10s", "timeout=1s", "timeout=1s&wait=0"):
        answer = service.get(f"/check/mx?{query}")
        assert (answer.status, only_route(answer)["state"]) == (503, "lost"), answer


def test_v01_thrown_away_is_lost(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@void.example.org", deliver_within="1500ms")))
    answer = service.get("/check/mx")
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "lost", False), answer
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["route"]) == ("delivery", "lost", "through")
    assert failure["limit_ms"] == 1500
    assert shown["final"]["code"] == 250 and shown["delivery"]["latency_ms"] is None


def test_v02_held_is_pending_then_lost_then_late(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@held.example.org", deliver_within="2s"), wait="100ms"))
    begun = time.monotonic()
    first = service.get("/check/mx")
    assert time.monotonic() - begun < 1 + scaled(0.5), "an answer waits no longer than it may"
    assert (first.status, only_route(first)["state"], only_route(first)["ok"]) == (200, "pending", None), first
    assert "delivery_pending" in first.json["flags"] and only_route(first)["delivery"]["state"] == "pending"

    def run():
        return service.get(f"/runs/{first.json['id']}")
    wait_until(lambda: only_route(run())["state"] == "lost", 10, "it is lost")
    assert (run().status, run().json["status"]) == (200, "fail"), "a past run is shown, not judged"
    failure = run().json["failure"]
    assert (failure["phase"], failure["reason"]) == ("delivery", "lost")
    # Another run sends none (min_send_interval): what became of the last message stands.
    again = service.get("/check/mx?max_age=0")
    assert again.json["id"] != first.json["id"] and again.status == 503
    assert only_route(again)["state"] == "lost" and only_route(again)["delivery"]["run"] == first.json["id"]

    postfix.release()
    wait_until(lambda: only_route(run())["state"] == "late", 20, "it came after all")
    shown = only_route(run())
    assert shown["ok"] is False and shown["delivery"]["latency_ms"] > 2000
    assert run().json["failure"]["reason"] == "late"
    assert only_route(service.get("/check/mx?max_age=0"))["delivery"]["state"] == "late"


def test_a_message_that_was_lost_is_not_credited_to_the_next(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@held.example.org", deliver_within="1s", min_send_interval="0")))
    lost = service.get("/check/mx?wait=10s")
    assert only_route(lost)["state"] == "lost"
    pending = service.get("/check/mx?max_age=0&wait=0")
    assert only_route(pending)["state"] == "pending" and pending.status == 503, "the last one that is settled counts"
    assert only_route(pending)["delivery"]["run"] == lost.json["id"]
    postfix.release()
    wait_until(lambda: only_route(service.get(f"/runs/{lost.json['id']}"))["state"] == "late", 20, "the first is late")


def test_a_get_sends_at_most_one_in_the_interval_and_a_post_always(ehlod, postfix):
    service = ehlod(config(postfix.address, route("www@probe.example.org"), cache_ttl="0"))

    def sent():
        return len(re.findall(r"postfix/cleanup\[\d+\]: \w+: message-id=<ehlod-", postfix.log()))
    before = sent()
    ids = [service.get(f"/check/mx?{query}", timeout=40).json["id"] for query in ("wait=20s", "max_age=0", "wait=0")]
    wait_until(lambda: sent() == before + 1, 10, "one was sent")
    posted = service.get("/check/mx", method="POST", timeout=40)
    assert (posted.status, only_route(posted)["delivery"]["run"]) == (200, posted.json["id"])
    wait_until(lambda: sent() == before + 2, 10, "another one was sent")
    between = service.get("/check/mx", timeout=40)
    assert only_route(between)["delivery"]["run"] == posted.json["id"] and only_route(between)["message_id"] is None
    assert [c["sent"] for c in between.json["commands"] if c["phase"] in ("data", "final")] == []
    assert len(set(ids)) == 3 and sent() == before + 2


def test_five_hundred_in_flight_are_each_credited_to_their_own_run(ehlod, postfix):
    targets = {f"t{i}": {"address": postfix.address, "wait": "0", "timeout": "60s", "timeouts": {"reply": "50s"},
                         "routes": [route(f"user{i}@held.example.org", deliver_within="3m")]} for i in range(FLIGHT)}
    service = ehlod({"server": {"max_per_address": 50}, "mailboxes": MAILBOX, "targets": targets})
    answer = service.get("/check", timeout=120)
    results = answer.json["targets"]
    assert answer.json["counts"] == {"pass": FLIGHT, "warn": 0, "fail": 0, "unknown": 0}
    assert {r["routes"][0]["state"] for r in results.values()} == {"pending"}
    assert len(set(postfix.queue())) >= FLIGHT
    postfix.release()

    def all_delivered():
        return all(t["summary"].startswith("1 of 1 route as wanted, delivered in")
                   for t in service.get("/targets").json["targets"])
    wait_until(all_delivered, 120, "all are delivered")
    message_ids = {r["routes"][0]["message_id"] for r in results.values()}
    assert len(message_ids) == FLIGHT
    for result in results.values():
        shown = service.get(f"/runs/{result['id']}").json["routes"][0]
        assert shown["delivery"]["run"] == result["id"] and shown["message_id"] == result["routes"][0]["message_id"]
        assert (shown["state"], shown["delivery"]["flags"]) == ("delivered", [])


def test_check_on_the_command_line_waits_for_the_delivery(postfix, tmp_path):
    path = write_config(str(tmp_path), config(postfix.address, route("www@probe.example.org")))
    done = run_ehlod("check", "--config", path, "mx", timeout=60)
    assert done.returncode == 0 and "delivered in" in done.stdout, done
    lost = write_config(str(tmp_path), config(postfix.address, route("www@void.example.org", deliver_within="1s")))
    done = run_ehlod("check", "--config", lost, "mx", timeout=60)
    assert done.returncode == 2 and "FAIL mx  delivery/lost: " in done.stdout, done


def test_check_cannot_see_into_the_sink_of_a_running_service(ehlod, postfix, tmp_path):
    """It says so, instead of calling the message lost."""
    service = ehlod(config(postfix.address, route("www@probe.example.org")))
    done = run_ehlod("check", "--config", service.config_path, "mx", timeout=60)
    assert done.returncode == 3 and SINK in done.stderr and "mailboxes.local.sink" in done.stderr, done
