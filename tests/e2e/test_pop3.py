# SPDX-License-Identifier: Apache-2.0
"""Delivered, as a POP3 account shows it: ehlod, a real Postfix, a real Dovecot's LMTP, and back by its POP3; and what is
said of servers that are sick. The letters are rows of the fault catalogue."""
import re
import time

import pytest
from certificates import NAME
from dovecot_store import DovecotStore
from fake_pop3 import FakePop3
from postfix import Postfix
from service import run_ehlod, write_config
from support import scaled, wait_until

WWW = "www@pop.example.org"
USERS = [WWW, *(f"{name}@pop.example.org" for name in ("stranger", "many", "broken", "full"))]
MANY = 500
STRANGER = b"From: a@example.net\r\nSubject: not yours\r\nMessage-ID: <1@example.net>\r\n\r\n.dots\r\n..\r\n+OK\r\n.\r\n"


@pytest.fixture(name="dovecot", scope="module")
def dovecot_fixture(certificates):
    server = DovecotStore(certificates.good(), USERS, protocols=("imap", "pop3"))
    yield server
    server.stop()


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture(dovecot):
    server = Postfix(transport={"pop.example.org": dovecot.transport, "void.example.org": "discard:"},
                     access={"many@pop.example.org": "HOLD", "late@pop.example.org": "HOLD"},
                     virtual={"late@pop.example.org": WWW})
    yield server
    server.stop()


@pytest.fixture(name="box")
def box_fixture(dovecot, certificates):
    """box(scheme, user, ...) is the config of a mailbox."""
    def make(scheme="pop3s", user=WWW, ca_file=certificates.ca, server_name=NAME, **more):
        tls = {key: value for key, value in (("ca_file", ca_file), ("server_name", server_name)) if value}
        return {"pop3": dovecot.url(scheme), "username": user, "password": dovecot.PASSWORD, "tls_config": tls, **more}
    return make


def route(to, **more):
    return {"name": "through", "from": "probe@example.net", "to": to, "expect": "delivered", "mailbox": "box",
            "deliver_within": f"{scaled(20):g}s", **more}


def config(box, postfix, *routes, **more):
    return {"mailboxes": {"box": box},
            "targets": {"mx": {"address": postfix.address, "routes": list(routes), "wait": f"{scaled(25):g}s",
                               "timeout": f"{scaled(30):g}s", "cache_ttl": "0", **more}}}


def only_route(answer):
    assert len(answer.json["routes"]) == 1
    return answer.json["routes"][0]


@pytest.mark.parametrize("scheme", ["pop3s", "pop3"], ids=["TLS", "STLS"])
def test_delivered(ehlod, dovecot, postfix, box, scheme):
    service = ehlod(config(box(scheme), postfix, route(WWW)))
    answer = service.get("/check/mx", timeout=60)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (200, "delivered", True), answer
    delivery = shown["delivery"]
    assert (delivery["state"], delivery["mailbox"], delivery["run"], delivery["flags"]) == ("delivered", "box",
                                                                                            answer.json["id"], [])
    assert 0 < delivery["latency_ms"] < scaled(20000) and delivery["hops"][0]["by"] == "mail.example.test"
    wait_until(lambda: dovecot.ours(WWW) == 0, 20, "it was removed")
    wait_until(lambda: re.search(rf"pop3-login: Info: Login: user=<{WWW}>, method=PLAIN, .* TLS", dovecot.log()), 10, "Dovecot says so")


def test_check_on_the_command_line_leaves_nothing(dovecot, postfix, box, tmp_path):
    path = write_config(str(tmp_path), config(box(), postfix, route(WWW)))
    done = run_ehlod("check", "--config", path, "mx", timeout=60)
    assert done.returncode == 0 and "delivered in" in done.stdout, done
    assert dovecot.ours(WWW) == 0


