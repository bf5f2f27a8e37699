# SPDX-License-Identifier: Apache-2.0
"""Every MX host of a domain, every address of a name: several runs for one target, in a network and with a resolver of
the test's own. The rows named D are those of the fault catalogue."""
import json
import signal
import subprocess
import time

import pytest
from certificates import Certificates
from conftest import target
from netns import Net, as_root
from postfix import AS_ROOT, Postfix
from service import SANITIZER, write_config
from support import HOST, SCALE, scaled, wait_until, with_sbin
from test_machine import ServiceIn

ROUTE = {"name": "in", "from": "probe@example.net", "to": "www@example.org"}
REFUSES = {"RCPT": "550 5.1.1 No such user"}
V4 = {1: "192.0.2.1", 2: "192.0.2.2", 3: "192.0.2.3"}
V6 = {1: "2001:db8::1", 2: "2001:db8::2"}


@pytest.fixture(name="net")
def net_fixture(cleanup):
    """net(zone, hosts) is a network with that resolver; net.serve(address, ...) a mail server in it, on port 25."""
    def make(zone, hosts=""):
        way = Net(hosts=hosts)
        cleanup.callback(way.stop)
        way.resolver(zone)
        way.serve = lambda address, **answers: serve(way, address, answers)
        return way
    return make


def serve(way, address, answers):
    way.alive(address + ("/128" if ":" in address else "/32"))
    assert way.mail_server(way.there, address, 25, **answers) == 25


def zone(*, records=((10, "mx1.example.org"), (20, "mx2.example.org")), **more):
    """example.org and its two hosts."""
    return {"example.org": {"MX": list(records)}, "mx1.example.org": {"A": [V4[1]]}, "mx2.example.org": {"A": [V4[2]]},
            **{name.replace("_", "."): entry for name, entry in more.items()}}


def domain(**more):
    return {"targets": {"mx": {"mx": "example.org", "routes": [ROUTE], **more}}}


def told(result):
    """[(host, address, status, reason)] of the runs that it is made of."""
    return [(a["host"], a["address"], a["status"], a["failure"] and a["failure"]["reason"]) for a in result["attempts"]]


# ---- the hosts of a domain ----

def test_all_hosts_work(net, tmp_path):
    way = net(zone(records=[(20, "mx2.example.org"), (10, "mx1.example.org")]))
    way.serve(V4[1])
    way.serve(V4[2])
    code, result = way.check(tmp_path, domain())
    assert code == 0 and result["status"] == "pass" and result["failure"] is None and result["flags"] == [], result
    assert told(result) == [("mx1.example.org", V4[1], "pass", None), ("mx2.example.org", V4[2], "pass", None)]
    assert result["summary"] == "2 of 2 MX hosts work; 1 of 1 route as wanted"
    assert len({result["id"], *(a["id"] for a in result["attempts"])}) == 3
    assert result["peer"]["port"] == 25 and result["timing_ms"]["dns"] is not None
    for attempt in result["attempts"]:
        assert attempt["timing_ms"]["rcpt"] is not None and attempt["timing_ms"]["dns"] is not None


def test_one_host_refuses(net, tmp_path):
    way = net(zone())
    way.serve(V4[1])
    way.serve(V4[2], **REFUSES)
    code, result = way.check(tmp_path, domain())
    assert code == 2 and result["status"] == "fail", result
    assert told(result) == [("mx1.example.org", V4[1], "pass", None), ("mx2.example.org", V4[2], "fail", "rejected")]
    failure = result["failure"]
    assert (failure["phase"], failure["reason"], failure["route"], failure["code"]) == ("rcpt", "rejected", "in", 550)
    assert failure["message"].startswith("mx2.example.org [192.0.2.2]: ")
    assert result["peer"]["host"] == "mx2.example.org" and result["peer"]["address"] == V4[2]
    assert [c["sent"] for c in result["commands"] if c["phase"] == "rcpt"] == ["RCPT TO:<www@example.org>"]
    assert result["routes"][0]["state"] == "rejected"


