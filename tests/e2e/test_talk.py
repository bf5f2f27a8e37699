# SPDX-License-Identifier: Apache-2.0
"""Dialogues written by hand: `ehlod talk` and targets with a dialogue, against real Postfix, beside netcat, and
against servers that need watching."""
import base64
import json
import os
import re
import subprocess
import time

import pytest
from certificates import Certificates
from fake_mta import Gate
from postfix import DOMAIN, Postfix
from service import SANITIZER, run_ehlod, write_config
from support import EHLOD, HOST, Program, free_port, scaled, wait_until

HELD = f"www@{DOMAIN}"

# What people pipe into netcat, as they do.
PLAIN = f"""\
EHLO client.example.org
MAIL FROM:<probe@example.org>
RCPT TO:<{HELD}>
DATA
From: Probe <probe@example.org>
To: {HELD}
Subject: a plain file
Date: Mon, 23 Nov 2026 02:25:04 +0000
Message-ID: <plain@example.org>

Hello,

  a body with blank lines, an indented one, and one that ends with blanks  \n\
# no comment
< 250 no expectation
bye
.
QUIT
"""

FILLED = f"""\
EHLO {{{{hostname}}}}
MAIL FROM:<probe@example.org>
RCPT TO:<{HELD}>
DATA
From: {{{{from}}}}
To: {{{{to}}}}
Date: {{{{date}}}}
Message-ID: {{{{message_id}}}}
Subject: {{{{customer}}}} at {{{{target}}}}, {{{{address}}}}
X-Token: {{{{token}}}}

one
.
QUIT
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def postfix(certificates):
    """It holds what it takes for www."""
    server = Postfix(users=("www",), access={HELD: "HOLD"}, tls=certificates.signed("local", dns="localhost"))
    yield server
    server.stop()


@pytest.fixture
def empty_postfix(postfix):
    postfix.drop_all()
    return postfix


def talk(*arguments, text=None, env=None, **more):
    """`ehlod talk`, with that text on standard input."""
    done = subprocess.run([EHLOD, "talk", *map(str, arguments)], input=(text or "").encode(), capture_output=True,
                          timeout=scaled(40), check=False, env={**os.environ, **(env or {})}, **more)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def talk_json(*arguments, **more):
    done = talk(*arguments, "--format", "json", **more)
    result = json.loads(done.stdout)
    assert done.returncode == {"pass": 0, "warn": 1, "fail": 2, "unknown": 3}[result["status"]], done
    return result


def write(folder, text, name="dialogue.smtp"):
    path = os.path.join(str(folder), name)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    return path


def only_message(postfix):
    """The one message that it holds, without what Postfix put before it."""
    ids = wait_until(postfix.queue, 10, "Postfix has it")
    assert len(ids) == 1, ids
    return without_received(postfix.message(ids[0]))


def without_received(message):
    assert message.startswith("Received: "), message
    return re.sub(r"\AReceived: .*\n([ \t].*\n)*", "", message)


# ---- beside netcat ----

def test_a_plain_netcat_file_is_queued_once(empty_postfix, tmp_path):
    done = talk(empty_postfix.address, write(tmp_path, PLAIN))
    assert done.returncode == 0, done
    assert only_message(empty_postfix).split("\n\n", 1)[1].startswith("Hello,\n\n  a body")
    assert re.search(rf"^PASS {re.escape(empty_postfix.address)}  4 of 4 commands as wanted, 1 message accepted$",
                     done.stdout, re.M), done.stdout


@pytest.mark.parametrize("end, option", [("\n", ["-C"]), ("\r\n", [])], ids=["LF", "CRLF"])
def test_netcat_and_talk_send_the_same_message(empty_postfix, tmp_path, end, option):
    path = write(tmp_path, PLAIN.replace("\n", end))
    command = ["ncat", *option, *empty_postfix.address.split(":")]
    with open(path, "rb") as f:
        said = subprocess.run(command, stdin=f, capture_output=True, timeout=scaled(30), check=True).stdout
    assert b"queued as" in said, said
    by_netcat = only_message(empty_postfix)
    empty_postfix.drop_all()
    assert talk(empty_postfix.address, path).returncode == 0
    assert only_message(empty_postfix) == by_netcat
    assert "a plain file" in by_netcat and "< 250 no expectation" in by_netcat


def test_placeholders_are_replaced(empty_postfix, tmp_path):
    path = write(tmp_path, FILLED)
    first = talk(empty_postfix.address, path, "--var", "customer=acme", "--helo", "probe.example.org")
    assert first.returncode == 0, first
    message = only_message(empty_postfix)
    assert "{{" not in message
    assert "From: probe@example.org\n" in message and f"To: {HELD}\n" in message
    assert re.search(r"^Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$", message, re.M)
    token = re.search(r"^X-Token: (ehlod-[0-9a-f]{48})$", message, re.M)[1]
    assert f"Message-ID: <{token}@probe.example.org>\n" in message
    assert f"Subject: acme at {empty_postfix.address}, [127.0.0.1]\n" in message
    empty_postfix.drop_all()
    assert talk(empty_postfix.address, path, "--var=customer=x").returncode == 0
    assert token not in only_message(empty_postfix)


def test_dots_are_doubled_for_the_user(empty_postfix):
    """Netcat sends them as they are, and the server takes one off, or ends the message there."""
    body = ".begins with a dot\n..\n...\n. \nends"
    text = PLAIN[:PLAIN.index("Hello")] + body + "\n.\n"
    assert talk(empty_postfix.address, text=text).returncode == 0
    assert only_message(empty_postfix).split("\n\n", 1)[1] == body + "\n"


def test_a_large_message(empty_postfix):
    body = "".join(f"{i:060d}\n" for i in range(100000))
    text = PLAIN[:PLAIN.index("Hello")] + body + ".\n"
    result = talk_json(empty_postfix.address, text=text)
    assert result["status"] == "pass", result["failure"]
    assert only_message(empty_postfix).split("\n\n", 1)[1] == body


# ---- refusals ----

def test_it_stops_at_the_third_command(postfix, tmp_path):
    """Netcat would have gone on to DATA, and sent the message as commands."""
    before = len(postfix.dialogues())
    path = write(tmp_path, PLAIN.replace(HELD, f"nobody@{DOMAIN}", 1))
    done = talk(postfix.address, path)
    assert done.returncode == 2
    verdict = rf'^FAIL {postfix.address}  rcpt/rejected: line 3: RCPT TO:<nobody@{DOMAIN}> was refused: "550 5\.1\.1 .*"$'
    assert re.search(verdict, done.stdout, re.M), done.stdout
    assert "-> DATA" not in done.stdout and "-> QUIT" in done.stdout
    wait_until(lambda: len(postfix.dialogues()) > before, 10, "Postfix saw the end of it")
    assert postfix.dialogues()[before:] == [{"ehlo": "1", "mail": "1", "rcpt": "0/1", "quit": "1", "commands": "3/4"}]


def test_refusals_that_are_wanted(postfix):
    text = f"""\
