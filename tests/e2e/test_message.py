# SPDX-License-Identifier: Apache-2.0
"""A message of one's own, from its file through a real Postfix into a Maildir: unchanged, or refused before anything is
sent. What its envelope asks for, and what becomes of it where the server does not offer that."""
import json
import random
import re

import pytest
from fake_mta import FakeMta, Gate
from postfix import MAILDIR_DOMAIN, Postfix
from service import run_ehlod, write_config
from support import HOST, free_port, wait_until

TO = f"www@{MAILDIR_DOMAIN}"
HEAD = b"""\
X-Ehlod-Token: {{token}}
Message-ID: <{{token}}@probe.example.net>
Date: {{date}}
From: =?us-ascii?Q?A?= <probe@example.net>
Subject: welcome
"""
MB = 1024 * 1024


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture():
    """It takes 60 MB, delivers to a Maildir, and holds what is for held@."""
    server = Postfix(maildir=True, access={f"held@{MAILDIR_DOMAIN}": "HOLD"},
                     main="message_size_limit = 60000000\n")
    yield server
    server.stop()


@pytest.fixture(name="old_postfix", scope="module")
def old_postfix_fixture():
    """One that offers nothing beside SIZE."""
    server = Postfix(main="smtpd_discard_ehlo_keywords = 8bitmime, smtputf8, dsn\nsmtputf8_enable = no\n"
                          "message_size_limit = 1000000\nmessage_drop_headers =\n")
    yield server
    server.stop()


def route(**more):
    return {"name": "through", "from": "probe@example.net", "to": TO, "expect": "queued", **more}


def config(address, *routes):
    return {"targets": {"mx": {"address": address, "helo": "probe.example.net", "routes": list(routes)}}}


def write(folder, message):
    (folder / "welcome.eml").write_bytes(message)
    return "welcome.eml"


def mail_line(result):
    return next(c["sent"] for c in result["commands"] if c["phase"] == "mail")


def rcpt_lines(result):
    return [c["sent"] for c in result["commands"] if c["phase"] == "rcpt"]


def delivered(postfix, token):
    """The message with that token, without what Postfix puts before it: (trace fields, message)."""
    def find():
        return [m for m in postfix.maildir() if f"X-Ehlod-Token: {token}\n".encode() in m]
    wait_until(find, 30, f"{token} lies in the Maildir; {postfix.log()[-2000:]}")
    trace, received, message = re.split(rb"(\nReceived: (?:[^\n]+\n[ \t])*[^\n]+\n)", find()[0], maxsplit=1)
    return (trace + received).decode(), message


def send(ehlod, postfix, folder, message, **more):
    """Sends it; the result, and what has arrived of it."""
    answer = ehlod(config(postfix.address, route(message=write(folder, message), **more))).get("/check/mx", timeout=60)
    assert answer.status == 200, answer.text
    token = re.fullmatch(r"<(ehlod-[0-9a-f]{48})@probe.example.net>", answer.json["routes"][0]["message_id"])[1]
    return answer.json, token, delivered(postfix, token)


