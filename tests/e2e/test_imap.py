# SPDX-License-Identifier: Apache-2.0
"""Delivered, as an IMAP account shows it: ehlod, a real Postfix, a real Dovecot's LMTP, and back by its IMAP. The
letters are rows of the fault catalogue."""
import base64
import re
import socket
import socketserver
import sqlite3
import threading

import pytest
from certificates import NAME
from dovecot_store import DovecotStore
from fake_token_server import FakeTokenServer
from postfix import Postfix
from service import Service, write_config
from support import HOST, scaled, wait_until

WWW = "www@imap.example.org"
USERS = [WWW, "stranger@imap.example.org", "many@imap.example.org", "broken@imap.example.org"]
MANY = 500
STRANGER = b"From: a@example.net\r\nSubject: not yours\r\nMessage-ID: <1@example.net>\r\n\r\n.dots\r\n..\r\nA001 OK done\r\n"


@pytest.fixture(name="dovecot", scope="module")
def dovecot_fixture(certificates):
    server = DovecotStore(certificates.good(), USERS)
    yield server
    server.stop()


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture(dovecot):
    server = Postfix(transport={"imap.example.org": dovecot.transport, "void.example.org": "discard:"},
                     access={"many@imap.example.org": "HOLD"},
                     virtual={"spam@imap.example.org": "www+Junk@imap.example.org"})
    yield server
    server.stop()


@pytest.fixture(name="box")
def box_fixture(dovecot, certificates):
    """box(scheme, user, ...) is the config of a mailbox."""
    def make(scheme="imaps", user=WWW, ca_file=certificates.ca, server_name=NAME, **more):
        tls = {key: value for key, value in (("ca_file", ca_file), ("server_name", server_name)) if value}
        return {"imap": dovecot.url(scheme), "username": user, "password": dovecot.PASSWORD, "tls_config": tls,
                "folders": ["INBOX", "\\Junk"], **more}
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


@pytest.mark.parametrize("scheme", ["imaps", "imap"], ids=["TLS", "STARTTLS"])
def test_delivered(ehlod, dovecot, postfix, box, scheme):
    service = ehlod(config(box(scheme), postfix, route(WWW)))
    answer = service.get("/check/mx", timeout=60)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (200, "delivered", True), answer
    delivery = shown["delivery"]
    assert (delivery["state"], delivery["mailbox"], delivery["run"], delivery["flags"]) == ("delivered", "box",
                                                                                            answer.json["id"], [])
    assert 0 < delivery["latency_ms"] < scaled(20000)
    wait_until(lambda: dovecot.ours(WWW) == 0, 20, "it was removed")
    assert dovecot.log().count("Login") > 0


def test_elsewhere_is_the_junk_folder(ehlod, dovecot, postfix, box):
    """Which is found by its use; it is told at once, and cleaned up, too."""
    service = ehlod(config(box(), postfix, route("spam@imap.example.org")))
    answer = service.get("/check/mx", timeout=60)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "elsewhere", False), answer
    assert answer.json["failure"]["reason"] == "elsewhere" and "Junk" in answer.json["failure"]["message"]
    wait_until(lambda: dovecot.ours(WWW, "Junk") == 0, 20, "it was removed")


def test_bounced_is_read_from_the_report(ehlod, dovecot, postfix, box):
    """Dovecot refuses the recipient, Postfix reports that to the sender, whose mailbox it is; the report is cleaned up, too."""
    service = ehlod(config(box(), postfix, route("nobody@imap.example.org", bounce_mailbox="box", **{"from": WWW})))
    answer = service.get("/check/mx", timeout=60)
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "bounced", False), answer
    assert answer.json["failure"]["reason"] == "bounced" and "5.1.1" in answer.json["failure"]["message"], answer
    wait_until(lambda: not dovecot.messages(WWW), 20, "it was removed")


def test_lost(ehlod, postfix, box):
    service = ehlod(config(box(), postfix, route("www@void.example.org", deliver_within="1500ms")))
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, only_route(answer)["state"]) == (503, "lost"), answer
    assert answer.json["failure"]["limit_ms"] == 1500