< 220 ESMTP
EHLO client.example.org
< 250 PIPELINING
MAIL FROM:<probe@example.org>
RCPT TO:<nobody@{DOMAIN}>
< 550 5.1.1 unknown in local
RCPT TO:<someone@example.com>
< 4xx Relay access denied   # Postfix' default is a 454, and this text is part of the expectation
"""
    result = talk_json(postfix.address, text=text)
    assert result["failure"]["reason"] == "wrong_reply" and "line 7: " in result["failure"]["message"]
    result = talk_json(postfix.address, text=text.split("   #", maxsplit=1)[0])
    assert result["status"] == "pass", result["failure"]
    assert result["routes"] == [] and "PIPELINING" in result["extensions"]
    assert [(c["phase"], c["expected"], c["ok"]) for c in result["commands"]] == [
        ("banner", "220 ESMTP", True), ("ehlo", "250 PIPELINING", True), ("mail", "2xx or 3xx", True),
        ("rcpt", "550 5.1.1 unknown in local", True), ("rcpt", "4xx Relay access denied", True), ("quit", "221", True)]


@pytest.mark.parametrize("text, message", [
    ("EHLO {{hostnam}}\n", "standard input:1: unknown placeholder {{hostnam}}\n"),
    ("EHLO x\n< 250\n< 250\n", "standard input:3: a second expectation for one reply (the first stands in line 2)\n"),
    ("EHLO x\nDATA\nx\n", "standard input:2: the message behind DATA has no end (expected a line with nothing but a dot, "
                          "even where DATA is to be refused)\n"),
    ("EHLO x\nNO\0OP\n", "standard input:2: a NUL, which no mail server takes\n"),
    ("", "standard input: there is no command in it\n"),
    ("< x\nQUIT\nNOOP\n", "standard input:1: not an expectation (expected a code such as 250 or 4xx, then if wanted an "
                          "enhanced code and a text)\nstandard input:3: nothing can be said after QUIT\n"),
])
def test_mistakes_are_told_before_anything_is_dialled(mta, text, message):
    done = talk(mta.address, text=text)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", message)
    assert mta.connections() == 0


@pytest.mark.parametrize("arguments", [
    [], ["HOST", "a", "b"], ["HOST", "/nonexistent"], ["HOST", "/"], ["HOST", "--var", "x"], ["HOST", "--var", "a b=c"],
    ["HOST", "--var", "x=a\r\nQUIT"], ["HOST", "--tls", "on"], ["HOST", "--format", "nagios"], ["HOST", "--timeout", "10"],
    ["HOST", "--source", "here"], ["HOST", "--source", "::1"], ["HOST", "-6"], ["localhost", "-4", "--source", "::1"], ["HOST", "--helo", "a b"], ["mx.example.org:0"], ["mx example"], ["[::1"],
    ["HOST", "--config", "x"], ["HOST", "--proxy-protocol", "192.0.2.9"], ["HOST", "--proxy-protocol", "v3,local"],
    ["HOST", "--xclient", "ADDR"], ["HOST", "--xclient", "ADDR=here"], ["HOST", "--xclient", "WHO=me"],
    ["HOST", "--xclient", "PORT=0"], ["HOST", "--xclient", "LOGIN=a\r\nb"]])
def test_misuse(mta, arguments):
    done = talk(*[mta.address if a == "HOST" else a for a in arguments], text="NOOP\n")
    assert done.returncode == 3 and done.stderr and not done.stdout, done
    assert mta.connections() == 0


def test_a_pipe_is_as_good_as_a_file(mta):
    done = subprocess.run(["bash", "-c", '"$0" talk "$1" <(echo EHLO x)', EHLOD, mta.address], capture_output=True,
                          timeout=scaled(30), check=False)
    assert done.returncode == 0 and b"-> EHLO x\n" in done.stdout, done


def test_an_endless_file(mta):
    done = talk(mta.address, "/dev/zero")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "ehlod talk: /dev/zero: too large for a dialogue file\n"


def test_a_value_of_a_variable_is_not_shown(mta):
    done = talk(mta.address, "--var", "pass word=secret", text="NOOP\n")
    assert done.returncode == 3 and "secret" not in done.stderr


def test_starttls_twice_is_a_mistake(mta):
    done = talk(mta.address, "--tls", "starttls", text="EHLO x\nSTARTTLS\n")
    assert done.returncode == 3 and "STARTTLS" in done.stderr and mta.connections() == 0


def test_a_result_that_nobody_can_read(mta):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([EHLOD, "talk", mta.address], input=b"NOOP\n", stdout=full, stderr=subprocess.PIPE,
                              timeout=scaled(30), check=False)
    assert done.returncode == 3 and b"could not be written" in done.stderr


# ---- as it happens ----

def test_it_is_printed_as_it_happens(fake, tmp_path):
    """And nothing is said before the reply is there, to its last line."""
    gate = Gate("250 Ok")
    mta = fake(MAIL=gate)
    program = Program([EHLOD, "talk", mta.address, write(tmp_path, "EHLO x\nMAIL FROM:<a@example.org>\nRSET\n")],
                      tmp_path / "out")
    program.wait_for(lambda: "-> MAIL FROM:<a@example.org>" in program.log(), 10, "MAIL is shown")
    assert mta.lines() == ["EHLO x", "MAIL FROM:<a@example.org>"]
    assert "<- 250 fake.example.test" in program.log() and "PASS" not in program.log()
    gate.open()
    assert program.wait(10) == 0
    assert re.search(r"^PASS .*  3 of 3 commands as wanted$", program.log(), re.M), program.log()
    assert mta.lines()[2:] == ["RSET", "QUIT"]


def test_lines_of_a_reply_are_printed_as_they_come(fake, tmp_path):
    """A teaser: the greeting's first line is there, its last never comes."""
    mta = fake(BANNER=b"220-wait\r\n")
    program = Program([EHLOD, "talk", mta.address, write(tmp_path, "NOOP\n"), "--timeout", f"{scaled(1.5):g}s"],
                      tmp_path / "out")
    program.wait_for(lambda: "<- 220-wait" in program.log(), 10, "the first line is shown")
    assert "FAIL" not in program.log()
    assert program.wait(30) == 2
    assert re.search("^FAIL .*  banner/deadline: ", program.log(), re.M), program.log()
    assert program.log().count("220-wait\n") == 1 and mta.lines() == []


