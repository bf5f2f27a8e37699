# SPDX-License-Identifier: Apache-2.0
"""A service manager around it: sockets that are handed over, what it is told, and the units in systemd/."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from conftest import target
from service import Service, run_ehlod, write_config
from support import EHLOD, HOST, ROOT, free_port, scaled, wait_until

UNITS = os.path.join(ROOT, "systemd")


def listening(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((HOST, port))
    s.listen(100)
    return s


class Handed(Service):
    """ehlod with sockets handed over, as systemd does: from descriptor 3 on, LISTEN_PID its own."""

    def __init__(self, folder, config, sockets, env=None, pid="$$", count=None, prepare=None):
        numbers = [s.fileno() for s in sockets]

        def place():
            if prepare is not None:
                prepare()
            spare = [os.dup(n) for n in numbers]
            high = [os.dup2(n, 100 + i) for i, n in enumerate(spare)]
            for i, number in enumerate(high):
                os.dup2(number, 3 + i)
                os.set_inheritable(3 + i, True)
        handed = {"preexec_fn": place, "close_fds": False} if sockets or prepare else {}
        count = len(sockets) if count is None else count
        script = f'LISTEN_PID={pid} LISTEN_FDS={count} LISTEN_FDNAMES=a:b exec "$@"'
        self.port = sockets[0].getsockname()[1] if sockets and sockets[0].family == socket.AF_INET else free_port()
        self.config_path = write_config(folder, config)
        super(Service, self).__init__(["sh", "-c", script, "sh", EHLOD, "serve", "--config", self.config_path],
                                      os.path.join(folder, f"ehlod-{self.port}.log"),
                                      env={**os.environ, **(env or {})}, **handed)


@pytest.fixture(name="handed")
def handed_fixture(tmp_path, cleanup, mta):
    def start(sockets, listen="systemd", **more):
        service = Handed(str(tmp_path), {"server": {"listen": listen}, "targets": {"mx": target(mta.address)}}, sockets,
                         **more)
        cleanup.callback(service.stop_cleanly)
        return service
    return start


@pytest.fixture(name="sockets")
def sockets_fixture(tmp_path, cleanup):
    tcp, path = listening(free_port()), socket.socket(socket.AF_UNIX)
    path.bind(str(tmp_path / "handed.sock"))
    path.listen()
    for s in (tcp, path):
        cleanup.callback(s.close)
    return [tcp, path]


def over_path(path):
    done = subprocess.run(["curl", "-s", "--unix-socket", str(path), "http://localhost/check/mx"], capture_output=True,
                          text=True, timeout=scaled(20), check=True)
    return json.loads(done.stdout)["status"]


# --- sockets that are handed over ---

def test_sockets_are_listened_at(handed, sockets, tmp_path):
    service = handed(sockets).ready()
    assert service.get("/check/mx").json["status"] == over_path(tmp_path / "handed.sock") == "pass"
    assert f"listening on http://{HOST}:{service.port}" in service.log()
    assert f"listening on unix:{tmp_path}/handed.sock" in service.log()
    with open(f"/proc/{service.pid}/environ", "rb") as f:
        assert b"LISTEN_FDS=2" in f.read(), "the test does what it says"
    service.stop_cleanly()
    assert os.path.exists(tmp_path / "handed.sock"), "it is not ours to remove"
    with socket.create_connection((HOST, service.port), timeout=scaled(5)):
        pass  # it waits in the queue for the next one


def test_l13_nobody_is_refused_over_a_restart(handed, sockets):
    """So an upgrade needs no second service beside the first."""
    service = handed(sockets).ready()
    service.stop_cleanly()
    with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s:
        s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        handed(sockets)
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")


def test_beside_places_of_its_own(handed, sockets):
    port = free_port()
    service = handed(sockets, listen=[f"{HOST}:{port}", "systemd"]).ready()
    service.port = port
    assert service.get("/-/ready").status == 200


def test_a_reload_leaves_them_and_comes_back(handed, sockets, tmp_path, mta):
    service = handed(sockets).ready()
    port = free_port()
    for times, listen in enumerate([f"{HOST}:{port}", "systemd", "systemd"], 1):
        write_config(str(tmp_path), {"server": {"listen": listen}, "targets": {"mx": target(mta.address)}})
        service.signal(signal.SIGHUP)
        service.wait_for(lambda t=times: service.log().count("config reloaded") == t, 10, "it has reloaded")
        service.port = port if listen != "systemd" else sockets[0].getsockname()[1]
        assert service.get("/-/ready").status == 200
    assert service.log().count(f"listening on unix:{tmp_path}/handed.sock") == 2


@pytest.mark.parametrize("pid, count", [("1", None), ("$$", 0), ("x", None), ("", None), ("$$", "-1")])
def test_what_is_not_meant_for_it(tmp_path, sockets, pid, count):
    service = Handed(str(tmp_path), {"server": {"listen": "systemd"}}, sockets, pid=pid, count=count)
    assert service.wait(10) == 1
    assert "server.listen says systemd, but no socket was handed over (LISTEN_FDS)" in service.log()


def test_a_config_without_them_is_warned_of(handed, sockets):
    service = handed(sockets, listen=f"{HOST}:{free_port()}")
    service.wait_for(lambda: "try: " in service.log(), 10, "it listens")
    assert "sockets were handed over that nobody listens at" in service.log()


def test_a_reload_that_wants_what_is_not_there(ehlod, tmp_path, mta):
    service = ehlod({"targets": {"mx": target(mta.address)}})
    write_config(str(tmp_path), {"server": {"listen": "systemd"}})
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 500 and "no socket was handed over" in answer.json["detail"]
    assert service.get("/check/mx").json["status"] == "pass"


@pytest.mark.parametrize("kind, says", [("datagram", "is no stream socket"), ("connected", "does not listen"),
                                        ("file", "is no stream socket")])
def test_what_cannot_be_listened_at(tmp_path, cleanup, kind, says):
    server = listening(free_port())
    cleanup.callback(server.close)
    wrong = {"datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
             "connected": lambda: socket.create_connection(server.getsockname(), timeout=5),
             "file": lambda: open(os.devnull, "rb")}[kind]()  # pylint: disable=consider-using-with
    with wrong:
        service = Handed(str(tmp_path), {"server": {"listen": "systemd"}}, [server, wrong])
        assert service.wait(10) == 1
    assert f"descriptor 4 was handed over, but {says}" in service.log(), service.log()


def test_too_many(tmp_path):
    service = Handed(str(tmp_path), {"server": {"listen": "systemd"}}, [], count=65)
    assert service.wait(10) == 1 and "65 sockets were handed over, and 64 is the most" in service.log()


def test_a_start_that_fails_takes_nobody(tmp_path, cleanup, mta):
    """Who waits in the queue of a socket that was handed over finds the next one that starts."""
    handed, count = listening(free_port()), 8
    cleanup.callback(handed.close)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(handed.getsockname(), timeout=scaled(20)))
                   for _ in range(count)]
        for client in clients:
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        config = {"server": {"listen": "systemd", "workers": 4}, "targets": {"mx": target(mta.address)}}
        with contextlib.closing(listening(free_port())) as taken:
            config["server"]["agent_listen"] = f"{HOST}:{taken.getsockname()[1]}"
            service = Handed(str(tmp_path), config, [handed])
            assert service.wait(15) == 1, service.log()
        assert re.search(r"cannot listen on .* \(server\.agent_listen\): Address already in use", service.log())
        del config["server"]["agent_listen"]
        again = Handed(str(tmp_path), config, [handed])
        cleanup.callback(again.stop_cleanly)
        assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}


# --- what the manager is told ---

class Manager:
    """Its end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path.replace("@", "\0", 1))
        self.env = {"NOTIFY_SOCKET": path}
        self.told = []

    def next(self, timeout=10):
        self.socket.settimeout(scaled(timeout))
        text = self.socket.recv(4096).decode()
        self.told.append(text)
        return dict(line.split("=", 1) for line in text.splitlines())

    def next_of(self, key):
        while True:
            told = self.next()
            if key in told:
                return told


