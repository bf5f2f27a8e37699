# SPDX-License-Identifier: Apache-2.0
"""/probe as blackbox_exporter's users call it: a module, host:port, a name for TLS; what is refused, and in which order."""
import os

import pytest
from certificates import NAME
from conftest import KEPT, target
from exposition import read
from fake_mta import Gate
from service import assert_problem, write_config
from support import HOST, free_port, wait_until

SHORT = {"timeout": "5s", "timeouts": {key: "5s" for key in ("tls", "banner", "reply", "message", "final")}}
ROUTE = {"name": "in", "from": "a@example.org", "to": "x@example.org", "expect": "accepted"}


@pytest.fixture
def probed(ehlod, fake):
    """A service with modules, whose targets make two addresses dialable."""
    class Probed:
        mta, other = fake(), fake()
        config = {"modules": {"plain": {**SHORT, "cache_ttl": KEPT}, "routes": {**SHORT, "routes": [ROUTE]},
                              "sender": {"routes": [{**ROUTE, "expect": "queued"}]},
                              "login": {"tls": "starttls", "auth": {"username": "probe"}}},
                  "targets": {"mx": target(mta.address, module="plain"), "mx2": target(other.address)}}
        service = ehlod(config)

        def get(self, query, **more):
            return self.service.get(f"/probe?{query}", **more)
    return Probed()


def test_a_module_and_an_address(probed):
    good = read(probed.get(f"module=routes&target={probed.mta.address}"))
    assert good.value("probe_success") == 1
    assert good.value("smtp_route_success", route="in") == 1
    assert "RCPT TO:<x@example.org>" in probed.mta.lines()
    probed.mta.answers["RCPT"] = "550 5.1.1 No"
    wait_until(lambda: read(probed.get(f"module=routes&target={probed.mta.address}")).value("probe_success") == 0, 10,
               "another run shows another verdict")


def test_what_may_be_dialled(ehlod, fake):
    """A network admits its addresses, under whatever name; what is only found out when it is dialled is a verdict."""
    mta = fake()
    service = ehlod({"server": {"probe_allow": ["127.0.0.1", "*.example.org"]}, "modules": {"plain": {}}, "targets": {}})

    def probe(host):
        return read(service.get(f"/probe?target={host}:{mta.port}&module=plain"))
    assert probe("127.0.0.1").value("probe_success") == 1
    assert probe("localhost").value("probe_success") == 1
    assert_problem(service.get(f"/probe?target=127.0.0.2:{mta.port}&module=plain"), 400, "target")
    assert_problem(service.get(f"/probe?target=[::1]:{mta.port}&module=plain"), 400, "target")
    assert mta.connections() == 2


def test_h27_a_name_that_leads_where_nobody_may_go(ehlod, mta):
    """What counts is the address that would be dialled, whatever name led to it."""
    service = ehlod({"server": {"probe_allow": ["192.0.2.0/24", "localhost"]}, "modules": {"plain": {"family": "ipv4"}},
                     "targets": {}})
    answer = read(service.get(f"/probe?target=localhost:{mta.port}&module=plain"))
    assert answer.value("probe_success") == 0
    assert answer.value("smtp_failure_info", phase="connect", reason="not_allowed") == 1
    assert mta.connections() == 0


def test_equal_questions_share_a_run(probed):
    """Two Prometheus servers, or one and a person, cost the mail server one connection."""
    for _ in range(3):
        read(probed.get(f"target={probed.mta.address}&module=plain"))
    assert probed.mta.connections() == 1
    read(probed.get(f"target={probed.mta.address}&module=plain&hostname=x.example.org"))
    assert probed.mta.connections() == 2
    read(probed.get(f"target={probed.mta.address}&module=routes"))
    assert probed.mta.connections() == 3
    read(probed.get("target=mx"))
    assert probed.mta.connections() == 4
    probed.other.answers["EHLO"] = gate = Gate("250 x")
    asked = [probed.service.ask(f"/probe?target={probed.other.address}&module=plain") for _ in range(2)]
    wait_until(lambda: gate.waiting == 1, 10, "one run is under way")
    gate.open()
    assert [one.answer().status for one in asked] == [200, 200]
    assert probed.other.connections() == 1


def test_a_reload_forgets_what_a_module_said(probed):
    read(probed.get(f"target={probed.mta.address}&module=plain"))
    probed.config["modules"]["plain"]["helo"] = "new.example.org"
    config = {"server": {"listen": [f"{HOST}:{probed.service.port}"]}, **probed.config}
    write_config(os.path.dirname(probed.service.config_path), config)
    assert probed.service.get("/-/reload", method="POST").status == 200
    read(probed.get(f"target={probed.mta.address}&module=plain"))
    assert "EHLO new.example.org" in probed.mta.lines()