def shape(output, address):
    output = output[output.index("     at ms"):].replace(address, "mx")
    return re.sub(r" +N", " N", re.sub(r"\d+\.\d+(\.\d+\.\d+:\d+)?", "N", output))


def test_the_transcript_is_the_same_as_afterwards(postfix, tmp_path):
    """Printed line by line, or from the finished result: only times and ports differ."""
    text = f"EHLO x\nMAIL FROM:<a@example.org>\nRCPT TO:<nobody@{DOMAIN}>\n"
    config = write_config(str(tmp_path), {"targets": {"mx": {"address": postfix.address,
                                                             "dialogue": write(tmp_path, text)}}})
    live = talk(postfix.address, text=text).stdout
    afterwards = run_ehlod("check", "--config", config, "mx").stdout

    assert shape(live, postfix.address) == shape(afterwards, postfix.address)


@pytest.mark.parametrize("reply", ["250-fine\r\nxyz\r\n", "xyz\r\n", "250-fine\r\n550 no\r\n", "250-a\0\r\n", "250 " + "x" * 5000],
                         ids=["no reply line", "no SMTP", "two codes", "NUL", "long"])
def test_what_is_no_reply_is_shown_as_afterwards(fake, tmp_path, reply):
    mta = fake(EHLO=reply.encode())
    config = write_config(str(tmp_path), {"targets": {"mx": {"address": mta.address, "dialogue": write(tmp_path, "EHLO x\n")}}})
    live = talk(mta.address, text="EHLO x\n").stdout
    assert shape(live, mta.address) == shape(run_ehlod("check", "--config", config, "mx").stdout, mta.address)