def lines_of(size):
    """Much text in which no line is like another."""
    source = random.Random(1)
    return b"".join(b"%057d %0x\n" % (i, source.getrandbits(60)) for i in range(size // 74))


BODIES = {
    "plain": b"Hello,\n\nthis is it.\n",
    "empty": b"",
    "dots": b".\n..\n...\n.x\n. \nx.\n.\n\n.\n",
    "lone dot": b".\n",
    "lone dots and CRLF": b".\r\n.\r\n",
    "no last line end": b"one\ntwo",
    "CRLF": b"one\r\ntwo\r\n",
    "LF and CRLF": b"one\ntwo\r\nthree\n",
    "empty lines": b"\n\n\nx\n\n\n",
    "white space": b" \n\t\nx \n x\t\n",
    "998 octets": b"x" * 998 + b"\n" + b"." * 998 + b"\n",
    "looks like SMTP": b"QUIT\nRSET\nMAIL FROM:<a@example.com>\n250 Ok\n",
    "looks like mbox": b"From me\n>From you\n",
    "Latin-1": b"gr\xfc\xdfe \xe4\xf6\xfc\n",
    "UTF-8": "grüße 用户 💩\n".encode(),
    "every byte": bytes(set(range(1, 256)) - {10, 13}) + b"\n",
    "braces": b"{ } {x} }} { {x}}\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_arrives_as_it_is(ehlod, postfix, tmp_path, name):
    body = BODIES[name]
    result, token, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD + b"\n" + body)
    head, _, rest = arrived.partition(b"\n\n")
    wanted = body.replace(b"\r\n", b"\n")
    assert rest == wanted + (b"" if not wanted or wanted.endswith(b"\n") else b"\n")
    assert head.decode().split("\n")[:2] == [f"X-Ehlod-Token: {token}", f"Message-ID: <{token}@probe.example.net>"]
    eight_bit = any(c >= 0x80 for c in body)
    size = len(arrived.replace(b"\n", b"\r\n"))
    assert mail_line(result) == f"MAIL FROM:<probe@example.net> SIZE={size}{' BODY=8BITMIME' * eight_bit}"


def test_a_header_alone(ehlod, postfix, tmp_path):
    _, _, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD.rstrip(b"\n"))
    assert arrived.endswith(b"\nSubject: welcome\n\n")


def test_a_message_of_25_mb(ehlod, postfix, tmp_path):
    body = lines_of(25 * MB)
    result, _, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD + b"\n" + body)
    assert len(body) > 24 * MB and arrived.partition(b"\n\n")[2] == body
    assert mail_line(result) == f"MAIL FROM:<probe@example.net> SIZE={len(arrived.replace(b'%c' % 10, b'%c%c' % (13, 10)))}"


def test_placeholders(ehlod, postfix, tmp_path):
    text = (b"To: {{to}}\nX: {{target}} {{route}} {{hostname}}\n\n{{from}}: {{date}}\n"
            b"{{token}} {{message_id}} {{address}}\n")
    result, token, (_, arrived) = send(ehlod, postfix, tmp_path, text)
    date = re.search(rb"^Date: (.*)$", arrived, re.M)[1].decode()
    assert re.fullmatch(r"\w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000", date)
    message_id = result["routes"][0]["message_id"]
    assert arrived.decode() == (
        f"Date: {date}\nFrom: ehlod <probe@example.net>\nMessage-ID: {message_id}\nX-Ehlod-Token: {token}\n"
        f"To: {TO}\nX: mx through probe.example.net\n\nprobe@example.net: {date}\n{token} {message_id} [127.0.0.1]\n")


def test_a_long_header_line_is_folded(ehlod, postfix, tmp_path):
    words = " ".join(f"word-{i}" for i in range(300))
    _, _, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD + f"X-Long: {words}\n\nhi\n".encode())
    folded = re.search(rb"^X-Long: (?:[^\n]*\n[ \t])*[^\n]*\n", arrived, re.M)[0].decode()
    assert folded.replace("\n", "") == f"X-Long: {words}" and max(map(len, folded.split("\n"))) <= 78


@pytest.mark.parametrize("size", ["1KiB", "64KiB", "1MiB", "20MiB"])
def test_padding(ehlod, postfix, tmp_path, size):
    octets = int(size[:-3]) * {"K": 1024, "M": MB}[size[-3]]
    result, _, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD + b"\nhi\n.\n", size=size)
    assert len(arrived.replace(b"\n", b"\r\n")) == octets
    assert mail_line(result) == f"MAIL FROM:<probe@example.net> SIZE={octets}"
    assert b"\n\nhi\n.\nxxx" in arrived and max(map(len, arrived.partition(b"\n\n")[2].split(b"\n"))) <= 78


def test_a_header_in_utf8(ehlod, postfix, tmp_path):
    result, _, (_, arrived) = send(ehlod, postfix, tmp_path, HEAD + "X-Greeting: grüße\n\nhi\n".encode())
    assert mail_line(result).endswith(" SMTPUTF8") and "\nX-Greeting: grüße\n\nhi\n".encode() in arrived


