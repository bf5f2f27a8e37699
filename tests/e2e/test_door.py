# SPDX-License-Identifier: Apache-2.0
"""Where and how callers come in: addresses, Unix sockets, a crowd at the door, and too few descriptors for it."""
import collections
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
from conftest import target
from fake_mta import Gate
from service import Service, parse_only_reply, read_to_end, run_ehlod, write_config
from support import EHLOD, HOST, accepts, free_port, is_readable, scaled, wait_until

CHECK = b"GET /check/mx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def curl(*arguments):
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *arguments], capture_output=True, text=True,
                          timeout=scaled(10), check=False)
    assert done.returncode == 0, done
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), body


def over_unix(path, data):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(scaled(20))
        s.connect(path)
        s.sendall(data)
        return read_to_end(s)


# --- addresses ---

def test_several_addresses_of_both_families_and_a_unix_socket(tmp_path, ehlod, mta):
    first, second, path = free_port(), free_port(), str(tmp_path / "web.sock")
    service = ehlod({"server": {"listen": [f"{HOST}:{first}", f"127.0.0.2:{first}", f"[::1]:{second}", "unix:web.sock"]},
                     "targets": {"mx": target(mta.address)}}, port=first)
    for place in ([f"http://{HOST}:{first}/check/mx"], [f"http://127.0.0.2:{first}/check/mx"],
                  [f"http://[::1]:{second}/check/mx"], ["--unix-socket", path, "http://localhost/check/mx"]):
        status, body = curl(*place)
        assert (status, json.loads(body)["status"]) == (200, "pass"), place
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    for place in (f"http://{HOST}:{first}", f"http://127.0.0.2:{first}", f"http://[::1]:{second}", f"unix:{path}"):
        assert re.search(rf" info listening on {re.escape(place)}$", service.log(), re.M), service.log()
    service.stop_cleanly()
    assert not os.path.exists(path)


def test_every_address_of_both_families(ehlod, mta):
    """:: is for IPv6 alone, so both can have the same port."""
    port = free_port()
    ehlod({"server": {"listen": [f"0.0.0.0:{port}", f"[::]:{port}"]}, "targets": {"mx": target(mta.address)}}, port=port)
    assert curl(f"http://{HOST}:{port}/-/ready")[0] == 200
    assert curl(f"http://[::1]:{port}/-/ready")[0] == 200


def test_a_unix_socket_alone(tmp_path, cleanup, mta):
    path = str(tmp_path / "web.sock")
    service = Service(str(tmp_path), {"server": {"listen": [f"unix:{path}"]}, "targets": {"mx": target(mta.address)}})
    cleanup.callback(service.stop_cleanly)
    service.wait_for(lambda: os.path.exists(path) and "listening" in service.log(), 10, "it listens")
    for _ in range(3):
        assert parse_only_reply(over_unix(path, CHECK))[0] == 200
    assert f"try: curl -s --unix-socket {path} http://localhost/check/mx" in service.log()


# --- leftovers ---

def unix_config(folder, path):
    return write_config(str(folder), {"server": {"listen": [f"unix:{path}"]}})


def test_l09_the_socket_of_a_killed_service_is_replaced(tmp_path, ehlod, mta):
    path = str(tmp_path / "web.sock")
    config = {"targets": {"mx": target(mta.address)}}

    def listening(port):
        return {"server": {"listen": [f"{HOST}:{port}", f"unix:{path}"]}, **config}
    port = free_port()
    killed = Service(str(tmp_path), listening(port), port=port).ready()
    killed.signal(signal.SIGKILL)
    killed.wait(10)
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    port = free_port()
    ehlod(listening(port), port=port)
    assert parse_only_reply(over_unix(path, CHECK))[0] == 200


def test_a_socket_where_somebody_listens_is_left_alone(tmp_path):
    path = str(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(path)
        taken.listen()
        done = run_ehlod("serve", "--config", unix_config(tmp_path, path))
        assert done.returncode == 1 and f"unix:{path}" in done.stderr and "in use" in done.stderr, done.stderr
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path, kind):
    path = tmp_path / "web.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    done = run_ehlod("serve", "--config", unix_config(tmp_path, path))
    assert done.returncode == 1 and f"unix:{path}" in done.stderr, done.stderr
    assert os.path.lexists(path) and not os.path.exists(tmp_path / "elsewhere")


def test_a_path_that_cannot_be(tmp_path):
    path = tmp_path / "no" / "such" / "folder.sock"
    done = run_ehlod("serve", "--config", unix_config(tmp_path, path))
    assert done.returncode == 1 and "No such file" in done.stderr, done.stderr