# ---- the connection ----

def test_starttls_in_the_file(postfix, certificates):
    text = "EHLO one\n< 250 STARTTLS\nSTARTTLS\nEHLO two\nMAIL FROM:<a@example.org>\n"
    at = f"localhost:{postfix.port}"
    result = talk_json(at, "-4", text=text, env={"SSL_CERT_FILE": certificates.ca})
    assert result["status"] == "pass", result["failure"]
    assert result["tls"]["verified"] is True and "STARTTLS" not in result["extensions"]
    assert [c["sent"] for c in result["commands"]] == [None, "EHLO one", "STARTTLS", "EHLO two",
                                                       "MAIL FROM:<a@example.org>", "QUIT"]
    result = talk_json(at, "-4", text=text)
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("tls", "cert_untrusted")
    assert result["failure"]["message"].startswith("line 3: ")
    result = talk_json(at, "-4", "--insecure", text=text)
    assert result["status"] == "pass" and result["flags"] == ["insecure_skip_verify"]


@pytest.mark.parametrize("mode", ["starttls", "opportunistic", "implicit"])
def test_tls_before_the_file(postfix, certificates, mode):
    port = (postfix.wrapper_address if mode == "implicit" else postfix.address).split(":")[1]
    done = talk(f"localhost:{port}", "-4", "--tls", mode, text="EHLO x\nMAIL FROM:<a@example.org>\n",
                env={"SSL_CERT_FILE": certificates.ca})
    assert done.returncode == 0, done
    assert re.search(r"^TLS: TLSv1\.\d, verified; ", done.stdout, re.M), done.stdout


def test_where_it_connects_from(mta):
    result = talk_json(mta.address, "--source", "127.0.0.2", text="NOOP\n")
    assert result["local"]["address"] == "127.0.0.2"
    result = talk_json(mta.address, "-4", text="NOOP\n")
    assert result["local"]["address"] == HOST
    assert mta.connections() == 2


