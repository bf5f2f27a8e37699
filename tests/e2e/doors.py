# SPDX-License-Identifier: Apache-2.0
"""A service whose door is locked: HTTPS with the tests' own certificates, users and tokens."""
import base64
import contextlib
import http.client
import socket
import ssl
import warnings

from service import Answer, Service
from support import HOST, scaled

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import crypt

USER, PASSWORD, TOKEN = "probe", "hunter2", "s3same-open"


def bcrypt(password, cost=4):
    return crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2 ** cost))


def basic(user=USER, password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


class Trusting(ssl.SSLContext):
    """A client that trusts the tests' authority, and shows that certificate."""

    def __new__(cls, *_, **__):
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, ca, pair=None):
        self.load_verify_locations(ca)
        self.check_hostname = False
        if pair:
            self.load_cert_chain(*pair)


class UnixHttps(http.client.HTTPConnection):
    """HTTPS over a Unix socket."""

    def __init__(self, path, tls):
        super().__init__("localhost", timeout=scaled(20))
        self.path, self.tls = path, tls

    def connect(self):
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(self.timeout)
        plain.connect(self.path)
        self.sock = self.tls.wrap_socket(plain)


def answer_of(connection, path, method="GET", headers=None):
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


class SecureService(Service):
    """A service that speaks HTTPS; its tests' client is tls."""

    tls = None

    def get(self, path, tls=None, **more):
        return answer_of(http.client.HTTPSConnection(HOST, self.port, timeout=scaled(20), context=tls or self.tls), path,
                         **more)

    def connect(self, tls=None, **more):
        plain = socket.create_connection((HOST, self.port), timeout=scaled(20))
        return (tls or self.tls).wrap_socket(plain, **more)

