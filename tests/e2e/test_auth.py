# SPDX-License-Identifier: Apache-2.0
"""Logins: to a Postfix whose SASL server is a Dovecot, and to servers that Postfix cannot be (rows A)."""
import base64
import os

import pytest
from certificates import NAME
from conftest import target
from dovecot_sasl import BY_TOKEN, MECHANISMS, DovecotSasl
from postfix import Postfix
from service import run_ehlod, write_config
from support import wait_until
from tls_mta import TlsMta

PASSWORD = DovecotSasl.PASSWORD
WRONG = "wrong horse-4711"
ELSEWHERE = {"name": "relay", "from": "probe@example.net", "to": "www@elsewhere.example", "expect": "accepted"}


@pytest.fixture(scope="module")
def dovecot():
    server = DovecotSasl(users=["probe"], hashed={"strong": "SCRAM-SHA-256", "old": "CRAM-MD5"})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def submission(dovecot, certificates):
    server = Postfix(tls=certificates.good(), main=dovecot.postfix)
    yield server
    server.stop()


def logs_in(address, certificates, *routes, mode="starttls", config=None, **auth):
    """A target with a login."""
    auth = {"username": "probe", **auth}
    return target(address, *routes, tls=mode, auth=auth,
                  tls_config={"ca_file": certificates.ca, "server_name": NAME, **(config or {})})


