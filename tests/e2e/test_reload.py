# SPDX-License-Identifier: Apache-2.0
"""Another config while the service runs: all of it or nothing, and nobody is kept from an answer meanwhile."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from conftest import KEPT, target
from doors import PASSWORD, USER, basic, bcrypt
from fake_mta import Gate
from holder import Holder
from service import Service, assert_problem, read_to_end, write_config
from sockets import LISTEN, sockets_of
from support import EHLOD, HOST, accepts, free_port, scaled, wait_until

MISTAKES = """\
server: {{listen: ["{listen}"]}}
targets:
  good:
    adress: mx.example.org:25
    timeout: 5
"""


def config_of(service, targets, *listen, **more):
    """Listening where the service does, and there."""
    return {"server": {"listen": [f"{HOST}:{service.port}", *listen]}, "targets": targets, **more}


def put(service, config):
    """By renaming, as a careful operator does: nobody sees half of it."""
    folder = os.path.join(os.path.dirname(service.config_path), "new")
    os.makedirs(folder, exist_ok=True)
    os.rename(write_config(folder, config), service.config_path)


def put_mistakes(service):
    put(service, MISTAKES.format(listen=f"{HOST}:{service.port}"))


def reloads(service):
    """How many there have been, good and bad."""
    return len(re.findall(r"info config reloaded|error config not reloaded", service.log()))


def hang_up(service):
    before = reloads(service)
    service.signal(signal.SIGHUP)
    service.wait_for(lambda: reloads(service) > before, 10, "it has reloaded")


def post(service):
    return service.get("/-/reload", method="POST")


def reload_well(service, config):
    put(service, config)
    answer = post(service)
    assert answer.status == 200, answer


def names(service):
    return [t["name"] for t in service.get("/targets").json["targets"]]


# --- what is in force ---

@pytest.mark.parametrize("ask", [hang_up, post], ids=["SIGHUP", "POST"])
def test_the_new_config_is_in_force(service, mta, ask):
    threads = service.threads()
    put(service, config_of(service, {"other": target(mta.address)}))
    ask(service)
    assert names(service) == ["other"]
    assert service.get("/check/other").json["status"] == "pass"
    assert_problem(service.get("/check/good"), 404)
    assert re.search(r" info config reloaded targets=1$", service.log(), re.M), service.log()
    service.wait_for(lambda: service.threads() == threads, 10, "no thread stays")


def assert_all_mistakes(service, text):
    for place, key in (("3:3", "targets.good.address"), ("4:5", "targets.good.adress"),
                       ("5:14", "targets.good.timeout")):
        assert any(f"{service.config_path}:{place}: {key}" in line for line in text.splitlines()), text


def test_f19_a_bad_file_changes_nothing_and_every_mistake_is_told(service, mta):
    before = service.get("/check/good").json["id"]
    put_mistakes(service)
    problem = assert_problem(post(service), 500)
    assert_all_mistakes(service, problem["detail"])
    assert_all_mistakes(service, service.log())
    assert service.log().count(" error config mistake mistake=") == 3
    assert re.search(r" error config not reloaded: the old one stands$", service.log(), re.M)
    assert names(service) == ["good", "bad"] and service.get("/check/good").json["id"] == before
    reload_well(service, config_of(service, {"other": target(mta.address)}))
    assert names(service) == ["other"]


def test_f19_more_mistakes_than_anybody_reads(service):
    """A bounded answer, but an answer."""
    long = {f"x{n}{'y' * 900}": 1 for n in range(50)}
    put(service, config_of(service, {f"t{n}": {"address": "192.0.2.1:25", **long} for n in range(10)}))
    problem = assert_problem(post(service), 500)
    assert len(problem["detail"].splitlines()) > 50
    assert names(service) == ["good", "bad"]


def test_a_reload_as_curl_asks_for_it(service, mta):
    url = f"http://{HOST}:{service.port}/-/reload"
    for arguments in (["-X", "POST"], ["-d", ""], ["-d", "please"]):
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments, url],
                              capture_output=True, text=True, timeout=scaled(10), check=True)
        assert done.stdout == "200", arguments
    assert reloads(service) == 3


def test_f19_the_file_is_gone(service):
    os.unlink(service.config_path)
    assert "No such file" in assert_problem(post(service), 500)["detail"]
    assert service.get("/check/good").status == 200


def test_f23_a_half_written_file(service, mta):
    whole = write_config(os.path.dirname(service.config_path), config_of(service, {"other": target(mta.address)}))
    with open(whole, "rb+") as f:
        f.truncate(os.path.getsize(whole) // 2)
    hang_up(service)
    assert names(service) == ["good", "bad"]
    assert " error config mistake mistake=" in service.log()


def test_a_result_is_kept_over_a_reload_of_the_same(service, mta):
    """Only plans of one config are equal, so it is not shared; but the target has not lost its last verdict."""
    first = service.get("/check/good").json["id"]
    assert post(service).status == 200
    assert {t["name"]: t["id"] for t in service.get("/targets").json["targets"]}["good"] == first
    assert service.get("/check/good").json["status"] == "pass" and mta.connections() == 2


# --- while there is work ---

class Callers:
    """Threads that ask all the time, each over one connection and over a new one in turn."""

    def __init__(self, service, paths, count=4):
        self.service, self.paths, self.over = service, paths, False
        self.answers, self.lost = [], []
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _ask(self):
        while not self.over:
            for path in self.paths:
                try:
                    self.answers.append((path, self.service.get(path).status))
                except (OSError, ValueError) as error:
                    self.lost.append((path, repr(error)))

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join(scaled(20))
        return self.answers


@pytest.fixture(name="callers")
def callers_fixture(cleanup):
    def start(service, *paths, **more):
        callers = Callers(service, paths, **more)
        cleanup.callback(callers.stop)
        return callers
    return start


def test_f19_bad_files_under_load_cost_no_request(service, callers):
    asking = callers(service, "/check/good", "/check/good?max_age=0", "/-/ready", "/targets")
    put_mistakes(service)
    for _ in range(20):
        before = len(asking.answers)
        hang_up(service)
        service.wait_for(lambda n=before: len(asking.answers) > n, 10, "others are answered meanwhile")
    answers = asking.stop()
    assert not asking.lost and {status for _, status in answers} == {200}, (asking.lost, set(answers))
    assert names(service) == ["good", "bad"]


def test_good_files_under_load_cost_no_request(service, mta, callers):
    asking = callers(service, "/check/good?max_age=0", "/-/ready")
    for turn in range(20):
        put(service, config_of(service, {"good": target(mta.address), f"turn{turn}": target(mta.address)}))
        hang_up(service)
    answers = asking.stop()
    assert not asking.lost and {status for _, status in answers} == {200}, (asking.lost, set(answers))
    assert names(service) == ["good", "turn19"]


def test_f20_runs_under_way_keep_their_config(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    slow, other = fake(RCPT=gate), fake()
    service = ehlod({"targets": {"a": target(slow.address), "gone": target(slow.address)}})
    asked = [service.ask("/check/a"), service.ask("/check/gone")]
    wait_until(lambda: gate.waiting == 2, 10, "both runs are at RCPT")
    reload_well(service, config_of(service, {"a": target(other.address)}))
    # Only equal plans share: who asks now is not given the run of the old config.
    assert service.get("/check/a").json["peer"]["port"] == other.port
    assert_problem(service.get("/check/gone"), 404)
    gate.open()
    for answer in [one.answer() for one in asked]:
        assert answer.status == 200 and answer.json["peer"]["port"] == slow.port
    assert names(service) == ["a"]


def test_l03_a_hundred_hangups(service, mta):
    """Some are heeded together, but what was changed before the last one is in force."""
    threads = service.threads()
    for turn in range(100):
        put(service, config_of(service, {f"turn{turn}": target(mta.address)}))
        service.signal(signal.SIGHUP)
    service.wait_for(lambda: names(service) == ["turn99"], 20, "the last one is in force")
    assert 1 <= service.log().count(" info config reloaded ") <= 100
    service.wait_for(lambda: service.threads() == threads, 10, "no thread stays")


def test_f22_many_ask_at_once(service, mta):
    put(service, config_of(service, {"other": target(mta.address)}))
    answers = [asked.answer() for asked in [service.ask("/-/reload", method="POST") for _ in range(50)]]
    assert [a.status for a in answers] == [200] * 50
    assert names(service) == ["other"]


def test_a_caller_that_leaves_while_it_is_reloaded(ehlod, mta):
    service = ehlod({"targets": {f"t{i}": target(mta.address) for i in range(2000)}})
    before = reloads(service)
    for _ in range(5):
        with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
            s.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
            service.wait_for(lambda: service.connections_read() >= 1, 10, "it was read")
    service.wait_for(lambda: reloads(service) > before, 10, "it was reloaded")
    assert post(service).status == 200


def test_l03_a_hangup_during_the_start(tmp_path, cleanup, mta):
    """As soon as the program is its own master it no longer dies of it, and heeds it when it can."""
    many = {f"t{i}": target(mta.address) for i in range(3000)}
    service = Service(str(tmp_path), {"targets": many})
    cleanup.callback(service.stop_cleanly)
    hangup = 1 << (signal.SIGHUP - 1)

    def is_safe():
        with open(f"/proc/{service.pid}/status", encoding="ascii") as f:
            fields = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        return (int(fields["SigBlk"], 16) | int(fields["SigCgt"], 16)) & hangup
    service.wait_for(is_safe, 10, "it can be hung up on")
    assert "ehlod started" not in service.log()
    service.signal(signal.SIGHUP)
    service.ready()
    service.wait_for(lambda: " info config reloaded targets=3000" in service.log(), 20, "it has heeded it")


def test_a_stop_in_the_middle_of_reloads(ehlod, mta):
    service = ehlod({"targets": {f"t{i}": target(mta.address) for i in range(2000)}})
    for _ in range(5):
        service.signal(signal.SIGHUP)
    asked = service.ask("/-/reload", method="POST")
    service.signal(signal.SIGTERM)
    assert asked.answer().status in (200, 500)
    assert service.wait(20) == 0


def test_l03_hangups_until_the_end(ehlod, mta):
    """Nor does it die of them while it goes down, with the threads that a login has begun."""
    service = ehlod({"server": {"basic_auth_users": {USER: bcrypt(PASSWORD)}}, "targets": {"mx": target(mta.address)}})
    assert service.get("/check/mx", headers=basic()).status == 200
    service.signal(signal.SIGTERM)
    while service.running():
        service.signal(signal.SIGHUP)
    assert service.wait(20) == 0


# --- where it listens ---

def listeners(service, port):
    """The inodes of the sockets that the service listens at on that port."""
    own = set()
    for name in os.listdir(f"/proc/{service.pid}/fd"):
        with contextlib.suppress(OSError):
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{service.pid}/fd/{name}"))
            own.update(found.groups() if found else ())
    return {str(s.inode) for s in sockets_of(port) if s.state == LISTEN} & own


def over(s, path):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s.recv(65536).split(b"\r\n", 1)[0]


def test_a_listener_that_did_not_change_stays_open(service, mta):
    port, path = free_port(), os.path.join(os.path.dirname(service.config_path), "web.sock")
    before = listeners(service, service.port)
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        assert over(s, "/check/good") == b"HTTP/1.1 200 OK"
        reload_well(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}", f"unix:{path}"))
        assert over(s, "/check/new") == b"HTTP/1.1 200 OK"
        assert listeners(service, service.port) == before and len(before) == 1
        assert accepts(port)
        with socket.socket(socket.AF_UNIX) as u:
            u.connect(path)
            assert over(u, "/-/ready") == b"HTTP/1.1 200 OK"
        added = listeners(service, port)
        reload_well(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}"))
        assert not os.path.exists(path) and listeners(service, port) == added
        reload_well(service, config_of(service, {"new": target(mta.address)}))
        assert not accepts(port)
        assert over(s, "/check/new") == b"HTTP/1.1 200 OK" and listeners(service, service.port) == before
    assert f"listening on http://{HOST}:{port}" in service.log()


def test_a_connection_through_a_listener_that_is_closed_stays(service, mta):
    port = free_port()
    reload_well(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}"))
    with socket.create_connection((HOST, port), timeout=scaled(10)) as s:
        assert over(s, "/check/new") == b"HTTP/1.1 200 OK"
        reload_well(service, config_of(service, {"new": target(mta.address)}))
        assert not accepts(port)
        assert over(s, "/check/new") == b"HTTP/1.1 200 OK"


def test_what_cannot_be_bound_changes_nothing(service, mta):
    port = free_port()
    before = listeners(service, service.port)
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        put(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}", address))
        detail = assert_problem(post(service), 500)["detail"]
        assert address in detail and "server.listen" in detail and "in use" in detail
        assert not accepts(port) and names(service) == ["good", "bad"]
        assert address in service.log()

        put(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}",
                               mailboxes={"local": {"sink": address, "domains": ["example.test"]}}))
        detail = assert_problem(post(service), 500)["detail"]
        assert address in detail and "mailboxes.local.sink" in detail
        assert not accepts(port) and names(service) == ["good", "bad"]
    assert listeners(service, service.port) == before
    reload_well(service, config_of(service, {"new": target(mta.address)}, f"{HOST}:{port}", address))
    assert accepts(port)


def test_from_loopback_to_every_address_and_back(service, mta):
    """The same port, so the old listener is in the way of the new one."""
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        for host in ("0.0.0.0", HOST, "0.0.0.0"):
            put(service, {"server": {"listen": [f"{host}:{service.port}"]}, "targets": {"a": target(mta.address)}})
            assert post(service).status == 200
            assert accepts(service.port, "127.0.0.2") == (host == "0.0.0.0")
            assert over(s, "/check/a") == b"HTTP/1.1 200 OK"
            assert len(listeners(service, service.port)) == 1


def test_l13_two_services_never_share_a_port(service, tmp_path, mta):
    """Not even right after the port was shared with the listener that it replaced."""
    put(service, {"server": {"listen": [f"0.0.0.0:{service.port}"]}, "targets": {"a": target(mta.address)}})
    assert post(service).status == 200
    second = tmp_path / "second"
    second.mkdir()
    path = write_config(str(second), {"server": {"listen": [f"{HOST}:{service.port}"]}})
    done = subprocess.run([EHLOD, "serve", "--config", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    assert done.returncode == 1 and "in use" in done.stderr, done.stderr


# --- built-in receivers ---

class Session:
    """An SMTP client in the test's own hands."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), timeout=scaled(10))
        self.greeting = self.socket.recv(65536)

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.socket.recv(65536)[:3]


