# SPDX-License-Identifier: Apache-2.0
"""A POP3 server that shows the files of a folder, asks for a password or a token, and is as sick as the test wants."""
import base64
import os
import re
import socketserver
import ssl
import threading

from support import HOST, scaled


class FakePop3:
    """folder: each file in it is a message, and DELE with QUIT removes it. pair: files of a certificate and its key; then it
    speaks TLS from the beginning. mechanisms: what CAPA names. tokens: those that let in, of whom TOKEN is looked for in
    what a mechanism of OAuth sends; any password does.
    answers: by verb (GREETING too), instead of its own: bytes, which are sent as they are ("" hangs up, and so does what
    ends with a "!" of its own line), None for silence, or a callable that is given a function that sends bytes."""

    def __init__(self, folder=None, pair=None, mechanisms="PLAIN", **answers):
        self.folder, self.mechanisms, self.answers = folder, mechanisms, answers
        self.tokens, self.offered, self.lines = set(), [], []
        self.context = None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*pair)
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.settimeout(scaled(60))
                try:
                    if outer.context:
                        self.request = outer.context.wrap_socket(self.request, server_side=True)
                    Session(outer, self.request).run()
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, block_on_close = True, False

        self.server = Server((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"pop3{'s' if pair else ''}://{HOST}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Session:
    def __init__(self, server, s):
        self.server, self.s, self.stream = server, s, s.makefile("rb")
        self.deleted = set()
        self.names = sorted(os.listdir(server.folder)) if server.folder else []

    def run(self):
        if not self._say(self.server.answers.get("GREETING", b"+OK ready\r\n")):
            return
        for raw in self.stream:
            line = raw.decode("latin-1").rstrip("\r\n")
            verb, *words = line.split(" ")
            self.server.lines.append(line)
            own = self.server.answers.get(verb, b"?")
            if not self._say(self._answer(verb, words) if own == b"?" else own) or verb == "QUIT":
                return

    def _say(self, answer):
        """Whether the session goes on."""
        if callable(answer):
            answer(self.s.sendall)
            return False
        if answer is None:
            return True
        self.s.sendall(answer.removesuffix(b"!"))
        return bool(answer) and not answer.endswith(b"!")

    def _answer(self, verb, words):
        plain = getattr(self, f"_{verb.lower()}", None)
        return plain(*words) if plain else b"-ERR what?\r\n"

    def _capa(self):
        return f"+OK\r\nUIDL\r\nTOP\r\nSASL {self.server.mechanisms}\r\n.\r\n".encode()

    def _auth(self, mechanism, said=None):
        if said is None:
            self.s.sendall(b"+ \r\n")
            said = self.stream.readline().decode("ascii").strip()
        token = re.search(r"auth=Bearer ([^\x01]*)\x01\x01$", base64.b64decode(said).decode())
        if mechanism == "PLAIN":
            return b"+OK in\r\n"
        self.server.offered.append((mechanism, token[1]))
        if token[1] in self.server.tokens:
            return b"+OK in\r\n"
        self.s.sendall(b"+ " + base64.b64encode(b'{"status":"401","schemes":"bearer"}') + b"\r\n")
        self.stream.readline()
        return b"-ERR [AUTH] not with this token\r\n"

    def _uidl(self):
        lines = [f"{i} {name}"[:70] for i, name in enumerate(self.names, 1)]
        return "\r\n".join(["+OK", *lines, ".\r\n"]).encode()

    def _top(self, number, count):
        with open(os.path.join(self.server.folder, self.names[int(number) - 1]), "rb") as f:
            head, _, body = f.read().replace(b"\r\n", b"\n").partition(b"\n\n")
        lines = [*head.split(b"\n"), b"", *body.split(b"\n")[:int(count)]]
        return b"+OK\r\n" + b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"

    def _dele(self, number):
        self.deleted.add(self.names[int(number) - 1])
        return b"+OK\r\n"

    def _quit(self):
        for name in self.deleted:
            os.unlink(os.path.join(self.server.folder, name))
        return b"+OK bye\r\n"
