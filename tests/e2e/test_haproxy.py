# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy takes a mail server out when its RCPT breaks and back in: by `option httpchk /check/NAME` alone, and by
agent-check."""
import json
import re
import signal
import time

import pytest
from conftest import target
from postfix import Postfix
from service import write_config
from support import HOST, SCALE, free_port, wait_until

BROKEN = {"www@example.test": "451 4.3.0 The user data base is gone"}


@pytest.fixture(name="pair", scope="module")
def pair_fixture(postfix):
    other = Postfix(users=("www",), hostname="other.example.test")
    yield {"mx1": postfix, "mx2": other}
    other.stop()


@pytest.fixture(autouse=True)
def whole(request):
    """Each test begins and ends with servers that work."""
    yield
    if "pair" in request.fixturenames:
        request.getfixturevalue("pair")["mx1"].set_access({})


def addresses(pair):
    return {name: server.address for name, server in pair.items()}


def targets(pair, **more):
    return {name: target(server.address, tags=["pair"], **more) for name, server in pair.items()}


def wait_for(balancer, state, servers=("mx1",)):
    for name in servers:
        wait_until(lambda name=name: balancer.state(f"mail/{name}") == state, 40, f"{name} is {state} for HAProxy")


# What HAProxy sends; the first is its default: OPTIONS by HTTP/1.0, without Host.
FORMS = {"options": "option httpchk /check/mx1",
         "get": "option httpchk GET /check/mx1",
         "head": "option httpchk HEAD /check/mx1 HTTP/1.1\n    http-check send hdr Host mx1.example.org"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interval", [None, "2s"])
def test_a_postfix_whose_rcpt_breaks_is_taken_out_and_comes_back(ehlod, haproxy, pair, form, interval):
    if interval and form != "options":
        pytest.skip("how HAProxy asks makes no difference to when ehlod runs")
    service = ehlod({"targets": targets(pair, **({"interval": interval} if interval else {}))})
    balancer = haproxy(service.port, addresses(pair), "haproxy.cfg", {FORMS["options"]: FORMS[form]})
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == ("L7OK", "200"), 20, "mx1 is checked")
    wait_for(balancer, "UP", ("mx1", "mx2"))

    pair["mx1"].set_access(BROKEN)
    wait_for(balancer, "DOWN")
    failure = service.get("/check/mx1").json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("rcpt", "deferred", 451)
    assert balancer.state("mail/mx2") == "UP"

    pair["mx1"].set_access({})
    wait_for(balancer, "UP")


def test_h30_a_bare_httpchk_is_about_ehlod_alone(ehlod, fake, haproxy):
    """Up while ehlod is there, whatever becomes of the mail server, which is left alone."""
    mta = fake(RCPT="451 4.3.0 The user data base is gone")
    service = ehlod({"targets": {"mx1": target(mta.address)}})
    balancer = haproxy(service.port, {"mx1": mta.address, "mx2": mta.address}, "haproxy.cfg",
                       {f"option httpchk /check/{name}": "option httpchk" for name in ("mx1", "mx2")})
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == ("L7OK", "200"), 20, "ehlod is checked")
    wait_for(balancer, "UP", ("mx1", "mx2"))
    # HAProxy itself has passed a connection on, of whoever looked whether it listens; nobody spoke on it.
    assert 'handler="*",code="200"' in service.get("/metrics").text and not mta.lines()
    assert service.get("/check/mx1").status == 503
    service.signal(signal.SIGSTOP)
    try:
        wait_for(balancer, "DOWN", ("mx1", "mx2"))
    finally:
        service.signal(signal.SIGCONT)
    wait_for(balancer, "UP", ("mx1", "mx2"))


def test_haproxy_hears_200_and_503(ehlod, fake, haproxy):
    """What HAProxy itself says about its last check: the status it was given, not a timeout or a bad answer."""
    good, bad = fake(), fake(RCPT="550 5.1.1 No such user")
    service = ehlod({"targets": {"mx1": target(good.address), "mx2": target(bad.address)}})
    balancer = haproxy(service.port, {"mx1": good.address, "mx2": bad.address})
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == ("L7OK", "200"), 10, "mx1 is checked")
    wait_until(lambda: balancer.last_check("check-mx2/ehlod") == ("L7STS", "503"), 10, "mx2 is checked")


@pytest.mark.parametrize("least, state", [(1, "UP"), (2, "DOWN")])
def test_a_site_is_up_while_enough_of_its_servers_are(ehlod, fake, haproxy, least, state):
    good, bad = fake(), fake(RCPT="550 5.1.1 No such user")
    service = ehlod({"targets": {"mx1": target(good.address, tags=["site"]), "mx2": target(bad.address, tags=["site"])}})
    balancer = haproxy(service.port, {"mx1": good.address, "mx2": bad.address}, "haproxy.cfg",
                       {"option httpchk /check/mx1": f"option httpchk /check?tag=site&min_pass={least}"})
    code = {"UP": ("L7OK", "200"), "DOWN": ("L7STS", "503")}[state]
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == code, 20, "HAProxy has asked")
    wait_for(balancer, state)


@pytest.mark.parametrize("status, state", [(500, "DOWN"), (200, "UP")])
def test_what_ehlod_cannot_tell_counts_as_it_is_said(ehlod, fake, haproxy, status, state):
    """The source address is not this machine's: a fault of ehlod's config, which says nothing about the server."""
    good = fake()
    service = ehlod({"server": {"unknown_status": status},
                     "targets": {"mx1": target(good.address, source="192.0.2.7"), "mx2": target(good.address)}})
    balancer = haproxy(service.port, {"mx1": good.address, "mx2": good.address})
    code = ("L7OK" if status == 200 else "L7STS", str(status))
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == code, 20, "HAProxy has asked")
    wait_for(balancer, state)


@pytest.mark.alone
def test_haproxy_and_prometheus_together_start_one_run_a_cache_ttl(ehlod, fake, haproxy, prometheus):
    """More than 200 requests a second of both: HAProxy asks about each target every 8 ms, Prometheus every 100 ms."""
    mtas = {"mx1": fake(), "mx2": fake()}
    service = ehlod({"targets": {name: target(mta.address, cache_ttl="1s") for name, mta in mtas.items()}})
    often, path = "timeout connect 5s\n    timeout check 5s\n    default-server inter 8ms", "metrics_path: /probe"
    balancer = haproxy(service.port, {name: mta.address for name, mta in mtas.items()}, "haproxy.cfg",
                       {"timeout connect 5s": often})
    scraper = prometheus(service.port, "prometheus.yml",
                         {path: f"{path}\n    scrape_interval: 100ms\n    scrape_timeout: 100ms"})
    wait_until(lambda: scraper.value("sum(probe_success)") == 2, 30, "Prometheus has asked")
    wait_for(balancer, "UP", ("mx1", "mx2"))

    def asked(handler):
        text = service.get("/metrics").text
        found = re.search(rf'^ehlod_http_requests_total{{handler="{re.escape(handler)}",code="200"}} (\d+)$', text, re.M)
        return int(found[1])
    runs, begun = {name: mta.connections() for name, mta in mtas.items()}, time.monotonic()
    checks, scrapes = asked("/check/*"), asked("/probe")
    wait_until(lambda: time.monotonic() > begun + 5, 20, "five seconds have passed")
    checks, scrapes = asked("/check/*") - checks, asked("/probe") - scrapes
    took = time.monotonic() - begun
    for name, mta in mtas.items():
        assert 2 <= mta.connections() - runs[name] <= took + 1, (name, took)
    assert scrapes > took * 10 / SCALE and checks > took * 200 / SCALE, (checks, scrapes, took)
    assert balancer.state("mail/mx1") == balancer.state("mail/mx2") == "UP"


# ---- agent-check ----

@pytest.fixture(name="with_agent")
def with_agent_fixture(ehlod, haproxy):
    """(service, balancer) that are joined by agent-check, as docker/haproxy-agent.cfg has it."""
    def start(config, servers, replaced=None):
        port = free_port()
        service = ehlod({**config, "server": {"agent_listen": f"{HOST}:{port}", **config.get("server", {})}})
        balancer = haproxy(port, servers, "haproxy-agent.cfg", replaced)
        return service, balancer
    return start


def test_the_agent_takes_a_postfix_out_and_back_in(with_agent, pair):
    _, balancer = with_agent({"targets": targets(pair)}, addresses(pair))
    wait_until(lambda: balancer.agent("mail/mx1")[0].startswith("L7OK"), 20, "the agent was asked")
    wait_for(balancer, "UP", ("mx1", "mx2"))

    pair["mx1"].set_access(BROKEN)
    wait_for(balancer, "DOWN")
    status, said = balancer.agent("mail/mx1")
    assert status.startswith("L7STS") and "rcpt/deferred" in said, (status, said)
    assert balancer.state("mail/mx2") == "UP"

    pair["mx1"].set_access({})
    wait_for(balancer, "UP")


def test_a_drain_reaches_haproxy_both_ways(ehlod, haproxy, with_agent, fake):
    mta = fake()
    servers = {"mx1": mta.address, "mx2": mta.address}
    config = {"targets": {name: target(address) for name, address in servers.items()}}
    service, by_agent = with_agent(config, servers)
    wait_until(lambda: by_agent.agent("mail/mx1")[0].startswith("L7OK"), 20, "the agent was asked")
    service.get("/targets/mx1/drain?for=1h&reason=kernel", method="POST")
    wait_for(by_agent, "DRAIN")
    assert by_agent.state("mail/mx2") == "UP"
    service.get("/targets/mx1/undrain", method="POST")
    wait_for(by_agent, "UP")


def test_maintenance_reaches_haproxy_and_ends(ehlod, haproxy, with_agent, fake):
    """HAProxy stops its own checks then, but goes on asking the agent, whose ready brings the server back. What is
    drained, in maintenance, drained again and back in service is so for HAProxy, whatever was before."""
    mta = fake()
    servers = {"mx1": mta.address, "mx2": mta.address}
    service, balancer = with_agent({"targets": {name: target(address) for name, address in servers.items()}}, servers)
    wait_until(lambda: balancer.agent("mail/mx1")[0].startswith("L7OK"), 20, "the agent was asked")
    for query, state in (("?mode=maint&reason=kernel", "MAINT"), ("", "DRAIN"), ("?mode=maint", "MAINT")):
        service.get("/targets/mx1/drain" + query, method="POST")
        wait_for(balancer, state)
    assert admin_state(balancer, "mx1") & FMAINT and not admin_state(balancer, "mx2")
    assert balancer.state("mail/mx2") == "UP"
    service.get("/targets/mx1/undrain", method="POST")
    wait_for(balancer, "UP")
    assert admin_state(balancer, "mx1") == 0


FMAINT = 1  # srv_admin_state: somebody, or the agent, has said so


def admin_state(balancer, server):
    """srv_admin_state of `show servers state`, whose columns its second line names."""
    lines = balancer.command("show servers state mail").splitlines()
    names = lines[1].removeprefix("# ").split()
    rows = [dict(zip(names, line.split())) for line in lines[2:]]
    return int(next(row for row in rows if row["srv_name"] == server)["srv_admin_state"])


def test_a_target_that_is_missing_for_a_while_comes_back_for_haproxy(ehlod, haproxy, with_agent, fake, tmp_path):
    """HAProxy was told drain, and hears ready once somebody says that the server is back, whatever was reloaded."""
    mta = fake()
    servers = {"mx1": mta.address, "mx2": mta.address}
    config = {"targets": {name: target(address) for name, address in servers.items()}}
    service, balancer = with_agent(config, servers)
    wait_until(lambda: balancer.agent("mail/mx1")[0].startswith("L7OK"), 20, "the agent was asked")
    service.get("/targets/mx1/drain", method="POST")
    wait_for(balancer, "DRAIN")
    with open(service.config_path, encoding="utf-8") as f:
        whole = f.read()
    without = json.loads(whole)
    del without["targets"]["mx1"]
    for text in (json.dumps(without), whole):
        write_config(str(tmp_path), text)
        assert service.get("/-/reload", method="POST").status == 200
    assert service.get("/targets").json["targets"][0]["drained"]
    service.get("/targets/mx1/undrain", method="POST")
    wait_for(balancer, "UP")


def test_a_drain_is_503_for_httpchk(ehlod, haproxy, fake):
    mta = fake()
    servers = {"mx1": mta.address, "mx2": mta.address}
    service = ehlod({"targets": {name: target(address) for name, address in servers.items()}})
    balancer = haproxy(service.port, servers)
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == ("L7OK", "200"), 20, "mx1 is checked")
    service.get("/targets/mx1/drain", method="POST")
    wait_for(balancer, "DOWN")
    service.get("/targets/mx1/undrain", method="POST")
    wait_for(balancer, "UP")


def test_an_operators_own_maintenance_is_left_alone(with_agent, fake):
    """What somebody has told HAProxy by hand, an agent that says nothing but up does not undo."""
    mta = fake()
    _, balancer = with_agent({"targets": {"mx1": target(mta.address), "mx2": target(mta.address)}},
                             {"mx1": mta.address, "mx2": mta.address}, {"agent-inter 2s": "agent-inter 200ms"})
    wait_until(lambda: balancer.agent("mail/mx1")[0].startswith("L7OK"), 20, "the agent was asked")
    assert balancer.command("set server mail/mx1 state drain").strip() == ""
    runs = mta.connections()
    wait_until(lambda: mta.connections() > runs + 3, 30, "the agent was asked again")
    assert balancer.state("mail/mx1") == "DRAIN"


def test_what_the_agent_cannot_tell_changes_nothing(with_agent, fake):
    """It was down before: it stays so, and one that was up stays up."""
    bad = fake(RCPT="550 5.1.1 No such user")
    config = {"server": {"unknown_status": 200},
              "targets": {"mx1": target(bad.address), "mx2": target(bad.address, source="192.0.2.7")}}
    _, balancer = with_agent(config, {"mx1": bad.address, "mx2": bad.address})
    wait_for(balancer, "DOWN")
    assert balancer.state("mail/mx2") == "UP" and balancer.agent("mail/mx2")[0]