@pytest.fixture(name="manager", params=["path", "abstract"])
def manager_fixture(request, tmp_path, cleanup):
    path = str(tmp_path / "notify") if request.param == "path" else f"@ehlod-test-{os.getpid()}-{tmp_path.name}"
    one = Manager(path)
    cleanup.callback(one.socket.close)
    return one


def test_ready_reloading_stopping(tmp_path, cleanup, mta, manager):
    port = free_port()
    config = {"server": {"listen": [f"{HOST}:{port}"]}, "targets": {"mx": target(mta.address)}}
    service = Handed(str(tmp_path), config, [], env=manager.env)
    service.port = port
    cleanup.callback(service.stop_cleanly)
    assert manager.next() == {"READY": "1", "STATUS": "1 target"}
    assert service.get("/-/ready").status == 200, "it was ready when it said so"
    service.signal(signal.SIGHUP)
    reloading = manager.next()
    assert reloading["RELOADING"] == "1" and reloading["STATUS"] == "reloading"
    assert 0 < int(reloading["MONOTONIC_USEC"]) and abs(int(reloading["MONOTONIC_USEC"]) / 1e6 - time.monotonic()) < scaled(20)
    assert manager.next() == {"READY": "1", "STATUS": "1 target"}
    write_config(str(tmp_path), "targets: []")
    service.signal(signal.SIGHUP)
    assert manager.next()["RELOADING"] == "1"
    assert manager.next() == {"READY": "1", "STATUS": "1 target; the last reload failed, the old configuration stands"}
    service.signal(signal.SIGTERM)
    assert manager.next() == {"STOPPING": "1", "STATUS": "stopping"}