def test_placeholders_of_the_greeting_are_the_callers(ehlod, mta):
    service = ehlod({"modules": {"plain": {"helo": "{{target}}.example.org"}}, "targets": {"mx": target(mta.address)}})
    read(service.get(f"/probe?target={mta.address}&module=plain"))
    assert f"EHLO {mta.address}.example.org" in mta.lines()


def test_the_result_is_found_by_its_address(probed):
    """A run of a module is a run: it stands in the log and at /runs."""
    read(probed.get(f"target={probed.mta.address}&module=plain"))
    [line] = [line for line in probed.service.log().split("\n") if f"target={probed.mta.address}" in line]
    run = probed.service.get("/runs/" + line.split(" id=")[1].split(" ")[0])
    assert (run.status, run.json["target"], run.json["status"]) == (200, probed.mta.address, "pass")


@pytest.mark.parametrize("query, parameter, words", [
    ("module=no&target=", "target", "has no value"),
    ("module=palin&target=mx", "module", "Did you mean plain?"),
    ("module=plain", "target", "is missing"),
    ("", "target", "is missing"),
    ("target=mx3", "target", "There is no target named mx3. Did you mean mx?"),
    ("target=192.0.2.1:25", "module", "is missing"),
    ("target=192.0.2.1:25&module=plain", "target", "may not be dialled"),
    ("target=127.1:25&module=plain", "target", "neither"),
    ("target=0x7f000001:25&module=plain", "target", "neither"),
    ("target=0177.0.0.1:25&module=plain", "target", "neither"),
    ("target=2130706433:25&module=plain", "target", "neither"),
    ("target=mx1%EF%BC%8Eexample.org:25&module=plain", "target", "neither"),  # H21: a full-width dot, an ideographic one
    ("target=mx1%E3%80%82example.org:25&module=plain", "target", "neither"),
    ("target=mx1.example.org%E2%80%A8:25&module=plain", "target", "neither"),  # H21: U+2028
    ("target=127.0.0.1:0&module=plain", "target", "neither"),
    ("target=unix:/tmp/x&module=plain", "target", "neither"),
    ("target=mx1.example.org:&module=plain", "target", "neither"),
    ("target=mx&module=routes", "module", "not of the module routes"),
    ("target=mx2&module=plain", "module", "not of the module plain"),
    ("target=mx&debug=1", "debug", "true or false"),
    ("target=mx&format=json", "format", ""),
    ("target=mx%0d%0aRSET", "target", "control character"),
    ("target=192.0.2.1:25&module=sender", "module", "it sends messages"),
    ("target=192.0.2.1:25&module=login", "module", "auth.password_file: is missing")])
def test_what_is_refused(probed, query, parameter, words):
    problem = assert_problem(probed.get(query), 400, parameter)
    assert words in problem["detail"]
    assert probed.mta.connections() == probed.other.connections() == 0


def test_the_order_of_complaints_is_blackbox_exporters(probed):
    bad = {"X-Prometheus-Scrape-Timeout-Seconds": "soon"}
    assert_problem(probed.get("module=no", headers=bad), 400, "module")
    assert "Scrape-Timeout" in assert_problem(probed.get("module=plain", headers=bad), 400)["detail"]
    assert_problem(probed.get("module=plain"), 400, "target")


@pytest.mark.parametrize("timeout, at_least, at_most", [("1", 0.4, 2), ("1.5", 0.9, 2.5)])
def test_the_scrape_timeout_bounds_a_module_too(ehlod, fake, timeout, at_least, at_most):
    silent = fake(BANNER=None)
    service = ehlod({"modules": {"plain": {}}, "targets": {"mx": target(silent.address)}})
    answer = read(service.get(f"/probe?target={silent.address}&module=plain",
                              headers={"X-Prometheus-Scrape-Timeout-Seconds": timeout}))
    assert answer.value("smtp_failure_info", phase="banner", reason="deadline") == 1
    assert at_least < answer.value("probe_duration_seconds") < at_most


