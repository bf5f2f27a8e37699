# SPDX-License-Identifier: Apache-2.0
"""The built-in mail server at a path, and as the last hop of a real Postfix, which hands over by LMTP."""
import contextlib
import os
import re
import shutil
import smtplib
import socket
import stat
import subprocess
import tempfile

import pytest
from certificates import NAME
from postfix import AS_ROOT, Postfix
from service import Service
from support import HOST, free_port, scaled, wait_until
from test_reload import config_of, post, put, reload_well

TCP = f"{HOST}:{free_port()}"
TO = {"tcp": ["a@tcp.example.org", "b@tcp.example.org"], "unix": ["a@unix.example.org", "b@unix.example.org"]}


@pytest.fixture(name="folder", scope="module")
def folder_fixture():
    """Where whoever is in Postfix' group may use the sockets that ehlod makes: what is made there is the group's."""
    path = tempfile.mkdtemp(prefix="ehlod-sink-")
    subprocess.run([*AS_ROOT, "chgrp", "postfix", path], check=True, timeout=30)
    subprocess.run([*AS_ROOT, "chmod", "2755", path], check=True, timeout=30)
    yield path
    shutil.rmtree(path)


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture(folder):
    server = Postfix(transport={"tcp.example.org": f"lmtp:inet:{TCP}", "stranger.example.org": f"lmtp:inet:{TCP}",
                                "unix.example.org": f"lmtp:unix:{folder}/lmtp"},
                     virtual={"alias@example.test": "www@unix.example.org"})
    yield server
    server.stop()


def through(postfix, folder, to):
    """A config: to go through Postfix, and be seen in the one or the other mailbox."""
    mailbox = "unix" if "unix" in to[0] or "alias" in to[0] else "tcp"
    return {"mailboxes": {"tcp": {"sink": TCP, "domains": ["tcp.example.org"], "protocol": "lmtp"},
                          "unix": {"sink": f"unix:{folder}/lmtp", "domains": ["unix.example.org"], "protocol": "lmtp"}},
            "targets": {"mx": {"address": postfix.address, "wait": f"{scaled(20):g}s", "routes": [
                {"name": "through", "from": "probe@example.net", "to": to, "expect": "delivered", "mailbox": mailbox}]}}}


@pytest.mark.parametrize("to", [*TO.values(), ["alias@example.test"]], ids=[*TO, "alias"])
def test_postfix_delivers_by_lmtp(ehlod, postfix, folder, to):
    """Two recipients are one message, with a reply for each, which Postfix writes down."""
    answer = ehlod(through(postfix, folder, to)).get("/check/mx", timeout=40)
    shown = answer.json["routes"][0]
    assert (answer.status, shown["state"], shown["ok"], shown["delivery"]["flags"]) == (200, "delivered", True, []), answer
    queue_id = shown["queue_id"]
    wait_until(lambda: queue_id not in postfix.queue() and f"{queue_id}: removed" in postfix.log(), 10, "Postfix is rid of it")
    said = re.findall(rf"postfix/lmtp\[\d+\]: {queue_id}: to=<(\S+)>,.* status=sent \((.*)\)$", postfix.log(), re.M)
    wanted = ["www@unix.example.org"] if "alias" in to[0] else to
    assert sorted(said) == [(name, f"250 2.0.0 <{name}> Ok") for name in wanted], postfix.log()


def test_postfix_is_told_of_each_recipient(ehlod, postfix, folder):
    """Both in one message: one is ours; the other is refused at RCPT, bounces, and has no reply to the message."""
    to = ["a@tcp.example.org", "x@stranger.example.org"]
    config = through(postfix, folder, to)
    config["targets"]["mx"]["routes"][0]["deliver_within"] = f"{scaled(1):g}s"
    shown = ehlod(config).get("/check/mx", timeout=40).json["routes"][0]
    assert shown["state"] == "lost", shown

    def said(name):
        return re.search(rf"{shown['queue_id']}: to=<{name}>,.* status=(\w+) \((.*)\)$", postfix.log(), re.M)
    wait_until(lambda: all(map(said, to)), 10, "Postfix has done with both")
    assert said(to[0]).groups() == ("sent", "250 2.0.0 <a@tcp.example.org> Ok")
    assert said(to[1])[1] == "bounced" and "said: 550 5.7.1 Relaying denied" in said(to[1])[2]


@pytest.mark.parametrize("place, tls", [("tcp", "off"), ("tcp", "starttls"), ("unix", "off"), ("unix", "starttls")])
def test_ehlod_hands_over_to_itself(ehlod, certificates, folder, place, tls):
    """Its client and its sink, which know nothing of each other, agree on LMTP."""
    pair, address = certificates.good(), f"{HOST}:{free_port()}" if place == "tcp" else f"unix:{folder}/self"
    answer = ehlod({
        "mailboxes": {"local": {"sink": address, "domains": ["probe.example.org"], "protocol": "lmtp",
                                **({"cert_file": pair[0], "key_file": pair[1]} if tls != "off" else {})}},
        "targets": {"self": {"address": address, "protocol": "lmtp", "tls": tls, "wait": f"{scaled(20):g}s",
                             "tls_config": {"ca_file": certificates.ca, "server_name": NAME}, "routes": [
                                 {"name": "in", "from": "probe@example.net", "expect": "delivered", "mailbox": "local",
                                  "to": ["a@probe.example.org", "b@probe.example.org"]}]}}}).get("/check/self", timeout=40)
    shown = answer.json["routes"][0]
    assert (answer.status, shown["state"], shown["delivery"]["flags"]) == (200, "delivered", []), answer
    assert [r["text"] for r in shown["recipients"]] == ["<a@probe.example.org> Ok", "<b@probe.example.org> Ok"]
    assert (answer.json["tls"] is not None) == (tls != "off")