def password_file(folder, password):
    path = os.path.join(str(folder), "password")
    with open(path, "w", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
        f.write(password + "\n")
    return path


def forms(secret):
    """As it is, and the part of its base64 that is the same wherever it begins in a longer text."""
    shifted = [base64.b64encode(b"x" * n + secret.encode())[(8 * n + 5) // 6:].rstrip(b"=")[:-1].decode() for n in range(3)]
    return [secret, *shifted]


def assert_hidden(secret, *texts):
    for text in texts:
        for form in forms(secret):
            assert form not in text, f"{form} in {text}"


def said(answer):
    """What was sent and came in phase auth: [("AUTH PLAIN ***", 235), ...]"""
    return [(c["sent"], c["reply"]["code"]) for c in answer.json["commands"] if c["phase"] == "auth"]


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_right_password(ehlod, submission, certificates, tmp_path, mechanism, mode):
    address = submission.address if mode == "starttls" else submission.wrapper_address
    service = ehlod({"targets": {"mx": logs_in(address, certificates, mode=mode, mechanism=mechanism,
                                               password_file=password_file(tmp_path, PASSWORD))}},
                    "--log-level", "debug")
    seen = len(submission.log())
    answer = service.get("/check/mx")
    assert answer.json["status"] == "pass", answer.text
    assert said(answer)[0][0].startswith(f"AUTH {mechanism}") and said(answer)[-1][1] == 235
    assert answer.json["timing_ms"]["auth"] > 0
    # it is Postfix that says who was there, and how
    wait_until(lambda: f"sasl_method={mechanism}, sasl_username=probe" in submission.log()[seen:], 5, "Postfix' log")
    assert_hidden(PASSWORD, answer.text, service.get("/check/mx?format=text").text, service.log())


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_A04_the_wrong_password(ehlod, submission, certificates, tmp_path, mechanism, mode):
    address = submission.address if mode == "starttls" else submission.wrapper_address
    service = ehlod({"targets": {"mx": logs_in(address, certificates, mode=mode, mechanism=mechanism,
                                               password_file=password_file(tmp_path, WRONG))}},
                    "--log-level", "debug")
    answer = service.get("/check/mx")
    failure = answer.json["failure"]
    assert answer.status == 503 and (failure["phase"], failure["reason"]) == ("auth", "failed"), answer
    assert (failure["code"], failure["enhanced"]) == (535, "5.7.8")
    assert answer.json["routes"][0]["state"] == "skipped"
    assert_hidden(WRONG, answer.text, service.get("/check/mx?format=text").text, service.get("/metrics").text,
                  service.get("/check?format=json").text, service.log())


def test_the_strongest_is_chosen(ehlod, submission, certificates, tmp_path):
    service = ehlod({"targets": {"mx": logs_in(submission.address, certificates,
                                               password_file=password_file(tmp_path, PASSWORD))}})
    answer = service.get("/check/mx")
    assert answer.json["status"] == "pass", answer.text
    assert answer.json["extensions"]["AUTH"].split() == MECHANISMS + BY_TOKEN
    # SCRAM: three lines of ours, the last of them empty, once the server has proved itself
    assert [code for _, code in said(answer)] == [334, 334, 235]
    assert said(answer)[0][0].startswith("AUTH SCRAM-SHA-256 ")


@pytest.mark.parametrize("mechanism", BY_TOKEN)
def test_a_token(ehlod, submission, certificates, mechanism):
    """Dovecot refuses a wrong one as Google and Microsoft do: first in a challenge, with JSON, then in a reply (A15)."""
    good, bad = DovecotSasl.token("probe"), DovecotSasl.token("probe", key=b"another key")
    service = ehlod({"targets": {
        name: logs_in(submission.address, certificates, mechanism=mechanism, token=token)
        for name, token in (("good", good), ("bad", bad))}}, "--log-level", "debug")
    seen = len(submission.log())
    answer = service.get("/check/good")
    assert answer.json["status"] == "pass", answer.text
    wait_until(lambda: f"sasl_method={mechanism}, sasl_username=probe" in submission.log()[seen:], 5, "Postfix' log")
    refused = service.get("/check/bad")
    failure = refused.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("auth", "failed", 535), refused
    assert '({"status":"' in failure["message"], failure
    assert [code for _, code in said(refused)] == [334, 535]
    for token in (good, bad):
        assert_hidden(token, answer.text, refused.text, service.get("/check?format=text").text, service.log())


def test_what_the_server_keeps_of_a_password(ehlod, submission, certificates, tmp_path):
    """A real difference between mechanisms: a server that keeps only one's hash knows no other."""
    file = password_file(tmp_path, PASSWORD)
    named = {f"{user}-{mechanism}": logs_in(submission.address, certificates, username=user, mechanism=mechanism,
                                            password_file=file)
             for user in ("strong", "old") for mechanism in ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN")}
    answer = ehlod({"targets": named}).get("/check")
    passed = {name for name, result in answer.json["targets"].items() if result["status"] == "pass"}
    assert passed == {"strong-SCRAM-SHA-256", "strong-PLAIN", "old-CRAM-MD5", "old-PLAIN"}, answer


def test_expect_rejected(ehlod, submission, certificates, tmp_path):
    service = ehlod({"targets": {
        "guarded": logs_in(submission.address, certificates, expect="rejected",
                           password_file=password_file(tmp_path, WRONG)),
        "open": logs_in(submission.address, certificates, expect="rejected", password="${EHLOD_TEST_PASSWORD}")}},
        wrapper=("env", f"EHLOD_TEST_PASSWORD={PASSWORD}"))
    assert service.get("/check/guarded").json["status"] == "pass"
    answer = service.get("/check/open")
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("auth", "accepted", 235), answer
    assert_hidden(PASSWORD, answer.text, service.log())


def test_only_who_has_logged_in_may_relay(ehlod, submission, certificates, tmp_path):
    file = password_file(tmp_path, PASSWORD)
    stranger = logs_in(submission.address, certificates, {**ELSEWHERE, "expect": ["rejected", "deferred"]})
    del stranger["auth"]
    refused = logs_in(submission.address, certificates, {**ELSEWHERE, "expect": ["rejected", "deferred"]},
                      expect="rejected", username="nobody", password_file=file)
    answer = ehlod({"targets": {
        "friend": logs_in(submission.address, certificates, ELSEWHERE, password_file=file),
        "stranger": stranger, "refused": refused,
        "open": {**stranger, "routes": [ELSEWHERE]}}}).get("/check")
    status = {name: result["status"] for name, result in answer.json["targets"].items()}
    assert status == {"friend": "pass", "stranger": "pass", "refused": "pass", "open": "fail"}, answer


def test_A01_offered_only_inside_TLS(ehlod, submission, certificates, tmp_path):
    """So it is with Postfix (smtpd_tls_auth_only); in TLS the others here log in."""
    mx = target(submission.address, auth={"username": "probe", "allow_plaintext": True,
                                          "password_file": password_file(tmp_path, PASSWORD)})
    wait_until(lambda: submission.log().count(": connect from") == submission.log().count("disconnect from"), 5, "all are over")
    seen = len(submission.log())
    answer = ehlod({"targets": {"mx": mx}}).get("/check/mx")
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"]) == ("auth", "needs_tls"), answer
    wait_until(lambda: "disconnect from" in submission.log()[seen:], 5, "Postfix' log")
    assert " auth=" not in submission.log()[seen:]


def test_many_at_once(ehlod, submission, certificates, tmp_path):
    """Each with its own exchange."""
    file = password_file(tmp_path, PASSWORD)
    named = {f"mx{i}": logs_in(submission.address, certificates, mechanism=MECHANISMS[i % 5], password_file=file)
             for i in range(30)}
    answer = ehlod({"targets": named}).get("/check")
    assert answer.json["counts"] == {"pass": 30, "warn": 0, "fail": 0, "unknown": 0}, answer


def test_the_command_line(submission, certificates, tmp_path):
    mx = logs_in(submission.address, certificates, password_file=password_file(tmp_path, PASSWORD))
    config = write_config(str(tmp_path), {"targets": {"mx": mx}})
    done = run_ehlod("check", "--config", config)
    assert done.returncode == 0 and "AUTH SCRAM-SHA-256" in done.stdout, done
    assert_hidden(PASSWORD, done.stdout, done.stderr)


class AuthMta(TlsMta):
    """A TlsMta that offers these mechanisms, and answers AUTH and every line that is no command with the next of these
    replies, each a text or what makes one of the line."""

    def __init__(self, pair, mechanism, replies, **more):
        self.replies, self.said = list(replies), []
        super().__init__(pair, implicit=True, EHLO=f"250-fake.example.test\r\n250 AUTH {mechanism}", **more)

    def _answer(self, s, verb, line):
        if verb not in self.answers:
            self.said.append(line)
            reply = self.replies.pop(0)
            s.sendall(((reply(line) if callable(reply) else reply) + "\r\n").encode("latin-1"))
            return
        super()._answer(s, verb, line)


@pytest.fixture
def auth_mta(cleanup, certificates):
    def start(mechanism, *replies, **more):
        mta = AuthMta(certificates.good(), mechanism, replies, **more)
        cleanup.callback(mta.stop)
        return mta
    return start


def b64(text):
    return base64.b64encode(text.encode("latin-1")).decode()


def scram_first(line):
    """A SCRAM server's first message to that of the client's."""
    nonce = base64.b64decode(line.split()[-1]).decode().split(",r=")[1]
    return "334 " + b64(f"r={nonce}server,s={b64('salt')},i=4096")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_A12_a_server_that_does_not_know_the_password(ehlod, auth_mta, certificates, tmp_path, mechanism):
    """It goes along with everything, and signs with what it has guessed."""
    mta = auth_mta(mechanism, scram_first, "334 " + b64("v=" + b64("x" * 32)), "501 5.7.0 Cancelled")
    mx = logs_in(mta.address, certificates, mode="implicit", password_file=password_file(tmp_path, PASSWORD))
    answer = ehlod({"targets": {"mx": mx}}).get("/check/mx")
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("auth", "server_invalid", 334), answer
    assert "signature is wrong" in failure["message"] and mta.said[-1] == "*"


def test_external(ehlod, auth_mta, certificates):
    """The certificate says who it is, so the response may be empty."""
    mta = auth_mta("EXTERNAL PLAIN", "235 2.7.0 Hello", client_ca=certificates.ca)
    cert, key = certificates.signed("client", dns="probe.example.test", usage="clientAuth")
    mx = target(mta.address, tls="implicit", auth={"mechanism": "EXTERNAL"},
                tls_config={"ca_file": certificates.ca, "server_name": NAME, "cert_file": cert, "key_file": key})
    answer = ehlod({"targets": {"mx": mx}}).get("/check/mx")
    assert answer.json["status"] == "pass", answer.text
    assert mta.said == ["AUTH EXTERNAL ="]


@pytest.mark.parametrize("mechanism,end", [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
def test_A15_a_token_that_is_not_liked(ehlod, auth_mta, certificates, tmp_path, mechanism, end):
    mta = auth_mta(mechanism, "334 " + b64('{"status":"invalid_token"}'), "535 5.7.8 sure? s3cr3t.t0ken")
    token = tmp_path / "token"
    token.write_text("s3cr3t.t0ken\n")
    token.chmod(0o600)
    mx = logs_in(mta.address, certificates, mode="implicit", mechanism=mechanism, token_file=str(token))
    service = ehlod({"targets": {"mx": mx}}, "--log-level", "debug")
    answer = service.get("/check/mx")
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("auth", "failed", 535), answer
    assert '{"status":"invalid_token"}' in failure["message"]
    assert mta.said[1] == end and "s3cr3t.t0ken" in base64.b64decode(mta.said[0].split()[-1]).decode()
    assert_hidden("s3cr3t.t0ken", answer.text, service.get("/check/mx?format=text").text, service.log())


def test_the_token_file_is_read_for_each_login(ehlod, auth_mta, certificates, tmp_path):
    mta = auth_mta("XOAUTH2", *["235 2.7.0 Ok"] * 2)
    token = tmp_path / "token"
    token.write_text("first\n")
    token.chmod(0o600)
    mx = logs_in(mta.address, certificates, mode="implicit", token_file=str(token))
    service = ehlod({"targets": {"mx": {**mx, "stale_if_error": 0}}})
    for text in ("first", "second"):
        token.write_text(text + "\n")
        answer = service.get("/check/mx?max_age=0")
        assert answer.json["status"] == "pass", answer.text
    tokens = [base64.b64decode(line.split()[-1]).split(b"Bearer ")[1].strip(b"\1") for line in mta.said]
    assert tokens == [b"first", b"second"]
    token.unlink()
    answer = service.get("/check/mx?max_age=0")
    failure = answer.json["failure"]
    assert (answer.json["status"], failure["phase"], failure["reason"]) == ("unknown", "auth", "local_resource"), answer
    assert str(token) in failure["message"]


@pytest.mark.parametrize("reply", [
    "535 5.7.8 {password}", "535 5.7.8 {base64}", "535-5.7.8 {response}\r\n535 5.7.8 {password}{password}",
    "235 2.7.0 welcome {password}", "335 {password}", "{password}", "535 5.7.8 \x01{password}\xff", "334 {base64}",
    "535 5.7.8 {shifted}"])
def test_a_server_that_echoes_a_secret(ehlod, auth_mta, certificates, tmp_path, reply):
    password = "c0rrect-h0rse"
    response = b64(f"\0probe\0{password}")
    reply = reply.format(password=password, base64=b64(password), response=response, shifted=b64("x" + password + "yz"))
    mta = auth_mta("PLAIN", reply, "501 5.7.0 " + password, "221 " + password,
                   MAIL="250 " + password, RCPT="550 5.1.1 " + b64(password), RSET="250 " + response)
    mx = logs_in(mta.address, certificates, mode="implicit", password_file=password_file(tmp_path, password))
    service = ehlod({"targets": {"mx": mx}}, "--log-level", "debug")
    views = [service.get(f"/check/mx?format={view}").text for view in ("json", "text", "prometheus", "health")]
    views += [service.get(f"/probe?target=mx&debug=true").text, service.get("/metrics").text]
    assert mta.said[0] == f"AUTH PLAIN {response}"
    assert_hidden(password, *views, service.log())