def test_lost_and_another_that_is_late(ehlod, dovecot, postfix, box):
    service = ehlod(config(box(), postfix, route("www@void.example.org", deliver_within="1500ms")))
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, only_route(answer)["state"]) == (503, "lost"), answer
    assert answer.json["failure"]["limit_ms"] == 1500
    service.stop_cleanly()
    service = ehlod(config(box(), postfix, route("late@pop.example.org", deliver_within="1s")))
    lost = service.get("/check/mx", timeout=60)
    assert only_route(lost)["state"] == "lost", lost
    postfix.release()
    wait_until(lambda: only_route(service.get(f"/runs/{lost.json['id']}"))["state"] == "late", 50, "it came after all")
    wait_until(lambda: dovecot.ours(WWW) == 0, 50, "it was removed")


def test_v06_bounced_is_read_from_the_report(ehlod, dovecot, postfix, box):
    """Dovecot refuses the recipient, Postfix reports that to the sender, whose mailbox it is; the report is cleaned up, too."""
    service = ehlod(config(box(), postfix, route("nobody@pop.example.org", bounce_mailbox="box", **{"from": WWW})))
    answer = service.get("/check/mx", timeout=60)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "bounced", False), answer
    assert answer.json["failure"]["reason"] == "bounced" and "5.1.1" in answer.json["failure"]["message"], answer
    assert shown["delivery"]["bounce"]["status"] == "5.1.1", shown
    wait_until(lambda: not dovecot.messages(WWW), 20, "it was removed")


def test_v07_a_strangers_message_stays_as_it_is(ehlod, dovecot, postfix, box):
    """Byte for byte and with its flags, and so does one that only looks like ours."""
    user = "stranger@pop.example.org"
    fake = STRANGER.replace(b"Subject", b"X-Ehlod-Token: ehlod-" + b"0" * 48 + b"\r\nSubject")
    for message in (STRANGER, fake):
        dovecot.deliver(user, message)
    before = dovecot.messages(user)
    assert len(before) == 2
    service = ehlod(config(box(user=user), postfix, route(user, min_send_interval="0")))
    for _ in range(2):
        answer = service.get("/check/mx", timeout=60)
        assert (answer.status, only_route(answer)["state"]) == (200, "delivered"), answer
    wait_until(lambda: dovecot.messages(user) == before, 20, "only ours are gone")
    assert not any("\\Seen" in flags or "\\Deleted" in flags for flags, _ in before.values())


def test_many_at_once_are_each_credited_to_their_own_run(ehlod, dovecot, postfix, box):
    user = "many@pop.example.org"
    targets = {f"t{i}": {"address": postfix.address, "wait": "0", "timeout": "60s", "timeouts": {"reply": "50s"},
                         "routes": [route(user, deliver_within="3m")]} for i in range(MANY)}
    service = ehlod({"server": {"max_per_address": 50}, "mailboxes": {"box": box(user=user)}, "targets": targets})
    results = service.get("/check", timeout=60).json["targets"]
    assert {r["routes"][0]["state"] for r in results.values()} == {"pending"}
    postfix.release()

    def all_delivered():
        return all("delivered in" in t["summary"] for t in service.get("/targets").json["targets"])
    wait_until(all_delivered, 40, "all are delivered")
    for result in results.values():
        shown = service.get(f"/runs/{result['id']}").json["routes"][0]
        assert (shown["state"], shown["delivery"]["run"], shown["delivery"]["flags"]) == ("delivered", result["id"], [])
    wait_until(lambda: dovecot.ours(user) == 0, 30, "all were removed")


def unverified(answer, place, words):
    """Nobody knows, and it says why; it is no evidence against the mail server."""
    shown = only_route(answer)
    assert (answer.status, answer.json["status"], shown["state"], shown["ok"]) == (500, "unknown", "unverified", None), answer
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"]) == ("delivery", "mailbox_unreachable")
    assert re.search(rf"{re.escape(place)}: failing since \d\d:\d\d:\d\dZ: {words}", failure["message"]), failure
    assert "correct horse" not in answer.text