def test_a_strangers_message_stays_as_it_is(ehlod, dovecot, postfix, box):
    """Byte for byte and with its flags, in both folders, and so does one that only looks like ours."""
    user = "stranger@imap.example.org"
    fake = STRANGER.replace(b"Subject", b"X-Ehlod-Token: ehlod-" + b"0" * 48 + b"\r\nSubject")
    for message in (STRANGER, fake):
        dovecot.deliver(user, message)
        dovecot.deliver("stranger+Junk@imap.example.org", message)
    before = [dovecot.messages(user, name) for name in ("INBOX", "Junk")]
    assert [len(folder) for folder in before] == [2, 2]
    service = ehlod(config(box(user=user), postfix, route(user, min_send_interval="0")))
    for _ in range(2):
        answer = service.get("/check/mx", timeout=60)
        assert (answer.status, only_route(answer)["state"]) == (200, "delivered"), answer
    wait_until(lambda: [dovecot.messages(user, name) for name in ("INBOX", "Junk")] == before, 20, "only ours are gone")
    assert not any("\\Seen" in flags or "\\Deleted" in flags for folder in before for flags, _ in folder.values())


def test_many_at_once_are_each_credited_to_their_own_run(ehlod, dovecot, postfix, box):
    user = "many@imap.example.org"
    targets = {f"t{i}": {"address": postfix.address, "wait": "0", "timeout": "60s", "timeouts": {"reply": "50s"},
                         "routes": [route(user, deliver_within="3m")]} for i in range(MANY)}
    service = ehlod({"server": {"max_per_address": 50}, "mailboxes": {"box": box(user=user)}, "targets": targets})
    results = service.get("/check", timeout=60).json["targets"]
    assert {r["routes"][0]["state"] for r in results.values()} == {"pending"}
    postfix.release()

    def all_delivered():
        return all("delivered in" in t["summary"] for t in service.get("/targets").json["targets"])
    wait_until(all_delivered, 50, "all are delivered")
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
    assert "correct horse" not in answer.text and "stale" not in answer.json["flags"]
    return failure["message"]


@pytest.mark.parametrize("wrong, words", [
    ({"password": "wrong"}, r'login refused: "NO \[AUTHENTICATIONFAILED\]'),
    ({"ca_file": None}, "SSL certificate problem: unable to get local issuer certificate"),
    ({"server_name": None}, "SSL: no alternative certificate subject name matches target"),
    ({"server_name": "other.example.test"}, "SSL: no alternative certificate subject name matches target"),
    ({"folders": ["INBOX", "Nowhere"]}, "EXAMINE Nowhere failed: .*Mailbox doesn.t exist"),
], ids=["password", "untrusted", "address", "name", "folder"])
def test_i10_what_keeps_it_from_being_looked_into(ehlod, dovecot, postfix, box, wrong, words):
    service = ehlod(config(box(**wrong), postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), dovecot.url("imaps"), words)


def test_a_server_that_is_gone_and_comes_back(ehlod, dovecot, postfix, box):
    """Meanwhile it is unverified; afterwards it is delivered again, and what came meanwhile is swept."""
    logged_out = dovecot.log().count("Logged out in=")
    service = ehlod(config(box(user="broken@imap.example.org"), postfix,
                           route("broken@imap.example.org", deliver_within="2s", min_send_interval="0")))
    # A session outlives Dovecot's master.
    wait_until(lambda: dovecot.log().count("Logged out in=") > logged_out, 20, "the first look is over")
    dovecot.halt()
    try:
        unverified(service.get("/check/mx", timeout=60), dovecot.url("imaps"), "connect to .*: connection refused")
        assert 'ehlod_mailbox_up{mailbox="box"} 0' in service.get("/metrics").text.splitlines()
    finally:
        dovecot.resume()
    postfix.release()

    def works():
        return only_route(service.get("/check/mx?max_age=0", timeout=60))["state"] == "delivered"
    wait_until(works, 40, "it is delivered again")
    wait_until(lambda: 'ehlod_mailbox_up{mailbox="box"} 1' in service.get("/metrics").text.splitlines(), 10, "it is up")
    wait_until(lambda: dovecot.ours("broken@imap.example.org") == 0, 40, "all were removed")