def sink(port, *domains):
    return {"local": {"sink": f"{HOST}:{port}", "domains": list(domains)}}


def test_a_receiver_follows_the_config(ehlod, mta):
    first, second = free_port(), free_port()
    targets = {"a": target(mta.address)}
    service = ehlod({"targets": targets, "mailboxes": sink(first, "one.example.org")})
    before = listeners(service, first)
    session = Session(first)
    with session.socket:
        assert session.say("EHLO x") == b"250" and session.say("MAIL FROM:<>") == b"250"
        assert session.say("RCPT TO:<a@two.example.org>") == b"550"
        reload_well(service, config_of(service, targets, mailboxes=sink(first, "two.example.org")))
        assert listeners(service, first) == before
        assert session.say("RCPT TO:<a@two.example.org>") == b"250"
        assert session.say("RCPT TO:<a@one.example.org>") == b"550"
        reload_well(service, config_of(service, targets, mailboxes=sink(second, "two.example.org")))
        assert read_to_end(session.socket).startswith(b"421 ")
    assert not accepts(first)
    with Session(second).socket:
        pass
    reload_well(service, config_of(service, targets))
    assert not accepts(second)


def test_runs_to_our_own_receiver_go_on_over_a_reload(ehlod, callers):
    port = free_port()
    route = {"name": "own", "from": "probe@example.net", "to": "www@probe.example.org", "expect": "accepted"}
    targets = {"own": target(f"{HOST}:{port}", route, cache_ttl="0")}
    service = ehlod({"targets": targets, "mailboxes": sink(port, "probe.example.org")})
    asking = callers(service, "/check/own", count=2)
    for turn in range(10):
        reload_well(service, config_of(service, {**targets, f"turn{turn}": targets["own"]},
                                       mailboxes=sink(port, "probe.example.org", f"turn{turn}.example.org")))
    answers = asking.stop()
    assert not asking.lost and {status for _, status in answers} == {200}, (asking.lost, set(answers))


