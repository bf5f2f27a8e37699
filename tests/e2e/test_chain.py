# SPDX-License-Identifier: Apache-2.0
"""What becomes of a message on its way through a real Postfix: thrown away, held, slow, or sent back; the same in every
kind of mailbox, all four at once. The letters are rows of the fault catalogue."""
import pytest
from certificates import NAME
from dovecot_store import DovecotStore
from postfix import MAILDIR_DOMAIN, Postfix
from support import HOST, free_port, scaled, wait_until

SINK_PORT = free_port()
# Whose mail is seen in which kind of mailbox.
WHO = {"sink": "www@sink.example.org", "maildir": f"www@{MAILDIR_DOMAIN}", "imap": "www@imap.example.org",
       "pop3": "www@pop.example.org"}
HELD = {kind: f"{kind}@held.example.org" for kind in WHO}


@pytest.fixture(name="dovecot", scope="module")
def dovecot_fixture(certificates):
    server = DovecotStore(certificates.good(), [WHO["imap"], WHO["pop3"]], protocols=("imap", "pop3"))
    yield server
    server.stop()


def start_postfix(dovecot, **more):
    server = Postfix(maildir=True, transport={"sink.example.org": f"smtp:[{HOST}]:{SINK_PORT}",
                                              "imap.example.org": dovecot.transport, "pop.example.org": dovecot.transport,
                                              "void.example.org": "discard:", "held.example.org": "discard:"}, **more)
    server.make_maildir(server.maildir_path)
    return server


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture(dovecot):
    server = start_postfix(dovecot, access={"held.example.org": "HOLD"},
                           virtual={HELD[kind]: WHO[kind] for kind in WHO})
    yield server
    server.stop()


@pytest.fixture(name="slow", scope="module")
def slow_fixture(dovecot):
    """To each destination a message goes five seconds (scaled) after the one before it."""
    server = start_postfix(dovecot, main=f"default_destination_rate_delay = {scaled(5):.0f}s\n")
    yield server
    server.stop()


@pytest.fixture(name="config")
def config_fixture(dovecot, certificates):
    """config(postfix, to, ...) has a mailbox of each kind, and a target of its name whose message is looked for there."""
    def make(postfix, to, **more):
        account = {"password": dovecot.PASSWORD, "tls_config": {"ca_file": certificates.ca, "server_name": NAME}}
        boxes = {"sink": {"sink": f"{HOST}:{SINK_PORT}", "domains": ["sink.example.org"]},
                 "maildir": {"maildir": postfix.maildir_path},
                 "imap": {"imap": dovecot.url("imaps"), "username": WHO["imap"], **account},
                 "pop3": {"pop3": dovecot.url("pop3s"), "username": WHO["pop3"], **account}}
        targets = {kind: {"address": postfix.address, "wait": f"{scaled(30):g}s", "timeout": f"{scaled(40):g}s",
                          "routes": [{"from": WHO[kind], "to": to(kind), "expect": "delivered", "mailbox": kind,
                                      "min_send_interval": "0", "deliver_within": f"{scaled(25):g}s",
                                      **{key: kind if value is True else value for key, value in more.items()}}]}
                   for kind in WHO}
        return {"mailboxes": boxes, "targets": targets}
    return make


def by_kind(service):
    """{kind: its result}, of a run of each."""
    return service.get("/check?max_age=0", timeout=60).json["targets"]


def states(results):
    return {kind: result["routes"][0]["state"] for kind, result in results.items()}


def all_are(state):
    return {kind: state for kind in WHO}


def now(service, results):
    return {kind: service.get(f"/runs/{result['id']}").json for kind, result in results.items()}


def nothing_is_left(service, dovecot):
    """In the stores; also the service thinks so, for it ends at once."""
    wait_until(lambda: not any(dovecot.messages(WHO[kind]) for kind in ("imap", "pop3")), 40, "all were removed")
    assert "cannot be" not in service.log(), service.log()


def test_delivered_whatever_shows_it(ehlod, dovecot, postfix, config):
    service = ehlod(config(postfix, WHO.get))
    results = by_kind(service)
    assert states(results) == all_are("delivered"), results
    for kind, result in results.items():
        delivery = result["routes"][0]["delivery"]
        assert (delivery["mailbox"], delivery["run"], delivery["flags"]) == (kind, result["id"], [])
        assert [hop["by"] for hop in delivery["hops"]][0] == "mail.example.test", delivery
    nothing_is_left(service, dovecot)


def test_v06_sent_back_is_bounced(ehlod, dovecot, postfix, config):
    """Dovecot does not know whom it is for, Postfix reports that to the sender, and its report is cleaned up, too."""
    service = ehlod(config(postfix, "no-{}@imap.example.org".format, bounce_mailbox=True))
    results = by_kind(service)
    assert states(results) == all_are("bounced"), results
    for kind, result in results.items():
        failure, bounce = result["failure"], result["routes"][0]["delivery"]["bounce"]
        assert (failure["phase"], failure["reason"]) == ("delivery", "bounced") and "5.1.1" in failure["message"], failure
        assert (bounce["action"], bounce["status"], bounce["recipient"]) == ("failed", "5.1.1", f"no-{kind}@imap.example.org")
        assert "550 5.1.1" in bounce["diagnostic"] and bounce["reporter"] == "mail.example.test", bounce
    nothing_is_left(service, dovecot)


def test_v01_thrown_away_is_lost(ehlod, postfix, config):
    results = by_kind(ehlod(config(postfix, lambda kind: "x@void.example.org", deliver_within="2s")))
    assert states(results) == all_are("lost"), results
    assert {result["failure"]["limit_ms"] for result in results.values()} == {2000}


def test_v02_held_is_lost_and_then_late(ehlod, dovecot, postfix, config):
    service = ehlod(config(postfix, HELD.get, deliver_within="2s"))
    results = by_kind(service)
    assert states(results) == all_are("lost"), results
    postfix.release()
    wait_until(lambda: states(now(service, results)) == all_are("late"), 45, "they came after all")
    nothing_is_left(service, dovecot)


def test_v02_five_seconds_are_late_where_three_are_allowed(ehlod, dovecot, slow, config):
    """The first message to each goes at once, and makes the next one wait."""
    service = ehlod(config(slow, WHO.get, deliver_within=f"{scaled(3):g}s"))
    service.get("/check?wait=0")
    results = by_kind(service)
    assert states(results) == all_are("lost"), results
    wait_until(lambda: states(now(service, results)) == all_are("late"), 30, "they are late")
    for result in now(service, results).values():
        latency_ms = result["routes"][0]["delivery"]["latency_ms"]
        assert result["failure"]["reason"] == "late" and latency_ms > scaled(3000), result
    nothing_is_left(service, dovecot)