def kept_states(tmp_path):
    with sqlite3.connect(f"file:{tmp_path}/history.db?mode=ro", uri=True, timeout=scaled(5)) as db:
        return [row[0] for row in db.execute("SELECT state FROM delivery")]


@pytest.mark.parametrize("how", ["kill", "reload"])
def test_what_was_pending_is_looked_for_as_often_as_before(postfix, box, tmp_path, cleanup, how):
    """By a store that was opened anew, after `kill -9` or for another config; else it looks once a minute."""
    given = {"history": {"path": "history.db"}, **config(box(user="many@imap.example.org"), postfix,
                                                         route("many@imap.example.org", deliver_within="3m"))}
    service = Service(str(tmp_path), given)
    cleanup.callback(lambda: service.running() and service.stop_cleanly())
    first = service.ready().get("/check/mx?wait=0")
    assert only_route(first)["state"] == "pending", first
    wait_until(lambda: kept_states(tmp_path) == ["pending"], 10, "it is kept")
    if how == "kill":
        service.process.kill()
        service.wait(10)
        service = Service(str(tmp_path), given)
        service.ready()
    else:
        given["mailboxes"]["box"]["folders"] = ["INBOX"]
        write_config(str(tmp_path), {**given, "server": {"listen": [f"{HOST}:{service.port}"]}})
        assert service.get("/-/reload", method="POST").status == 200
    looks = 1 if how == "kill" else 2
    service.wait_for(lambda: service.log().count("looking for mail") == looks, 20, "it has looked")
    postfix.release()

    def delivered():
        return only_route(service.get("/check/mx?wait=0&max_age=0"))["state"] == "delivered"
    wait_until(delivered, 15, "it is delivered")
    assert only_route(service.get("/check/mx?wait=0"))["delivery"]["run"] == first.json["id"]


class SickServer:
    """Greets, and answers each line by the first row whose word is in it; None is silence, b"" hangs up. {tag} is replaced."""

    def __init__(self, greeting, rows):
        outer = self
        self.rows = [*rows, ("CAPABILITY", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n{tag} OK done\r\n"),
                     ("AUTHENTICATE", b"{tag} OK in\r\n")]

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    self.wfile.write(greeting)
                    for line in self.rfile:
                        if not outer._answer(self.wfile, line):
                            return
                except OSError:
                    pass
        self.server = socketserver.ThreadingTCPServer((HOST, 0), Handler, bind_and_activate=False)
        self.server.daemon_threads = True
        self.server.server_bind()
        self.server.server_activate()
        self.url = f"imap://{HOST}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _answer(self, out, line):
        answer = next((text for word, text in self.rows if word.encode() in line), b"{tag} BAD what\r\n")
        if answer is None:
            return True
        if callable(answer):
            answer(out)
            return False
        out.write(answer.replace(b"{tag}", line.split(b" ")[0]))
        return bool(answer)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def flood(piece):
    def write(out):
        while True:
            out.write(piece)
    return write


OPENED = b"* 9 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK done\r\n"


@pytest.mark.parametrize("greeting, rows, words", [
    (b"* BYE too many <b>connections</b>\r\n", [], "the server hung up: .BYE too many <b>connections</b>"),
    (b"220 mx.example.org ESMTP\r\n", [], "the server says what nobody expects: .220 mx.example.org ESMTP"),
    (b"* OK hello\r\n", [("EXAMINE", b"* LIST () {4294967295}\r\n")], "the server announces a literal of 4294967295 octets"),
    (b"* OK hello\r\n", [("EXAMINE", flood(b"* 1 RECENT\r\n" * 1000))], "the server says more than 10000 things that nobody"),
    (b"* OK hello\r\n", [("EXAMINE", flood(b"x" * 10000))], "the server says a line of more than 16384 octets"),
    (b"* OK hello\r\n", [("CAPABILITY", flood(b"x" * 10000))], "the server said more than 64 KiB before the login was over"),
    (b"* OK hello\r\n", [("EXAMINE", OPENED), ("FETCH", b"* 1 FETCH (UID 1:4294967295 BODY[] {3}\r\nabc)\r\n{tag} NO x\r\n")],
     "UID FETCH INBOX failed: .NO x"),
    (b"* OK hello\r\n", [("EXAMINE", OPENED), ("FETCH", b"")], "the server closed the connection"),
], ids=["i01-bye", "no-imap", "i06-literal", "i09-lines", "i09-line", "i09-before", "i08-range", "drops"])
def test_sick_servers(ehlod, postfix, cleanup, greeting, rows, words):
    server = SickServer(greeting, rows)
    cleanup.callback(server.stop)
    box = {"imap": server.url, "allow_plaintext": True, "username": "probe", "password": "correct horse"}
    service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), server.url, words)


