# SPDX-License-Identifier: Apache-2.0
"""Rows T where there is a login to lose: a relay between ehlod and the server keeps every octet that ehlod sends, and no
credential is among them, whatever the server does in place of TLS."""
import base64
import contextlib
import socket
import ssl
import threading

import pytest
from certificates import NAME
from conftest import target
from fake_mta import FakeMta
from support import HOST, Acceptor, scaled, wait_until
from tls_mta import OFFER, TlsMta, run

USER, PASSWORD = "probe", "Zug-um-Zug#4711"
RESPONSE = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
SECRETS = [PASSWORD, RESPONSE, *[base64.b64encode(text.encode()).decode() for text in (PASSWORD, USER)]]
ROUTE = {"from": "probe@example.net", "to": "www@example.test"}

LOGINS = "250-AUTH PLAIN LOGIN\r\n"
OPEN = OFFER.replace("250 STARTTLS", f"{LOGINS}250 STARTTLS")
INSIDE = {"EHLO": OPEN, "AUTH": "235 2.7.0 Welcome"}
PLAIN = {"EHLO": f"250-fake\r\n{LOGINS}250 SIZE", "AUTH": "235 2.7.0 Welcome"}


class Relay:
    """Hands everything on, and keeps what came from the client. What one side does not take any more ends nothing: the
    other may still have something to say."""

    def __init__(self, port):
        self.port, self.came, self.lock, self.open = port, bytearray(), threading.Lock(), 0
        listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{listener.getsockname()[1]}"
        self.acceptor = Acceptor(listener, self._take)

    def _take(self, client):
        server = socket.create_connection((HOST, self.port), timeout=scaled(60))
        client.settimeout(scaled(60))
        with self.lock:
            self.open += 2
        for source, sink, kept in ((client, server, self.came), (server, client, bytearray())):
            threading.Thread(target=self._pump, args=(source, sink, kept), daemon=True).start()

    def _pump(self, source, sink, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept += data
                with contextlib.suppress(OSError):
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self.lock:
            self.open -= 1

    def all_that_came(self):
        """Once the connection is over."""
        wait_until(lambda: self.open == 0, 10, "both sides have ended")
        return bytes(self.came)


def vanishing():
    """What EHLO says: a login in the clear, and none in TLS."""
    said = iter([OPEN, "250-fake\r\n250 SIZE"])
    return lambda _line: next(said)


# row: what the server is, whether it shows a certificate of that kind, and what must come of it
ROWS = {
    "t01": (dict(EHLO=PLAIN["EHLO"]), "starttls", "starttls/not_offered"),
    "t02": (dict(STARTTLS="454 4.7.0 TLS not available"), "starttls", "starttls/refused"),
    "t05": (dict(STARTTLS=b"220 Ready\r\n250-fake\r\n250 AUTH PLAIN\r\n"), "starttls", "starttls/injected"),
    "t08": (dict(hangs_up_after=65536), "starttls", "tls/closed"),
    "t09": (dict(plain=True), "starttls", "tls/not_tls"),
    "t12": (dict(most=ssl.TLSVersion.TLSv1_1), "starttls", "tls/version"),
    "t26": (dict(client_ca=True), "starttls", "tls/alert"),
    "t34": (dict(EHLO=vanishing), "starttls", "auth/not_offered"),
    "t39": (dict(early=b"250-fake\r\n250 AUTH PLAIN\r\n"), "starttls", "starttls/unsolicited"),
    "opportunistic-t01": (dict(EHLO=PLAIN["EHLO"]), "opportunistic", "auth/needs_tls"),
    "opportunistic-t02": (dict(STARTTLS="454 4.7.0 TLS not available"), "opportunistic", "auth/needs_tls"),
    "opportunistic-t05": (dict(STARTTLS=b"220 Ready\r\n250 AUTH PLAIN\r\n"), "opportunistic", "starttls/injected"),
    "opportunistic-t14": (dict(kind="self"), "opportunistic", "tls/cert_self_signed"),
    **{f"{row}-{mode}": (dict(kind=kind), mode, f"tls/{reason}") for mode in ("starttls", "implicit") for row, kind, reason in (
        ("t14", "self", "cert_self_signed"), ("t15", "expired", "cert_expired"), ("t17", "name", "cert_name_mismatch"))},
}


@pytest.fixture
def logs_in(ehlod, cleanup, certificates, tmp_path):
    """logs_in(mta, mode) is (the answer, what ehlod has sent)."""
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)

    def ask(mta, mode):
        cleanup.callback(mta.stop)
        relay = Relay(mta.port)
        cleanup.callback(relay.acceptor.stop)
        mx = target(relay.address, ROUTE, tls=mode, tls_config={"ca_file": certificates.ca, "server_name": NAME},
                    auth={"username": USER, "password_file": str(password)})
        return run(ehlod, mx), relay.all_that_came()
    return ask


def pair_of(certificates, kind):
    return {"good": certificates.good, "self": certificates.self_signed,
            "expired": lambda: certificates.signed("expired", end="20210101000000Z"),
            "name": lambda: certificates.signed("name", dns="other.example.test")}[kind]()


def assert_kept(came, lines):
    """Neither in the clear, nor inside a TLS that is no good."""
    for secret in (*SECRETS, "AUTH ", "MAIL "):
        assert secret.encode() not in came, came
        assert not any(secret in line for line in lines), lines


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("row", ROWS)
def test_no_credential_is_sent(logs_in, certificates, row):
    sick, mode, verdict = ROWS[row]
    sick = {**INSIDE, **sick}
    pair = pair_of(certificates, sick.pop("kind", "good"))
    if sick["EHLO"] is vanishing:
        sick["EHLO"] = vanishing()
    if "client_ca" in sick:
        sick["client_ca"] = certificates.ca
    mta = TlsMta(pair, implicit=mode == "implicit", **sick)
    answer, came = logs_in(mta, mode)
    failure = answer.json["failure"]
    assert f"{failure['phase']}/{failure['reason']}" == verdict, answer
    assert came and mta.connections() == 1
    assert_kept(came, mta.lines())


def test_t38_no_credential_is_sent(logs_in):
    mta = FakeMta(**PLAIN)
    answer, came = logs_in(mta, "implicit")
    assert (answer.json["failure"]["phase"], answer.json["failure"]["reason"]) == ("tls", "not_tls"), answer
    assert came[:1] == b"\x16", "a handshake, and nothing else"
    assert_kept(came, mta.lines())


@pytest.mark.parametrize("mode", ["starttls", "opportunistic", "implicit"])
def test_it_is_sent_in_tls_alone(logs_in, certificates, mode):
    """What the others are compared with."""
    mta = TlsMta(certificates.good(), implicit=mode == "implicit", **{**INSIDE, **(PLAIN if mode == "implicit" else {})})
    answer, came = logs_in(mta, mode)
    assert answer.json["status"] == "pass", answer
    assert f"AUTH PLAIN {RESPONSE}" in mta.lines()
    assert_kept(came, [])