def test_any_host_will_do(net, tmp_path):
    way = net(zone())
    way.serve(V4[1], **REFUSES)
    way.serve(V4[2])
    code, result = way.check(tmp_path, domain(mx_require="any"))
    assert code == 1 and result["status"] == "warn" and result["failure"] is None, result
    assert result["flags"] == ["only_some_work"]
    assert told(result) == [("mx1.example.org", V4[1], "fail", "rejected"), ("mx2.example.org", V4[2], "pass", None)]
    assert "1 of 2 MX hosts works (mx_require: any); mx1.example.org [192.0.2.1]: rcpt/rejected" in result["summary"]


def test_any_host_would_do_but_none_works(net, tmp_path):
    way = net(zone())
    way.serve(V4[1], **REFUSES)
    way.serve(V4[2], **REFUSES)
    code, result = way.check(tmp_path, domain(mx_require="any"))
    assert code == 2 and result["failure"]["reason"] == "rejected" and result["flags"] == [], result
    assert result["peer"]["host"] == "mx1.example.org", "the first of them"


def test_another_port_and_one_place_in_line(net, tmp_path):
    way = net(zone())
    for address in (V4[1], V4[2]):
        way.alive(address + "/32")
        way.mail_server(way.there, address, 2525)
    config = {"server": {"max_runs": 1}, **domain(mx="example.org:2525")}
    code, result = way.check(tmp_path, config)
    assert code == 0 and result["peer"]["port"] == 2525, result


def test_d10_null_mx(net, tmp_path):
    way = net({"example.org": {"MX": [[0, "."]], "A": [V4[1]]}})
    way.serve(V4[1])
    code, result = way.check(tmp_path, domain())
    assert code == 2 and (result["failure"]["phase"], result["failure"]["reason"]) == ("dns", "null_mx"), result
    assert result["attempts"] == [] and result["timing_ms"]["connect"] is None and result["peer"]["address"] is None
    assert result["routes"][0]["state"] == "skipped"


def test_a_host_without_address_is_one_of_them(net, tmp_path):
    """Neither of the others is held up, or left out."""
    way = net(zone(records=[(5, "mx0.example.org"), (10, "mx1.example.org"), (30, "mx3.example.org")],
                   mx0_example_org={"MX": []}))
    way.serve(V4[1])
    code, result = way.check(tmp_path, domain())
    assert code == 2, result
    assert told(result) == [("mx0.example.org", None, "fail", "no_address"), ("mx1.example.org", V4[1], "pass", None),
                            ("mx3.example.org", None, "fail", "nxdomain")]
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("dns", "no_address")


def test_d11_what_an_mx_record_must_not_say(net, tmp_path):
    hosts = ["192.0.2.1", "localhost", "alias.example.org", "zero.example.org", "self.example.org", "mx1.example.org"]
    way = net(zone(records=[(0, "."), *((10 * i, host) for i, host in enumerate(hosts, 1))],
                   alias_example_org={"CNAME": "mx1.example.org"}, zero_example_org={"A": ["0.0.0.0"]},
                   self_example_org={"AAAA": ["::1"]}))
    way.serve(V4[1])
    code, result = way.check(tmp_path, domain())
    assert code == 2, result
    assert told(result) == [(host, None, "fail", "mx_invalid") for host in (".", *hosts[:-1])] + [
        ("mx1.example.org", V4[1], "pass", None)]
    assert all(a["timing_ms"]["connect"] is None for a in result["attempts"][:-1])


def test_the_hosts_file_is_the_operators_word(net, tmp_path):
    """The resolver is not asked about a host that stands there, and it may be this machine."""
    way = net(zone(records=[(10, "mx1.example.org")]), hosts=f"{HOST} mx1.example.org\n")
    port = way.mail_server(way.here, HOST)
    code, result = way.check(tmp_path, domain(mx=f"example.org:{port}"))
    assert code == 0 and told(result) == [("mx1.example.org", HOST, "pass", None)], result


def test_without_mx_record_the_domain_is_the_host(net, tmp_path):
    way = net({"example.org": {"A": [V4[1]]}})
    way.serve(V4[1])
    code, result = way.check(tmp_path, domain())
    assert code == 0 and told(result) == [("example.org", V4[1], "pass", None)], result


def test_with_neither_record_nor_address(net, tmp_path):
    code, result = net({"example.org": {}}).check(tmp_path, domain())
    assert code == 2 and result["failure"]["reason"] == "no_address", result
    assert "neither an MX record nor an address" in result["failure"]["message"]


