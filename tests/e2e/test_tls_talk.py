# SPDX-License-Identifier: Apache-2.0
"""TLS in the dialogue: what comes unasked in it (T39), how it ends (T40), what is shown of it, and Postfix that wants to see
our certificate (T26)."""
import datetime
import re
import ssl
import time

import pytest
from certificates import NAME
from conftest import target
from postfix import Postfix
from support import is_readable, scaled, wait_until
from tls_mta import TlsMta, assert_fails, openssl_says, run, secured


def started(cleanup, mta):
    cleanup.callback(mta.stop)
    return mta


class Injects(TlsMta):
    """Says more in the clear behind its 220, in a segment of its own."""

    def _secure(self, s):
        s.sendall(b"250 2.1.0 Ok\r\n")
        s.recv(65536)
        raise OSError("has said it")


def test_t06_plain_text_before_the_handshake(ehlod, cleanup, certificates):
    """Read before our ClientHello it was injected, behind it it is no TLS; in no case is it a reply."""
    mta = started(cleanup, Injects(certificates.good()))
    service = ehlod({"targets": {"mx": secured(mta, certificates, "starttls", cache_ttl="0")}})
    for _ in range(10):
        result = service.get("/check/mx").json
        failure = result["failure"]
        assert (failure["phase"], failure["reason"]) in (("starttls", "injected"), ("tls", "not_tls")), failure
        assert result["commands"][-1]["sent"] == "STARTTLS" and mta.lines()[-1] == "STARTTLS"


class Drips(TlsMta):
    """Its part of the handshake comes octet by octet, and never to an end."""

    def _secure(self, s):
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(came, goes, server_side=True)
        while not goes.pending:  # its ClientHello may come in parts
            came.write(s.recv(65536))
            assert not self._is_shaken(tls)
        for octet in goes.read()[:-1]:
            s.sendall(bytes([octet]))
            if is_readable(s, 0.02) and not s.recv(65536):  # the client ends it
                break
        raise OSError("has dripped")


@pytest.mark.parametrize("implicit", [False, True])
def test_t10_a_dripped_handshake(ehlod, cleanup, certificates, implicit):
    mta = started(cleanup, Drips(certificates.good(), implicit=implicit))
    mx = secured(mta, certificates, "implicit" if implicit else "starttls", timeouts={"tls": "300ms"})
    answer = run(ehlod, mx)
    wait_until(lambda: mta.ends, 10, "the server sees the end")
    assert mta.ends == ["OSError('has dripped')"] * len(mta.ends), mta.ends
    failure = assert_fails(answer, "tls", "timeout")
    assert failure["limit_ms"] == 300 and 300 <= answer.json["timing_ms"]["tls"] < 300 + scaled(250)


@pytest.mark.parametrize("ready", ["220-2.0.0 Ready\r\n220 2.0.0 Go on", "220"])
def test_t36_a_reply_of_several_lines(ehlod, tls_mta, certificates, ready):
    result = run(ehlod, secured(tls_mta(certificates.good(), STARTTLS=ready), certificates, "starttls")).json
    assert result["status"] == "pass" and result["flags"] == [], result


def test_t41_revocation_is_not_checked(ehlod, tls_mta, certificates):
    """A certificate that must come with a proof that it is not revoked, and comes without."""
    pair = certificates.signed("staple", usage="serverAuth\ntlsfeature=status_request")
    assert "status_request" in openssl_says(pair[0], "-text")
    result = run(ehlod, secured(tls_mta(pair), certificates, "starttls")).json
    assert result["status"] == "pass" and result["tls"]["verified"], result


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("eager", [b"250 I am eager\r\n", b"220 fake.example.test ESMTP\r\n", b"250-fake\r\n250 SIZE\r\n"])
def test_t39_crosses_our_ehlo(ehlod, tls_mta, certificates, eager, version):
    """Said when the handshake was over for the server, it may cross our EHLO and pass for the reply to it. Then each reply
    stands for another command, and at the latest the one behind the last shows it."""
    mta = tls_mta(certificates.good(), eager=eager)
    mta.context.maximum_version = version
    service = ehlod({"targets": {"mx": secured(mta, certificates, "starttls", cache_ttl="0")}})
    for _ in range(10):
        answer = service.get("/check/mx")
        failure = answer.json["failure"]
        assert answer.status == 503 and failure["reason"] == "unsolicited", answer
        assert failure["phase"] in ("starttls", "ehlo", "mail", "rcpt", "rset", "quit"), failure


