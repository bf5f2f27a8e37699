# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes /probe with the snippet of the README."""
from conftest import target
from support import wait_until


def test_prometheus_tells_a_good_target_from_a_broken_one(ehlod, fake, prometheus, postfix):
    other = fake()
    service = ehlod({"targets": {"mx1": target(postfix.address), "mx2": target(other.address)}})
    scraper = prometheus(service.port)

    def holds(query, value):
        wait_until(lambda: scraper.value(query) == value, 30, f"{query} is {value}; {scraper.scrape_error()}")

    for name in ("mx1", "mx2"):
        holds(f'up{{instance="{name}"}}', 1)
        holds(f'probe_success{{instance="{name}"}}', 1)
        holds(f'smtp_status{{instance="{name}",status="pass"}}', 1)
    assert scraper.value('probe_duration_seconds{instance="mx1"}') > 0
    assert scraper.value('smtp_phase_duration_seconds{instance="mx1",phase="rcpt"}') > 0

    other.answers["RCPT"] = "550 5.1.1 No such user"
    holds('probe_success{instance="mx2"}', 0)
    holds('smtp_failure_info{instance="mx2",phase="rcpt",reason="rejected"}', 1)
    assert scraper.value('up{instance="mx2"}') == 1
    assert scraper.value('probe_success{instance="mx1"}') == 1


def test_a_server_that_hangs_costs_no_scrape(ehlod, fake, prometheus):
    """ehlod ends the run before Prometheus gives up: up stays 1, and the phase is told."""
    silent = fake(RCPT=None)
    service = ehlod({"targets": {"mx1": target(silent.address), "mx2": target(silent.address)}})
    scraper = prometheus(service.port)
    query = 'smtp_failure_info{instance="mx1",phase="rcpt",reason="deadline"}'
    wait_until(lambda: scraper.value(query) == 1, 30, f"{query} is 1; {scraper.scrape_error()}")
    assert scraper.value('up{instance="mx1"}') == 1
    assert scraper.value('probe_success{instance="mx1"}') == 0
