# SPDX-License-Identifier: Apache-2.0
"""How the service begins and ends, and what it says when it cannot begin."""
import json
import re
import resource
import signal
import socket
import time

import pytest
from conftest import target
from fake_mta import Gate
from service import demo_config, parse_reply, raw_request, read_to_end, request, run_ehlod, write_config
from support import HOST, free_port, scaled, wait_until


@pytest.fixture(name="waiting")
def waiting_fixture(ehlod, fake):
    """Five requests that wait for a run, which hangs at RCPT; (service, gate, mta, requests)"""
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address, timeout="60s", timeouts={"reply": "50s"})}})
    requests = service.ask_many(5, "/check/slow", timeout=30)
    wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    yield service, gate, mta, requests
    gate.open()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_l01_runs_that_end_inside_the_grace_are_answered_in_full(waiting, number):
    service, gate, mta, requests = waiting
    service.signal(number)
    wait_until(lambda: refuses(service.port), 10, "no new connection is taken")
    gate.open()
    answers = [asked.answer() for asked in requests]
    assert [a.status for a in answers] == [200] * 5 and {a.json["status"] for a in answers} == {"pass"}
    assert {a.headers["Connection"] for a in answers} == {"close"}
    assert service.wait(20) == 0
    assert mta.lines()[-1] == "QUIT"


def refuses(port):
    """Whether nobody gets an answer there any more, other than that it is not ready."""
    try:
        return request(port, "/-/ready", timeout=2).status == 503
    except OSError:
        return True


def test_l01_every_waiting_request_is_answered_when_the_grace_is_over(waiting):
    service, _, _, requests = waiting
    service.signal(signal.SIGTERM)
    answers = [asked.answer() for asked in requests]
    assert [a.status for a in answers] == [500] * 5, "unknown: our own fault, not the target's"
    assert {a.json["status"] for a in answers} == {"unknown"}
    assert {a.json["failure"]["reason"] for a in answers} == {"local_resource"}
    assert service.wait(20) == 0


def test_l01_whoever_asks_while_it_stops_is_told_unknown(ehlod, fake):
    """Over a connection from before: a run would not end any more, and that is not the mail server's fault."""
    gate = Gate("250 2.1.5 Ok")
    idle = fake()
    service = ehlod({"server": {"unknown_status": 299},
                     "targets": {"slow": target(fake(RCPT=gate).address), "idle": target(idle.address)}})
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        asked = service.ask("/check/slow")
        wait_until(lambda: gate.waiting, 10, "a run is under way")
        service.signal(signal.SIGTERM)
        wait_until(lambda: refuses(service.port), 10, "it is stopping")
        s.sendall(b"GET /check/idle HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, body, _ = parse_reply(read_to_end(s))
    assert status == 299 and headers["connection"] == "close", body
    result = json.loads(body)
    assert (result["status"], result["failure"]["reason"]) == ("unknown", "local_resource")
    assert idle.connections() == 0
    gate.open()
    assert asked.answer().status == 200 and service.wait(20) == 0


def test_l02_a_second_signal_ends_it_at_once(waiting):
    service, _, _, requests = waiting
    service.signal(signal.SIGTERM)
    wait_until(lambda: refuses(service.port), 10, "it is ending")
    begun = time.monotonic()
    service.signal(signal.SIGTERM)
    assert service.wait(10) == 0
    assert time.monotonic() - begun < scaled(2)
    assert [asked.answer().status for asked in requests] == [500] * 5


def test_an_idle_service_ends_at_once(ehlod, fake):
    service = ehlod({"targets": {"mx": target(fake().address)}})
    with socket.create_connection((HOST, service.port), timeout=scaled(5)):  # an idle client does not hold it
        begun = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.wait(10) == 0
    assert time.monotonic() - begun < scaled(2)


def test_the_port_is_in_use(tmp_path):
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        done = run_ehlod("serve", "--config", write_config(str(tmp_path), {"server": {"listen": [address]}}))
    assert done.returncode == 1
    assert address in done.stderr and re.search(r"in use", done.stderr), done.stderr


def test_a_restart_finds_its_port_free(ehlod, fake):
    """Connections in TIME_WAIT do not hold the port."""
    service = ehlod({"targets": {"mx": target(fake().address)}})
    service.raw(b"GET /check/mx HTTP/1.0\r\n\r\n")
    service.stop_cleanly()
    ehlod({"targets": {"mx": target(fake().address)}}, port=service.port)


BAD_CONFIG = """\
server:
  listen: ["127.0.0.1:99999"]
targets:
  mx:
    adress: mx.example.org:25
    timeout: 5
    routes:
      - from: probe@example.org
        to: www@example.org
        expect: acepted
"""


@pytest.mark.parametrize("command", ["serve", "validate"])
def test_every_mistake_of_a_config_is_told_at_once(tmp_path, command):
    path = write_config(str(tmp_path), BAD_CONFIG)
    done = run_ehlod(command, "--config", path)
    assert done.returncode == 1
    told = done.stderr + done.stdout
    for place, key, hint in (("2:12", "server.listen", "127.0.0.1:99999"), ("5:5", "targets.mx.adress", "address"),
                             ("6:14", "targets.mx.timeout", "5"), ("10:17", "targets.mx.routes[0].expect", "accepted")):
        line = next((line for line in told.splitlines() if f"{path}:{place}:" in line), None)
        assert line and key in line and hint in line, f"{place} {key}\n{told}"


TWINS = {"targets": {"a": {"address": "mx.example.org:25"}, "b": {"address": "mx.example.org:25"}}}


def test_f24_validate_touches_no_network(tmp_path, fake):
    """Nothing is dialled, and nothing is listened at: every place is somebody else's."""
    with socket.create_server((HOST, 0)) as taken:
        place, mta = f"{HOST}:{taken.getsockname()[1]}", fake()
        path = write_config(str(tmp_path), {
            "server": {"listen": [place]}, "mailboxes": {"there": {"imap": f"imap://{mta.address}", "username": "u", "password": "p"}},
            "targets": {"mx": {"address": mta.address}, "domain": {"mx": "no-such-name.example.test"}}})
        done = run_ehlod("validate", "--config", path)
    assert done.returncode == 0 and mta.connections() == 0, done


def test_a_log_of_json_is_nothing_but_json(ehlod, tmp_path):
    """Mistakes and warnings of the config too; a log of text has them as validate says them."""
    bad = write_config(str(tmp_path), "targets:\n  mx:\n    address: mx.example.org\n    tls: maybe\n")
    done = run_ehlod("serve", "--config", bad, "--log-format", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1 and [e["event"] for e in events] == ["config mistake"] * 2
    assert {e["level"] for e in events} == {"error"}
    assert events[0]["mistake"].startswith(f"{bad}:3:14: targets.mx.address: ")
    said = run_ehlod("validate", "--config", bad).stderr
    assert [e["mistake"] for e in events] == said.splitlines()
    assert run_ehlod("serve", "--config", bad).stderr == said
    service = ehlod(TWINS, "--log-format", "json")
    events = [json.loads(line) for line in service.log().splitlines()]
    assert (events[0]["event"], events[0]["level"]) == ("config warning", "warn")
    assert "targets.b: has the same host and port" in events[0]["mistake"]


def test_a_log_of_text_has_warnings_as_plain_lines(ehlod):
    lines = ehlod(TWINS).log().splitlines()
    assert "targets.b: has the same host and port" in lines[0] and lines[0].endswith("(a warning)")



def test_a_config_that_is_not_there(tmp_path):
    done = run_ehlod("serve", "--config", tmp_path / "none.yaml")
    assert done.returncode == 1 and "none.yaml" in done.stderr and "No such file" in done.stderr


def test_c11_no_descriptor_for_a_run_is_unknown(ehlod, fake):
    """Our own want is no evidence against the mail server."""
    mta = fake()
    service = ehlod({"targets": {"mx": target(mta.address, cache_ttl="0")}})
    head = b"GET /check/mx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        # Over this connection, taken while there still were descriptors, we ask when there are none left.
        s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (service.first_free_descriptor(), limits[1]))
        s.sendall(head)
        reply = b"".join(iter(lambda: s.recv(65536), b""))
    assert b"HTTP/1.1 500" in reply and b'{"status":"unknown"' in reply and b'"reason":"local_resource"' in reply, reply
    assert mta.connections() == 0
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, limits)
    assert raw_request(service.port, head).startswith(b"HTTP/1.1 200")