def test_xclient(fake):
    mta = fake(EHLO="250-fake.example.test\r\n250 XCLIENT ADDR NAME", XCLIENT="220 fake.example.test", NOOP="250 Ok")
    result = talk_json(mta.address, "--xclient", "ADDR=198.51.100.4", "--xclient", "name=client.example.net", "--helo", "me",
                       text="NOOP\n")
    assert result["status"] == "pass" and result["claimed"]["honoured"] is True, result
    assert mta.lines() == ["EHLO me", "XCLIENT ADDR=198.51.100.4 NAME=client.example.net", "NOOP", "QUIT"]
    result = talk_json(fake(NOOP="250 Ok").address, "--xclient", "ADDR=2001:db8::1", text="NOOP\n")
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("ehlo", "not_offered")


@pytest.mark.parametrize("source, header", [
    ("v1,192.0.2.9:4711", "PROXY TCP4 192.0.2.9 127.0.0.1 4711 {port}"), ("v1,local", "PROXY UNKNOWN")])
def test_proxy_protocol(fake, source, header):
    mta = fake(BANNER=None, PROXY="220 fake.example.test", NOOP="250 Ok")  # it greets behind the header
    result = talk_json(mta.address, "--proxy-protocol", source, text="EHLO x\nNOOP\n")
    assert result["status"] == "pass", result["failure"]
    assert mta.lines() == [header.format(port=mta.port), "EHLO x", "NOOP", "QUIT"]


def test_timeout(fake):
    mta = fake(NOOP=None)
    begun = time.monotonic()
    result = talk_json(mta.address, "--timeout", "500ms", text="NOOP\n")
    assert time.monotonic() - begun < 0.5 + scaled(5)
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("banner", "deadline")
    assert result["failure"]["message"].startswith("line 1: no reply to NOOP in ")


def test_nobody_there():
    done = talk(f"{HOST}:{free_port()}", text="NOOP\n")
    assert done.returncode == 2 and re.search("^FAIL .*  connect/refused: ", done.stdout, re.M), done


NOT_OURS = ("192.0.2.7", "2001:db8::7")  # nothing can be dialled from there


@pytest.mark.parametrize("host, shown", [("[::1]", "[::1]:25"), ("::1", "[::1]:25"), ("192.0.2.1", "192.0.2.1:25")])
def test_the_port_is_25(host, shown):
    result = talk_json(host, "--source", NOT_OURS[":" in host], text="NOOP\n")
    assert (result["peer"]["host"], result["peer"]["port"]) == (shown.rsplit(":", 1)[0].strip("[]"), 25)


def test_the_port_of_implicit_tls_is_465():
    result = talk_json("192.0.2.1", "--source", NOT_OURS[0], "--tls", "implicit", text="NOOP\n")
    assert result["peer"]["port"] == 465


# ---- secrets ----

LOGIN = ("probe", "hunter2-hunter2")
RESPONSES = [base64.b64encode(part.encode()).decode() for part in LOGIN]
BLOB = base64.b64encode(f"\0{LOGIN[0]}\0{LOGIN[1]}".encode()).decode()


def echo(line):
    """What a login gets, and every command that is none: the server says it again."""
    if line.startswith("AUTH LOGIN"):
        return "334 UGFzc3dvcmQ6"
    return f"535-5.7.8 {line}\r\n535 5.7.8 {LOGIN[1]} is wrong, {BLOB} too"


@pytest.mark.parametrize("text", [
    f"EHLO x\nAUTH LOGIN {RESPONSES[0]}\n{RESPONSES[1]}\n", f"EHLO x\nAUTH PLAIN {BLOB}\n",
    "EHLO x\nAUTH LOGIN {{user}}\n{{pass}}\n"], ids=["login", "plain", "variables"])