@pytest.mark.parametrize("entry, status, reason", [
    (None, "fail", "nxdomain"),
    ({"rcode": 2}, "fail", "servfail"),
    ({"rcode": 5}, "fail", "refused"),
    ({"CNAME": "example.org"}, "fail", "malformed"),
    ({"truncated": True, "MX": [[10, "mx1.example.org"]]}, "fail", "malformed"),
    ({"garbage": True}, "fail", "malformed"),
    ({"silent": True}, "unknown", "timeout"),
], ids=["d01", "d03", "d04", "d09", "d08", "d13", "d05"])
def test_the_resolver_says_nothing_good_of_the_domain(net, tmp_path, entry, status, reason):
    way = net({"example.org": entry} if entry is not None else {})
    limit_ms = 1500 * SCALE
    code, result = way.check(tmp_path, domain(timeouts={"dns": f"{limit_ms:g}ms"}))
    assert code == {"fail": 2, "unknown": 3}[status] and result["status"] == status, result
    assert (result["failure"]["phase"], result["failure"]["reason"]) == ("dns", reason)
    assert result["attempts"] == [] and result["timing_ms"]["dns"] < limit_ms + 250 * SCALE


def test_d12_five_hundred_hosts(net, tmp_path):
    """The answer comes over TCP; the eight most preferred are dialled."""
    records = [(1000 - i, f"mx{i}.example.org") for i in range(500)]
    big = {f"mx{i}.example.org": {"A": [V4[1]]} for i in range(490, 500)}
    way = net({"example.org": {"MX": records, "truncated": True, "tcp": True}, **big})
    way.serve(V4[1])
    code, result = way.check(tmp_path, domain())
    assert code == 0 and result["flags"] == ["dns_many"], result
    assert [a["host"] for a in result["attempts"]] == [f"mx{i}.example.org" for i in range(499, 491, -1)]


def test_d20_slow_but_good(net, tmp_path):
    """One host's name takes its time, which is shown, and no other waits for it."""
    seconds = 0.7 * SCALE
    entry = {"A": [V4[2]], "delay": seconds}
    way = net(zone(mx2_example_org=entry))
    way.serve(V4[1])
    way.serve(V4[2])
    code, result = way.check(tmp_path, domain(timeouts={"dns": f"{3 * SCALE:g}s"}))
    assert code == 0 and result["peer"]["host"] == "mx2.example.org", "the slowest of those that work"
    quick, slow = result["attempts"]
    assert quick["timing_ms"]["dns"] < seconds * 1000 <= slow["timing_ms"]["dns"] + 1
    assert result["duration_ms"] >= slow["timing_ms"]["dns"] == result["timing_ms"]["dns"]


def test_a_dead_host_takes_no_longer_than_the_run(net, tmp_path):
    way = net(zone())
    way.serve(V4[1])
    way.dead("blackhole", V4[2])
    limit_ms = 800 * SCALE
    code, result = way.check(tmp_path, domain(timeouts={"connect": f"{limit_ms:g}ms"}))
    assert code == 2 and (result["failure"]["phase"], result["failure"]["reason"]) == ("connect", "timeout"), result
    assert limit_ms - 1 <= result["duration_ms"] < limit_ms + 250 * SCALE
    assert result["attempts"][0]["status"] == "pass"


@pytest.mark.parametrize("limit", ["max_runs", "max_per_address"])
def test_two_names_of_one_server_take_turns(net, tmp_path, limit):
    """Each host is a run; that one must wait for the other is no fault of anybody, nor is it known what would have been."""
    way = net(zone(mx2_example_org={"A": [V4[1]]}))
    way.serve(V4[1])
    code, result = way.check(tmp_path, {"server": {limit: 1}, **domain()})
    assert code == 0 and told(result) == [(f"mx{i}.example.org", V4[1], "pass", None) for i in (1, 2)], result


