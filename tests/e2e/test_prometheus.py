# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus with the very files of docker/: it scrapes /probe and /metrics, and finds the targets by itself."""
import json

import pytest
from certificates import NAME
from conftest import target
from exposition import OPENMETRICS
from peers import snippet
from service import write_config
from support import HOST, free_port, wait_until

SD = "prometheus-sd.yml"
BLACKBOX = "prometheus-blackbox.yml"


def holds(scraper, query, value):
    wait_until(lambda: scraper.value(query) == value, 30, f"{query} is {value}; {scraper.scrape_error()}")


def test_prometheus_tells_a_good_target_from_a_broken_one(ehlod, fake, prometheus, postfix):
    other = fake()
    service = ehlod({"targets": {"mx1": target(postfix.address), "mx2": target(other.address)}})
    scraper = prometheus(service.port)
    for name in ("mx1", "mx2"):
        holds(scraper, f'up{{instance="{name}"}}', 1)
        holds(scraper, f'probe_success{{instance="{name}"}}', 1)
        holds(scraper, f'smtp_status{{instance="{name}",status="pass"}}', 1)
    assert scraper.value('probe_duration_seconds{instance="mx1"}') > 0
    assert scraper.value('smtp_phase_duration_seconds{instance="mx1",phase="rcpt"}') > 0
    assert scraper.value('smtp_reply_code{instance="mx1",phase="rcpt"}') == 250
    assert scraper.value('smtp_extension_supported{instance="mx1",keyword="PIPELINING"}') == 1
    assert scraper.value('smtp_route_state{instance="mx1",route="inbound",state="accepted"}') == 1

    other.answers["RCPT"] = "550 5.1.1 No such user"
    holds(scraper, 'probe_success{instance="mx2"}', 0)
    holds(scraper, 'smtp_failure_info{instance="mx2",phase="rcpt",reason="rejected"}', 1)
    assert scraper.value('up{instance="mx2"}') == 1
    assert scraper.value('probe_success{instance="mx1"}') == 1


def test_a_server_that_hangs_costs_no_scrape(ehlod, fake, prometheus):
    """ehlod ends the run before Prometheus gives up: up stays 1, and the phase is told."""
    silent = fake(RCPT=None)
    service = ehlod({"targets": {"mx1": target(silent.address), "mx2": target(silent.address)}})
    scraper = prometheus(service.port)
    holds(scraper, 'smtp_failure_info{instance="mx1",phase="rcpt",reason="deadline"}', 1)
    assert scraper.value('up{instance="mx1"}') == 1
    assert scraper.value('probe_success{instance="mx1"}') == 0


def test_targets_are_found_by_sd_alone(ehlod, mta, prometheus):
    """Neither a name nor an address of a target is in the config of Prometheus, and nothing is relabelled."""
    service = ehlod({"targets": {"mx1": target(mta.address, tags=["eu"]), "mx.example.org": target(mta.address)}})
    scraper = prometheus(service.port, SD)
    for name in ("mx1", "mx.example.org"):
        holds(scraper, f'probe_success{{job="smtp",instance="{name}"}}', 1)
    holds(scraper, 'count(probe_success{job="smtp"})', 2)
    found = [t for t in scraper.targets() if t["labels"]["job"] == "smtp"]
    assert sorted(t["labels"]["instance"] for t in found) == ["mx.example.org", "mx1"]
    assert {t["labels"]["instance"]: t["discoveredLabels"]["__meta_ehlod_tags"] for t in found} == {
        "mx1": ",eu,", "mx.example.org": ","}


def test_prometheus_reads_the_services_own_metrics(ehlod, mta, prometheus):
    service = ehlod({"targets": {"mx1": target(mta.address)}})
    scraper = prometheus(service.port, SD)
    holds(scraper, 'up{job="ehlod"}', 1)
    holds(scraper, 'ehlod_runs_total{status="pass"} > bool 2', 1)
    holds(scraper, 'histogram_quantile(0.5, ehlod_phase_duration_seconds_bucket{phase="rcpt"}) > bool 0', 1)
    holds(scraper, 'ehlod_http_requests_total{handler="/probe",code="200"} > bool 2', 1)
    assert scraper.value('ehlod_config_last_reload_successful') == 1
    assert scraper.value('process_resident_memory_bytes') > 1e6
    types = {row["metric"]["__name__"] for row in scraper.series('{job="ehlod"}')}
    assert {"ehlod_build_info", "ehlod_loop_lag_seconds", "process_cpu_seconds_total"} <= types