def delivered(address, within):
    route = {"name": "through", "from": "probe@example.net", "to": "www@probe.example.org", "expect": "delivered",
             "mailbox": "local", "deliver_within": f"{scaled(within):g}s", "min_send_interval": "0"}
    return {"mx": target(address, route, cache_ttl="0", wait=f"{scaled(10):g}s")}


def state(answer):
    return answer.json["routes"][0]["state"]


@pytest.fixture(name="relay")
def relay_fixture(cleanup):
    holder = Holder()
    cleanup.callback(holder.stop)
    return holder


def test_a_receiver_that_moved_may_have_missed_what_was_under_way(ehlod, relay):
    first, second = free_port(), free_port()
    targets = delivered(relay.address, 2)
    service = ehlod({"targets": targets, "mailboxes": sink(first, "probe.example.org")})
    answer = service.get("/check/mx?wait=0")
    assert state(answer) == "pending", answer
    reload_well(service, config_of(service, targets, mailboxes=sink(second, "probe.example.org")))
    path = f"/runs/{answer.json['id']}"
    service.wait_for(lambda: state(service.get(path)) != "pending", 10, "its time is over")
    assert state(service.get(path)) == "unverified", service.get(path)
    assert state(service.get("/check/mx", timeout=30)) == "lost", "the new one has missed nothing"