@pytest.mark.parametrize("require, status", [("all", "fail"), ("any", "unknown")])
@pytest.mark.parametrize("limit", ["max_runs", "max_per_address"])
def test_one_that_never_had_its_turn(net, tmp_path, limit, require, status):
    way = net(zone(mx2_example_org={"A": [V4[1]]}))
    way.serve(V4[1], BANNER=None)
    limit_ms = 600 * SCALE
    begun = time.monotonic()
    _, result = way.check(tmp_path, {"server": {limit: 1}, **domain(timeout=f"{limit_ms:g}ms", mx_require=require)})
    assert result["status"] == status, result
    assert [(a["host"], a["address"]) for a in result["attempts"]] == [(f"mx{i}.example.org", V4[1]) for i in (1, 2)]
    # Whose name is answered first has its turn first.
    had, had_not = sorted(result["attempts"], key=lambda a: a["status"])
    assert (had["status"], had["failure"]["reason"]) == ("fail", "deadline"), result
    assert (had_not["status"], had_not["failure"]["reason"]) == ("unknown", "local_resource"), result
    assert f"server.{limit}" in had_not["failure"]["message"]
    assert time.monotonic() - begun < (limit_ms / 1000) + scaled(1)


# ---- every address ----

def test_every_address_of_every_host(net, tmp_path):
    way = net({"example.org": {"MX": [[10, "mx1.example.org"], [20, "mx2.example.org"]]},
               "mx1.example.org": {"A": [V4[1]], "AAAA": [V6[1]]}, "mx2.example.org": {"A": [V4[2]], "AAAA": [V6[2]]}})
    for address in (V4[1], V4[2], V6[1]):
        way.serve(address)
    way.serve(V6[2], **REFUSES)
    code, result = way.check(tmp_path, domain(family="each"))
    assert code == 2 and result["failure"]["message"].startswith("mx2.example.org [2001:db8::2]: "), result
    assert told(result) == [("mx1.example.org", V6[1], "pass", None), ("mx1.example.org", V4[1], "pass", None),
                            ("mx2.example.org", V6[2], "fail", "rejected"), ("mx2.example.org", V4[2], "pass", None)]
    assert result["peer"]["family"] == "ipv6"


@pytest.mark.parametrize("require, status", [("all", "fail"), ("any", "warn")])
def test_every_address_of_one_name(net, tmp_path, require, status):
    way = net({"mx1.example.org": {"A": [V4[1]], "AAAA": [V6[1]]}})
    way.serve(V4[1])
    way.alive(V6[1] + "/128")
    config = {"targets": {"mx": {"address": "mx1.example.org:25", "family": "each", "mx_require": require}}}
    code, result = way.check(tmp_path, config)
    assert (code, result["status"]) == ({"fail": 2, "warn": 1}[status], status), result
    assert told(result) == [("mx1.example.org", V6[1], "fail", "refused"), ("mx1.example.org", V4[1], "pass", None)]


def test_eight_addresses_in_all(net, tmp_path):
    way = net({"mx1.example.org": {"A": [f"192.0.2.{i}" for i in range(1, 11)]}})
    way.alive("192.0.2.0/24")
    way.mail_server(way.there, "0.0.0.0", 25)
    config = {"targets": {"mx": {"address": "mx1.example.org:25", "family": "each"}}}
    _, result = way.check(tmp_path, config)
    assert len(result["attempts"]) == 8 and "dns_many" in result["flags"], result


# ---- Postfix ----

def postfix_hosts(cleanup):
    """A network in which a Postfix takes the mail of example.org as mx1, by IPv4 and IPv6, and as mx2, where it does not
    know who its users are; and the Postfix."""
    way = Net()
    cleanup.callback(way.stop)
    way.resolver({"example.org": {"MX": [[10, "mx1.example.org"], [20, "mx2.example.org"]]},
                  "mx1.example.org": {"A": ["192.0.2.11"], "AAAA": ["2001:db8::11"]},
                  "mx2.example.org": {"A": ["192.0.2.12"]}})
    for address in ("192.0.2.11/32", "2001:db8::11/128", "192.0.2.12/32"):
        way.alive(address)
    postfix = Postfix(users=["postmaster"], main="mydestination = example.org\n", enter=way.enter(way.there), port=25,
                      services={"mx1": ("192.0.2.11", []), "mx1-ipv6": ("[2001:db8::11]", []),
                                "mx2": ("192.0.2.12", ["smtpd_reject_unlisted_recipient=no"])})
    cleanup.callback(postfix.stop)
    return way, postfix


