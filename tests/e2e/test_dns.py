# SPDX-License-Identifier: Apache-2.0
"""What a resolver says of the host of a target, and of an MX host: rows D of the fault catalogue, in a network and with a
resolver of the test's own. What it says of a mail domain is test_mx.py's."""
import pytest
from netns import Net
from support import SCALE

HOST, ADDRESS = "mx1.example.org", "192.0.2.1"
GOOD = {"A": [ADDRESS]}
TARGETS = {"address": {"address": f"{HOST}:25"}, "each": {"address": f"{HOST}:25", "family": "each"},
           "mx": {"mx": "example.org"}}


@pytest.fixture(name="ask")
def ask_fixture(cleanup, tmp_path):
    """ask(kind, entry, ...) is what a target of that kind shows when that is what the resolver knows of the host."""
    def ask(kind, entry, **more):
        way = Net()
        cleanup.callback(way.stop)
        zone = {"example.org": {"MX": [[10, HOST]]}, HOST: entry}
        way.resolver({name: entry for name, entry in zone.items() if entry is not None})
        way.alive("192.0.2.0/24")
        way.mail_server(way.there, "0.0.0.0", 25)
        _, result = way.check(tmp_path, {"targets": {"mx": {**TARGETS[kind], **more}}})
        return result
    return ask


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("entry, reason", [
    (None, "nxdomain"),
    ({}, "no_address"),
    ({"rcode": 2}, "servfail"),
    ({"rcode": 5}, "refused"),
    ({"rcode": 1}, "refused"),
    ({"truncated": True, **GOOD}, "malformed"),
    ({"CNAME": HOST}, "malformed"),
    ({"garbage": True}, "malformed"),
], ids=["d01", "d02", "d03", "d04", "d04-formerr", "d08", "d09", "d13"])
def test_the_resolver_says_nothing_good(ask, kind, entry, reason):
    result = ask(kind, entry)
    failure = result["failure"]
    assert result["status"] == "fail" and (failure["phase"], failure["reason"]) == ("dns", reason), result
    assert result["timing_ms"]["connect"] is None and result["peer"]["address"] is None
    assert [a["address"] for a in result["attempts"]] == ([] if kind == "address" else [None])


@pytest.mark.parametrize("kind", TARGETS)
def test_d05_the_resolver_is_silent(ask, kind):
    limit_ms = 1200 * SCALE
    result = ask(kind, {"silent": True}, timeouts={"dns": f"{limit_ms:g}ms"})
    failure = result["failure"]
    assert result["status"] == "unknown" and (failure["phase"], failure["reason"]) == ("dns", "timeout"), result
    assert failure["limit_ms"] == limit_ms <= result["timing_ms"]["dns"] < limit_ms + 250 * SCALE


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("entry, flags", [
    ({**GOOD, "rcode_of": {"AAAA": 2}}, ["dns_partial"]),
    ({**GOOD, "garbage_of": ["AAAA"]}, ["dns_partial"]),
    ({"A": [f"192.0.2.{i}" for i in range(1, 251)], "truncated": True, "tcp": True}, ["dns_many"]),
    ({**GOOD, "empty_first": True}, []),
    ({**GOOD, "delay": 1.1 * SCALE}, []),
], ids=["d07", "d07-malformed", "d12", "d14", "d20"])
def test_the_answer_will_do(ask, kind, entry, flags):
    result = ask(kind, entry, timeouts={"dns": f"{2 * SCALE:g}s"})
    assert result["status"] == "pass" and result["flags"] == flags, result
    assert result["peer"]["address"].startswith("192.0.2.")
    assert result["timing_ms"]["dns"] >= entry.get("delay", 0) * 1000
    runs = {"mx": 1, "each": min(len(entry["A"]), 8)}
    assert len([a for a in result["attempts"] if a["id"]]) == runs.get(kind, 0)


@pytest.mark.parametrize("kind", TARGETS)
def test_d17_an_answer_that_comes_too_late(ask, kind):
    """While the run, or another one, is still there to be hurt by it."""
    result = ask(kind, {**GOOD, "delay": 0.6 * SCALE}, timeouts={"dns": f"{300 * SCALE:g}ms"})
    assert result["status"] == "unknown" and result["failure"]["reason"] == "timeout", result
    assert result["peer"]["address"] is None


@pytest.mark.parametrize("kind", TARGETS)
def test_d15_asked_once(ask, kind):
    """Who would be asked again says another address, of this machine: the one that was looked at is the one that is dialled."""
    result = ask(kind, {**GOOD, "then": {"A": ["127.0.0.1"]}})
    assert result["status"] == "pass" and result["peer"]["address"] == ADDRESS, result
    assert [a["address"] for a in result["attempts"]] == ([] if kind == "address" else [ADDRESS])


@pytest.mark.parametrize("more", [{}, {"family": "each"}], ids=["mx", "mx-each"])
def test_d15_this_machine_is_no_mx_host(ask, more):
    """Nor does a better second answer help."""
    result = ask("mx", {"A": ["127.0.0.1"], "then": GOOD}, **more)
    failure = result["failure"]
    assert result["status"] == "fail" and (failure["phase"], failure["reason"]) == ("dns", "mx_invalid"), result
    assert result["timing_ms"]["connect"] is None
