# SPDX-License-Identifier: Apache-2.0
"""Rows T against the real program that need a server's OpenSSL to do odd things. What each of its own certificates comes to
at its limits, and what else can go wrong in a handshake, is in tests/unit/probe/net/."""
import socket
import ssl

import pytest
from certificates import NAME
from support import wait_until
from tls_mta import TlsMta, assert_fails, run, secured

MODES = pytest.mark.parametrize("mode", ["starttls", "implicit"])


@pytest.fixture
def serve(cleanup):
    """serve(kind, pair, mode, ...) is a TlsMta of that kind."""
    def start(kind, pair, mode, **more):
        mta = kind(pair, implicit=mode == "implicit", **more)
        cleanup.callback(mta.stop)
        return mta
    return start


@MODES
def test_t11_no_shared_cipher(ehlod, serve, certificates, mode):
    mta = serve(TlsMta, certificates.good(), mode, most=ssl.TLSVersion.TLSv1_2)
    mta.context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # but its key is EC
    answer = run(ehlod, secured(mta, certificates, mode))
    failure = assert_fails(answer, "tls", "alert")
    assert answer.json["tls"]["alert"] == "handshake_failure" and "handshake_failure" in failure["message"]
    assert answer.json["tls"]["chain"] == []


@MODES
def test_t13_a_weak_key(ehlod, serve, certificates, mode):
    pair = certificates.signed("weak", algorithm=("rsa:1024",))
    mta = serve(TlsMta, pair, mode)
    answer = run(ehlod, secured(mta, certificates, mode))
    assert_fails(answer, "tls", "weak")
    tls = answer.json["tls"]
    assert (tls["verified"], tls["reason"], tls["chain"][0]["key"]) == (False, "weak", "RSA 1024")


@MODES
def test_t20_odd_and_many_names(ehlod, serve, certificates, mode):
    alt = ",".join(["otherName:1.2.3.4;UTF8:" + NAME, f"email:www@{NAME}", f"URI:https://{NAME}/", "dirName:own"] +
                   [f"DNS:n{i}.example.org" for i in range(2000)])
    pair = certificates.signed("odd", alt=alt + f"\n[own]\nCN={NAME}")
    answer = run(ehlod, secured(serve(TlsMta, pair, mode), certificates, mode))
    failure = assert_fails(answer, "tls", "cert_name_mismatch")
    assert "n0.example.org" in failure["message"] and len(failure["message"]) < 1000, failure
    assert answer.json["tls"]["chain"][0]["names"] == [f"n{i}.example.org" for i in range(20)]


@MODES
def test_t24_a_hundred_certificates(ehlod, serve, certificates, tmp_path, mode):
    cert, key = certificates.good()
    whole = tmp_path / "whole.pem"
    whole.write_text("".join(open(path, encoding="ascii").read() for path in [cert] + [certificates.ca] * 99))
    answer = run(ehlod, secured(serve(TlsMta, (str(whole), key), mode), certificates, mode))
    assert "more than 20 certificates" in assert_fails(answer, "tls", "handshake")["message"]
    assert len(answer.json["tls"]["chain"]) == 20


class Breaks(TlsMta):
    """The first octet of its certificate is wrong (TLS 1.2, where that is not encrypted)."""

    def _secure(self, s):
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(came, goes, server_side=True)
        came.write(s.recv(65536))
        assert not self._is_shaken(tls)
        flight = goes.read()
        assert self.der in flight
        s.sendall(flight.replace(self.der, b"\x31" + self.der[1:]))
        s.recv(65536)
        raise OSError("has shown it")


@MODES
def test_t25_malformed_asn1(ehlod, serve, certificates, mode):
    mta = serve(Breaks, certificates.good(), mode, most=ssl.TLSVersion.TLSv1_2)
    with open(certificates.good()[0], encoding="ascii") as f:
        mta.der = ssl.PEM_cert_to_DER_cert(f.read())
    answer = run(ehlod, secured(mta, certificates, mode))
    assert_fails(answer, "tls", "handshake")
    assert answer.json["tls"]["chain"] == [] and answer.json["tls"]["version"] == "TLSv1.2"


class Ends(TlsMta):
    """At MAIL it ends TLS, though not the connection."""

    def _answer(self, s, verb, line):
        if verb != "MAIL":
            super()._answer(s, verb, line)
            return
        s.unwrap()
        wait_until(lambda: self.stopped, 50, "the test is over")
        raise OSError("has ended it")


@MODES
def test_t29_close_notify(ehlod, serve, certificates, mode):
    answer = run(ehlod, secured(serve(Ends, certificates.good(), mode), certificates, mode))
    assert_fails(answer, "mail", "closed")
    assert answer.json["tls"]["verified"] and "tls_no_close_notify" not in answer.json["flags"]


@MODES
def test_t31_many_tickets(ehlod, serve, certificates, mode):
    mta = serve(TlsMta, certificates.good(), mode)
    mta.context.num_tickets = 100
    assert "records with nothing inside" in assert_fails(run(ehlod, secured(mta, certificates, mode)), "tls",
                                                         "handshake")["message"]


class InPieces(TlsMta):
    """A record, and without TLS a segment, for each octet that it says."""

    def _answer(self, s, verb, line):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._answer(Pieces(s), verb, line)


class Pieces:
    def __init__(self, s):
        self.s = s

    def sendall(self, data):
        for octet in data:
            self.s.sendall(bytes([octet]))


@MODES
def test_t32_t36_octet_by_octet(ehlod, serve, certificates, mode):
    result = run(ehlod, secured(serve(InPieces, certificates.good(), mode), certificates, mode)).json
    assert result["status"] == "pass" and result["flags"] == [], result


@MODES
def test_t33_the_name_that_is_asked_for(ehlod, serve, certificates, mode):
    mta = serve(TlsMta, certificates.good(), mode)
    asked = []

    def refuse(_socket, name, _context):
        asked.append(name)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    mta.context.sni_callback = refuse
    answer = run(ehlod, secured(mta, certificates, mode))
    assert_fails(answer, "tls", "alert")
    assert answer.json["tls"]["alert"] == "unrecognized_name" and asked == [NAME]