def test_hostname_is_whom_the_certificate_must_be_for(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good())
    tls = {"tls": "starttls", **SHORT}
    service = ehlod({"modules": {"open": {**tls, "tls_config": {"ca_file": certificates.ca}},
                                 "said": {**tls, "tls_config": {"ca_file": certificates.ca, "server_name": NAME}}},
                     "targets": {"mx": target(mta.address, module="said")}})

    def success(query):
        return read(service.get(f"/probe?{query}")).value("probe_success")
    assert success(f"target={mta.address}&module=open") == 0  # it is for a name, not for 127.0.0.1
    assert success(f"target={mta.address}&module=open&hostname={NAME}") == 1
    assert success(f"target={mta.address}&module=open&hostname=other.example.test") == 0
    assert success(f"target={mta.address}&module=said&hostname=other.example.test") == 1  # the module's goes first
    assert success(f"target=mx&hostname={NAME}") == 1
    assert_problem(service.get("/probe?target=mx&hostname=other.example.test"), 400, "hostname")
    assert_problem(service.get(f"/probe?target={mta.address}&module=open&hostname=a_b%20c"), 400, "hostname")


def test_a_module_with_a_dialogue(ehlod, mta, tmp_path):
    (tmp_path / "to.smtp").write_text("EHLO {{hostname}}\n< 250\nNOOP {{address}} {{customer}}\n< 502\n")
    (tmp_path / "send.smtp").write_text("EHLO x\nMAIL FROM:<>\nRCPT TO:<x@example.org>\nDATA\nSubject: x\n\nx\n.\n")
    service = ehlod({"modules": {"said": {"dialogue": "to.smtp", "vars": {"customer": "s3cret"}},
                                 "sent": {"dialogue": "send.smtp", "cache_ttl": KEPT}},
                     "targets": {"mx": target(mta.address)}})
    answer = read(service.get(f"/probe?target={mta.address}&module=said"))
    assert answer.value("probe_success") == 1
    assert "NOOP [127.0.0.1] s3cret" in mta.lines()
    debug = service.get(f"/probe?target={mta.address}&module=said&debug=true").text
    assert 'vars:\n  customer: "***"' in debug
    assert "it sends messages" in assert_problem(service.get(f"/probe?target={mta.address}&module=sent"), 400, "module")["detail"]


def test_debug_shows_no_secret(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), AUTH="235 2.7.0 Ok", EHLO="250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS")
    service = ehlod({"modules": {"in": {
        "tls": "starttls", "tls_config": {"ca_file": certificates.ca, "server_name": NAME},
        "auth": {"username": 'pro"be\\', "password": "hunter2-hunter2"}}}, "targets": {"mx": target(mta.address)}})
    answer = service.get(f"/probe?target={mta.address}&module=in&debug=true")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain"
    assert "235 2.7.0 Ok" in answer.text
    assert "hunter2" not in answer.text and "aHVudGVyMi" not in answer.text
    assert 'auth:\n  username: "pro\\"be\\\\"\n  password: "***"\n' in answer.text


def test_debug_of_a_target_is_a_config_that_says_the_same(ehlod, mta, fake):
    """Its last block, put below a name, is a config: what comes of that prints the same block again."""
    other = fake()
    full = {"family": "ipv4", "source": HOST, "helo": "x.example.org", "timeout": "9s", "timeouts": {
        key: "2.5s" for key in ("dns", "connect", "tls", "banner", "reply", "message", "final", "quit")},
        "warn": {"duration": "3s", "rcpt": "1s"}, "stop_after": "rcpt", "xclient": {"ADDR": "198.51.100.4", "PORT": "25"}}
    route = {"name": "in", "from": "", "to": ["a@example.org", "b@example.org"], "expect": ["rejected", "deferred"], "at": "rcpt"}
    first = ehlod({"targets": {"mx": target(mta.address, route, **full), "mx2": target(other.address)}})
    head = "Module configuration:\n"

    def block(service):
        return service.get("/probe?target=mx&debug=true").text.split(head)[1]
    shown = block(first)
    text = "targets:\n  mx:\n" + "".join(f"    {line}\n" for line in shown.rstrip().split("\n"))
    port = free_port()
    second = ehlod(f'server: {{listen: "{HOST}:{port}"}}\n{text}', port=port)
    assert block(second) == shown


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_run_as_get_does(probed, method):
    assert probed.get(f"target={probed.mta.address}&module=plain", method=method).status == 200
    assert probed.mta.connections() == 1


def test_a_flood_of_names_costs_a_bounded_number_of_guests(probed):
    """Each of a thousand names makes a target of its own; what was asked for first has made room."""
    query = f"target={probed.mta.address}&module=plain"
    read(probed.get(query))
    before = probed.service.status_field("VmRSS")
    for number in range(1000):
        assert probed.get(f"{query}&hostname=n{number}.example.org").status == 200
    assert probed.service.is_sanitized() or probed.service.status_field("VmRSS") - before < 30000
    count = probed.mta.connections()
    probed.get(f"{query}&hostname=n999.example.org")
    assert probed.mta.connections() == count
    probed.get(f"{query}&hostname=n0.example.org")
    assert probed.mta.connections() == count + 1
