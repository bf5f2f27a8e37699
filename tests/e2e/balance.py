# SPDX-License-Identifier: Apache-2.0
"""What the tests of a balancer's part share: asking agent-check by hand, and targets that run seldom."""
import os
import socket
import time

from conftest import target
from service import write_config
from support import HOST, scaled

# Shorter than what HAProxy waits by default.
AT_ONCE = 1


def hour(address, **more):
    return target(address, cache_ttl="1h", **more)


def timed(call):
    before = time.monotonic()
    answer = call()
    return answer, time.monotonic() - before


class Agent:
    def __init__(self, port):
        self.port = port

    def ask(self, data=None, half_close=False):
        """What comes until the end, for these bytes; None: nothing is sent."""
        with socket.create_connection((HOST, self.port), timeout=scaled(10)) as s:
            if data is not None:
                s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(4096), b"")).decode("ascii")


# How early the first turn is.
FIRST = 10


def lazy(address, **more):
    """Its turn does not come while the test goes on, but for one that comes early."""
    return target(address, interval="24h", timeout="50s", timeouts={"reply": "40s"}, **more)


def status_of(service, name="mx1"):
    return next(t["status"] for t in service.get("/targets").json["targets"] if t["name"] == name)


def reload_with(service, config):
    server = {"listen": [f"{HOST}:{service.port}"], **config.get("server", {})}
    write_config(os.path.dirname(service.config_path), {**config, "server": server})
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 200, answer