def test_prometheus_is_spoken_to_in_openmetrics(ehlod, mta, prometheus, tmp_path):
    """It asks for that first; the service's log shows no complaint, the metadata have the unit."""
    service = ehlod({"targets": {"mx1": target(mta.address)}})
    scraper = prometheus(service.port, SD)
    holds(scraper, 'up{job="ehlod"}', 1)
    metadata = scraper.metadata("ehlod_phase_duration_seconds")
    assert metadata == [{"type": "histogram", "help": metadata[0]["help"], "unit": "seconds"}]
    assert service.get("/metrics", headers={"Accept": "application/openmetrics-text"}).headers["Content-Type"] == OPENMETRICS


def test_a_new_target_comes_by_itself(ehlod, mta, prometheus):
    config = {"targets": {"mx1": target(mta.address)}}
    service = ehlod(config)
    config["server"] = {"listen": [f"{HOST}:{service.port}"], "metrics_by_target": True}
    config["targets"]["mx2"] = target(mta.address)
    write_config(service.config_path.rsplit("/", 1)[0], config)
    assert service.get("/-/reload", method="POST").status == 200
    instances = [group["labels"]["instance"] for group in service.get("/sd").json]
    assert instances == ["mx1", "mx2"]
    scraper = prometheus(service.port, SD)
    holds(scraper, 'probe_success{instance="mx2"}', 1)
    holds(scraper, 'ehlod_runs_total{status="pass",target="mx2"} > bool 0', 1)


def test_a_job_for_blackbox_exporter_needs_another_address_alone(ehlod, tls_mta, certificates, prometheus):
    """The well-known job, with nothing but the exporter's address replaced; ours answers for its module."""
    mta, port = tls_mta(certificates.good()), free_port()
    service = ehlod(snippet("ehlod-blackbox.yaml", {
        "server:": f'server:\n  listen: "{HOST}:{port}"',
        "mx1.example.org": "127.0.0.0/8",
        "tls: starttls": f"tls: starttls\n    tls_config: {{ca_file: {certificates.ca}, server_name: {NAME}}}"}), port=port)
    scraper = prometheus(service.port, BLACKBOX, {"mx1.example.org:25": mta.address})
    instance = f'job="blackbox",instance="{mta.address}"'
    holds(scraper, f"up{{{instance}}}", 1)
    holds(scraper, f"probe_success{{{instance}}}", 1)
    assert scraper.value(f"probe_ssl_earliest_cert_expiry{{{instance}}} - time() > bool 86400") == 1
    assert scraper.value(f'probe_tls_version_info{{{instance},version="TLS 1.3"}}') == 1

    mta.answers["STARTTLS"] = "454 4.7.0 Not now"
    holds(scraper, f"probe_success{{{instance}}}", 0)
    assert scraper.value(f"up{{{instance}}}") == 1


# ---- /sd ----

def test_sd_names_the_service_as_others_reach_it(ehlod, mta):
    service = ehlod({"targets": {"mx1": target(mta.address)}})

    def groups(**headers):
        answer = service.get("/sd", headers=headers)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        return answer.json
    assert groups(Host="fra:8025")[0]["targets"] == ["fra:8025"]
    assert groups(Host="[2001:db8::1]:8025")[0]["targets"] == ["[2001:db8::1]:8025"]
    assert groups(Host="fra:8025 \t ")[0]["targets"] == ["fra:8025"]
    for host in ("a b", 'x",y', "fra:", "fra:70000", ""):
        assert groups(Host=host)[0]["targets"] == [f"{HOST}:{service.port}"], host


@pytest.mark.parametrize("url, wanted", [
    ("http://fra:8025", ("fra:8025", "http", "/probe")),
    ("https://probe.example.org/ehlod/", ("probe.example.org", "https", "/ehlod/probe"))])
def test_sd_says_external_url(ehlod, mta, url, wanted):
    port = free_port()
    service = ehlod({"server": {"listen": [f"{HOST}:{port}"], "external_url": url}, "targets": {"mx1": target(mta.address)}},
                    port=port)
    [group] = service.get("/sd").json
    labels = group["labels"]
    assert (group["targets"], labels["__scheme__"], labels["__metrics_path__"]) == ([wanted[0]], *wanted[1:])


def test_sd_of_a_config_without_targets_is_an_empty_list(ehlod):
    assert json.loads(ehlod({"targets": {}}).get("/sd").body) == []