@pytest.mark.parametrize("wrong, words", [
    ({"password": "wrong"}, r"login refused: .-ERR \[AUTH\] Authentication failed"),
    ({"ca_file": None}, "SSL certificate problem: unable to get local issuer certificate"),
    ({"server_name": None}, "SSL: no alternative certificate subject name matches target"),
    ({"server_name": "other.example.test"}, "SSL: no alternative certificate subject name matches target"),
], ids=["password", "untrusted", "address", "name"])
@pytest.mark.parametrize("scheme", ["pop3s", "pop3"], ids=["TLS", "STLS"])
def test_i10_what_keeps_it_from_being_looked_into(ehlod, dovecot, postfix, box, scheme, wrong, words):
    service = ehlod(config(box(scheme, **wrong), postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), dovecot.url(scheme), words)


def test_a_server_that_is_gone_and_comes_back(ehlod, dovecot, postfix, box):
    """Meanwhile it is unverified; afterwards it is delivered again, and what came meanwhile is swept."""
    user = "broken@pop.example.org"
    logged_out = dovecot.log().count("Logged out top=")
    service = ehlod(config(box(user=user), postfix, route(user, deliver_within="2s", min_send_interval="0")))
    # A session outlives Dovecot's master.
    wait_until(lambda: dovecot.log().count("Logged out top=") > logged_out, 20, "the first look is over")
    dovecot.halt()
    try:
        answer = service.get("/check/mx", timeout=60)
        unverified(answer, dovecot.url("pop3s"), "connect to .*: connection refused")
        text = service.get(f"/runs/{answer.json['id']}?format=text").text
        assert "the server ACCEPTED the message" in text and "no evidence against the mail server" in text, text
    finally:
        dovecot.resume()
    postfix.release()

    def works():
        return only_route(service.get("/check/mx?max_age=0", timeout=60))["state"] == "delivered"
    wait_until(works, 40, "it is delivered again")
    wait_until(lambda: dovecot.ours(user) == 0, 40, "all were removed")
    service.wait_for(lambda: "a mailbox can be looked into again" in service.log(), 20, "it is logged")


def flood(piece):
    def write(send):
        while True:
            send(piece)
    return write


def drip(send):
    send(b"+OK")
    while True:
        time.sleep(0.1)  # a server that is slow on purpose: nothing is waited for
        send(b" drip")


ONE = b"+OK\r\n1 a\r\n.\r\n"


@pytest.mark.parametrize("words, sick", [
    ("the server hung up: .-ERR <b>locked</b>", {"GREETING": b"-ERR <b>locked</b>\r\n!"}),
    ("the server says what nobody expects: .220 mx.example.org ESMTP", {"GREETING": b"220 mx.example.org ESMTP\r\n"}),
    ("the server said more than 64 KiB before the login was over", {"CAPA": flood(b"x" * 10000)}),
    ("login refused: .-ERR .IN-USE. somebody else is here", {"AUTH": b"-ERR [IN-USE] somebody else is here\r\n"}),
    ("UIDL refused: .-ERR none of that", {"UIDL": b"-ERR none of that\r\n"}),
    ("the server's list of messages .UIDL. cannot be read", {"UIDL": b"+OK\r\n1 a\r\n99999999999 b\r\n.\r\n"}),
    ("the server spoke when nothing had been asked", {"UIDL": b"+OK\r\n.\r\n+OK 7 deleted\r\n"}),
    ("the server closed the connection", {"UIDL": b"+OK\r\n1 a\r\n2 !"}),
    ("the server's answer has a line over 1024 octets", {"UIDL": flood(b"+OK" + b" " * 5000)}),
    ("there are more than 100000 messages", {"UIDL": lambda send: (send(b"+OK\r\n"), flood(b"1 a\r\n" * 1000)(send))}),
    ("not an answer of POP3: .. 1 FETCH", {"UIDL": ONE, "TOP": b"* 1 FETCH\r\n"}),
    ("TOP refused: .-ERR no such message", {"UIDL": ONE, "TOP": b"-ERR no such message\r\n"}),
    ("the server closed the connection", {"UIDL": ONE, "TOP": b"+OK\r\nSubject: x\r\n!"}),
    ("the server sent more than 256 MiB", {"UIDL": ONE, "TOP": lambda s: (s(b"+OK\r\n"), flood(b"x" * 500000 + b"\r\n")(s))}),
], ids=["err", "no-pop3", "flood", "in-use", "no-uidl", "number", "injected", "drop", "line", "list", "imap", "no-top",
        "drop-top", "endless"])