def test_addresses_in_other_letters(ehlod, postfix, tmp_path):
    service = ehlod(config(postfix.address,
                           route(name="local", **{"from": "grüße@bücher.example"}, to=f"用户@{MAILDIR_DOMAIN}"),
                           route(name="domain", **{"from": "probe@bücher.example"}),
                           route(name="quoted", **{"from": '"a@b \\" c"@example.net'}, to=f'"www x"@{MAILDIR_DOMAIN}'),
                           route(name="literal", **{"from": "probe@[192.0.2.1]"})))
    answer = service.get("/check/mx", timeout=40)
    assert answer.status == 200, answer.text
    said = [re.sub(r" SIZE=\d+", "", c["sent"]) for c in answer.json["commands"] if c["phase"] == "mail"]
    assert said == ["MAIL FROM:<grüße@bücher.example> SMTPUTF8", "MAIL FROM:<probe@xn--bcher-kva.example>",
                    'MAIL FROM:<"a@b \\" c"@example.net>', "MAIL FROM:<probe@[192.0.2.1]>"]
    assert rcpt_lines(answer.json)[0] == f"RCPT TO:<用户@{MAILDIR_DOMAIN}>"
    tokens = [r["message_id"][1:].split("@")[0] for r in answer.json["routes"]]
    assert "Return-Path: <grüße@bücher.example>" in delivered(postfix, tokens[0])[0]
    assert "Return-Path: <probe@xn--bcher-kva.example>" in delivered(postfix, tokens[1])[0]
    assert tmp_path


@pytest.mark.parametrize("ours", ["bücher.example", "xn--bcher-kva.example"])
def test_other_letters_are_delivered_to_the_sink(ehlod, ours):
    """It is told the domain as xn-- by who needs no SMTPUTF8, and as it is written by who does."""
    port = free_port()
    routes = [route(name=name, to=to, expect="delivered", mailbox="local")
              for name, to in (("ascii", "www@bücher.example"), ("utf8", "用户@BÜCHER.example"))]
    answer = ehlod({**config(f"{HOST}:{port}", *routes),
                    "mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": [ours]}}}).get("/check/mx")
    assert answer.status == 200, answer.text
    assert rcpt_lines(answer.json) == ["RCPT TO:<www@xn--bcher-kva.example>", "RCPT TO:<用户@bücher.example>"]
    assert [r["state"] for r in answer.json["routes"]] == ["delivered", "delivered"]


def test_check_sends_it_and_ends(postfix, tmp_path):
    """Its caller frees all when the only result is there, from inside of the run's end."""
    path = write_config(tmp_path, config(postfix.address, route(message=write(tmp_path, HEAD + b"\nby hand\n"))))
    done = run_ehlod("check", "--config", path, "--format", "json", "mx")
    assert done.returncode == 0, done
    token = json.loads(done.stdout)["routes"][0]["message_id"][1:].split("@")[0]
    assert delivered(postfix, token)[1].endswith(b"\n\nby hand\n")


def test_dsn(ehlod, postfix):
    asked = {"notify": ["failure", "delay"], "ret": "hdrs", "envid": "probe 1+2=3"}
    answer = ehlod(config(postfix.address, route(to=f"held@{MAILDIR_DOMAIN}", dsn=asked))).get("/check/mx")
    assert answer.status == 200, answer.text
    assert mail_line(answer.json).endswith(" RET=HDRS ENVID=probe+201+2B2+3D3")
    assert rcpt_lines(answer.json) == [
        f"RCPT TO:<held@{MAILDIR_DOMAIN}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;held@{MAILDIR_DOMAIN}"]
    envelope = postfix.queue_file(answer.json["routes"][0]["queue_id"])
    for fact in ("envelope_id=probe 1+2=3\n", "ret_flags=2\n", "notify_flags=12\n",
                 f"dsn_orig_rcpt=rfc822;held@{MAILDIR_DOMAIN}"):
        assert fact in envelope, envelope


NOT_OFFERED = [
    ({}, HEAD + b"\ngr\xfc\xdfe\n", "8BITMIME"),
    ({}, HEAD + "X: ü\n\nhi\n".encode(), "SMTPUTF8"),
    ({"from": "ü@example.net"}, HEAD + b"\nhi\n", "SMTPUTF8"),
    ({"dsn": {"notify": "never"}}, HEAD + b"\nhi\n", "DSN"),
    ({"size": "2MiB"}, HEAD + b"\nhi\n", "(SIZE)"),
    ({"size": "2MiB", "expect": "accepted"}, HEAD + b"\nhi\n", "(SIZE)"),
]