def test_a_socket_that_has_become_anothers_is_not_removed(tmp_path, ehlod, mta):
    path = str(tmp_path / "web.sock")
    port = free_port()
    service = ehlod({"server": {"listen": [f"{HOST}:{port}", f"unix:{path}"]}, "targets": {"mx": target(mta.address)}},
                    port=port)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        service.stop_cleanly()
        assert os.path.exists(path)


# --- slow heads ---

@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_h01_a_dripping_head_is_cut_off(tmp_path, ehlod, mta, family):
    """A byte every half second resets no clock."""
    path = str(tmp_path / "web.sock")
    port = free_port()
    service = ehlod({"server": {"listen": [f"{HOST}:{port}", f"unix:{path}"]}, "targets": {"mx": target(mta.address)}},
                    port=port)
    with socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET) as s:
        begun = time.monotonic()
        s.connect(path if family == "unix" else (HOST, port))
        s.sendall(b"GET /check/mx HTTP/1.1\r\nHost: x\r\nX: ")
        with contextlib.suppress(ConnectionError):  # the end may come between the look and the byte
            while not is_readable(s, 0.5):
                s.sendall(b"x")
                assert time.monotonic() - begun < scaled(7)
            assert s.recv(1) == b""
        assert 4.9 < time.monotonic() - begun
    assert service.get("/check/mx").status == 200


# --- a crowd ---

FEW = ["prlimit", "--nofile=64:64"]


def in_force(service):
    """What the log says of a shortage: connections, runs."""
    line = next(line for line in service.log().splitlines() if "the limit of open files is low" in line)
    assert "limit=64" in line and re.search(r"wanted=\d{4}", line), line
    found = re.search(r'connections="(\d+) of 4096" max_runs="(\d+) of 1000"', line)
    assert found, line
    return int(found[1]), int(found[2])


def test_r01_a_low_limit_of_descriptors_is_told(ehlod, mta):
    connections, runs = in_force(ehlod({"targets": {"mx": target(mta.address)}}, wrapper=FEW))
    assert 10 <= connections < 30 and 1 <= runs < 10


def test_r01_the_soft_limit_is_raised(ehlod, mta):
    service = ehlod({"targets": {"mx": target(mta.address)}}, wrapper=["prlimit", "--nofile=64:8192"])
    with open(f"/proc/{service.pid}/limits", encoding="ascii") as f:
        assert re.search(r"^Max open files\s+8192\s+8192", f.read(), re.M)
    assert "limit of open files" not in service.log()


LEAST = 19  # without a mailbox


@pytest.mark.parametrize("limit", [4, LEAST - 1])
def test_r01_with_too_few_descriptors_it_does_not_begin(tmp_path, limit):
    path = write_config(str(tmp_path), {"server": {"listen": [f"{HOST}:{free_port()}"]}})
    done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", EHLOD, "serve", "--config", path],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=scaled(20), check=False)
    assert done.returncode == 1
    assert f"error cannot start: the limit of open files is too low at_least={LEAST}" in done.stderr, done.stderr


@pytest.mark.parametrize("limit", [LEAST, 24, 40])
def test_r01_with_hardly_any_descriptors_it_works(ehlod, mta, limit):
    service = ehlod({"targets": {"mx": target(mta.address, cache_ttl="0")}},
                    wrapper=["prlimit", f"--nofile={limit}:{limit}"])
    for _ in range(20):
        assert service.get("/-/healthy").status == 200
        service.wait_for(lambda: not service.connections(), 10, "there is room again")
        assert service.get("/check/mx").json["status"] == "pass"
        service.wait_for(lambda: not service.connections(), 10, "there is room again")
    assert "accepting one failed" not in service.log()


def connect(service, stack, count, data=b""):
    taken = []
    for _ in range(count):
        taken.append(stack.enter_context(socket.create_connection((HOST, service.port), timeout=scaled(20))))
        taken[-1].sendall(data)
    return taken