def test_what_came_is_acknowledged_at_once(ehlod, tls_mta, certificates):
    """This server, as Postfix, holds back its reply to EHLO until the session tickets behind its handshake are acknowledged
    (Nagle). Our system would take 40 ms for that, which are no delay of the server's."""
    service = ehlod({"targets": {"mx": secured(tls_mta(certificates.good()), certificates, "starttls", cache_ttl="0")}})
    assert min(service.get("/check/mx").json["timing_ms"]["ehlo"] for _ in range(10)) < 35


@pytest.mark.parametrize("implicit", [False, True])
def test_t40_a_server_that_waits_for_our_end(ehlod, tls_mta, certificates, implicit):
    """It has said 221 and waits for our close_notify: that comes at once, not when timeouts.quit is over."""
    mta = tls_mta(certificates.good(), implicit=implicit, waits=True)
    mx = secured(mta, certificates, "implicit" if implicit else "starttls", timeouts={"quit": "20s"})
    service = ehlod({"targets": {"mx": mx}})
    begun = time.monotonic()
    result = service.get("/check/mx").json
    assert time.monotonic() - begun < scaled(5)
    assert result["status"] == "pass" and result["flags"] == [], result


def test_t40_a_server_that_never_ends(ehlod, tls_mta, certificates):
    """Nor is its end waited for beyond timeouts.quit."""
    mta = tls_mta(certificates.good(), hangs=True)
    service = ehlod({"targets": {"mx": secured(mta, certificates, "starttls", timeouts={"quit": "300ms"})}})
    begun = time.monotonic()
    result = service.get("/check/mx").json
    assert 0.3 <= time.monotonic() - begun < scaled(5)
    assert result["status"] == "pass" and result["flags"] == [], result


def test_t35_tls_1_3_alone_fails(ehlod, tls_mta, certificates):
    """A server that would do with TLS 1.2 what it cannot do with 1.3 is not tried again."""
    mta = tls_mta(certificates.good(), most=ssl.TLSVersion.TLSv1_2)
    answer = run(ehlod, secured(mta, certificates, "starttls", {"min_version": "TLS13"}))
    failure = assert_fails(answer, "tls", "version")
    assert "tls_config.min_version (TLS13)" in failure["message"] and mta.connections() == 1


def test_the_transcript_has_the_handshake_at_its_place(ehlod, tls_mta, certificates):
    columns = r"\n +\d+\.\d{3} +\d+\.\d{3}  "
    shown = columns + rf"-- TLSv1\.3 TLS_\w+, verified \({re.escape(NAME)}, until 2050-01-01\)"
    for implicit, before, behind in ((False, "<- 220 2.0.0 Ready", "-> EHLO "), (True, "   connected ", "<- 220 fake")):
        mx = secured(tls_mta(certificates.good(), implicit=implicit), certificates, "implicit" if implicit else "starttls")
        text = ehlod({"targets": {"mx": mx}}).get("/check/mx?format=text").text
        lines = text.splitlines()
        found = re.search(shown, text)
        assert found, text
        place = lines.index(found[0][1:])
        assert before in lines[place - 1] and behind in lines[place + 1], text


KINDS = {
    "rsa": {"algorithm": ("rsa:2048",)},
    "rsa-3072": {"algorithm": ("rsa:3072",), "start": "20260102030405Z", "end": "20491231235959Z"},
    "ec": {},
    "ec-384": {"algorithm": ("ec", "-pkeyopt", "ec_paramgen_curve:P-384"), "alt": f"DNS:{NAME},IP:192.0.2.1,IP:2001:db8::1"},
    "ed25519": {"algorithm": ("ed25519",)},
    "many": {"alt": ",".join([f"DNS:{NAME}", "email:a@example.org"] + [f"DNS:n{i}.example.org" for i in range(300)])},
}
KEYS = {"rsa": "RSA 2048", "rsa-3072": "RSA 3072", "ec": "EC 256", "ec-384": "EC 384", "ed25519": "Ed25519", "many": "EC 256"}


