# SPDX-License-Identifier: Apache-2.0
"""What outlives a restart, a clean one or `kill -9` at any moment: nothing is forgotten that was kept, and what was not
seen meanwhile is no fault of the mail server. The letters are rows of the fault catalogue."""
import hashlib
import hmac
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from holder import Holder
from postfix import AS_ROOT
from service import Service, run_ehlod, write_config
from support import HOST, free_port, scaled, wait_until

SINK_PORT = free_port()
MAILBOX = {"local": {"sink": f"{HOST}:{SINK_PORT}", "domains": ["probe.example.org"]}}


@pytest.fixture(name="holder")
def holder_fixture(cleanup):
    def start(**more):
        holder = Holder(**more)
        cleanup.callback(holder.stop)
        return holder
    return start


def route(**more):
    return {"name": "through", "from": "probe@example.net", "to": "www@probe.example.org", "expect": "delivered",
            "mailbox": "local", "deliver_within": f"{scaled(30):g}s", "min_send_interval": "1h", **more}


def config(address, *routes, path="history.db", **more):
    return {"history": {"path": path}, "mailboxes": MAILBOX,
            "targets": {"mx": {"address": address, "wait": "0", "cache_ttl": "0", "routes": list(routes) or [route()],
                               **more}}}


def only_route(answer):
    assert len(answer.json["routes"]) == 1
    return answer.json["routes"][0]


