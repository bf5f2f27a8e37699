# SPDX-License-Identifier: Apache-2.0
"""Several loops share the work, and nobody who asks can tell: connections lie on all of them, targets belong to one each,
and what is true on one is true on all, through reload, drain, login, stop and kill."""
import collections
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import threading
import time

import pytest
from doors import PASSWORD, TOKEN, USER, basic, bcrypt, bearer
from fake_mta import Gate
from service import Service, parse_only_reply, read_to_end, write_config
from support import HOST, free_port, scaled, wait_until

WORKERS = 4
CONNECTIONS = 12  # three on each loop, as they are handed round
KEPT = "1h"


class Caller:
    """A connection that stays."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection(HOST, port, timeout=scaled(30))

    def __call__(self, path, method="GET", **headers):
        self.connection.request(method, path, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def json(self, path, method="GET"):
        return json.loads(self(path, method)[1])

    def close(self):
        self.connection.close()


@pytest.fixture(name="start")
def start_fixture(ehlod):
    """start(targets, server={}, ...) is a service with several loops."""
    def start(targets, server=None, **more):
        server = {"workers": WORKERS, "max_per_address": 100, **(server or {})}
        return ehlod({"server": server, "targets": targets, **more})
    return start


@pytest.fixture(name="callers")
def callers_fixture(cleanup):
    """callers(service) are connections on every loop."""
    def call(service, count=CONNECTIONS):
        callers = [Caller(service.port) for _ in range(count)]
        for caller in callers:
            cleanup.callback(caller.close)
            assert caller("/-/healthy")[0] == 200
        return callers
    return call


def names(count):
    return [f"mx{i}" for i in range(count)]


def targets_at(mta, count, **more):
    return {name: {"address": mta.address, "cache_ttl": KEPT, "timeout": f"{scaled(20):g}s",
                   "timeouts": {"reply": f"{scaled(20):g}s"}, **more} for name in names(count)}


def side_by_side(calls):
    """Runs them all at once, each in a thread, and raises what any of them raises."""
    failures = []

    def guard(call):
        try:
            call()
        except BaseException as e:  # pylint: disable=broad-exception-caught
            failures.append(e)
    threads = [threading.Thread(target=guard, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(60))
        assert not thread.is_alive()
    if failures:
        raise failures[0]


class Load:
    """Each caller asks over and over, until it is over."""

    def __init__(self, callers, ask):
        self.over = False
        self.asked = 0
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(caller, ask)) for caller in callers]
        for thread in self.threads:
            thread.start()

    def _run(self, caller, ask):
        try:
            while not self.over:
                ask(caller)
                self.asked += 1
        except BaseException as e:  # pylint: disable=broad-exception-caught
            self.failures.append(e)

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join(scaled(60))
            assert not thread.is_alive()
        if self.failures:
            raise self.failures[0]


def has_threads_of_a_sanitizer(service):
    with open(f"/proc/{service.pid}/maps", encoding="ascii") as f:
        return "libtsan" in f.read()


def hang_up(asked):
    """For good: who only says no more may still read."""
    asked.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.connection.close()


def metric(text, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    assert found, name
    return float(found[1])


# ---- who asks sees one service ----

def test_as_many_loops_as_are_wanted(ehlod, fake):
    targets = targets_at(fake(), 1)
    for workers in (1, 3, WORKERS):
        service = ehlod({"server": {"workers": workers}, "targets": targets})
        assert service.workers() == workers
        assert service.threads() == workers or has_threads_of_a_sanitizer(service)
    service = ehlod({"server": {"workers": "auto"}, "targets": targets})
    assert service.workers() == min(64, len(os.sched_getaffinity(service.pid)))


def test_each_target_runs_once_whichever_connection_asks(start, fake, callers):
    mta, count = fake(), 40
    service = start(targets_at(mta, count), {"metrics_by_target": True})
    ids = collections.defaultdict(set)
    all_of_them = callers(service)

    def ask(caller):
        for name in names(count):
            status, body = caller(f"/check/{name}")
            assert status == 200, body
            ids[name].add(json.loads(body)["id"])
    side_by_side([lambda caller=caller: ask(caller) for caller in all_of_them])
    assert mta.connections() == count
    assert all(len(known) == 1 for known in ids.values()) and len(ids) == count

    for caller in all_of_them:
        for known in ids.values():
            assert caller(f"/runs/{list(known)[0]}")[0] == 200
        shown = caller.json("/targets")["targets"]
        assert {t["name"]: t["id"] for t in shown} == {name: list(known)[0] for name, known in ids.items()}
        whole = caller.json("/check")
        assert whole["counts"] == {"pass": count, "warn": 0, "fail": 0, "unknown": 0}
        assert {name: r["id"] for name, r in whole["targets"].items()} == {name: list(i)[0] for name, i in ids.items()}
    text = service.get("/metrics").text
    assert metric(text, "ehlod_runs_in_flight") == metric(text, "ehlod_runs_waiting") == 0
    for name in ids:
        assert metric(text, f'ehlod_runs_total{{status="pass",target="{name}"}}') == 1
    asked = CONNECTIONS * count
    assert metric(text, 'ehlod_http_requests_total{handler="/check/*",code="200"}') == asked
    assert metric(text, 'ehlod_http_requests_total{handler="/runs/*",code="200"}') == asked
    shared = sum(metric(text, f'ehlod_runs_shared_total{{how="{how}"}}') for how in ("joined", "cached"))
    assert shared == asked - count + CONNECTIONS * count


def test_a_run_in_each_cache_ttl(start, fake, callers):
    mta, ttl, seconds = fake(), 0.5, 3
    service = start({"mx": {"address": mta.address, "cache_ttl": "500ms"}})
    begun = time.monotonic()
    rate = 200 / CONNECTIONS

    def ask(caller):
        assert caller("/check/mx")[0] == 200
        time.sleep(1 / rate)  # the rate is what is meant
    load = Load(callers(service), ask)
    wait_until(lambda: time.monotonic() - begun > seconds, seconds + 1, "the time is over")
    load.stop()
    assert 2 <= mta.connections() <= (time.monotonic() - begun) / ttl + 1
    assert load.asked > 50


@pytest.mark.parametrize("path", ["/check/mx?max_age=0", "/check/mx?stop_after=ehlo&max_age=0"])
def test_who_asks_while_it_runs_joins(start, fake, path):
    gate = Gate("250 fake.example.test")
    mta = fake(EHLO=gate)
    service = start({"mx": {"address": mta.address, "timeout": "20s"}})
    asked = service.ask_many(CONNECTIONS, path)
    wait_until(lambda: gate.waiting == 1, 10, "the run has begun")
    gate.open()
    ids = {a.answer().json["id"] for a in asked}
    assert len(ids) == 1 and mta.connections() == 1


def test_a_guest_of_probe_runs_once(start, fake, callers):
    mta = fake()
    service = start(targets_at(fake(), 1), {"probe_allow": ["127.0.0.0/8"]}, modules={"m": {"cache_ttl": KEPT}})
    path = f"/probe?module=m&target={mta.address}"
    for caller in callers(service):
        status, body = caller(path)
        assert status == 200 and b"probe_success 1" in body
    assert mta.connections() == 1
    assert service.get("/-/reload", method="POST").status == 200
    for caller in callers(service):
        assert b"probe_success 1" in caller(path)[1]
    assert mta.connections() == 2


def test_targets_that_send_are_seen_to_arrive(start, callers):
    port, count = free_port(), 8
    route = {"from": "probe@example.org", "to": "www@example.org", "expect": "delivered", "mailbox": "local",
             "deliver_within": "20s", "min_send_interval": KEPT}
    targets = {name: {"address": f"{HOST}:{port}", "cache_ttl": "100ms", "wait": "10s", "routes": [route]}
               for name in names(count)}
    service = start(targets, mailboxes={"local": {"sink": f"{HOST}:{port}", "domains": ["example.org"]}})

    def ask(caller):
        for name in names(count):
            status, body = caller(f"/check/{name}")
            answer = json.loads(body)
            assert status == 200 and answer["routes"][0]["state"] in ("delivered", "accepted"), answer
            assert answer["routes"][0]["delivery"]["state"] == "delivered", answer
    for _ in range(2):
        side_by_side([lambda caller=caller: ask(caller) for caller in callers(service)])
    text = service.get("/metrics").text
    assert metric(text, "ehlod_delivery_duration_seconds_count") == count, "one message each"


def test_intervals_run_on_their_own_loops(start, fake, callers):
    mta, count = fake(), 12
    service = start(targets_at(mta, count, interval="1s", cache_ttl="0"))
    service.wait_for(lambda: mta.connections() > 3 * count, 20, "all have had some turns")
    for caller in callers(service):
        for name in names(count):
            assert caller(f"/check/{name}")[0] == 200


# ---- limits hold for all ----

class Counted:
    """An answer that takes a moment, and how many at most were waiting for it at a time."""

    def __init__(self, answer):
        self.answer, self.lock, self.now, self.most = answer, threading.Lock(), 0, 0

    def __call__(self, _line):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)  # as long as a slow server takes
        with self.lock:
            self.now -= 1
        return self.answer


@pytest.mark.parametrize("limit, most", [({"max_runs": 1}, 1), ({"max_runs": 3}, 3), ({"max_per_address": 2}, 2)])
def test_the_limit_of_runs_holds_for_all_loops(start, fake, callers, limit, most):
    counted, count = Counted("250 fake.example.test"), 24
    mta = fake(EHLO=counted)
    service = start(targets_at(mta, count), limit)
    side_by_side([lambda caller=caller: caller("/check") for caller in callers(service)])
    assert counted.most <= most
    assert service.get("/check").json["counts"]["pass"] == count
    assert mta.connections() == count
    assert counted.most == most, "and they are used"


def test_more_connections_than_there_may_be(cleanup, tmp_path, fake):
    path = {"targets": targets_at(fake(), 4), "server": {"workers": WORKERS}}
    service = Service(str(tmp_path), path, wrapper=["prlimit", "--nofile=260:260"])
    cleanup.callback(service.stop_cleanly)
    service.ready()
    with contextlib.ExitStack() as stack:
        many = [Caller(service.port) for _ in range(200)]
        for caller in many:
            stack.callback(caller.close)
            with contextlib.suppress(OSError, http.client.HTTPException):
                caller.connection.connect()
        for _ in range(3 * WORKERS):
            assert service.get("/-/healthy").status == 200
    wait_until(lambda: service.get("/check/mx0").status == 200, 10, "there is room again")
    for name in names(4):
        assert service.get(f"/check/{name}").status == 200


def test_r01_what_is_said_to_be_wanted_is_enough(ehlod, fake):
    """Also where loops were cut down, which want descriptors too; a reload says the same as the start."""
    config = {"server": {"workers": 16}, "targets": targets_at(fake(), 1)}

    def said(service):
        return [re.sub(r'^\S+ |max_runs="\d+', "", line) for line in service.log().splitlines()
                if "the limit of open files is low" in line]
    few = ehlod(config, wrapper=["prlimit", "--nofile=256:256"])
    assert few.workers() < 16
    assert few.get("/-/reload", method="POST").status == 200
    first, second = said(few)
    assert first == second
    wanted = re.search(r"wanted=(\d+)", first)[1]
    enough = ehlod(config, wrapper=["prlimit", f"--nofile={wanted}:{wanted}"])
    assert enough.workers() == 16 and not said(enough)


# ---- nobody else finds a place ----

FEW = {1: 90, 4: 200}  # descriptors, so that there are some dozen places


def places_of(service):
    """Of a service that has few descriptors: how many connections it takes at a time."""
    return int(re.search(r" connections=\"?(\d+) of ", service.log())[1]) + 16


class Crowd:
    """More connections than there are places, all of which come in a moment in which the service sees nothing."""

    def __init__(self, service, stack, port):
        service.signal(signal.SIGSTOP)
        self.sockets = [stack.enter_context(socket.create_connection((HOST, port), timeout=scaled(10)))
                        for _ in range(places_of(service) + 12)]

    def leave(self):
        for s in self.sockets:
            s.close()


@pytest.fixture(name="few", params=sorted(FEW))
def few_fixture(request, cleanup, tmp_path):
    """few(server) has few places, on one loop or on several."""
    def start(**server):
        config = {"server": {"workers": request.param, **server}}
        limit = FEW[request.param]
        service = Service(str(tmp_path), config, port=int(server["listen"][0].rpartition(":")[2]),
                          wrapper=["prlimit", f"--nofile={limit}:{limit}"])
        cleanup.callback(service.stop_cleanly)
        service.ready()
        assert service.workers() == request.param
        return service
    return start


def test_stop_while_no_place_is_left(few):
    service = few(listen=[f"{HOST}:{free_port()}"])
    with contextlib.ExitStack() as stack:
        Crowd(service, stack, service.port)
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGCONT)
        assert service.wait(15) == 0, service.log()
    assert service.log().count("stopping") == 1


def test_a_listener_goes_while_no_place_is_left(few, tmp_path):
    stays, goes = (f"{HOST}:{free_port()}" for _ in range(2))
    service = few(listen=[stays, goes])
    with open(service.config_path, encoding="utf-8") as f:
        written = json.load(f)
    written["server"]["listen"] = [stays]
    write_config(str(tmp_path), written)
    with contextlib.ExitStack() as stack:
        crowd = Crowd(service, stack, int(goes.rpartition(":")[2]))
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGCONT)
        service.wait_for(lambda: "config reloaded" in service.log(), 15, "it has reloaded")
        crowd.leave()
    wait_until(lambda: service.is_ready(), 10, "there is room again")  # pylint: disable=unnecessary-lambda


# ---- who comes and goes ----

def test_who_leaves_leaves_nothing_behind(start, fake):
    gate = Gate("250 fake.example.test")
    mta = fake(EHLO=gate)
    service = start(targets_at(mta, 8))
    before = service.descriptors()
    stay, leave = [], []
    for name in names(8):
        stay.append(service.ask(f"/check/{name}"))
        leave += [service.ask(f"/check/{name}") for _ in range(3)]
    wait_until(lambda: gate.waiting == 8, 10, "all runs have begun")
    for asked in leave:
        hang_up(asked)
    wait_until(lambda: len(service.connections()) == len(stay), 10, "they are gone")
    gate.open()
    assert {a.answer().json["status"] for a in stay} == {"pass"}
    assert mta.connections() == 8
    wait_until(lambda: service.descriptors() <= before, 10, "nothing is left open")


def test_leaving_before_the_turn_begins_no_run(start, fake):
    gate = Gate("250 fake.example.test")
    mta = fake(EHLO=gate)
    service = start(targets_at(mta, 16), {"max_runs": 1})
    first = service.ask("/check/mx0")
    wait_until(lambda: gate.waiting == 1, 10, "the first run has begun")
    others = [service.ask(f"/check/{name}") for name in names(16)[1:]]
    wait_until(lambda: metric(service.get("/metrics").text, "ehlod_runs_waiting") == 15, 10, "the others wait")
    for asked in others:
        hang_up(asked)
    wait_until(lambda: metric(service.get("/metrics").text, "ehlod_runs_waiting") == 0, 10, "they wait no more")
    gate.open()
    assert first.answer().status == 200
    assert service.get("/check/mx15").status == 200
    assert mta.connections() == 2


# ---- what is changed, is changed on all ----

def test_reload_under_load(start, fake, callers):
    """What is asked after a reload was answered is never answered as before it, on no connection."""
    mtas = [fake() for _ in range(6)]
    count, generation = 8, [0]

    def config(n):
        targets = targets_at(mtas[n], count)
        targets[f"only{n}"] = targets.pop("mx0")
        return targets
    service = start(config(0))
    ports = [mta.port for mta in mtas]

    def ask(caller):
        for name in names(count)[1:]:
            known = generation[0]
            answer = caller.json(f"/check/{name}")
            assert answer["status"] == "pass", answer
            assert ports.index(answer["peer"]["port"]) >= known, (known, answer)
    load = Load(callers(service), ask)
    reloader = Caller(service.port)
    for n in range(1, len(mtas)):
        with open(service.config_path, encoding="utf-8") as f:
            written = json.load(f)
        written["targets"] = config(n)
        write_config(os.path.dirname(service.config_path), written)
        asked = load.asked
        assert reloader("/-/reload", "POST")[0] == 200
        generation[0] = n
        for caller in callers(service):
            assert caller(f"/check/only{n}")[0] == 200
            assert caller(f"/check/only{n - 1}")[0] == 404
        service.wait_for(lambda: load.failures or load.asked > asked + 2 * CONNECTIONS, 20, "all have asked again")
    load.stop()
    reloader.close()


def test_reload_is_asked_on_every_connection(start, fake, callers):
    service = start(targets_at(fake(), 4))

    def ask(caller):
        for _ in range(3):
            status, body = caller("/-/reload", "POST")
            assert status == 200 and b"4 targets" in body
    side_by_side([lambda caller=caller: ask(caller) for caller in callers(service)])
    with open(service.config_path, "a", encoding="utf-8") as f:
        f.write("\nnonsense")
    for caller in callers(service):
        status, body = caller("/-/reload", "POST")
        assert status == 500 and b"The old configuration stands" in body


def test_workers_are_not_changed_by_a_reload(start, fake):
    service = start(targets_at(fake(), 1))
    with open(service.config_path, encoding="utf-8") as f:
        written = f.read()
    with open(service.config_path, "w", encoding="utf-8") as f:
        f.write(written.replace(f'"workers": {WORKERS}', '"workers": 2'))
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 500 and "server.workers: to change it takes a restart" in answer.text
    assert service.workers() == WORKERS


def test_drain_under_load(start, fake, callers):
    mta, count = fake(), 8
    service = start(targets_at(mta, count))
    drained, lock = set(), threading.Lock()

    def ask(caller):
        for name in names(count):
            with lock:
                before = name in drained
            answer = caller.json(f"/check/{name}")
            with lock:
                after = name in drained
            if before == after:
                assert ("drained" in answer["flags"]) == before, (name, before, answer)
    load = Load(callers(service), ask)
    for turn, caller in enumerate(callers(service)):
        name = names(count)[turn % count]
        with lock:
            assert caller(f"/targets/{name}/drain", "POST")[0] == 200
            drained.add(name)
        asked = load.asked
        service.wait_for(lambda: load.failures or load.asked > asked + CONNECTIONS, 20, "all have asked again")
        with lock:
            assert caller(f"/targets/{name}/undrain", "POST")[0] == 200
            drained.remove(name)
    load.stop()
    for caller in callers(service):
        shown = caller.json("/targets")["targets"]
        assert all(t["drained"] is None for t in shown)


def test_a_drain_that_ends_by_itself(start, fake, callers):
    service = start(targets_at(fake(), 8))
    everyone = callers(service)
    for turn, name in enumerate(names(8)):
        assert everyone[turn](f"/targets/{name}/drain?for=500ms", "POST")[0] == 200
    for caller in everyone:
        service.wait_for(lambda caller=caller: caller.json("/check")["counts"]["pass"] == 8, 10, "all are back")


PAGES = ["/metrics", "/targets", "/runs/01M8AR5H4HBXG8HHVY1BGK785H", "/config", "/sd", "/openapi.json", "/check",
         "/check/mx3?max_age=0", "/targets/mx2/drain", "/targets/mx2/undrain"]


def test_all_pages_at_once(start, fake, callers):
    """Whoever wants all others to stand still may want it at the same time as others do."""
    mta = fake()
    service = start(targets_at(mta, 8, interval="1s"))
    turn = [0]

    def ask(caller):
        turn[0] += 1
        path = PAGES[turn[0] % len(PAGES)]
        status, body = caller(path, "POST" if "drain" in path else "GET")
        assert status in (200, 503 if path.startswith("/check") else 200, 404 if "runs" in path else 200), (path, body)
    load = Load(callers(service, 2 * CONNECTIONS), ask)
    reloads = 0
    while reloads < 10 and not load.failures:
        assert service.get("/-/reload", method="POST", timeout=30).status == 200
        reloads += 1
    service.wait_for(lambda: load.failures or load.asked > 300, 30, "many were asked")
    load.stop()


def test_metrics_that_are_written_apart(start, fake, callers):
    """Of so many targets that each loop has a thread write them, one after another; who leaves holds nobody up."""
    count = 150
    service = start(targets_at(fake(), count), {"metrics_by_target": True})
    assert service.get("/check").json["counts"]["pass"] == count

    def ask(caller):
        for _ in range(3):
            status, text = caller("/metrics")
            assert status == 200 and text.count(b'\nehlod_runs_total{status="pass",target="mx') == count
    leaves = [service.ask("/metrics") for _ in range(CONNECTIONS)]
    for asked in leaves:
        hang_up(asked)
    side_by_side([lambda caller=caller: ask(caller) for caller in callers(service)])


# ---- who may in ----

def test_a_token_is_known_and_forgotten_on_all(start, fake, callers, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n", encoding="utf-8")
    service = start(targets_at(fake(), 4), {"bearer_token_files": [str(token)]})

    def verdicts(everyone, word):
        return {caller("/check/mx1", Authorization=f"Bearer {word}")[0] for caller in everyone}
    everyone = callers(service)
    assert verdicts(everyone, "first") == {200} and verdicts(everyone, "second") == {401}
    token.write_text("second\n", encoding="utf-8")
    service.wait_for(lambda: verdicts(everyone[:1], "second") == {200}, 20, "the new token is known")
    assert verdicts(everyone, "second") == {200} and verdicts(everyone, "first") == {401}


def test_h05_in_the_reserve_of_each_a_password_is_known_that_one_has_seen(ehlod, fake, cleanup, tmp_path):
    """A balancer logs in once; when it comes in a crowd, wherever it lands it is let in."""
    gate, token = Gate("250 fake.example.test"), tmp_path / "token"
    gate.open()
    token.write_text(TOKEN + "\n", encoding="ascii")
    token.chmod(0o600)
    service = ehlod({"server": {"workers": WORKERS, "basic_auth_users": {USER: bcrypt(PASSWORD)},
                                "bearer_token_files": [str(token)]},
                     "targets": {"mx": {"address": fake(EHLO=gate).address, "cache_ttl": "0"}}},
                    wrapper=["prlimit", "--nofile=320:320"])
    assert service.workers() == WORKERS
    known = service.get("/check/mx", headers=basic()).json
    connections = int(re.search(r" connections=.?(\d+) of ", service.log())[1]) // WORKERS * WORKERS
    gate.event.clear()

    def ask(headers):
        s = socket.create_connection((HOST, service.port), timeout=scaled(20))
        cleanup.callback(s.close)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        s.sendall(f"GET /check/mx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
        return s

    def answers(asked):
        for s in asked:
            with s:
                yield parse_only_reply(read_to_end(s))
    service.wait_for(lambda: not service.connections(), 10, "all that asked so far have left")
    for _ in range(connections):
        ask(bearer())
    service.wait_for(lambda: service.connections_read() == connections, 20, "all wait")
    for _ in range(3):
        seen = list(answers([ask(basic()) for _ in range(WORKERS)]))
        assert [status for status, _, _ in seen] == [200] * WORKERS
        assert {json.loads(body)["id"] for _, _, body in seen} == {known["id"]}
    assert {status for status, _, _ in answers([ask(basic(password="new")) for _ in range(WORKERS)])} == {503}
    gate.open()


# ---- the end ----

def test_stop_with_runs_and_waiters_on_all_loops(start, fake):
    gate = Gate("250 fake.example.test")
    mta = fake(EHLO=gate)
    service = start(targets_at(mta, 16))
    asked = [service.ask(f"/check/{name}") for name in names(16) for _ in range(2)]
    wait_until(lambda: gate.waiting == 16, 10, "all runs have begun")
    service.signal(signal.SIGTERM)
    service.wait_for(lambda: "stopping" in service.log(), 5, "it stops")
    answers = [a.answer() for a in asked]
    assert {(a.status, a.json["failure"]["reason"]) for a in answers} == {(500, "local_resource")}
    gate.open()
    assert service.wait(10) == 0


def test_a_run_that_ends_in_the_grace_is_answered(start, fake):
    gate = Gate("250 fake.example.test")
    mta = fake(EHLO=gate)
    service = start(targets_at(mta, 8))
    asked = [service.ask(f"/check/{name}") for name in names(8) for _ in range(2)]
    wait_until(lambda: gate.waiting == 8, 10, "all runs have begun")
    service.signal(signal.SIGTERM)
    service.wait_for(lambda: "stopping" in service.log(), 5, "it stops")
    gate.open()
    assert {a.answer().status for a in asked} == {200}
    assert service.wait(10) == 0


def test_a_second_signal_ends_it_at_once(start, fake):
    gate = Gate("250 fake.example.test")
    service = start(targets_at(fake(EHLO=gate), 8))
    asked = [service.ask(f"/check/{name}") for name in names(8)]
    wait_until(lambda: gate.waiting == 8, 10, "all runs have begun")
    begun = time.monotonic()
    service.signal(signal.SIGTERM)
    service.wait_for(lambda: "stopping" in service.log(), 5, "it stops")
    service.signal(signal.SIGTERM)
    assert {a.answer().status for a in asked} == {500}
    assert service.wait(10) == 0
    assert time.monotonic() - begun < scaled(4), "before the grace is over"
    gate.open()


def test_stop_does_not_wait_for_passwords_in_line(start, fake):
    """Two are looked at, which takes a while; the others, of clients that are gone, are let go."""
    service = start(targets_at(fake(), 1), {"basic_auth_users": {USER: bcrypt(PASSWORD, 13)}})
    asked = [service.ask("/check/mx0", headers=basic(password=f"wrong{i}")) for i in range(50)]
    service.wait_for(lambda: service.connections_read() == len(asked), 10, "all are in line")
    for one in asked:
        hang_up(one)
    begun = time.monotonic()
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0
    assert time.monotonic() - begun < scaled(6)


def test_stop_under_load(start, fake, callers):
    """Whoever is answered is answered whole, and it ends by itself."""
    service = start(targets_at(fake(), 16, cache_ttl="0"))
    ended = []

    def ask(caller):
        try:
            for name in names(16):
                status, body = caller(f"/check/{name}")
                assert status in (200, 500) and json.loads(body)["status"] in ("pass", "unknown"), body
        except (OSError, http.client.HTTPException):
            ended.append(caller)
            raise SystemExit from None
    load = Load(callers(service), ask)
    service.wait_for(lambda: load.asked > CONNECTIONS, 20, "all have asked")
    service.signal(signal.SIGTERM)
    assert service.wait(15) == 0
    wait_until(lambda: len(ended) == CONNECTIONS, 10, "nobody finds it any more")
    with contextlib.suppress(SystemExit):
        load.stop()
    assert all(isinstance(f, SystemExit) for f in load.failures), load.failures


def states_kept(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=scaled(5))) as db:
        return [state for state, in db.execute("SELECT state FROM delivery")]


def test_kill_and_start_again(cleanup, tmp_path):
    """What was sent before is known after it: nothing is sent again before its time."""
    mta_port = free_port()
    route = {"from": "probe@example.org", "to": "www@example.org", "expect": "delivered", "mailbox": "local",
             "deliver_within": "20s", "min_send_interval": KEPT}
    config = {"server": {"workers": WORKERS}, "history": {"path": str(tmp_path / "history.db")},
              "mailboxes": {"local": {"sink": f"{HOST}:{mta_port}", "domains": ["example.org"]}},
              "targets": {name: {"address": f"{HOST}:{mta_port}", "cache_ttl": "0", "wait": "10s", "routes": [route]}
                          for name in names(6)}}
    first = Service(str(tmp_path), config).ready()
    assert first.get("/check").json["counts"]["pass"] == 6
    wait_until(lambda: states_kept(tmp_path / "history.db") == ["delivered"] * 6, 10, "the file knows it")
    load = Load([Caller(first.port) for _ in range(CONNECTIONS)], lambda caller: caller("/check/mx1"))
    first.wait_for(lambda: load.asked > CONNECTIONS, 20, "all have asked")
    first.signal(signal.SIGKILL)
    assert first.wait(10) == -signal.SIGKILL
    with contextlib.suppress(OSError, http.client.HTTPException):
        load.stop()
    second = Service(str(tmp_path), config)
    cleanup.callback(second.stop_cleanly)
    second.ready()
    whole = second.get("/check").json
    assert whole["counts"]["pass"] == 6, whole
    assert metric(second.get("/metrics").text, "ehlod_delivery_duration_seconds_count") == 0
    assert {r["routes"][0]["delivery"]["state"] for r in whole["targets"].values()} == {"delivered"}
