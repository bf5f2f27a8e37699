# SPDX-License-Identifier: Apache-2.0
"""A mail server that is as sick as the test wants. Each verb has an answer, which may be replaced."""
import socket
import threading

from support import HOST, Acceptor, free_port, scaled

GOOD = {
    "BANNER": "220 fake.example.test ESMTP",
    "EHLO": "250 fake.example.test",
    "LHLO": "250 fake.example.test",
    "HELO": "250 fake.example.test",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


class FakeMta:
    """Answers are text (without the last CRLF) or bytes (as they are), None for silence, or a callable that
    is given the command line and gives one of these; it may wait, say on an event."""

    def __init__(self, host=HOST, port=0, path=None, **answers):
        """With a path it listens on that Unix socket."""
        self.answers = {**GOOD, **answers}
        self.lock = threading.Lock()
        self.dialogues = []  # one list of command lines a connection
        self.sockets = set()
        self.stopped = False
        listener = self._listen(host, port, path)
        self.port = None if path else listener.getsockname()[1]
        self.address = f"unix:{path}" if path else f"{host}:{self.port}"
        self.acceptor = Acceptor(listener, self._take)

    def connections(self):
        with self.lock:
            return len(self.dialogues)

    def lines(self):
        """Every command that ever came, over all connections."""
        with self.lock:
            return [line for dialogue in self.dialogues for line in dialogue]

    def stop(self):
        self.stopped = True
        self.acceptor.stop()
        with self.lock:
            sockets = list(self.sockets)
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def _listen(host, port, path):
        if not path:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            # None that the system gives: it gives one that was left just now again, and somebody may still ask there.
            return socket.create_server((host, port or free_port()), family=family, backlog=256)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(256)
        return listener

    def _take(self, s):
        s.settimeout(scaled(60))
        dialogue = []
        with self.lock:
            self.dialogues.append(dialogue)
            self.sockets.add(s)
        threading.Thread(target=self._serve, args=(s, dialogue), daemon=True).start()

    def _serve(self, s, dialogue):
        try:
            with s, s.makefile("rb") as stream:
                self._answer(s, "BANNER", "")
                for raw in stream:
                    line = raw.decode("latin-1").rstrip("\r\n")
                    with self.lock:
                        dialogue.append(line)
                    verb = line.split(" ")[0].split(":")[0].upper()
                    self._answer(s, verb, line)
                    if verb == "QUIT":
                        return
        except OSError:
            pass
        finally:
            with self.lock:
                self.sockets.discard(s)

    def _answer(self, s, verb, line):
        answer = self.answers.get(verb, "502 5.5.1 What?")
        if callable(answer):
            answer = answer(line)
        if answer is not None:
            s.sendall(answer if isinstance(answer, bytes) else answer.encode() + b"\r\n")


class Gate:
    """An answer that is held back until the test opens it."""

    def __init__(self, answer):
        self.answer = answer
        self.event = threading.Event()
        self.waiting = 0

    def open(self):
        self.event.set()

    def __call__(self, _line):
        self.waiting += 1
        self.event.wait(scaled(60))
        return self.answer
