# SPDX-License-Identifier: Apache-2.0
"""A mail server for a thousand clients at once, as a program: `paced_mta.py SECONDS` listens on every loopback address,
says on which port, and answers each command after about that long, each time somewhat more or less. It ends when its
standard input does."""
import heapq
import random
import selectors
import socket
import sys
import time

ANSWERS = {b"EHLO": b"250 paced.example.test", b"MAIL": b"250 2.1.0 Ok", b"RCPT": b"250 2.1.5 Ok",
           b"RSET": b"250 2.0.0 Ok", b"QUIT": b"221 2.0.0 Bye"}


class PacedMta:
    def __init__(self, seconds):
        self.seconds, self.due, self.count, self.over = seconds, [], 0, False
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self._end)

    def run(self):
        while not self.over:
            wait = self.due[0][0] - time.monotonic() if self.due else None
            for key, _ in self.selector.select(None if wait is None else max(wait, 0)):
                key.data(key.fileobj)
            while self.due and self.due[0][0] <= time.monotonic():
                self._answer(*heapq.heappop(self.due)[2:])

    def _end(self, _stdin):
        self.over = True

    def _accept(self, listener):
        try:
            while True:
                s, _ = listener.accept()
                s.setblocking(False)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.selector.register(s, selectors.EVENT_READ, self._hear)
                self._later(s, b"220 paced.example.test ESMTP")
        except BlockingIOError:
            pass

    def _hear(self, s):
        try:
            command = s.recv(4096)
        except OSError:
            command = b""
        if command:
            self._later(s, ANSWERS.get(command[:4].upper(), b"502 5.5.1 What?"))
        else:
            self.selector.unregister(s)
            s.close()

    def _later(self, s, answer):
        self.count += 1
        heapq.heappush(self.due, (time.monotonic() + self.seconds * random.uniform(0.5, 1.5), self.count, s, answer))

    @staticmethod
    def _answer(s, answer):
        try:
            s.send(answer + b"\r\n")
        except OSError:
            pass  # the client has gone


def main():
    mta = PacedMta(float(sys.argv[1]))
    print(mta.port, flush=True)
    mta.run()


if __name__ == "__main__":
    main()
