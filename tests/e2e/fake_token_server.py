# SPDX-License-Identifier: Apache-2.0
"""An OAuth token server (RFC 6749): HTTPS with a certificate of the tests' own authority."""
import http.server
import json
import ssl
import threading
import urllib.parse

from support import HOST


class FakeTokenServer:
    """answer(form) gives (status, body), the body a dict (sent as JSON) or bytes, or (status, body, {header: value}); by
    default each form is given a token of its own, "token-1" and so on, that lives for an hour. forms: what was posted."""

    def __init__(self, certificates, answer=None):
        self.forms, self.issued = [], []
        self.answer = answer or (lambda form: self.issue())
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                outer.forms.append(dict(urllib.parse.parse_qsl(body, strict_parsing=True)))
                status, said, *more = outer.answer(outer.forms[-1])
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificates.signed("token-server", alt=f"IP:{HOST}"))
        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads, self.server.block_on_close = True, False
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{HOST}:{self.server.server_address[1]}/token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def issue(self, life=3600, **more):
        """An answer with one more token."""
        self.issued.append(f"token-{len(self.issued) + 1}")
        return 200, {"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": life, **more}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