def test_what_does_not_start_is_not_ready(tmp_path, manager):
    with contextlib.closing(listening(free_port())) as taken:
        service = Handed(str(tmp_path), {"server": {"listen": [f"{HOST}:{taken.getsockname()[1]}"]}}, [], env=manager.env)
        assert service.wait(10) == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(100)


def test_a_start_that_fails_reloads_nothing(tmp_path, manager):
    """A signal may have come before it could be handled."""
    def hang_up():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        os.kill(os.getpid(), signal.SIGHUP)
    with contextlib.closing(listening(free_port())) as taken:
        config = {"server": {"listen": [f"{HOST}:{taken.getsockname()[1]}"], "workers": 4}}
        service = Handed(str(tmp_path), config, [], env=manager.env, prepare=hang_up)
        assert service.wait(10) == 1
    assert "in use" in service.log()
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(100)


def test_the_watchdog_is_fed_by_the_loop(tmp_path, cleanup, manager):
    port, limit_s = free_port(), scaled(1)
    service = Handed(str(tmp_path), {"server": {"listen": [f"{HOST}:{port}"]}}, [],
                     env={**manager.env, "WATCHDOG_USEC": str(int(limit_s * 1e6))})
    service.port = port
    cleanup.callback(service.stop_cleanly)
    for _ in range(5):
        begun = time.monotonic()
        assert manager.next_of("WATCHDOG")["WATCHDOG"] == "1"
        assert time.monotonic() - begun < limit_s
    service.signal(signal.SIGSTOP)
    manager.socket.settimeout(2 * limit_s)
    with contextlib.suppress(TimeoutError):
        while True:
            begun = time.monotonic()
            manager.socket.recv(100)
    assert time.monotonic() - begun >= limit_s, "a loop that does not turn says nothing"
    service.signal(signal.SIGCONT)
    assert manager.next_of("WATCHDOG")