@pytest.mark.parametrize("more, message, what", NOT_OFFERED, ids=lambda v: v if isinstance(v, str) else "")
def test_m22_what_is_not_offered_is_not_sent(ehlod, old_postfix, tmp_path, more, message, what):
    routes = [route(to="www@example.test", message=write(tmp_path, message), **more),
              route(name="plain", to="www@example.test", expect="accepted")]
    answer = ehlod(config(old_postfix.address, *routes)).get("/check/mx")
    failure = answer.json["failure"]
    assert (answer.status, failure["phase"], failure["reason"], failure["route"]) == (503, "mail", "not_offered", "through")
    assert what in failure["message"] and failure["message"].endswith("; nothing was sent")
    assert [(r["state"], r["ok"]) for r in answer.json["routes"]] == [("skipped", False), ("accepted", True)]
    assert [c["sent"] for c in answer.json["commands"][2:]] == [
        "MAIL FROM:<probe@example.net>", "RCPT TO:<www@example.test>", "RSET", "QUIT"]


def test_the_servers_limit_can_be_tested(ehlod, old_postfix):
    """M17 in the envelope: Postfix refuses what is declared too large, and takes what just fits."""
    over = route(to="www@example.test", size="977KiB", expect="rejected", reply="552 5.3.4")
    just = route(name="just", to="www@example.test", size="976KiB", expect="accepted")
    answer = ehlod(config(old_postfix.address, over, just)).get("/check/mx")
    assert answer.status == 200, answer.text
    assert [(r["state"], r["ok"]) for r in answer.json["routes"]] == [("rejected", True), ("accepted", True)]
    assert mail_line(answer.json) == f"MAIL FROM:<probe@example.net> SIZE={977 * 1024}"


WRONG = [
    (HEAD + b"\na\rb\n", 7, "a CR that ends no line, which mail cannot carry"),
    (HEAD + b"\na\n\rb\n", 8, "a CR that ends no line, which mail cannot carry"),
    (HEAD + b"\na\0b\n", 7, "a NUL, which mail cannot carry"),
    (HEAD + b"\n" + b"x" * 999 + b"\n", 7, "a line of 999 octets (expected at most 998)"),
    (HEAD + b"\n{{tokn}}\n", 7, "unknown placeholder {{tokn}}"),
    (HEAD + b"hello\n", 6, "no header field, which is a name, a colon and a value (an empty line parts header and body)"),
]


@pytest.mark.parametrize("message, line, wrong", WRONG, ids=range(len(WRONG)))
def test_what_mail_cannot_carry_is_a_mistake_of_the_file(tmp_path, message, line, wrong):
    path = write_config(tmp_path, config("192.0.2.1:25", route(message=write(tmp_path, message))))
    done = run_ehlod("validate", "--config", path)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/welcome.eml:{line}: targets.mx.routes[0].message: {wrong}\n"


def test_f19_a_reload_reads_the_message_anew(ehlod, postfix, tmp_path):
    service = ehlod(config(postfix.address, route(message=write(tmp_path, HEAD + b"\nfirst\n"))))
    for body in (b"first\n", b"second\n"):
        write(tmp_path, HEAD + b"\n" + body)
        assert service.get("/-/reload", method="POST").status == 200
        message_id = service.get("/check/mx", method="POST").json["routes"][0]["message_id"]
        assert delivered(postfix, message_id[1:].split("@")[0])[1].endswith(b"\n\n" + body)
    write(tmp_path, b"no header\n")
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 500 and "welcome.eml:1: targets.mx.routes[0].message: no header field" in answer.text
    assert service.get("/check/mx", method="POST").status == 200  # as it was


def test_r10_a_large_message_is_in_memory_once(ehlod, cleanup, tmp_path):
    """However many runs send it at once: here each is in the middle of it, as the server reads no more."""
    count, size = 12, 30 * MB
    gate = Gate("502 5.5.1 What?")
    mta = FakeMta(DATA="354 go ahead", **{"X-EHLOD-TOKEN": gate})
    cleanup.callback(mta.stop)
    cleanup.callback(gate.open)
    message = write(tmp_path, HEAD + b"\n" + lines_of(size // 2))
    targets = {f"mx{i}": {"address": mta.address, "routes": [route(message=message, size="30MiB")]} for i in range(count)}
    service = ehlod({"targets": targets, "server": {"max_per_address": 100}})
    before = service.status_field("VmRSS")
    asked = service.ask("/check", timeout=60)
    wait_until(lambda: gate.waiting == count, 30, "all are sending")
    assert service.status_field("VmHWM") - before < size / 2 / 1024, "KiB more than before, at the peak"
    gate.open()
    results = asked.answer().json["targets"].values()
    assert [r["failure"]["reason"] for r in results] == ["rejected"] * count