def test_c11_no_local_address_is_unknown(ehlod, fake):
    service = ehlod({"server": {"unknown_status": 200},
                     "targets": {"mx": target(fake().address, source="192.0.2.7")}})
    answer = service.get("/check/mx")
    assert answer.status == 200, "unknown_status"
    failure = answer.json["failure"]
    assert answer.json["status"] == "unknown"
    assert (failure["phase"], failure["reason"]) == ("connect", "local_resource")
    assert service.get("/probe?target=mx").status == 503


def test_c13_its_own_port_is_a_loop(ehlod):
    port = free_port()
    service = ehlod({"targets": {"self": target(f"{HOST}:{port}")}}, port=port)
    failure = service.get("/check/self").json["failure"]
    assert (failure["phase"], failure["reason"]) == ("connect", "loop")


def test_logs_are_one_line_an_event_with_peer_text_escaped(ehlod, fake):
    mta = fake(BANNER=b"554 go\x1b[31maway\x07\r\n")
    service = ehlod({"targets": {"odd": target(mta.address)}})
    assert service.get("/check/odd").status == 503
    service.stop_cleanly()
    log = service.log()
    assert log and all(ch == "\n" or ch.isprintable() for ch in log), repr(log)


def test_the_demo_is_itself_its_first_target(ehlod):
    web = free_port()
    answer = ehlod(demo_config(web, free_port()), port=web).get("/check/demo")
    assert answer.status == 200 and answer.json["status"] == "pass", answer
    assert answer.json["tls"]["verified"] is True
    routes = answer.json["routes"]
    assert len(routes) == 2 and all(route["ok"] for route in routes)
    assert {route["state"] for route in routes} == {"delivered", "rejected"}
    refused = next(route for route in routes if route["state"] == "rejected")
    assert (refused["recipients"][0]["code"], refused["recipients"][0]["enhanced"]) == (550, "5.7.1")
    for command in answer.json["commands"]:
        assert command["reply"]["code"] and command["reply_ms"] >= command["at_ms"]
