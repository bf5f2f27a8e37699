# SPDX-License-Identifier: Apache-2.0
"""A mail server that takes messages and keeps them until it is told to pass them on, to one next hop."""
import contextlib
import smtplib
import socket
import threading

from support import HOST, Acceptor, scaled

ANSWERS = {"EHLO": b"250 holder.example.test", "MAIL": b"250 2.1.0 Ok", "RCPT": b"250 2.1.5 Ok", "RSET": b"250 2.0.0 Ok",
           "QUIT": b"221 2.0.0 Bye"}


class Holder:
    """at_data and at_final are called before the reply to DATA, and to the message."""

    def __init__(self, at_data=lambda: None, at_final=lambda: None):
        self.at_data, self.at_final = at_data, at_final
        self.lock = threading.Lock()
        self.held = []  # (recipients, message)
        listener = socket.create_server((HOST, 0), backlog=512)
        self.address = f"{HOST}:{listener.getsockname()[1]}"
        self.acceptor = Acceptor(listener, self._take_connection)

    def stop(self):
        self.acceptor.stop()

    def count(self):
        with self.lock:
            return len(self.held)

    def pass_on(self, port):
        """Everything that is held goes to that port, in one connection."""
        with self.lock:
            held, self.held = self.held, []
        with smtplib.SMTP(HOST, port, timeout=scaled(20)) as smtp:
            for recipients, message in held:
                smtp.sendmail("holder@example.net", recipients, message)

    def _take_connection(self, s):
        s.settimeout(scaled(60))
        threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        recipients = []
        with contextlib.suppress(OSError), s, s.makefile("rb") as stream:
            s.sendall(b"220 holder.example.test ESMTP\r\n")
            for line in stream:
                verb = line[:4].decode("latin-1").upper()
                if verb == "RCPT":
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                if verb == "DATA":
                    self._take(s, stream, recipients)
                    recipients = []
                else:
                    s.sendall(ANSWERS.get(verb, b"502 5.5.1 What?") + b"\r\n")

    def _take(self, s, stream, recipients):
        self.at_data()
        s.sendall(b"354 Go ahead\r\n")
        lines = []
        for line in stream:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b"..") else line)
        else:
            return
        with self.lock:
            self.held.append((recipients, b"".join(lines)))
        self.at_final()
        s.sendall(b"250 2.0.0 Ok\r\n")
