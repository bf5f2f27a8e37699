# SPDX-License-Identifier: Apache-2.0
"""A real Postfix delivers into a real Maildir, and ehlod sees it there. The letters are rows of the fault catalogue."""
import os
import re
import smtplib
import subprocess
import time

import pytest
from postfix import AS_ROOT, MAILDIR_DOMAIN, Postfix
from service import run_ehlod, write_config
from support import HOST, scaled, wait_until

FLIGHT = 500
SLOW = "slow.example.org"


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture():
    """Into one Maildir goes all mail for MAILDIR_DOMAIN; spam@ into its Junk, twin@ into one of its own. held@ is held,
    void@ is thrown away; to slow.example.org every message but the first takes five seconds."""
    server = Postfix(maildir={f"spam@{MAILDIR_DOMAIN}": "all/.Junk/", f"other@{MAILDIR_DOMAIN}": "other/"},
                     access={f"held@{MAILDIR_DOMAIN}": "HOLD"}, transport={"void.example.org": "discard:", SLOW: "slow:"},
                     main="slow_destination_rate_delay = 5s\nslow_destination_concurrency_limit = 1\n")
    server.make_maildir(server.maildir_path)
    server.make_maildir(os.path.join(os.path.dirname(server.maildir_path), "other"))
    yield server
    server.stop()


def route(to, **more):
    to = [to] if isinstance(to, str) else to
    return {"name": "through", "from": "probe@example.net", "to": [t if "@" in t else f"{t}@{MAILDIR_DOMAIN}" for t in to],
            "expect": "delivered", "mailbox": "disk", "deliver_within": "30s", **more}


def config(postfix, *routes, **more):
    return {"mailboxes": {"disk": {"maildir": postfix.maildir_path}},
            "targets": {"mx": {"address": postfix.address, "routes": list(routes), "wait": "20s", **more}}}


def only_route(answer):
    assert len(answer.json["routes"]) == 1
    return answer.json["routes"][0]


def as_root(*command):
    return subprocess.run([*AS_ROOT, *command], check=True, timeout=30, stdout=subprocess.PIPE).stdout.decode()


def files(path):
    """All that lie in the Maildir, below its folders."""
    found = as_root("find", path, "-type", "f", "-path", "*/new/*", "-o", "-type", "f", "-path", "*/cur/*").split("\n")
    return [name for name in found if name]


def send(postfix, to, subject="probe", more=""):
    with smtplib.SMTP(HOST, postfix.port, timeout=scaled(10)) as client:
        client.sendmail("friend@example.com", [f"{to}@{MAILDIR_DOMAIN}"], f"Subject: {subject}\r\n{more}\r\nHello\r\n")


@pytest.fixture(autouse=True)
def clean(postfix):
    """No message of an earlier test."""
    yield
    postfix.drop_all()
    as_root("sh", "-c", f"rm -f {postfix.maildir_path}/*/* {postfix.maildir_path}/.Junk/*/*")


def wait_until_empty(path):
    wait_until(lambda: files(path) == [], 10, "what was ours is removed")


def test_delivered_within_a_second_and_removed(ehlod, postfix):
    service = ehlod(config(postfix, route("www")))
    service.wait_for(lambda: "looking for mail" in service.log(), 10, "it has looked once")
    answer = service.get("/check/mx", timeout=40)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (200, "delivered", True), answer
    delivery = shown["delivery"]
    assert (delivery["state"], delivery["mailbox"], delivery["run"]) == ("delivered", "disk", answer.json["id"])
    assert 0 < delivery["latency_ms"] < scaled(1000) and delivery["flags"] == []
    wait_until_empty(postfix.maildir_path)


def test_v07_a_strangers_message_stays_as_it_was(ehlod, postfix):
    """Also one with a token that nobody has made."""
    send(postfix, "www", "before")
    send(postfix, "www", "before", f"X-Ehlod-Token: ehlod-{0:048x}\r\n")
    wait_until(lambda: len(files(postfix.maildir_path)) == 2, 10, "they are there")
    as_root("sh", "-c", f"for f in {postfix.maildir_path}/new/*; do touch -d '2001-02-03 04:05:06.789' \"$f\"; done")

    def picture():  # all but when it was read, as this reads it
        return [(as_root("stat", "-c", "%n %i %s %y %a %u %h", name), as_root("cat", name))
                for name in sorted(files(postfix.maildir_path))]
    before = picture()
    service = ehlod(config(postfix, route("www", min_send_interval="0")))
    for _ in range(3):
        assert service.get("/check/mx?max_age=0", timeout=40).status == 200
    wait_until(lambda: len(files(postfix.maildir_path)) == 2, 10, "ours are removed")
    assert picture() == before


def test_two_recipients_in_one_maildir(ehlod, postfix):
    shown = only_route(ehlod(config(postfix, route(["www", "info"]))).get("/check/mx", timeout=40))
    assert (shown["state"], shown["delivery"]["flags"]) == ("delivered", []), shown
    wait_until_empty(postfix.maildir_path)


