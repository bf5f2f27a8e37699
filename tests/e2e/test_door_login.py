# SPDX-License-Identifier: Apache-2.0
"""Who is let in: users with bcrypt hashes, bearer tokens, and what a stranger gets."""
import base64
import collections
import os
import signal
import socket
import threading
import time

import pytest
from conftest import target
from doors import PASSWORD, TOKEN, USER, Trusting, SecureService, basic, bcrypt, bearer
from service import Service, assert_problem, parse_only_reply, read_to_end, write_config
from support import HOST, free_port, scaled

LOCKED = ["/check", "/check/mx", "/probe?target=mx", "/runs/x", "/targets", "/nothing", "/-/reload", "/check/mx?bad=1"]
OPEN = ["/-/healthy", "/-/ready"]


@pytest.fixture(name="token_file")
def token_file_fixture(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.fixture(name="locked")
def locked_fixture(tmp_path, ehlod, mta, token_file):
    """locked(users, tokens=True, **server) is a service that lets in whom it is told to."""
    def start(users=None, tokens=True, **server):
        if users is None:
            users = {USER: bcrypt(PASSWORD)}
        server = {**({"basic_auth_users": users} if users else {}),
                  **({"bearer_token_files": [str(token_file)]} if tokens else {}), **server}
        return ehlod({"server": server, "targets": {"mx": target(mta.address, cache_ttl="1h")}})
    return start


def test_h47_a_stranger_learns_nothing(locked, mta):
    service = locked()
    for path in LOCKED:
        for method in ("GET", "POST", "HEAD", "OPTIONS", "BREW"):
            answer = service.get(path, method=method)
            assert answer.status == 401, (path, method, answer)
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="ehlod", charset="UTF-8", Bearer realm="ehlod"'
        problem = assert_problem(service.get(path), 401)
        assert problem["detail"] == "A login is needed here."
    for path in OPEN:
        assert service.get(path).status == 200
        assert service.get(path, headers=basic(password="wrong")).status == 200
    assert mta.connections() == 0


def test_who_knows_the_secret_is_let_in(locked):
    service = locked()
    for headers in (basic(), bearer(), {"Authorization": basic()["Authorization"].replace("Basic", "bAsIc ")}):
        assert service.get("/check/mx", headers=headers).json["status"] == "pass"
        assert service.get("/nothing", headers=headers).status == 404


def encoded(text):
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


@pytest.mark.parametrize("headers", [
    basic(password="wrong"), basic(password=""), basic(user="nobody"), basic(user=""), basic(user=USER.upper()),
    basic(password=PASSWORD + "x"), encoded(b"probe"), encoded(b"probe:hunter2\0"), encoded(b"probe\0:hunter2"),
    encoded(b"\xff" * 300 + b":x"), encoded(b"x" * 3000 + b":x"), {"Authorization": "Basic"}, {"Authorization": "Basic "},
    {"Authorization": "Basic !!!!"}, {"Authorization": "Basic cHJvYmU6aHVudGVyMg="}, {"Authorization": ""},
    {"Authorization": "Digest username=probe"}, {"Authorization": f"Basic {TOKEN}"}, bearer("wrong"), bearer(""),
    bearer(TOKEN + "x"), bearer(TOKEN[:-1]), {"Authorization": TOKEN}, {"Authorization": f"Bearer{TOKEN}"},
    bearer(PASSWORD), basic(password=TOKEN),
])
def test_h47_who_does_not_is_not(locked, headers):
    service = locked()
    for _ in range(2):  # the second time from what is remembered
        problem = assert_problem(service.get("/check/mx", headers=headers), 401)
        assert problem["detail"] == "This login is not good."
    assert PASSWORD not in service.log() and TOKEN not in service.log()


@pytest.mark.parametrize("users, tokens, challenge", [
    ({USER: bcrypt(PASSWORD)}, False, 'Basic realm="ehlod", charset="UTF-8"'),
    ({}, True, 'Bearer realm="ehlod"'),
])
def test_one_of_the_two(locked, users, tokens, challenge):
    service = locked(users, tokens)
    assert service.get("/targets").headers["WWW-Authenticate"] == challenge
    assert service.get("/targets", headers=basic()).status == (200 if users else 401)
    assert service.get("/targets", headers=bearer()).status == (200 if tokens else 401)


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
def test_every_kind_of_bcrypt(locked, kind):
    service = locked({USER: bcrypt("pässwörd").replace("$2b$", f"${kind}$", 1)})
    assert service.get("/targets", headers=basic(password="pässwörd")).status == 200
    assert service.get("/targets", headers=basic(password="passwörd")).status == 401


def test_tls(tmp_path, cleanup, certificates, mta):
    cert, key = certificates.good()
    port = free_port()
    service = SecureService(str(tmp_path), {
        "server": {"listen": [f"{HOST}:{port}"], "tls_server_config": {"cert_file": cert, "key_file": key},
                   "basic_auth_users": {USER: bcrypt(PASSWORD)}}, "targets": {"mx": target(mta.address)}}, port=port)
    service.tls = Trusting(certificates.ca)
    cleanup.callback(service.stop_cleanly)
    service.wait_for(lambda: "try: " in service.log(), 10, "it listens")
    assert service.get("/check/mx").status == 401
    assert service.get("/check/mx", headers=basic()).status == 200
    assert service.get("/-/healthy").status == 200


def test_a_socket_file_needs_a_login_too(tmp_path, cleanup):
    path = str(tmp_path / "web.sock")
    config = {"server": {"listen": [f"unix:{path}"], "basic_auth_users": {USER: bcrypt(PASSWORD)}}, "targets": {}}
    service = Service(str(tmp_path), config)
    cleanup.callback(service.stop_cleanly)
    service.wait_for(lambda: os.path.exists(path), 10, "it listens")
    for headers, status in (("", 401), (f"Authorization: {basic()['Authorization']}\r\n", 200)):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(scaled(20))
            s.connect(path)
            s.sendall(f"GET /targets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
            assert parse_only_reply(read_to_end(s))[0] == status


# --- cost ---

def seconds(service, headers):
    begun = time.monotonic()
    service.get("/targets", headers=headers)
    return time.monotonic() - begun


@pytest.mark.alone
def test_h47_an_unknown_user_takes_as_long(locked):
    service = locked({USER: bcrypt(PASSWORD, 11)})
    known = sorted(seconds(service, basic(password=f"a{n}")) for n in range(7))[3]
    unknown = sorted(seconds(service, basic(user=f"u{n}")) for n in range(7))[3]
    assert known > 0.02 and 0.5 < unknown / known < 2, (known, unknown)


@pytest.mark.alone
def test_a_good_password_is_hashed_once(locked):
    service = locked({USER: bcrypt(PASSWORD, 12)})
    first = seconds(service, basic())
    assert service.get("/targets", headers=basic()).status == 200
    assert min(seconds(service, basic()) for _ in range(5)) < first / 4
    assert min(seconds(service, basic(password="wrong")) for _ in range(5)) < first / 4


def ask_side_by_side(service, all_headers):
    answers, lock = [], threading.Lock()

    def ask(headers):
        answer = service.get("/targets", headers=headers, timeout=50)
        with lock:
            answers.append((headers["Authorization"], answer.status))
    threads = [threading.Thread(target=ask, args=(headers,)) for headers in all_headers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(55))
    assert len(answers) == len(all_headers)
    return answers


@pytest.mark.alone
def test_the_same_password_at_once_is_hashed_once(locked):
    service = locked({USER: bcrypt(PASSWORD, 12)})
    alone = seconds(service, basic(password="other"))
    begun = time.monotonic()
    assert {status for _, status in ask_side_by_side(service, [basic()] * 60)} == {200}
    assert time.monotonic() - begun < alone * 20, "not sixty times as long"


@pytest.mark.alone
def test_a_flood_of_wrong_passwords(locked):
    """Health answers, and so does whoever was let in before; of the flood some are told to come again."""
    service = locked({USER: bcrypt(PASSWORD, 11)})
    assert service.get("/targets", headers=basic()).status == 200
    statuses, over = [], threading.Event()

    def watch():
        while not over.is_set():
            begun = time.monotonic()
            assert service.get("/-/healthy").status == service.get("/targets", headers=basic()).status == 200
            statuses.append(time.monotonic() - begun)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answers = ask_side_by_side(service, [basic(password=f"guess{n}") for n in range(150)])
    finally:
        over.set()
        watcher.join(scaled(30))
    seen = collections.Counter(status for _, status in answers)
    assert set(seen) == {401, 503} and seen[401] >= 64, seen
    assert len(statuses) > 1 and max(statuses) < scaled(2)
    assert service.get("/targets", headers=basic()).status == 200


@pytest.mark.alone
def test_clients_that_leave_while_their_password_is_looked_at(locked):
    service = locked({USER: bcrypt(PASSWORD, 13)})
    before = service.descriptors()
    for n in range(10):
        with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            head = f"GET /targets HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(password=str(n))['Authorization']}\r\n\r\n"
            s.sendall(head.encode())
    service.wait_for(lambda: service.descriptors() <= before, 20, "all are gone")
    assert service.get("/targets", headers=basic()).status == 200


@pytest.mark.alone
def test_l01_stopping_while_passwords_are_looked_at(locked):
    """Who asked has an answer, whatever it is, and the end is clean."""
    service = locked({USER: bcrypt(PASSWORD, 12)})
    asked = [service.ask("/targets", headers=basic(password=str(n))) for n in range(6)]
    service.wait_for(lambda: service.connections_read() == 6, 10, "all are read")
    service.signal(signal.SIGTERM)
    assert {one.answer().status for one in asked} == {401}
    assert service.wait(30) == 0


# --- what changes ---

def test_a_new_token_is_taken_without_a_reload(locked, token_file):
    service = locked(users={})
    token_file.write_text("another\n", encoding="ascii")
    service.wait_for(lambda: service.get("/targets", headers=bearer("another")).status == 200, 10, "the new one is good")
    assert service.get("/targets", headers=bearer()).status == 401
    assert "token read again" in service.log() and "another" not in service.log()


def test_a_token_that_is_gone_or_empty_changes_nothing(locked, token_file):
    """But it is told: who has removed it may believe that it is good no more."""
    service = locked(users={})

    def told(times):
        return service.log().count("a changed token is not taken") == times
    token_file.write_text("", encoding="ascii")
    service.wait_for(lambda: told(1), 10, "it says so")
    assert service.get("/targets", headers=bearer()).status == 200
    assert service.get("/targets", headers=bearer("")).status == 401
    token_file.unlink()
    service.wait_for(lambda: told(2), 10, "it says that it is gone")
    assert "No such file" in service.log()
    assert service.get("/targets", headers=bearer()).status == 200
    token_file.write_text("third", encoding="ascii")
    service.wait_for(lambda: service.get("/targets", headers=bearer("third")).status == 200, 10, "the new one is good")


def test_each_token_file_stands_alone(locked, tmp_path):
    """One that cannot be used keeps no other from being taken."""
    files = [tmp_path / name for name in ("one", "two", "three")]
    for file in files:
        file.write_text(f"{file.name}-old")
        file.chmod(0o600)
    service = locked(users={}, tokens=False, bearer_token_files=[str(file) for file in files])

    def is_good(token):
        return service.get("/targets", headers=bearer(token)).status == 200
    files[0].unlink()
    service.wait_for(lambda: "a changed token is not taken" in service.log(), 10, "it says so")
    files[1].write_text("")
    files[2].write_text("three-new")
    service.wait_for(lambda: is_good("three-new"), 10, "the good one is taken")
    assert [is_good(token) for token in ("one-old", "two-old", "three-old")] == [True, True, False]
    assert str(files[2]) in service.log() and "three-new" not in service.log()
    service.wait_for(lambda: service.log().count("a changed token is not taken") == 2, 10, "each is told once")
    files[0].write_text("one-new")
    service.wait_for(lambda: is_good("one-new"), 10, "it is back")
    assert not is_good("one-old")


def test_a_reload_changes_users(locked, tmp_path, mta):
    service = locked(tokens=False)
    assert service.get("/targets", headers=basic()).status == 200
    config = {"server": {"listen": [f"{HOST}:{service.port}"], "basic_auth_users": {USER: bcrypt("new"), "two": bcrypt("2")}},
              "targets": {"mx": target(mta.address)}}
    write_config(str(tmp_path), config)
    service.signal(signal.SIGHUP)
    service.wait_for(lambda: "config reloaded" in service.log(), 10, "it has reloaded")
    assert service.get("/targets", headers=basic()).status == 401
    assert service.get("/targets", headers=basic(password="new")).status == 200
    assert service.get("/targets", headers=basic("two", "2")).status == 200
    del config["server"]["basic_auth_users"]
    write_config(str(tmp_path), config)
    service.signal(signal.SIGHUP)
    service.wait_for(lambda: service.log().count("config reloaded") == 2, 10, "it has reloaded")
    assert service.get("/targets").status == 200


def test_reload_by_whoever_is_let_in(locked):
    service = locked(allow_reload="anyone")
    assert service.get("/-/reload", method="POST").status == 401
    assert service.get("/-/reload", method="POST", headers=bearer()).status == 200