@pytest.mark.parametrize("require, status", [("all", "fail"), ("any", "warn")])
def test_postfix_at_every_address(tmp_path, cleanup, require, status):
    """Each address is dialled once, and what the backup does is seen only there."""
    way, postfix = postfix_hosts(cleanup)
    routes = [{"name": "in", "from": "probe@example.net", "to": "postmaster@example.org"},
              {"name": "nobody", "from": "probe@example.net", "to": "no-such-user@example.org", "expect": "rejected"}]
    code, result = way.check(tmp_path, domain(family="each", mx_require=require, routes=routes))
    assert (code, result["status"]) == ({"fail": 2, "warn": 1}[status], status), result
    assert told(result) == [("mx1.example.org", "2001:db8::11", "pass", None),
                            ("mx1.example.org", "192.0.2.11", "pass", None),
                            ("mx2.example.org", "192.0.2.12", "fail", "accepted")]
    assert [r["state"] for r in result["routes"]] == ["accepted", "accepted"]
    wait_until(lambda: len(postfix.dialogues()) == 3, 10, "its log shows them")
    assert sorted((d["mail"], d["rcpt"], d["quit"]) for d in postfix.dialogues()) == [
        ("2", "1/2", "1"), ("2", "1/2", "1"), ("2", "2", "1")]
    assert postfix.log().count("User unknown") == 2


# ---- TLS ----

def test_the_certificate_is_for_the_mx_host(net, tmp_path, cleanup):
    """Both show that of mx1."""
    certificates = Certificates(str(tmp_path))
    cert, key = certificates.signed("mx1", dns="mx1.example.org")
    way = net(zone())
    for address in (V4[1], V4[2]):
        way.alive(address + "/32")
        server = subprocess.Popen(
            [*AS_ROOT, "ip", "netns", "exec", way.there, "openssl", "s_server", "-quiet", "-accept", f"{address}:25",
             "-cert", cert, "-key", key],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=with_sbin())
        way.programs.append(server)
        cleanup.callback(as_root, "kill", str(server.pid))
        wait_until(lambda a=address: f"{a}:25 " in as_root("ip", "netns", "exec", way.there, "ss", "-Hltn"), 10, "it listens")
    more = {"tls": "implicit", "stop_after": "tls", "routes": []}
    code, result = way.check(tmp_path, domain(tls_config={"ca_file": certificates.ca}, **more))
    assert code == 2, result
    assert told(result) == [("mx1.example.org", V4[1], "pass", None),
                            ("mx2.example.org", V4[2], "fail", "cert_name_mismatch")]
    assert result["tls"]["verified"] is False and "mx2.example.org" in result["failure"]["message"]
    code, result = way.check(tmp_path, domain(tls_config={"ca_file": certificates.ca, "server_name": "mx1.example.org"},
                                              **more))
    assert code == 0 and result["tls"]["verified"] is True, result


# ---- asked for over HTTP ----

LISTENS, REFUSED = HOST, "127.0.0.2"


@pytest.fixture(name="service")
def service_fixture(net, tmp_path, cleanup):
    """A service in such a network, with the targets both (a name with two addresses, where a mail server of those answers
    listens on one) and domain (of which the resolver knows nothing, silently)."""
    def start(answers=None, **more):
        way = net({"example.org": {"silent": True}}, hosts=f"{LISTENS} both.example.org\n{REFUSED} both.example.org\n")
        port = way.mail_server(way.here, HOST, **(answers or {}))
        service = ServiceIn(way, tmp_path, {"targets": {
            "both": target(f"both.example.org:{port}", family="each", **more),
            "domain": {"mx": "example.org", "timeouts": {"dns": "25s"}}}})
        cleanup.callback(service.stop)
        service.get = lambda path: answer(service.ask(path))
        return service
    return start


def answer(asked):
    """(status, body)"""
    body, status = asked.communicate(timeout=scaled(20))[0].rsplit("\n", 1)
    return int(status), json.loads(body) if body.startswith("{") else body


def test_each_run_is_kept_under_its_own_id(service):
    service = service()
    status, whole = service.get("/check/both")
    assert status == 503 and [(a["address"], a["status"]) for a in whole["attempts"]] == [
        (LISTENS, "pass"), (REFUSED, "fail")], whole
    for attempt in whole["attempts"]:
        _, run = service.get(f"/runs/{attempt['id']}")
        assert (run["id"], run["status"], run["attempts"]) == (attempt["id"], attempt["status"], [])
        assert run["peer"]["address"] == attempt["address"] and run["timing_ms"] == attempt["timing_ms"]
    assert service.get(f"/runs/{whole['id']}")[1]["attempts"] == whole["attempts"]
    text = service.get("/check/both?format=text&max_age=1h")[1]
    assert f"  PASS  both.example.org [{LISTENS}]: 1 of 1 route as wanted (run " in text
    assert f"  FAIL  both.example.org [{REFUSED}]: connect/refused: " in text
    log = service.log()
    assert log.count(" part ended ") == 2 and log.count(" run ended ") == 1, log
    addresses = [t["address"] for t in service.get("/targets")[1]["targets"]]
    assert addresses[0].startswith("both.example.org:") and addresses[1] == "mx:example.org"