def test_one_of_two_recipients_is_not_enough(ehlod, postfix):
    shown = only_route(ehlod(config(postfix, route(["www", "x@void.example.org"], deliver_within="2s"))).get("/check/mx"))
    assert shown["state"] == "lost", shown
    wait_until_empty(postfix.maildir_path)


def test_in_the_junk_folder_it_is_elsewhere(ehlod, postfix):
    service, begun = ehlod(config(postfix, route("spam"))), time.monotonic()
    answer = service.get("/check/mx", timeout=40)
    assert time.monotonic() - begun < scaled(8), "at once, not at the deadline"
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "elsewhere", False), answer
    assert answer.json["failure"]["reason"] == "elsewhere" and "disk Junk" in answer.json["failure"]["message"], answer
    wait_until_empty(postfix.maildir_path)


def test_in_another_mailbox_of_ours_it_is_elsewhere(ehlod, postfix):
    other = os.path.join(os.path.dirname(postfix.maildir_path), "other")
    conf = config(postfix, route("other", deliver_within="2s"))
    conf["mailboxes"]["other"] = {"maildir": other}
    answer = ehlod(conf).get("/check/mx")
    shown = only_route(answer)
    assert (shown["state"], answer.json["failure"]["reason"]) == ("elsewhere", "elsewhere"), answer
    assert "it was seen in other" in answer.json["failure"]["message"], answer
    wait_until_empty(other)


def test_v01_thrown_away_is_lost(ehlod, postfix):
    answer = ehlod(config(postfix, route("x@void.example.org", deliver_within="2s"))).get("/check/mx")
    assert (answer.status, only_route(answer)["state"]) == (503, "lost"), answer


def test_v02_held_is_lost_and_then_late(ehlod, postfix):
    service = ehlod(config(postfix, route("held", deliver_within="1s")))
    answer = service.get("/check/mx")
    assert only_route(answer)["state"] == "lost", answer
    postfix.release()

    def run():
        return only_route(service.get(f"/runs/{answer.json['id']}"))
    wait_until(lambda: run()["state"] == "late", 20, "it came after all")
    assert run()["ok"] is False and run()["delivery"]["latency_ms"] > 1000
    wait_until_empty(postfix.maildir_path)


def test_five_seconds_are_late_where_three_are_allowed(ehlod, postfix):
    both = config(postfix, route([f"www@{SLOW}"], deliver_within="3s"))
    both["targets"]["first"] = {**both["targets"]["mx"], "routes": [route([f"www@{SLOW}"])]}
    service = ehlod(both)
    assert only_route(service.get("/check/first", timeout=40))["state"] == "delivered", "the first goes at once"
    answer = service.get("/check/mx")
    assert only_route(answer)["state"] == "lost", answer

    def run():
        return only_route(service.get(f"/runs/{answer.json['id']}"))
    wait_until(lambda: run()["state"] == "late", 20, "it is late")
    assert 3000 < run()["delivery"]["latency_ms"] < 6000 + scaled(1000)


def test_five_hundred_in_flight_are_each_credited_to_their_own_run(ehlod, postfix):
    send(postfix, "www", "of a stranger")
    targets = {f"t{i}": {"address": postfix.address, "wait": "0", "timeout": "60s", "timeouts": {"reply": "50s"},
                         "routes": [route(f"user{i}", deliver_within="3m")]} for i in range(FLIGHT)}
    service = ehlod({"server": {"max_per_address": 50}, "mailboxes": config(postfix)["mailboxes"], "targets": targets})
    answer = service.get("/check", timeout=120)
    results = answer.json["targets"]
    assert answer.json["counts"]["fail"] == answer.json["counts"]["unknown"] == 0

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
    wait_until(lambda: len(files(postfix.maildir_path)) == 1, 30, "only the stranger's message is left")


def test_a_maildir_that_is_gone_is_unverified_until_it_is_back(ehlod, postfix):
    """Nobody can look, so nobody says that the mail server lost anything."""
    service = ehlod(config(postfix, route("www", deliver_within="1s"), cache_ttl="0"))
    away = postfix.maildir_path + ".away"
    as_root("mv", postfix.maildir_path, away)
    as_root("touch", postfix.maildir_path)  # so that Postfix makes none
    try:
        answer = service.get("/check/mx", method="POST")
        shown = only_route(answer)
        assert (answer.status, answer.json["status"], shown["state"], shown["ok"]) == (500, "unknown", "unverified", None)
        assert (answer.json["failure"]["phase"], answer.json["failure"]["reason"]) == ("delivery", "mailbox_unreachable")
        why = rf"{re.escape(postfix.maildir_path)}: cannot be looked into since \d\d:\d\d:\d\dZ: it is no directory"
        assert re.search(why, answer.json["failure"]["message"]), answer
        text = service.get(f"/runs/{answer.json['id']}?format=text").text
        assert "the server ACCEPTED the message" in text and re.search(why, text), text
        assert "no evidence against the mail server" in text
        wait_until(lambda: service.log().count("a mailbox cannot be looked into") == 1, 5, "it is logged")
        assert "stale" not in answer.json["flags"], "the run itself cannot stand in for what it does not know"
        shown = service.get("/metrics").text.splitlines()
        assert 'ehlod_mailbox_up{mailbox="disk"} 0' in shown and 'ehlod_runs_shared_total{how="stale"} 0' in shown
    finally:
        as_root("rm", postfix.maildir_path)
        as_root("mv", away, postfix.maildir_path)
    service.wait_for(lambda: service.log().count("a mailbox can be looked into again") == 1, 30, "it is back")
    assert service.log().count("a mailbox cannot be looked into") == 1
    postfix.drop_all()
    answer = service.get("/check/mx", method="POST")
    assert (answer.status, only_route(answer)["state"]) == (200, "delivered"), answer