def as_openssl_says(path):
    """A certificate as the JSON has it, in the words of `openssl x509`."""
    def one(*what):
        return openssl_says(path, *what).split("=", 1)[1]

    def when(what):
        return f"{datetime.datetime.strptime(one(what), '%b %d %H:%M:%S %Y GMT'):%Y-%m-%dT%H:%M:%S.000000Z}"
    text = openssl_says(path, "-text")
    alt = re.search(r"Subject Alternative Name:.*\n +(.*)", text)
    bits = re.search(r"Public-Key: \((\d+) bit\)", text)
    kind = {"id-ecPublicKey": "EC", "rsaEncryption": "RSA", "ED25519": "Ed25519"}[
        re.search(r"Public Key Algorithm: (\S+)", text)[1]]
    names = [name.split(":", 1) for name in alt[1].split(", ")] if alt else []
    return {"subject": one("-subject", "-nameopt", "RFC2253"), "issuer": one("-issuer", "-nameopt", "RFC2253"),
            "names": [name for kind, name in names if kind in ("DNS", "IP Address")],
            "not_before": when("-startdate"), "not_after": when("-enddate"),
            "sha256": one("-fingerprint", "-sha256").replace(":", "").lower(),
            "key": f"{kind} {bits[1]}" if bits and kind != "Ed25519" else kind}


def spelled(names):
    """OpenSSL writes 2001:db8::1 out, in capitals."""
    return ["2001:db8::1" if name == "2001:DB8:0:0:0:0:0:1" else name for name in names]


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_openssl(ehlod, tls_mta, certificates, tmp_path, kind):
    """Field by field, the server's own and the authority's that it sends behind."""
    cert, key = certificates.signed("field-" + kind, **KINDS[kind])
    whole = tmp_path / "whole.pem"
    whole.write_text("".join(open(path, encoding="ascii").read() for path in (cert, certificates.ca)))
    result = run(ehlod, secured(tls_mta((str(whole), key)), certificates, "starttls")).json
    assert result["status"] == "pass", result["summary"]
    assert [c["key"] for c in result["tls"]["chain"]] == [KEYS[kind], "EC 256"]
    for shown, path in zip(result["tls"]["chain"], (cert, certificates.ca), strict=True):
        said = as_openssl_says(path)
        said["names"] = spelled(said["names"])
        assert len(shown["names"]) == min(len(said["names"]), 20)
        said["names"] = said["names"][:20]
        assert shown == said


@pytest.fixture(scope="module")
def asking_postfix(certificates):
    """Postfix that speaks with nobody whose certificate it does not know."""
    server = Postfix(tls=certificates.signed("postfix-asks"), main=(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n"
        f"smtpd_tls_CAfile = {certificates.ca}\n"))
    yield server
    server.stop()


def asked(server, certificates, mode, **tls_config):
    return target(server.address if mode == "starttls" else server.wrapper_address, tls=mode,
                  tls_config={"ca_file": certificates.ca, "server_name": NAME, **tls_config})


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_t26_postfix_takes_our_certificate(ehlod, asking_postfix, certificates, mode):
    cert, key = certificates.signed("client", dns="probe.example.test", usage="clientAuth")
    before = len(asking_postfix.log())
    result = run(ehlod, asked(asking_postfix, certificates, mode, cert_file=cert, key_file=key)).json
    assert result["status"] == "pass" and result["flags"] == [], result
    wait_until(lambda: "Trusted TLS connection established" in asking_postfix.log()[before:], 10, "Postfix knows us")


@pytest.mark.parametrize("mode, where", [("implicit", [("banner", "deferred")]),
                                         ("starttls", [("ehlo", "deferred"), ("starttls", "unsolicited")])])
def test_t26_postfix_misses_our_certificate(ehlod, asking_postfix, certificates, mode, where):
    """Postfix takes part in the handshake, and then says 421 by itself. Behind STARTTLS that crosses our EHLO, and is taken
    for the reply to it, unless it is there before."""
    answer = run(ehlod, asked(asking_postfix, certificates, mode))
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"]) in where, failure
    assert "421 4.7.1 mail.example.test Error: No client certificate presented" in failure["message"]
    assert answer.json["tls"]["verified"] and answer.json["tls"]["alert"] is None