def rows(tmp_path):
    """The history as another program reads it."""
    with sqlite3.connect(f"file:{tmp_path}/history.db?mode=ro", uri=True, timeout=scaled(5)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM delivery ORDER BY id")]


def key_of(tmp_path):
    with sqlite3.connect(f"file:{tmp_path}/history.db?mode=ro", uri=True, timeout=scaled(5)) as db:
        return db.execute("SELECT value FROM meta WHERE name = 'token_key'").fetchone()[0]


@pytest.fixture(name="life")
def life_fixture(tmp_path, cleanup):
    """life(config) is a service in the same folder, whose one before has ended; it is not asked to end cleanly."""
    def start(given, **more):
        service = Service(str(tmp_path), given, **more)
        cleanup.callback(lambda: service.running() and service.stop_cleanly())
        return service.ready()
    return start


def kill(service):
    service.signal(signal.SIGKILL)
    service.wait(10)


def end(service, how):
    if how == "kill":
        kill(service)
    else:
        service.stop_cleanly()


def saved(tmp_path, **wanted):
    return any(all(row[name] == value for name, value in wanted.items()) for row in rows(tmp_path))


# What was delivered.

@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_delivery_and_its_interval_outlive_a_restart(life, holder, tmp_path, how):
    relay = holder()
    service = life(config(relay.address))
    first = service.get("/check/mx")
    assert only_route(first)["state"] == "pending"
    relay.pass_on(SINK_PORT)
    wait_until(lambda: saved(tmp_path, state="delivered"), 10, "it is kept")
    end(service, how)
    service = life(config(relay.address))
    again = service.get("/check/mx")
    shown = only_route(again)
    assert (again.status, shown["state"], shown["ok"], shown["message_id"]) == (200, "delivered", True, None), again
    assert shown["delivery"]["run"] == first.json["id"] and shown["delivery"]["age_ms"] > 0
    assert "delivery_pending" not in again.json["flags"]
    assert relay.count() == 0, "the interval goes on"
    posted = service.get("/check/mx", method="POST")
    assert (posted.status, relay.count()) == (200, 1)


def test_what_is_expected_of_a_route_may_change_between(life, holder, tmp_path):
    relay = holder()
    service = life(config(relay.address))
    service.get("/check/mx")
    relay.pass_on(SINK_PORT)
    wait_until(lambda: saved(tmp_path, state="delivered"), 10, "it is kept")
    service.stop_cleanly()
    service = life(config(relay.address, route(to="other@probe.example.org")))
    shown = only_route(service.get("/check/mx"))
    assert shown["delivery"] is None or shown["delivery"]["state"] != "delivered", "it says nothing of another recipient"


def test_queued_counts_for_the_interval_too(life, holder, tmp_path):
    relay = holder()
    queued = config(relay.address, route(expect="queued"))
    service = life(queued)
    assert only_route(service.get("/check/mx"))["state"] == "queued"
    wait_until(lambda: saved(tmp_path, state="queued"), 10, "it is kept")
    kill(service)
    service = life(queued)
    answer = service.get("/check/mx")
    assert (answer.status, only_route(answer)["message_id"], relay.count()) == (200, None, 1)


# What was under way.

@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_comes_after_the_restart_is_still_that_run_s(life, holder, tmp_path, how):
    relay = holder()
    service = life(config(relay.address))
    first = service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    end(service, how)
    service = life(config(relay.address))
    pending = service.get("/check/mx")
    assert pending.status == 200 and only_route(pending)["delivery"]["state"] == "pending", pending
    relay.pass_on(SINK_PORT)
    wait_until(lambda: only_route(service.get("/check/mx"))["state"] == "delivered", 10, "it is seen")
    delivery = only_route(service.get("/check/mx"))["delivery"]
    assert delivery["run"] == first.json["id"] and 0 < delivery["latency_ms"] < scaled(30000)


def test_what_a_sink_may_have_missed_is_unverified_and_not_lost(life, holder, tmp_path):
    relay = holder()
    short = config(relay.address, route(deliver_within=f"{scaled(1):g}s"))
    service = life(short)
    service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    kill(service)
    service = life(short)
    wait_until(lambda: saved(tmp_path, state="unverified"), 10, "its time is over")
    answer = service.get("/check/mx")
    assert (answer.json["status"], only_route(answer)["state"]) == ("unknown", "unverified"), answer
    relay.pass_on(SINK_PORT)  # late, or only now because nobody was there before: nobody knows
    assert only_route(service.get("/check/mx"))["state"] == "unverified"


@pytest.mark.parametrize("moment", ["at_data", "at_final"])
def test_killed_in_the_middle_of_sending(life, holder, tmp_path, moment):
    """Nobody knows whether it was taken. It counts for the interval, and for no verdict."""
    reached, go_on = threading.Event(), threading.Event()

    def stand_still():
        reached.set()
        go_on.wait(scaled(60))
    relay = holder(**{moment: stand_still})
    service = life(config(relay.address))
    service.ask("/check/mx")
    assert reached.wait(scaled(10))
    wait_until(lambda: len(rows(tmp_path)) == 1, 10, "it is kept that it might be sent")
    kill(service)
    go_on.set()
    service = life(config(relay.address))
    answer = service.get("/check/mx")
    assert answer.json["status"] in ("pass", "warn"), answer
    assert only_route(answer)["message_id"] is None, "it may have been sent a moment ago"
    if moment == "at_final":
        relay.pass_on(SINK_PORT)
        answer = service.get("/check/mx")
        assert answer.json["status"] in ("pass", "warn"), answer
    assert service.get("/check/mx", method="POST").status == 200


def test_killed_while_five_hundred_are_written(life, holder, tmp_path):
    relay = holder()
    many = config(relay.address)
    many["server"] = {"max_per_address": 100}
    many["targets"] = {f"t{i}": {"address": relay.address, "wait": "0", "timeout": "60s", "timeouts": {"reply": "50s"},
                                 "routes": [route(to=f"user{i}@probe.example.org", deliver_within="3m")]}
                       for i in range(500)}
    service = life(many)
    answer = service.get("/check", timeout=120)
    assert answer.json["counts"] == {"pass": 500, "warn": 0, "fail": 0, "unknown": 0}
    wait_until(lambda: sum(row["state"] == "pending" for row in rows(tmp_path)) == 500, 20, "all are kept")
    half, relay.held = relay.held[250:], relay.held[:250]
    relay.pass_on(SINK_PORT)
    kill(service)  # while they are being written
    service = life(many)
    kept = rows(tmp_path)
    assert len(kept) == 500 and {row["state"] for row in kept} <= {"pending", "delivered"}
    assert sum(row["state"] == "delivered" for row in kept) <= 250
    relay.held = half
    relay.pass_on(SINK_PORT)
    wait_until(lambda: sum(row["state"] == "delivered" for row in rows(tmp_path)) >= 250, 30, "the others are seen")
    answer = service.get("/check", timeout=120)
    assert (answer.json["counts"]["fail"], answer.json["counts"]["unknown"]) == (0, 0), answer.json["counts"]
    assert relay.count() == 0, "none was sent again"
    for name, result in answer.json["targets"].items():
        run = result["routes"][0]["delivery"]["run"]
        assert run == next(row["run"] for row in kept if row["target"] == name)


# The key.

def test_v07_tokens_are_made_under_the_key_of_the_file(life, holder, tmp_path):
    relay = holder()

    def token_is_ours():
        token = re.search(rb"X-Ehlod-Token: ehlod-([0-9a-f]{48})\r\n", relay.held.pop()[1])[1].decode()
        proof = hmac.new(key_of(tmp_path), bytes.fromhex(token[:24]), hashlib.sha256).hexdigest()
        return proof.startswith(token[24:])
    given = config(relay.address, route(expect="queued"))
    service = life(given)
    service.get("/check/mx")
    assert token_is_ours()
    wait_until(lambda: saved(tmp_path, state="queued"), 10, "it is kept")
    assert os.stat(tmp_path / "history.db").st_mode & 0o777 == 0o600
    # The command line takes the key, and neither waits for the service nor tells it anything.
    run_ehlod("check", "--config", service.config_path, "--set", "mailboxes.local.sink=127.0.0.1:1", "mx")
    assert token_is_ours()
    assert len(rows(tmp_path)) == 1
    service.stop_cleanly()
    service = life(given)
    service.get("/check/mx", method="POST")
    assert token_is_ours()


def test_without_a_path_nothing_is_kept(life, holder, tmp_path):
    relay = holder()
    given = config(relay.address, route(expect="queued"))
    del given["history"]
    for sent in (1, 2):
        service = life(given)
        service.get("/check/mx")
        assert relay.count() == sent
        service.stop_cleanly()
    assert not [name for name in os.listdir(tmp_path) if "history" in name]


# Mistakes, and what the machine does.

def refusal(tmp_path, path):
    done = run_ehlod("serve", "--config", write_config(str(tmp_path), {
        **config("127.0.0.1:1", path=path), "server": {"listen": [f"{HOST}:{free_port()}"]}}))
    assert done.returncode == 1, done
    return done.stderr


def test_a_file_that_cannot_be_had_is_told_at_the_start(life, holder, tmp_path):
    assert "history.path: /nowhere/h.db: the folder does not exist" in refusal(tmp_path, "/nowhere/h.db")
    assert "it is no regular file" in refusal(tmp_path, "/dev/null")
    (tmp_path / "letter.txt").write_text("Dear history,\n" * 20)
    assert f"history.path: {tmp_path}/letter.txt: it is no database" in refusal(tmp_path, "letter.txt")
    assert (tmp_path / "letter.txt").read_text().startswith("Dear history")
    service = life(config(holder().address))
    assert "another ehlod uses it" in refusal(tmp_path, "history.db")
    service.stop_cleanly()
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("PRAGMA user_version=2")
    assert "a newer ehlod wrote it (version 2; this one knows up to 1)" in refusal(tmp_path, "history.db")


def test_r06_a_broken_file_does_not_stop_the_service(life, holder, tmp_path):
    relay = holder()
    service = life(config(relay.address))
    service.get("/check/mx")
    service.stop_cleanly()
    whole = (tmp_path / "history.db").read_bytes()
    (tmp_path / "history.db").write_bytes(whole[:len(whole) // 2])
    service = life(config(relay.address))
    assert "it was broken, and is now " in service.log()
    assert service.get("/check/mx").status == 200
    moved = [name for name in os.listdir(tmp_path) if ".broken-" in name and not name.endswith(("-wal", "-shm"))]
    assert len(moved) == 1 and (tmp_path / moved[0]).read_bytes() == whole[:len(whole) // 2]


def test_another_path_takes_a_restart(life, holder, tmp_path):
    relay = holder()
    given = config(relay.address)
    service = life(given)
    web = {"server": {"listen": [f"{HOST}:{service.port}"]}}
    for history in ({"path": "other.db"}, None):
        changed = {**given, **web, "history": history} if history else {k: v for k, v in {**given, **web}.items() if k != "history"}
        write_config(str(tmp_path), changed)
        answer = service.get("/-/reload", method="POST")
        assert answer.status == 500 and "history.path: to change it takes a restart" in answer.text, answer
    write_config(str(tmp_path), {**given, **web, "history": {"path": "./history.db", "keep": "90d"}})
    assert service.get("/-/reload", method="POST").status == 200
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("fault", ["fdatasync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EROFS",
                                   "fcntl:error=ENOLCK"])
def test_r05_a_disk_that_fails_changes_no_verdict(life, holder, tmp_path, fault):
    relay = holder()
    service = life(config(relay.address, route(min_send_interval="0")))
    service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    call, _, error = fault.partition(":")
    strace = subprocess.Popen([*AS_ROOT, "strace", "-f", "-qq", "-p", str(service.pid), "-o", "/dev/null", "-e",
                               f"trace={call}", "-e", f"inject={call}:{error}"], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: not service.running() or is_traced(service), 10, "it is traced")
        for _ in range(3):
            assert service.get("/check/mx").status == 200
            relay.pass_on(SINK_PORT)
            wait_until(lambda: only_route(service.get("/check/mx"))["state"] in ("pending", "delivered"), 10, "it goes on")
        wait_until(lambda: "history cannot be written" in service.log(), 20, "it is said")
    finally:
        subprocess.run([*AS_ROOT, "kill", str(strace.pid)], check=False)
        strace.wait()
    wait_until(lambda: "history is written again dropped=0" in service.log(), 20, "it goes on")
    assert service.log().count("history cannot be written") == 1
    relay.pass_on(SINK_PORT)
    wait_until(lambda: {row["state"] for row in rows(tmp_path)} == {"delivered"}, 20, "nothing is missing")


def is_traced(service):
    return any(service_task_tracer(service.pid, task) for task in os.listdir(f"/proc/{service.pid}/task"))


def service_task_tracer(pid, task):
    with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
        return int(re.search(r"^TracerPid:\s*(\d+)", f.read(), re.M)[1]) != 0


def test_r05_a_disk_that_is_full(life, holder, tmp_path):
    """A small file system of the service's own, filled to the brim and emptied again."""
    relay = holder()
    (tmp_path / "disk").mkdir()
    wrapper = [*AS_ROOT, "unshare", "--mount", "sh", "-c",
               'mount -t tmpfs -o size=512k,mode=777 none "$0" && exec "$@"', str(tmp_path / "disk")]
    given = config(relay.address, route(min_send_interval="0"), path="disk/history.db")
    service = life(given, wrapper=wrapper)
    inside = f"/proc/{ehlod_pid(service)}/root{tmp_path}/disk"
    subprocess.run([*AS_ROOT, "sh", "-c", f"cat /dev/zero >{inside}/filler 2>/dev/null"], check=False)

    def full():
        assert service.get("/check/mx", method="POST").status == 200
        return "history cannot be written" in service.log()
    wait_until(full, 30, "it is full")
    assert "the disk is full" in service.log()
    subprocess.run([*AS_ROOT, "rm", f"{inside}/filler"], check=True)
    wait_until(lambda: "history is written again dropped=0" in service.log(), 20, "there is room again")
    relay.pass_on(SINK_PORT)
    assert service.get("/check/mx").status == 200


def ehlod_pid(service):
    """Of the program behind sudo and unshare, which exec one another where there is no sudo."""
    pid = service.pid
    while True:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            if f.read().strip() == "ehlod":
                return pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            pid = int(f.read().split()[0])


# A mailbox that keeps its mail.

def maildir_config(address, tmp_path, *routes):
    for name in ("new", "cur", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True, exist_ok=True)
    return {"history": {"path": "history.db"}, "mailboxes": {"disk": {"maildir": str(tmp_path / "mail")}},
            "targets": {"mx": {"address": address, "wait": "0", "cache_ttl": "0", "routes": list(routes)}}}


def put(tmp_path, name, message):
    path = tmp_path / "mail" / "new" / name
    (tmp_path / "mail" / "tmp" / name).write_bytes(message)
    os.rename(tmp_path / "mail" / "tmp" / name, path)
    return path


def mail(tmp_path):
    return sorted(os.listdir(tmp_path / "mail" / "new") + os.listdir(tmp_path / "mail" / "cur"))


def token(key, age):
    """As ehlod makes one, so many seconds ago."""
    said = int((time.time() - age) * 1000).to_bytes(6, "big") + os.urandom(6)
    return "ehlod-" + said.hex() + hmac.new(key, said, hashlib.sha256).hexdigest()[:24]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_came_while_nobody_was_there_is_found(life, holder, tmp_path, how):
    relay = holder()
    given = maildir_config(relay.address, tmp_path, route(mailbox="disk"))
    service = life(given)
    first = service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    end(service, how)
    put(tmp_path, "1.ours", relay.held.pop()[1])
    service = life(given)
    wait_until(lambda: only_route(service.get("/check/mx"))["state"] == "delivered", 10, "it is found")
    shown = only_route(service.get("/check/mx"))
    assert shown["delivery"]["run"] == first.json["id"] and shown["delivery"]["flags"] == []
    wait_until(lambda: mail(tmp_path) == [], 10, "it is removed")


def test_what_did_not_come_is_lost_over_a_restart_too(life, holder, tmp_path):
    """A store keeps what it gets, so nobody need have been there all the time."""
    relay = holder()
    given = maildir_config(relay.address, tmp_path, route(mailbox="disk", deliver_within=f"{scaled(1):g}s"))
    service = life(given)
    first = service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    kill(service)
    service = life(given)
    wait_until(lambda: only_route(service.get("/check/mx"))["state"] == "lost", 10, "its time is over")
    put(tmp_path, "1.ours", relay.held.pop()[1])
    wait_until(lambda: only_route(service.get("/check/mx"))["state"] == "late", 10, "it came after all")
    assert only_route(service.get("/check/mx"))["delivery"]["run"] == first.json["id"]
    wait_until(lambda: mail(tmp_path) == [], 10, "it is removed")


@pytest.mark.parametrize("moment", ["at once", "kept", "removed"])
def test_killed_when_it_was_seen(life, holder, tmp_path, moment):
    """Before or after it was kept, and before or after it was removed: it is delivered, once."""
    relay = holder()
    given = maildir_config(relay.address, tmp_path, route(mailbox="disk"))
    service = life(given)
    service.get("/check/mx")
    wait_until(lambda: saved(tmp_path, state="pending"), 10, "it is kept")
    put(tmp_path, "1.ours", relay.held.pop()[1])
    if moment == "kept":
        wait_until(lambda: saved(tmp_path, state="delivered"), 10, "it is kept that it was seen")
    elif moment == "removed":
        wait_until(lambda: mail(tmp_path) == [], 10, "it is removed")
    kill(service)
    service = life(given)
    wait_until(lambda: only_route(service.get("/check/mx"))["state"] == "delivered", 10, "it is seen")
    wait_until(lambda: mail(tmp_path) == [], 10, "it is removed")
    assert only_route(service.get("/check/mx"))["delivery"]["flags"] == []


def test_leftovers_are_swept_and_nothing_else(life, holder, tmp_path):
    """What a crash left behind, so old that nobody can wait for it any more: of it the history knows nothing, but the
    key says whose it is."""
    relay = holder()
    given = maildir_config(relay.address, tmp_path, route(mailbox="disk", deliver_within="30s"))
    life(given).stop_cleanly()
    key, other = key_of(tmp_path), os.urandom(32)
    messages = {name: f"X-Ehlod-Token: {made}\r\nSubject: ehlod test message\r\n\r\nhi\r\n".encode()
                for name, made in (("1.old", token(key, 600)), ("2.older", token(key, 86400)), ("3.young", token(key, 5)),
                                   ("4.forged", token(other, 600)), ("5.ancient", "ehlod-" + "0" * 48))}
    messages["6.stranger"] = b"Subject: hello\r\n\r\nX-Ehlod-Token: none\r\n"
    for name, message in messages.items():
        put(tmp_path, name, message)
    service = life(given)
    wait_until(lambda: not {"1.old", "2.older"} & {name.split(":")[0] for name in mail(tmp_path)}, 20, "they are swept")
    left = {name.split(":")[0]: name for name in mail(tmp_path)}
    assert set(left) == {"3.young", "4.forged", "5.ancient", "6.stranger"}
    service.stop_cleanly()
    for name in left:
        assert (tmp_path / "mail" / "new" / name).read_bytes() == messages[name], "untouched, and where it was"


def test_check_leaves_what_a_service_may_wait_for(life, holder, tmp_path):
    """It has the key, but does not know what is under way: a service that is down comes back to look."""
    relay = holder()
    given = maildir_config(relay.address, tmp_path, route(mailbox="disk", deliver_within="1s"))
    life(given).stop_cleanly()
    message = f"X-Ehlod-Token: {token(key_of(tmp_path), 3600)}\r\nSubject: ehlod test message\r\n\r\nhi\r\n".encode()
    path = put(tmp_path, "1.ours", message)
    done = run_ehlod("check", "--config", f"{tmp_path}/ehlod.yaml", "mx", timeout=60)
    assert done.returncode == 2 and "lost" in done.stdout, done
    assert path.read_bytes() == message
    life(given)
    wait_until(lambda: mail(tmp_path) == [], 20, "the service sweeps it")