def test_v10_without_inotify_it_is_seen_all_the_same(ehlod, postfix, tmp_path):
    service = ehlod(config(postfix, route("www")), wrapper=injecting(tmp_path, "inotify_init1", "EMFILE"))
    shown = only_route(service.get("/check/mx", timeout=40))
    assert (shown["state"], shown["delivery"]["flags"]) == ("delivered", []), shown
    assert "INJECTED" in trace(tmp_path)


def test_v12_what_cannot_be_removed_is_flagged(ehlod, postfix, tmp_path):
    service = ehlod(config(postfix, route("www")), wrapper=injecting(tmp_path, "unlinkat", "EROFS"))
    answer = service.get("/check/mx", timeout=40)
    assert only_route(answer)["state"] == "delivered"

    def run():
        return only_route(service.get(f"/runs/{answer.json['id']}"))
    wait_until(lambda: run()["delivery"]["flags"] == ["not_removed"], 10, "the flag is there")
    assert run()["ok"] is True
    assert service.log().count("a message of ours cannot be removed") == 1
    assert "Read-only file system" in service.log() and len(files(postfix.maildir_path)) == 1


def injecting(tmp_path, call, error):
    return ["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", f"trace={call}", "-e",
            f"inject={call}:error={error}"]


def trace(tmp_path):
    return (tmp_path / "trace").read_text()


def test_v13_the_clock_of_the_delivering_host_does_not_matter(ehlod, postfix, tmp_path):
    """The file is from another century."""
    service = ehlod(config(postfix, route("held")), "--log-level", "debug")
    pending = service.get("/check/mx?wait=0")
    queue_id = only_route(pending)["queue_id"]
    message = postfix.message(queue_id)
    new = tmp_path / "old"
    new.write_text(re.sub(r"(?m)^(Date: \w+, \d+ \w+) \d+", r"\1 1999", message))
    as_root("touch", "-d", "1999-01-01", str(new))
    as_root("mv", str(new), f"{postfix.maildir_path}/new/1.old.host")
    wait_until(lambda: only_route(service.get(f"/runs/{pending.json['id']}"))["state"] != "pending", 20, "it is seen")
    shown = only_route(service.get(f"/runs/{pending.json['id']}"))
    assert shown["delivery"]["latency_ms"] < scaled(20000)


def test_check_on_the_command_line_leaves_nothing(postfix, tmp_path):
    """Also beside a service whose sink has the address."""
    conf = config(postfix, route("www"))
    conf["mailboxes"]["taken"] = {"sink": postfix.address, "domains": ["example.org"]}
    done = run_ehlod("check", "--config", write_config(str(tmp_path), conf), "mx", timeout=60)
    assert done.returncode == 0 and "delivered in" in done.stdout, done
    assert files(postfix.maildir_path) == []


def test_a_service_that_ends_leaves_nothing(ehlod, postfix):
    service = ehlod(config(postfix, route("www")))
    assert service.get("/check/mx", timeout=40).status == 200
    service.stop_cleanly()
    assert files(postfix.maildir_path) == []


def test_another_maildir_after_a_reload(ehlod, postfix):
    other = os.path.join(os.path.dirname(postfix.maildir_path), "other")
    conf = config(postfix, route("www", min_send_interval="0"), cache_ttl="0")
    service = ehlod(conf)
    conf["server"] = {"listen": [f"{HOST}:{service.port}"]}
    write_config(os.path.dirname(service.config_path), conf)
    assert service.get("/-/reload", method="POST").status == 200
    assert only_route(service.get("/check/mx", timeout=40))["state"] == "delivered"
    service.wait_for(lambda: service.log().count("looking for mail") == 1, 10, "the same one is kept")
    conf["mailboxes"]["disk"]["maildir"] = other
    conf["targets"]["mx"]["routes"] = [route("other", min_send_interval="0")]
    write_config(os.path.dirname(service.config_path), conf)
    assert service.get("/-/reload", method="POST").status == 200
    service.wait_for(lambda: service.log().count("looking for mail") == 2, 10, "the other one is watched")
    assert only_route(service.get("/check/mx", timeout=40))["state"] == "delivered"
    wait_until_empty(other)