def test_sick_servers(ehlod, postfix, cleanup, words, sick):
    server = FakePop3(**sick)
    cleanup.callback(server.stop)
    box = {"pop3": server.url, "allow_plaintext": True, "username": "probe", "password": "correct horse"}
    service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), server.url, words)


def test_silence_and_drips_are_no_loss(ehlod, postfix, cleanup):
    """A login has half a minute, whatever the server does. Nobody else waits, and what is due meanwhile is not lost."""
    servers = {"silent": FakePop3(GREETING=None), "mute": FakePop3(AUTH=None), "drips": FakePop3(CAPA=drip)}
    for server in servers.values():
        cleanup.callback(server.stop)
    boxes = {name: {"pop3": server.url, "allow_plaintext": True, "username": "probe", "password": "correct horse"}
             for name, server in servers.items()}
    targets = {name: {"address": postfix.address, "wait": "0",
                      "routes": [route("www@void.example.org", deliver_within="1s", mailbox=name)]} for name in servers}
    service = ehlod({"mailboxes": boxes, "targets": targets})
    begun = time.monotonic()
    runs = {name: service.get(f"/check/{name}").json["id"] for name in servers}
    assert time.monotonic() - begun < scaled(10)
    for name, server in servers.items():
        said = rf'{server.url}: failing since \S+Z: the server did not answer in time'
        service.wait_for(lambda said=said: re.search(said, service.log()), 40, "it has been given up")
        shown = service.get(f"/runs/{runs[name]}").json["routes"][0]
        assert (shown["state"], shown["ok"]) in [("pending", None), ("unverified", None)], shown


def test_i05_nothing_is_said_in_the_clear(ehlod, postfix, cleanup):
    server = FakePop3()
    cleanup.callback(server.stop)
    box = {"pop3": server.url, "username": "probe", "password": "correct horse"}
    service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), server.url, "the server does not begin TLS .STLS.")
    assert set(server.lines) <= {"CAPA", "QUIT"}, server.lines


@pytest.mark.parametrize("verb", ["DELE", "QUIT"])
def test_v12_what_cannot_be_removed_is_flagged(ehlod, tmp_path, cleanup, verb):
    """It is delivered all the same; the log says it once."""
    postfix = Postfix(maildir=True)
    cleanup.callback(postfix.stop)
    postfix.make_maildir(postfix.maildir_path)
    server = FakePop3(f"{postfix.maildir_path}/new", **{verb: b"-ERR [SYS/PERM] read-only\r\n"})
    cleanup.callback(server.stop)
    box = {"pop3": server.url, "allow_plaintext": True, "username": "probe", "password": "correct horse"}
    service = ehlod(config(box, postfix, route("www@maildir.example.org")))
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, only_route(answer)["state"]) == (200, "delivered"), answer

    def flags():
        return only_route(service.get(f"/runs/{answer.json['id']}"))["delivery"]["flags"]
    wait_until(lambda: flags() == ["not_removed"], 20, "the flag is there")
    looks = server.lines.count("UIDL")
    wait_until(lambda: server.lines.count("UIDL") > looks + 1, 30, "it is tried again")
    assert service.log().count("a message of ours cannot be removed") == 1 and "read-only" in service.log()
    assert "cannot be looked into" not in service.log()