def test_i02_i05_nothing_is_said_in_the_clear(ehlod, postfix, cleanup):
    """Not where TLS is not offered, and not where the server says that we are logged in already."""
    heard = []
    for greeting in (b"* OK hello\r\n", b"* PREAUTH hello\r\n"):
        server = SickServer(greeting, [])
        answer = server._answer
        server._answer = lambda out, line, answer=answer: heard.append(line) or answer(out, line)
        cleanup.callback(server.stop)
        box = {"imap": server.url, "username": "probe", "password": "correct horse"}
        service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
        unverified(service.get("/check/mx", timeout=60), server.url, "the server (does not begin TLS|greets with PREAUTH)")
        service.stop_cleanly()
    assert heard and set(heard) == {b"A001 CAPABILITY\r\n"}


def test_nothing_in_the_clear_is_heard_in_tls(ehlod, postfix, cleanup):
    """What a stranger puts behind the answer to STARTTLS would be heard as the server's; no handshake is begun then."""
    heard = []
    server = SickServer(b"* OK hello\r\n", [
        ("CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR\r\n{tag} OK done\r\n"),
        ("STARTTLS", b"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\nA003 OK in\r\n")])
    answer = server._answer
    server._answer = lambda out, line: heard.append(line) or answer(out, line)
    cleanup.callback(server.stop)
    box = {"imap": server.url, "username": "probe", "password": "correct horse"}
    service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
    unverified(service.get("/check/mx", timeout=60), server.url, 'the server says what nobody expects: "A002 OK begin"')
    assert heard and set(heard) == {b"A001 CAPABILITY\r\n", b"A002 STARTTLS\r\n"}


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_with_tokens(ehlod, certificates, postfix, cleanup, mechanism):
    """The first one is refused, with the reason in a challenge; the next one does, within the same look."""
    tokens = FakeTokenServer(certificates)
    cleanup.callback(tokens.stop)
    offered = []
    server = SickServer(b"* OK hello\r\n", [
        ("CAPABILITY", f"* CAPABILITY IMAP4rev1 AUTH={mechanism} SASL-IR\r\n{{tag}} OK done\r\n".encode()),
        ("EXAMINE", b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK done\r\n"), ("FETCH", b"{tag} OK done\r\n")])
    others = server._answer

    def answer(out, line):
        if f"AUTHENTICATE {mechanism} ".encode() in line:
            said = base64.b64decode(line.split()[3])
            offered.append(re.search(rb"auth=Bearer ([^\x01]*)\x01", said)[1].decode())
            if offered[-1] == "token-1":
                out.write(b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
                return True
        elif len(line.split()) < 2:  # which ends the challenge
            out.write(b"A002 NO refused\r\n")
            return True
        else:
            return others(out, line)
        out.write(line.split(b" ")[0] + b" OK in\r\n")
        return True
    server._answer = answer
    cleanup.callback(server.stop)
    box = {"imap": server.url, "allow_plaintext": True, "username": "probe",
           "tls_config": {"ca_file": certificates.ca, "server_name": NAME},
           "oauth2": {"client_id": "ehlod", "client_secret": "correct horse", "token_url": tokens.url}}
    service = ehlod(config(box, postfix, route("www@void.example.org", deliver_within="1s")))
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, only_route(answer)["state"]) == (503, "lost"), answer
    assert offered[:2] == ["token-1", "token-2"] and set(offered[1:]) == {"token-2"} and len(tokens.forms) == 2
    assert "cannot be looked into" not in service.log() and "token-" not in service.log() + answer.text
