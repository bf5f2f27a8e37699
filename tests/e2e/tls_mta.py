# SPDX-License-Identifier: Apache-2.0
"""A mail server that speaks TLS, as sick as the test wants, and what tests ask of a run against one."""
import ssl
import subprocess

from certificates import NAME
from conftest import target
from fake_mta import FakeMta
from support import wait_until

OFFER = "250-fake.example.test\r\n250-SIZE 1000\r\n250 STARTTLS"


class TlsMta(FakeMta):
    """A FakeMta that can turn to TLS: from the first byte on, or after its own 220 to STARTTLS. close_notify: whether
    it ends TLS before the connection; cut: a verb at which it closes in the middle of the reply; plain: it answers a
    handshake in plain text; hangs_up_after: so many octets of it it reads, and closes; eager: what it says as soon as the
    handshake is over; waits: it ends nothing before the client has; hangs: it never
    ends."""

    def __init__(self, pair, implicit=False, close_notify=True, cut=None, client_ca=None, most=None, early=b"",
                 plain=False, hangs_up_after=0, eager=b"", waits=False, hangs=False, **answers):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("DEFAULT:@SECLEVEL=0")  # that a key is weak is for the client to see
        self.context.load_cert_chain(*pair)
        self.implicit, self.close_notify, self.cut = implicit, close_notify, cut
        self.early, self.plain, self.hangs_up_after = early, plain, hangs_up_after
        self.eager, self.waits, self.hangs = eager, waits, hangs
        self.ends = []  # why it broke off, for a test that fails
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        if most:
            self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        super().__init__(**{"EHLO": "250 fake.example.test" if implicit else OFFER, "STARTTLS": "220 2.0.0 Ready",
                            **answers})

    def _serve(self, s, dialogue):
        try:
            if self.implicit:
                s = self._secure(s)
            self._answer(s, "BANNER", "")
            self._talk(s, dialogue)
        except (OSError, ValueError) as why:
            self.ends.append(repr(why))
        finally:
            s.close()

    def _talk(self, s, dialogue):
        stream = s.makefile("rb", buffering=0)
        while raw := stream.readline():
            line = raw.decode("latin-1").rstrip("\r\n")
            verb = line.split(" ")[0].split(":")[0].upper()
            with self.lock:
                dialogue.append(line)
            if verb == self.cut:
                s.sendall(b"250-in the mid")
                return
            self._answer(s, verb, line)
            if verb == "STARTTLS" and str(self.answers["STARTTLS"]).startswith("220"):
                s = self._secure(s)
                stream = s.makefile("rb", buffering=0)
            if verb == "QUIT":
                if self.waits:
                    s.recv(1)
                if self.hangs:
                    wait_until(lambda: self.stopped, 50, "the test is over")
                if isinstance(s, ssl.SSLSocket) and self.close_notify:
                    s.unwrap()
                return

    def _secure(self, s):
        if self.hangs_up_after:
            s.recv(self.hangs_up_after)
            raise OSError("hangs up")
        if self.early:
            self._speak_early(s)
        if self.plain:
            s.recv(1)
            s.sendall(b"500 5.5.1 What is that?\r\n")
            return s
        s = self.context.wrap_socket(s, server_side=True, suppress_ragged_eofs=True)
        if self.eager:
            s.sendall(self.eager)
        return s

    def _speak_early(self, s):
        """The end of the handshake (TLS 1.2: the server's) and what is said behind it, in one piece."""
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(came, goes, server_side=True)
        while not self._is_shaken(tls):
            s.sendall(goes.read())
            came.write(s.recv(65536))
        tls.write(self.early)
        s.sendall(goes.read())
        s.recv(65536)
        raise OSError("has said it")

    @staticmethod
    def _is_shaken(tls):
        try:
            tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False


def secured(mta, certificates, mode, config=None, **more):
    return target(mta.address, tls=mode, tls_config={"ca_file": certificates.ca, "server_name": NAME, **(config or {})},
                  **more)


def run(ehlod, mx):
    return ehlod({"targets": {"mx": mx}}).get("/check/mx")


def assert_fails(answer, phase, reason):
    assert answer.status == 503, answer
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"]) == (phase, reason), failure
    return failure


def openssl_says(path, *what):
    out = subprocess.run(["openssl", "x509", "-in", path, "-noout", *what], check=True, capture_output=True, text=True,
                         timeout=10).stdout
    return out.strip()