def test_a_watchdog_that_is_not_for_it(tmp_path, cleanup, manager):
    service = Handed(str(tmp_path), {"server": {"listen": [f"{HOST}:{free_port()}"]}}, [],
                     env={**manager.env, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    cleanup.callback(service.stop_cleanly)
    assert "READY" in manager.next()
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.socket.recv(100)


@pytest.mark.parametrize("path", ["/nowhere/notify", "relative", "", "/" + "x" * 200, "@"])
def test_nobody_there_to_be_told(tmp_path, cleanup, path):
    port = free_port()
    service = Handed(str(tmp_path), {"server": {"listen": [f"{HOST}:{port}"]}}, [], env={"NOTIFY_SOCKET": path})
    service.port = port
    cleanup.callback(service.stop_cleanly)
    service.ready()


def test_a_manager_that_does_not_listen_holds_nothing_up(tmp_path, cleanup, manager):
    """Its queue is full: what is unsaid is said when there is room."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"X=1", manager.socket.getsockname())
        port = free_port()
        service = Handed(str(tmp_path), {"server": {"listen": [f"{HOST}:{port}"]}}, [], env=manager.env)
        service.port = port
        cleanup.callback(service.stop_cleanly)
        service.ready()
    assert manager.next_of("READY")["READY"] == "1"


# --- systemd itself ---

def units_here(folder):
    """The units, with the program that is tested in the place of the installed one."""
    for name in ("ehlod.service", "ehlod.socket"):
        with open(os.path.join(UNITS, name), encoding="ascii") as f:
            text = f.read()
        assert name != "ehlod.service" or "/usr/bin/ehlod " in text
        (folder / name).write_text(text.replace("/usr/bin/ehlod", EHLOD), encoding="ascii")
    return [str(folder / "ehlod.service"), str(folder / "ehlod.socket")]


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=scaled(50), check=False)


def test_systemd_analyze_verify(tmp_path):
    done = analyze("verify", *units_here(tmp_path))
    assert done.returncode == 0 and not done.stderr.strip() and not done.stdout.strip(), done


def test_systemd_analyze_verify_sees_a_mistake(tmp_path):
    path = units_here(tmp_path)[0]
    with open(path, "a", encoding="ascii") as f:
        f.write("[Service]\nPrivateTemp=yes\n")
    assert "PrivateTemp" in analyze("verify", path).stderr


def test_the_service_is_shut_in(tmp_path):
    """Of ten points of exposure it has fewer than two."""
    done = analyze("security", "--offline=true", "--threshold=20", units_here(tmp_path)[0])
    assert done.returncode == 0 and re.search(r"Overall exposure level .*: 1\.\d OK", done.stdout), done


def test_the_service_may_have_as_many_threads_as_it_wants(ehlod, tmp_path, mta):
    """With the most workers that there may be, a history, and libuv's pool, which begins when it is needed."""
    service = ehlod({"server": {"workers": 64}, "history": {"path": str(tmp_path / "history.db")},
                     "targets": {"mx": target(mta.address)}})
    assert service.workers() == 64
    with open(os.path.join(UNITS, "ehlod.service"), encoding="ascii") as f:
        most = int(re.search(r"^TasksMax=(\d+)$", f.read(), re.M)[1])
    assert service.threads() + 4 <= most


def test_systemd_socket_activate(tmp_path, cleanup, mta):
    """It is started by the first who connects, and answers him."""
    port, path = free_port(), str(tmp_path / "activated.sock")
    config = {"server": {"listen": "systemd"}, "targets": {"mx": target(mta.address)}}
    service = Service(str(tmp_path), config, port=port, wrapper=["systemd-socket-activate", "-l", f"{HOST}:{port}",
                                                                 "-l", path])
    cleanup.callback(service.stop_cleanly)
    service.wait_for(lambda: os.path.exists(path), 10, "systemd listens")
    assert service.get("/check/mx").json["status"] == over_path(path) == "pass"
    wait_until(lambda: "listening on" in service.log(), 10, "it is ehlod by now")


def test_the_config_is_good_without_a_manager(tmp_path):
    """F24: validate needs no socket."""
    path = write_config(str(tmp_path), {"server": {"listen": ["systemd"]}, "targets": {"mx": {"address": "mx.example.org:25"}}})
    assert run_ehlod("validate", "--config", path).returncode == 0