def test_h05_when_every_connection_is_taken_health_still_answers(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    service = ehlod({"targets": {"mx": target(fake(RCPT=gate).address)}}, wrapper=FEW)
    connections, _ = in_force(service)
    with contextlib.ExitStack() as stack:
        waiting = connect(service, stack, connections, CHECK)
        service.wait_for(lambda: service.connections_read() == connections, 10, "all wait")
        for _ in range(50):
            assert parse_only_reply(service.raw(HEALTHY))[0] == 200
        assert service.get("/-/ready").status == 200
        for _ in range(50):
            status, headers, body = parse_only_reply(service.raw(CHECK.replace(b"Connection: close\r\n", b"")))
            assert (status, headers["connection"]) == (500, "close"), "unknown: no fault of the mail server"
            result = json.loads(body)
            assert (result["status"], result["failure"]["reason"]) == ("unknown", "local_resource")
        assert service.get("/targets").status == 503
        gate.open()
        assert {parse_only_reply(read_to_end(s))[0] for s in waiting} == {200}
    assert "every connection but the reserve is taken" in service.log()
    wait_until(lambda: service.get("/check/mx").status == 200, 4, "their places are free again")


def test_h05_in_the_reserve_a_known_verdict_stands_in(ehlod, fake):
    """A balancer must not drain a mail server because ehlod is busy."""
    gate = Gate("250 2.1.5 Ok")
    gate.open()
    service = ehlod({"targets": {"mx": target(fake(RCPT=gate).address, cache_ttl="0")}}, wrapper=FEW)
    known = service.get("/check/mx").json
    connections, _ = in_force(service)
    gate.event.clear()
    with contextlib.ExitStack() as stack:
        connect(service, stack, connections, CHECK)
        service.wait_for(lambda: service.connections_read() == connections, 10, "all wait")
        for method in (b"GET", b"OPTIONS"):
            status, _, body = parse_only_reply(service.raw(CHECK.replace(b"GET", method)))
            assert status == 200
        status, _, body = parse_only_reply(service.raw(CHECK))
        result = json.loads(body)
        assert (status, result["status"], result["id"], result["flags"]) == (200, "pass", known["id"], ["stale"])
        gate.open()


def test_h05_who_says_nothing_does_not_keep_health_from_others(ehlod, mta):
    """All are silent, the reserve is taken too, and more wait outside."""
    service = ehlod({"targets": {"mx": target(mta.address)}}, wrapper=FEW)
    connections, _ = in_force(service)
    with contextlib.ExitStack() as stack:
        silent = connect(service, stack, connections + 10)
        begun = time.monotonic()
        assert parse_only_reply(service.raw(HEALTHY))[0] == 200
        assert time.monotonic() - begun < scaled(4)
        status, headers, _ = parse_only_reply(read_to_end(silent[connections]))
        assert (status, headers["retry-after"]) == (503, "1"), "one in the reserve is told why it is cut off"
    wait_until(lambda: service.get("/check/mx").status == 200, 4, "their places are free again")


def test_h12_idle_connections_give_way_to_newcomers(ehlod, mta):
    """They were served, and keep their places for the next time; which nobody minds until others need them."""
    service = ehlod({"targets": {"mx": target(mta.address)}}, wrapper=FEW)
    connections, _ = in_force(service)
    with contextlib.ExitStack() as stack:
        for s in connect(service, stack, connections - 1, HEALTHY.replace(b"Connection: close\r\n", b"")):
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
        connect(service, stack, 1)
        service.wait_for(lambda: len(service.connections()) == connections, 10, "all are taken")
        wait_until(lambda: parse_only_reply(service.raw(CHECK))[0] == 200, 4, "there is room again")


def test_a_place_in_the_reserve_becomes_an_ordinary_one(ehlod, mta):
    """What counts is the moment of asking."""
    service = ehlod({"targets": {"mx": target(mta.address)}}, wrapper=FEW)
    connections, _ = in_force(service)
    with contextlib.ExitStack() as stack:
        taken = connect(service, stack, connections)
        service.wait_for(lambda: len(service.connections()) == connections, 10, "all are taken")
        reserved = connect(service, stack, 1)[0]
        service.wait_for(lambda: len(service.connections()) == connections + 1, 10, "one more")
        taken[0].close()
        service.wait_for(lambda: len(service.connections()) == connections, 10, "one has left")
        reserved.sendall(CHECK)
        assert parse_only_reply(read_to_end(reserved))[0] == 200


def ask_from_threads(service, paths, count, each):
    """What became of every request: (path, status, body or None), as many as there were."""
    answers, lock = [], threading.Lock()

    def ask(number):
        for turn in range(each):
            path = paths[(number + turn) % len(paths)]
            answer = service.get(path, timeout=40)
            with lock:
                answers.append((path, answer.status, answer.body))
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(50))
    assert len(answers) == count * each, "every request was answered"
    return answers