# --- a socket at a path ---

def local(folder, **more):
    return {"local": {"sink": f"unix:{folder}/own", "domains": ["probe.example.org"], **more}}


@contextlib.contextmanager
def connected(path):
    with smtplib.LMTP(path, local_hostname="client.example.net") as client:
        yield client


def deliver(client, *to):
    """The replies: to each RCPT, then to the message for each that was taken (smtplib's own reads one only)."""
    assert client.ehlo("client.example.net")[0] == 250 and client.mail("a@example.net")[0] == 250  # it says LHLO
    replies = [client.rcpt(name)[0] for name in to]
    assert client.docmd("DATA")[0] == 354
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    return replies, [client.getreply() for code in replies if code == 250]


def taken(*to):
    """What deliver() gives where all is well."""
    return [250] * len(to), [(250, f"2.0.0 <{name}> Ok".encode()) for name in to]


ONE = "a@probe.example.org"


def test_a_path_is_made_for_the_group_and_removed(ehlod, folder):
    service = ehlod({"mailboxes": local(folder, protocol="lmtp"), "targets": {}})
    made = os.stat(f"{folder}/own")
    assert stat.S_ISSOCK(made.st_mode) and stat.S_IMODE(made.st_mode) == 0o660 and made.st_gid == os.stat(folder).st_gid
    assert f"receiving mail mailbox=local address=unix:{folder}/own protocol=lmtp" in service.log()
    with connected(f"{folder}/own") as client:
        assert deliver(client, ONE, "b@probe.example.org") == taken(ONE, "b@probe.example.org")
        assert deliver(client, "b@example.com", ONE) == ([550, 250], taken(ONE)[1])
    service.stop_cleanly()
    assert not os.path.exists(f"{folder}/own")


def test_what_a_crash_left_behind_is_replaced(ehlod, folder):
    with tempfile.TemporaryDirectory() as other:
        first = Service(other, {"mailboxes": local(folder), "targets": {}}).ready()
        first.process.kill()
        first.process.wait()
    assert os.path.exists(f"{folder}/own")
    ehlod({"mailboxes": local(folder, protocol="lmtp"), "targets": {}})
    with connected(f"{folder}/own") as client:
        assert deliver(client, ONE) == taken(ONE)


def test_a_path_that_another_listens_at(ehlod, folder):
    ehlod({"mailboxes": local(folder), "targets": {}})
    with tempfile.TemporaryDirectory() as other:
        second = Service(other, {"mailboxes": local(folder), "targets": {}})
        assert second.wait(10) == 1
        assert f"cannot listen on unix:{folder}/own (mailboxes.local.sink): Address already in use" in second.log()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(scaled(10))
        s.connect(f"{folder}/own")
        assert s.recv(100).endswith(b" ESMTP\r\n"), "nothing of the first is gone"


def test_a_reload_changes_what_is_spoken_from_then_on(ehlod, folder):
    """Also where the file has been removed meanwhile; a session that is open goes on as it began."""
    service = ehlod({"mailboxes": local(folder, protocol="lmtp"), "targets": {}})
    with connected(f"{folder}/own") as client:
        assert client.noop()[0] == 250
        reload_well(service, config_of(service, {}, mailboxes=local(folder)))
        assert deliver(client, ONE) == taken(ONE)
    with connected(f"{folder}/own") as client:
        assert client.ehlo("client.example.net") == (500, b"5.5.1 This is SMTP: say EHLO")
    os.unlink(f"{folder}/own")
    reload_well(service, config_of(service, {}, mailboxes=local(folder, protocol="lmtp")))
    with connected(f"{folder}/own") as client:
        assert deliver(client, ONE) == taken(ONE)


def test_a_reload_that_fails_leaves_the_path_as_it_is(ehlod, folder):
    service = ehlod({"mailboxes": local(folder, protocol="lmtp"), "targets": {}})
    descriptors = service.descriptors()
    os.unlink(f"{folder}/own")
    elsewhere = {"z": {"sink": f"unix:{folder}/no/where", "domains": ["z.example.org"]}}
    put(service, config_of(service, {}, mailboxes={**local(folder), **elsewhere}))
    answer = post(service)
    assert answer.status == 500 and f"cannot listen on unix:{folder}/no/where" in answer.text, answer
    assert not os.path.exists(f"{folder}/own"), "what was made for the new config is gone again"
    wait_until(lambda: service.descriptors() <= descriptors, 10, "no descriptor is left of it")
    reload_well(service, config_of(service, {}, mailboxes=local(folder, protocol="lmtp")))
    with connected(f"{folder}/own") as client:
        assert deliver(client, ONE) == taken(ONE)