def test_what_is_said_after_auth_is_shown_nowhere(fake, ehlod, tmp_path, text):
    mta = fake(AUTH=echo, **{RESPONSES[1].upper(): echo})
    names = ["--var", f"user={RESPONSES[0]}", "--var", f"pass={RESPONSES[1]}"]
    config = {"targets": {"mx": {"address": mta.address, "dialogue": write(tmp_path, text),
                                 "vars": {"user": RESPONSES[0], "pass": RESPONSES[1]}}}}
    service = ehlod(config, "--log-level", "debug")
    shown = [talk(mta.address, *names, text=text).stdout, talk(mta.address, *names, "--format", "json", text=text).stdout]
    shown += [service.get(path).text for path in ("/check/mx", "/check/mx?format=text", "/probe?target=mx", "/targets")]
    shown.append(service.log())
    for secret in (RESPONSES[1], BLOB, LOGIN[1]):
        assert not [output for output in shown if secret in output]
    assert any(line in (RESPONSES[1], f"AUTH PLAIN {BLOB}") for line in mta.lines()), "it was said"
    assert "***" in shown[0] and "***" in shown[1] and "***" in shown[2]


# ---- as a check ----

def queued(postfix):
    return len(postfix.queue())


def test_a_target_with_a_dialogue(empty_postfix, ehlod, tmp_path):
    config = {"modules": {"mail": {"vars": {"customer": "acme"}}},
              "targets": {"good": {"module": "mail", "address": empty_postfix.address, "dialogue": "good.smtp",
                                   "cache_ttl": "1h"},
                          "bad": {"address": empty_postfix.address, "dialogue": "bad.smtp", "cache_ttl": "1h"}}}
    write(tmp_path, FILLED, "good.smtp")
    write(tmp_path, "# no such user\n" + PLAIN.replace(HELD, f"nobody@{DOMAIN}", 1), "bad.smtp")
    service = ehlod(config)
    answer = service.get("/check/good")
    assert answer.status == 200 and answer.json["summary"] == "4 of 4 commands as wanted, 1 message accepted"
    assert "Subject: acme at good, [127.0.0.1]\n" in only_message(empty_postfix)
    answer = service.get("/check/bad")
    assert answer.status == 503
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"], failure["route"]) == ("rcpt", "rejected", 550, None)
    assert failure["message"].startswith("line 4: RCPT TO:")
    assert "FAIL bad  rcpt/rejected: line 4: " in service.get("/check/bad?format=text").text
    assert "(message, " in service.get("/check/good?format=text").text
    metrics = service.get("/probe?target=bad").text
    assert "probe_success 0\n" in metrics and 'smtp_failure_info{phase="rcpt",reason="rejected"} 1\n' in metrics
    assert "probe_success 1\n" in service.get("/probe?target=good").text
    assert service.get("/check").json["counts"] == {"pass": 1, "warn": 0, "fail": 1, "unknown": 0}
    assert queued(empty_postfix) == 1


def test_no_get_sends_more_mail_than_the_target_says(empty_postfix, ehlod, tmp_path):
    write(tmp_path, PLAIN, "plain.smtp")
    service = ehlod({"targets": {"mx": {"address": empty_postfix.address, "dialogue": "plain.smtp", "cache_ttl": "1h"}}})
    first = service.get("/check/mx?max_age=0").json
    for query in ("?max_age=0", "?stop_after=final", "?stop_after=rset&max_age=0", "?stop_after=quit&max_age=0", ""):
        assert service.get("/check/mx" + query).json["id"] == first["id"]
    assert queued(empty_postfix) == 1
    short = service.get("/check/mx?stop_after=data&max_age=0").json
    assert short["status"] == "pass" and short["commands"][-2]["phase"] == "rcpt", short
    assert queued(empty_postfix) == 1
    assert service.ask("/check/mx", method="POST").answer().json["id"] != first["id"]
    wait_until(lambda: queued(empty_postfix) == 2, 10, "a POST sends one at once")


def test_a_mistake_in_a_dialogue_is_one_of_the_config(tmp_path):
    write(tmp_path, "EHLO x\nNOOP {{x}}\n", "mx.smtp")
    config = write_config(str(tmp_path), {"targets": {"mx": {"address": "mx.example.org:25", "dialogue": "mx.smtp"}}})
    done = run_ehlod("validate", "--config", config)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/mx.smtp:2: targets.mx.dialogue: unknown placeholder {{{{x}}}}\n"


def test_help():
    done = talk("--help")
    assert done.returncode == 0 and not done.stderr
    for word in ("--tls", "--var", "--helo", "--timeout", "--source", "--insecure", "--proxy-protocol", "--xclient", "-4", "-6", "--format", "{{date}}"):
        assert word in done.stdout, word
