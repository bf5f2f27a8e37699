# SPDX-License-Identifier: Apache-2.0
"""Agent-check as HAProxy speaks it, here spoken by hand."""
import json
import signal
import socket
import struct

import pytest
from balance import Agent, hour, reload_with, timed
from conftest import target
from fake_mta import Gate
from service import write_config
from support import HOST, accepts, free_port, scaled, wait_until


@pytest.fixture(name="with_agent")
def with_agent_fixture(ehlod):
    def start(config):
        port = free_port()
        service = ehlod({**config, "server": {"agent_listen": f"{HOST}:{port}", **config.get("server", {})}})
        return service, Agent(port)
    return start


def test_the_agent_says_how_a_target_is(with_agent, mta, fake):
    bad = fake(RCPT="550 5.1.1 No such \"user\", caf\u00e9")
    service, agent = with_agent({"targets": {"good": hour(mta.address), "bad": hour(bad.address)}})
    assert agent.ask(b"good\n") == "up\n"
    assert agent.ask(b"good\r\n") == agent.ask(b"good", half_close=True) == agent.ask(b"good\nmore\n") == "up\n"
    line = agent.ask(b"bad\n")
    assert line.startswith("down #rcpt/rejected: ") and line.count("\n") == 1 and line.isascii(), line
    service.get("/targets/good/drain", method="POST")
    assert agent.ask(b"good\n") == "drain\n"
    service.get("/targets/good/drain?mode=maint", method="POST")
    assert agent.ask(b"good\n") == "maint\n"
    service.get("/targets/good/undrain", method="POST")
    assert agent.ask(b"good\n") == "ready up\n"


def test_a_name_that_there_is_not_is_down(with_agent, mta):
    _, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"goood\n") == "down #ehlod has no target of that name: goood\n"
    for data in (b"x" * 5000, b"\xff\x01#\n", b"good\0\n" + b"x" * 100000):
        assert agent.ask(data).count("\n") == 1
    for data in (b"good\0\n", b"good\0evil\n", b"\0\n", b"\0good\n", b" good\n", b"good \n"):
        assert agent.ask(data).startswith("down #ehlod has no target of that name: "), data
    assert agent.ask(b"good\n") == "up\n"


def test_without_a_name_all_targets_are_meant(with_agent, mta, fake):
    bad = fake(RCPT="550 5.1.1 No such user")
    service, agent = with_agent({"targets": {"good": hour(mta.address), "bad": hour(bad.address)}})
    line, took = timed(agent.ask)
    assert line.startswith("down #bad rcpt/rejected: "), line
    assert 0.9 < took < scaled(2), took
    assert agent.ask(b"\n") == line
    bad.answers["RCPT"] = "250 2.1.5 Ok"
    service.get("/check/bad?max_age=0")
    assert agent.ask() == "up\n"
    for name in ("good", "bad"):
        service.get(f"/targets/{name}/drain", method="POST")
    assert agent.ask() == "drain\n"
    service.get("/targets/good/drain?mode=maint", method="POST")
    assert agent.ask() == "drain\n", "of both the mildest"
    service.get("/targets/bad/drain?mode=maint", method="POST")
    assert agent.ask() == "maint\n"


def test_the_agent_answers_in_time_whatever_the_mail_server_does(with_agent, fake):
    """While the first run hangs nothing is known, and nothing is said; what it has shown stands while the next one hangs."""
    mta = fake(RCPT=None)
    limit = scaled(3)
    service, agent = with_agent({"targets": {"mx1": target(mta.address, timeouts={"reply": f"{limit:g}s"},
                                                          timeout=f"{2 * limit:g}s", cache_ttl="0")}})
    line, took = timed(lambda: agent.ask(b"mx1\n"))
    assert line == "\n" and 1.5 < took < 1.7 + scaled(0.3), (line, took)
    wait_until(lambda: "run ended" in service.log(), 20, "the first run is over")
    for _ in range(2):
        line, took = timed(lambda: agent.ask(b"mx1\n"))
        assert line.startswith("down #rcpt/timeout: "), line
        assert took < 1.7 + scaled(0.3), took


@pytest.mark.parametrize("unknown_status, line", [(500, "down #"), (200, "\n")])
def test_what_ehlod_cannot_tell_is_said_as_by_http(with_agent, unknown_status, line):
    """An address that this machine has not got says nothing about the mail server."""
    _, agent = with_agent({"targets": {"mx1": hour("127.0.0.1:25", source="192.0.2.7")},
                           "server": {"unknown_status": unknown_status}})
    assert agent.ask(b"mx1\n").startswith(line)