def test_a_run_is_shared_and_metrics_tell_the_worst(service):
    service = service(mx_require="any", cache_ttl="1h")
    first, second = service.ask("/check/both"), service.ask("/check/both")
    assert answer(first)[1]["id"] == answer(second)[1]["id"]
    metrics = service.get("/probe?target=both")[1]
    assert "probe_success 1\n" in metrics and 'smtp_status{status="warn"} 1\n' in metrics
    assert service.get("/check/both?stop_after=dns")[1]["status"] == "pass"


def test_who_leaves_early_sees_what_is_known(service):
    """One address says nothing, the other refuses, which is known by then."""
    service = service({"BANNER": None}, timeout=f"{2 * SCALE:g}s", cache_ttl="1h")
    _, early = service.get(f"/check/both?timeout={400 * SCALE:g}ms")
    silent, refused = early["attempts"]
    assert (silent["failure"]["reason"], refused["failure"]["reason"]) == ("deadline", "refused"), early
    assert early["failure"]["phase"] == "banner", "the first of those that fail"
    _, late = service.get("/check/both")
    assert late["id"] == early["id"], "the run went on"
    assert [a["id"] for a in late["attempts"]] == [silent["id"], refused["id"]]
    assert late["attempts"][0]["failure"]["limit_ms"] >= 1000 * SCALE


def test_a_reload_in_the_middle(service, tmp_path):
    """The runs under way keep their config, and can be found when their target is gone."""
    service = service({"BANNER": None}, timeout=f"{1.5 * SCALE:g}s")
    asked = service.ask("/check/both")
    service.wait_for(lambda: service.log().count(" part ended ") == 1, 10, "the other is under way")
    write_config(str(tmp_path), {"server": {"listen": [f"unix:{service.socket}"]},
                                 "targets": {"other": {"mx": "example.org"}}})
    service.signal(signal.SIGHUP)
    service.wait_for(lambda: service.get("/check/both?timeout=1ms")[0] == 404, 10, "it is loaded")
    _, whole = answer(asked)
    assert [a["failure"]["reason"] for a in whole["attempts"]] == ["deadline", "refused"], whole
    for run in (whole, *whole["attempts"]):
        status, kept = service.get(f"/runs/{run['id']}")
        assert status == 200 and kept["target"] == "both" and kept["status"] == run["status"], kept


def test_the_last_verdict_stands_in_while_there_is_no_resolver(net, tmp_path, cleanup):
    way = net(zone())
    resolver = way.programs[-1]
    way.serve(V4[1])
    way.serve(V4[2], **REFUSES)
    service = ServiceIn(way, tmp_path, domain(stale_if_error="1h", cache_ttl="0"))
    cleanup.callback(service.stop)
    status, known = answer(service.ask("/check/mx"))
    assert status == 503 and len(known["attempts"]) == 2 and known["flags"] == [], known
    resolver.stdin.close()
    resolver.wait(scaled(10))
    status, stale = answer(service.ask("/check/mx"))
    assert status == 503 and stale["flags"] == ["stale"] and stale["attempts"] == known["attempts"], stale


def test_l14_the_end_while_a_domain_is_looked_up(service):
    service = service()
    asked = service.ask("/check/domain")
    service.wait_for(lambda: service.get("/check/domain?timeout=1ms")[1]["failure"]["reason"] == "deadline", 10, "it is asked")
    for said in (" stopping signal=", " stopping at once signal="):
        service.signal(signal.SIGTERM)
        wait_until(lambda what=said: what in service.log(), 5, said)
    status, result = answer(asked)
    assert status == 500 and (result["failure"]["phase"], result["failure"]["reason"]) == ("dns", "local_resource"), result
    assert service.wait(10) == 0 and not SANITIZER.search(service.log()), service.log()
