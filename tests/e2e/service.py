# SPDX-License-Identifier: Apache-2.0
"""ehlod as its users meet it: `ehlod serve` with a config of the test's own, and one-shot commands."""
import http.client
import json
import os
import re
import socket
import subprocess

from sockets import ESTABLISHED, LISTEN, sockets_of
from support import EHLOD, HOST, ROOT, Program, free_port, scaled

# How many loops each service has that does not say so itself; else as many as it likes (server.workers).
WORKERS = os.environ.get("EHLOD_TEST_WORKERS")

# What a sanitizer says when it has found something.
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers)}\n{self.body.decode(errors='replace')}"


class Asked:
    """A request that is on its way; answer() waits for what comes back."""

    def __init__(self, port, path, method="GET", headers=None, body=None, timeout=20):
        self.connection = http.client.HTTPConnection(HOST, port, timeout=scaled(timeout))
        self.connection.request(method, path, body=body, headers=headers or {})

    def answer(self):
        try:
            response = self.connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            self.connection.close()


def assert_problem(answer, status, parameter=None):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status and problem["title"] and problem["detail"] and problem["type"], problem
    assert problem.get("parameter") == parameter, problem
    return problem


def request(port, path, **more):
    return Asked(port, path, **more).answer()


def raw_request(port, data, timeout=20):
    """Sends the bytes and reads until the other side closes."""
    with socket.create_connection((HOST, port), timeout=scaled(timeout)) as s:
        s.sendall(data)
        return read_to_end(s)


def parse_reply(reply):
    """One reply as (status, {header: value}, body, what follows it)."""
    head, _, rest = reply.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), reply
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers.get("content-length", len(rest)))
    return int(lines[0].split(" ")[1]), headers, rest[:length], rest[length:]


def parse_only_reply(reply):
    """The only reply as (status, {header: value}, body)."""
    status, headers, body, rest = parse_reply(reply)
    assert not rest, reply
    return status, headers, body


def parse_replies(stream):
    """All the replies that came over one connection, as (status, body)."""
    replies = []
    while stream:
        status, _, body, stream = parse_reply(stream)
        replies.append((status, body))
    return replies


def read_to_end(s):
    parts = []
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def write_config(folder, config):
    """A dict as JSON (which is YAML), a text as it is."""
    path = os.path.join(folder, "ehlod.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config if isinstance(config, str) else json.dumps(config, indent=2))
    return path


def demo_config(web, sink):
    """config/demo.yaml as `make run` starts it, on other ports."""
    folder = os.path.join(ROOT, "config")
    with open(os.path.join(folder, "demo.yaml"), encoding="utf-8") as f:
        text = f.read()
    for old, new in (("127.0.0.1:8025", f"{HOST}:{web}"), ("127.0.0.1:2525", f"{HOST}:{sink}"),
                     ("demo.pem", os.path.join(folder, "demo.pem"))):
        assert old in text
        text = text.replace(old, new)
    return text


def run_ehlod(*arguments, timeout=30, **popen):
    """A one-shot command: its exit code, standard output and standard error."""
    done = subprocess.run([EHLOD, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scaled(timeout), check=False, **popen)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


class Service(Program):
    """`ehlod serve`, listening on that port (a free one). A config that is a text must say so itself. The wrapper is a
    command that runs it."""

    def __init__(self, folder, config, *arguments, port=None, wrapper=()):
        self.port = port or free_port()
        if isinstance(config, dict):
            config = {**config, "server": {"listen": [f"{HOST}:{self.port}"], **config.get("server", {})}}
        self.config_path = write_config(folder, config)
        if WORKERS and "workers" not in str(config):
            arguments = ("--set", f"server.workers={WORKERS}", *arguments)
        super().__init__([*wrapper, EHLOD, "serve", "--config", self.config_path, *arguments],
                         os.path.join(folder, f"ehlod-{self.port}.log"))

    def ready(self):
        self.wait_for(self.is_ready, 10, "it is ready")
        self.wait_for(lambda: not self.connections(), 10, "it has closed the connection that asked")
        return self

    def is_ready(self):
        try:
            return self.get("/-/ready").status == 200
        except OSError:
            return False

    def get(self, path, **more):
        return request(self.port, path, **more)

    def ask(self, path, **more):
        return Asked(self.port, path, **more)

    def ask_many(self, count, path, **more):
        """As many requests at once, each read by the service when this returns; none is answered yet."""
        asked = [self.ask(path, **more) for _ in range(count)]
        self.wait_for(lambda: self.connections_read() == count, 10, f"it has read {count} requests")
        return asked

    def connections(self):
        """The accepted connections that it holds."""
        return [s for s in sockets_of(self.port) if s.state != LISTEN and s.inode]

    def connections_read(self):
        """How many connections are open at both ends with nothing left to read for the service."""
        return sum(s.state == ESTABLISHED and not s.unread for s in self.connections())

    def raw(self, data, **more):
        return raw_request(self.port, data, **more)

    def status_field(self, name):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(rf"^{name}:\s*(\d+)", f.read(), re.M)[1])

    def is_sanitized(self):
        """Whether AddressSanitizer is in it, which holds back freed memory; a leak is then told at the end."""
        with open(f"/proc/{self.pid}/maps", encoding="ascii") as f:
            return "libasan" in f.read()

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def workers(self):
        return int(re.search(r"ehlod started .*workers=(\d+)", self.log())[1])

    def heaps_kib(self):
        """Memory that the C library keeps for each loop but the first: what lies at the end of a thread's own heap."""
        return 4096 * (self.workers() - 1)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def first_free_descriptor(self):
        taken = {int(name) for name in os.listdir(f"/proc/{self.pid}/fd")}
        return min(set(range(len(taken) + 1)) - taken)

    def stop_cleanly(self):
        code = self.stop()
        assert not SANITIZER.search(self.log()), self.log()
        assert code == 0, f"ended with {code}:\n{self.log()}"