def test_a_mailbox_may_become_one_of_another_kind(ehlod, relay, tmp_path):
    """What the receiver missed when it went is no reason not to believe the Maildir of its name."""
    targets = delivered(relay.address, 1)
    service = ehlod({"targets": targets, "mailboxes": sink(free_port(), "probe.example.org")})
    assert state(service.get("/check/mx", timeout=30)) == "lost"
    for part in ("new", "cur", "tmp"):
        (tmp_path / "mail" / part).mkdir(parents=True)
    reload_well(service, config_of(service, targets, mailboxes={"local": {"maildir": str(tmp_path / "mail")}}))
    assert state(service.get("/check/mx", timeout=30)) == "lost"


def test_nothing_grows_from_reload_to_reload(ehlod, mta):
    port = free_port()
    service = ehlod({"targets": {"good": target(mta.address, cache_ttl=KEPT)},
                     "mailboxes": sink(port, "probe.example.org")})

    def turn(count):
        for number in range(count):
            reload_well(service, config_of(service, {"good": target(mta.address), f"t{number}": target(mta.address)},
                                           mailboxes=sink(port, f"t{number}.example.org")))
    turn(20)
    descriptors, threads = service.descriptors(), service.threads()
    turn(20)
    service.wait_for(lambda: service.descriptors() <= descriptors, 10, "no descriptor is left open")
    service.wait_for(lambda: service.threads() <= threads, 10, "nor a thread")