def test_slow_and_silent_agents_hold_up_nobody(with_agent, mta):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    crowd = [socket.create_connection((HOST, agent.port), timeout=scaled(20)) for _ in range(60)]
    for s in crowd[::2]:
        s.sendall(b"go")
    assert agent.ask(b"good\n") == "up\n"
    assert service.get("/check/good").status == 200
    for s in crowd:
        with s:
            assert b"".join(iter(lambda s=s: s.recv(4096), b"")).endswith(b"\n")
    free = service.descriptors()
    for _ in range(50):
        with socket.create_connection((HOST, agent.port)) as s:
            s.sendall(b"go")
    wait_until(lambda: service.descriptors() <= free, 10, "those who have left are forgotten")


def test_a_flood_of_silent_agents_keeps_nobody_out(with_agent, mta):
    """Whoever says nothing makes room; so HAProxy is answered before its own limit."""
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    crowd = []
    for _ in range(500):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((HOST, agent.port))
        crowd.append(s)
    for _ in range(5):
        line, took = timed(lambda: agent.ask(b"good\n"))
        assert line == "up\n" and took < scaled(2), took
    assert service.get("/check/good").status == 200
    for s in crowd:
        s.close()


def test_agents_that_are_all_being_answered_are_waited_for(with_agent, fake):
    """Who has asked is not sent away for another who asks: that one waits in the kernel's queue."""
    gate = Gate("250 2.1.5 Ok")
    _, agent = with_agent({"targets": {"mx1": target(fake(RCPT=gate).address, timeout="50s", timeouts={"reply": "40s"})}})
    crowd = []
    for _ in range(100):
        crowd.append(socket.create_connection((HOST, agent.port), timeout=scaled(20)))
        crowd[-1].sendall(b"mx1\n")
    wait_until(lambda: gate.waiting, 10, "a run hangs")
    gate.open()
    for s in crowd:
        with s:
            assert b"".join(iter(lambda s=s: s.recv(4096), b"")) in (b"up\n", b"\n")
    assert agent.ask(b"mx1\n") == "up\n"


def test_an_agent_whose_connection_is_reset_is_forgotten_at_once(with_agent, mta):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    assert agent.ask(b"good\n") == "up\n"
    free, quickest = service.descriptors(), None
    for _ in range(5):
        for _ in range(20):
            s = socket.create_connection((HOST, agent.port))
            s.sendall(b"go")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        assert agent.ask(b"good\n") == "up\n"  # so all before it are taken
        _, took = timed(lambda: wait_until(lambda: service.descriptors() <= free, 10, "they are forgotten"))
        quickest = min(took, quickest or took)
    assert quickest < 0.5, "not when their second is over"


def test_the_agents_address_can_be_another_after_a_reload(with_agent, mta, tmp_path):
    service, agent = with_agent({"targets": {"good": hour(mta.address)}})
    other = Agent(free_port())
    config = {"targets": {"good": hour(mta.address)}, "server": {"agent_listen": f"{HOST}:{other.port}"}}
    reload_with(service, config)
    assert other.ask(b"good\n") == "up\n" and not accepts(agent.port)
    with socket.create_server((HOST, 0)) as taken:
        config["server"]["agent_listen"] = f"{HOST}:{taken.getsockname()[1]}"
        write_config(str(tmp_path), {**config, "server": {**config["server"], "listen": f"{HOST}:{service.port}"}})
        answer = service.get("/-/reload", method="POST")
        assert answer.status == 500 and "server.agent_listen" in json.dumps(answer.json), answer
    assert other.ask(b"good\n") == "up\n"
    reload_with(service, {"targets": {"good": hour(mta.address)}})
    assert not accepts(other.port)


def test_a_stop_leaves_no_agent_waiting(with_agent, fake):
    mta = fake(RCPT=None)
    service, agent = with_agent({"targets": {"mx1": target(mta.address)}})
    with socket.create_connection((HOST, agent.port), timeout=scaled(10)) as s:
        s.sendall(b"mx1\n")
        wait_until(lambda: mta.connections(), 10, "its run is under way")
        service.signal(signal.SIGTERM)
        assert s.recv(100) == b""