def verdicts(answers):
    """How often there was which (status, verdict); no verdict where the door was full."""
    def verdict(body):
        with contextlib.suppress(ValueError):
            result = json.loads(body)
            return result["status"] if "target" in result else None
        return None
    return collections.Counter((status, verdict(body)) for _, status, body in answers)


@pytest.mark.parametrize("threads, each, targets", [(20, 50, 1), (100, 10, 20), (1000, 1, 50)])
def test_h07_a_thousand_requests_with_few_descriptors(ehlod, mta, threads, each, targets):
    """Nobody's mail server is blamed for it, health answers throughout, and afterwards all is well again."""
    service = ehlod({"targets": {f"mx{n}": target(mta.address, cache_ttl="0") for n in range(targets)}}, wrapper=FEW)
    health, over = [], threading.Event()

    def watch():
        while not over.is_set():
            begun = time.monotonic()
            health.append((service.get("/-/healthy", timeout=20).status, time.monotonic() - begun))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answers = ask_from_threads(service, [f"/check/mx{n}" for n in range(targets)], threads, each)
    finally:
        over.set()
        watcher.join(scaled(30))
    seen = verdicts(answers)
    assert set(seen) <= {(200, "pass"), (500, "unknown")}, seen
    assert seen[(200, "pass")] > 0, seen
    assert {status for status, _ in health} == {200} and len(health) > 1
    assert max(took for _, took in health) < scaled(5), health
    for number in range(targets):
        assert service.get(f"/check/mx{number}").json["status"] == "pass"
    service.wait_for(lambda: not service.connections(), 10, "nobody is left")
    assert "accepting one failed" not in service.log()


# --- the end under load ---

def test_l01_sigterm_under_load_leaves_nobody_without_an_answer(ehlod, fake):
    """Whoever was let in is answered, in full; whoever comes later is refused. Who was let in and says nothing is waited
    for half a second, so one whom this machine has kept from speaking does not count."""
    service = ehlod({"targets": {f"mx{n}": target(fake().address, cache_ttl="0") for n in range(4)}})
    answers, lost, lock = collections.Counter(), [], threading.Lock()

    def ask(number):
        while True:
            begun, spoke = time.monotonic(), None
            try:
                s = socket.create_connection((HOST, service.port), timeout=scaled(20))
            except OSError:
                return
            with s:
                try:
                    s.sendall(CHECK.replace(b"mx", b"mx%d" % (number % 4)))
                    spoke = time.monotonic()
                    status, _, body = parse_only_reply(read_to_end(s))
                    verdict = json.loads(body)["status"]
                except (OSError, AssertionError, ValueError, IndexError) as error:
                    with lock:
                        lost.extend([repr(error)] if (spoke or time.monotonic()) - begun < 0.25 else [])
                    return
                with lock:
                    answers[(status, verdict)] += 1
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    service.wait_for(lambda: sum(answers.values()) > 200, 20, "they are at it")
    service.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(scaled(20))
    assert service.wait(20) == 0
    assert set(answers) <= {(200, "pass"), (500, "unknown")}, answers
    assert not lost, (lost, answers)


def test_l01_sigterm_and_connections_that_are_kept_alive(ehlod, fake):
    service = ehlod({"targets": {"mx": target(fake().address, cache_ttl="0")}})
    head = CHECK.replace(b"Connection: close\r\n", b"")
    lost, count = [], collections.Counter()

    def ask():
        with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s, s.makefile("rb") as stream:
            while True:
                s.sendall(head)
                if not stream.readline().startswith(b"HTTP/1.1 "):
                    lost.append("no answer")
                    return
                fields = dict(line.lower().strip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
                body = stream.read(int(fields[b"content-length"]))
                count[json.loads(body)["status"]] += 1
                if fields.get(b"connection") == b"close":
                    return
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    service.wait_for(lambda: sum(count.values()) > 200, 20, "they are at it")
    service.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(scaled(20))
    assert service.wait(20) == 0
    assert not lost and set(count) <= {"pass", "unknown"}, (lost, count)
    assert not accepts(service.port)


def test_l01_sigterm_while_many_wait_at_the_door(ehlod, fake):
    """The queue of the kernel is emptied before it is closed."""
    service = ehlod({"targets": {"mx": target(fake().address)}})
    service.signal(signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        taken = connect(service, stack, 100, CHECK)
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGCONT)
        answers = collections.Counter(parse_only_reply(read_to_end(s))[0] for s in taken)
    assert sum(answers.values()) == 100 and set(answers) <= {200, 500}, answers
    assert service.wait(20) == 0
    wait_until(lambda: not accepts(service.port), 10, "it is closed")
