# SPDX-License-Identifier: Apache-2.0
"""What the service counts of itself, at /metrics: in both formats, packed or not, and bounded whoever asks what."""
import gzip
import os
import signal
import time

import pytest
from conftest import KEPT, target
from exposition import OPENMETRICS, TEXT, read
from fake_mta import Gate
from postfix import AS_ROOT
from service import write_config
from support import HOST, free_port, scaled, wait_until

ASKS_OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


def metrics(service, openmetrics=False):
    return read(service.get("/metrics", headers=ASKS_OPENMETRICS if openmetrics else {}), openmetrics)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_exposition_is_accepted(service, openmetrics):
    headers = ASKS_OPENMETRICS if openmetrics else {}
    for path in ("/metrics", "/probe?target=good", "/probe?target=bad", "/check/good?format=prometheus"):
        exposition = read(service.get(path, headers=headers), openmetrics)
        assert all(family.help and family.type for family in exposition.families.values())
    for path in ("/check?format=prometheus", "/check/bad?format=prometheus"):
        answer = service.get(path, headers=headers)
        assert answer.status == 503  # the verdict's, as in every view
        answer.status = 200
        read(answer, openmetrics)


def test_a_set_tells_its_targets_apart(service):
    answer = service.get("/check?format=prometheus")
    answer.status = 200
    exposition = read(answer)
    assert exposition.value("smtp_status", status="pass", target="good") == 1
    assert exposition.value("smtp_status", status="fail", target="bad") == 1
    assert not [name for name in exposition.families if name.startswith("probe_")]


def test_runs_and_phases_are_counted(service):
    for name in ("good", "bad", "good", "bad"):
        service.get(f"/check/{name}?max_age=0")
    service.get("/check/good")
    own = metrics(service)
    assert own.value("ehlod_runs_total", status="pass") == 2
    assert own.value("ehlod_runs_total", status="fail") == 2
    assert own.value("ehlod_runs_shared_total", how="cached") == 1
    assert own.value("ehlod_phase_duration_seconds_count", phase="rcpt") == 4
    assert own.value("ehlod_phase_duration_seconds_bucket", phase="rcpt", le="+Inf") == 4
    assert own.value("ehlod_phase_duration_seconds_count", phase="auth") == 0
    buckets = [labels["le"] for labels in own.labels("ehlod_phase_duration_seconds_bucket") if labels["phase"] == "rcpt"]
    assert buckets == sorted(buckets, key=float) and "1" in buckets
    assert "1.0" in [labels["le"] for labels in metrics(service, True).labels("ehlod_phase_duration_seconds_bucket")]


def test_runs_under_way_and_in_line(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    slow = fake(RCPT=gate)
    service = ehlod({"server": {"max_runs": 1},
                     "targets": {name: target(slow.address) for name in ("a", "b")}})
    asked = [service.ask(f"/check/{name}") for name in ("a", "b", "a")]
    wait_until(lambda: gate.waiting == 1, 10, "a run is under way")
    wait_until(lambda: metrics(service).value("ehlod_runs_waiting") == 1, 10, "another is in line")
    own = metrics(service)
    assert own.value("ehlod_runs_in_flight") == 1
    assert own.value("ehlod_runs_shared_total", how="joined") == 1
    gate.open()
    assert [one.answer().status for one in asked] == [200] * 3
    assert metrics(service).value("ehlod_runs_in_flight") == 0


def test_what_stands_in_is_counted_as_stale(ehlod, fake):
    """A run waits in line until its time is over: the verdict before stands in."""
    mta = fake()
    service = ehlod({"server": {"max_runs": 1}, "targets": {
        "a": target(mta.address, cache_ttl="0"), "b": target(mta.address, timeout="1s", timeouts=SHORT)}})
    assert service.get("/check/b").status == 200
    mta.answers["RCPT"] = gate = Gate("250 2.1.5 Ok")
    asked = service.ask("/check/a")
    wait_until(lambda: gate.waiting == 1, 10, "the only place is taken")
    answer = service.get("/check/b?max_age=0")
    assert "stale" in answer.json["flags"], answer
    gate.open()
    asked.answer()
    assert metrics(service).value("ehlod_runs_shared_total", how="stale") == 1


SHORT = {key: "1s" for key in ("dns", "connect", "tls", "banner", "reply", "message", "final")}


def test_deliveries_and_mailboxes(ehlod):
    sink = free_port()
    route = {"name": "in", "from": "a@example.org", "to": "x@probe.example.org", "expect": "delivered", "mailbox": "local"}
    config = {"mailboxes": {"local": {"sink": f"{HOST}:{sink}", "domains": ["probe.example.org"]}},
              "targets": {"mx": target(f"{HOST}:{sink}", route)}}
    service = ehlod(config)
    before = time.time()
    probe = read(service.get("/probe?target=mx"))
    assert probe.value("smtp_route_state", route="in", state="delivered") == 1
    assert probe.value("smtp_route_success", route="in") == 1
    assert 0 <= probe.value("smtp_delivery_duration_seconds", route="in") < 60
    assert before - 1 < probe.value("smtp_delivery_last_success_timestamp_seconds", route="in") < time.time() + 1
    own = metrics(service)
    assert own.value("ehlod_delivery_duration_seconds_count") == 1
    assert own.value("ehlod_mailbox_up", mailbox="local") == 1
    config["mailboxes"] = {"other": {"sink": f"{HOST}:{sink}", "domains": ["probe.example.org"]}}
    config["targets"]["mx"]["routes"][0]["mailbox"] = "other"
    reload(service, config)
    assert metrics(service).labels("ehlod_mailbox_up") == [{"mailbox": "other"}]


def reload(service, config):
    config = {**config, "server": {"listen": [f"{HOST}:{service.port}"], **config.get("server", {})}}
    write_config(os.path.dirname(service.config_path), config)
    return service.get("/-/reload", method="POST").status


def test_the_last_success_moves_on(ehlod):
    sink = free_port()
    route = {"name": "in", "from": "a@example.org", "to": "x@probe.example.org", "expect": "delivered", "mailbox": "local",
             "min_send_interval": "0"}
    service = ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{sink}", "domains": ["probe.example.org"]}},
                     "targets": {"mx": target(f"{HOST}:{sink}", route, cache_ttl="0")}})
    first, second = (read(service.get("/probe?target=mx")).value("smtp_delivery_last_success_timestamp_seconds", route="in")
                     for _ in range(2))
    assert second > first


def test_requests_are_counted_by_row_and_not_by_path(service):
    for path in ("/check/good", "/check/good", "/check/nobody", "/no/such/path", "/nor/this", "/sd", "/check/%zz"):
        service.get(path)
    service.get("/check/good", method="DELETE")
    own = metrics(service)
    count = {(row["handler"], row["code"]): own.value("ehlod_http_requests_total", **row)
             for row in own.labels("ehlod_http_requests_total") if row["handler"] != "/-/ready"}
    assert count == {("/check/*", "200"): 2, ("/check/*", "404"): 1, ("/check/*", "405"): 1, ("/sd", "200"): 1,
                     ("other", "404"): 2, ("other", "400"): 1}


def test_a_reload_that_fails_shows(service):
    first = metrics(service)
    assert first.value("ehlod_config_last_reload_successful") == 1
    with open(service.config_path, "a", encoding="utf-8") as f:
        f.write("x")
    assert service.get("/-/reload", method="POST").status == 500
    second = metrics(service)
    assert second.value("ehlod_config_last_reload_successful") == 0
    name = "ehlod_config_last_reload_success_timestamp_seconds"
    assert second.value(name) == first.value(name)


def test_the_process_shows_itself(service):
    own = metrics(service)
    assert own.value("process_open_fds") == pytest.approx(service.descriptors(), abs=3)
    assert own.value("process_resident_memory_bytes") == pytest.approx(service.status_field("VmRSS") * 1024, rel=0.2)
    assert abs(own.value("process_start_time_seconds") - time.time()) < 120
    assert 0 <= own.value("process_cpu_seconds_total") < 60
    assert own.value("ehlod_history_dropped_total") == 0
    assert own.value("process_max_fds") >= own.value("process_open_fds")


def test_the_process_shows_itself_where_the_rest_of_proc_is_hidden(ehlod):
    """As ProcSubset=pid of the unit in systemd/ hides it."""
    hidden = [*AS_ROOT, "unshare", "--mount", "sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$@"', "sh"]
    begun = time.time()
    service = ehlod({"targets": {}}, wrapper=hidden)
    starts = [metrics(service).value("process_start_time_seconds") for _ in range(3)]
    assert abs(starts[0] - begun) < scaled(10) and starts == [starts[0]] * 3


def test_a_loop_that_was_late_says_so(service):
    """The whole process is stopped for a while: afterwards nobody can tell that from a loop that was busy."""
    assert metrics(service).value("ehlod_loop_lag_seconds") < 1
    os.kill(service.pid, signal.SIGSTOP)
    end = time.monotonic() + 2.5
    wait_until(lambda: time.monotonic() > end, 10, "it has stood still for a while")
    os.kill(service.pid, signal.SIGCONT)
    assert 1 < metrics(service).value("ehlod_loop_lag_seconds") < 60


# ---- targets told apart ----

def test_by_target(ehlod, mta):
    config = {"server": {"metrics_by_target": True}, "targets": {
        "a": target(mta.address, cache_ttl=KEPT), "b": target(mta.address, cache_ttl=KEPT)}}
    service = ehlod(config)
    for path in ("/check/a", "/check/b", "/check/b?max_age=0"):
        service.get(path)
    own = metrics(service)
    assert own.value("ehlod_runs_total", status="pass", target="a") == 1
    assert own.value("ehlod_runs_total", status="pass", target="b") == 2
    assert own.value("ehlod_phase_duration_seconds_count", phase="rcpt", target="b") == 2
    assert all("target" in labels for labels in own.labels("ehlod_runs_total"))
    del config["targets"]["b"]
    assert reload(service, config) == 200
    own = metrics(service)
    assert {labels.get("target") for labels in own.labels("ehlod_runs_total")} == {None, "a"}
    config["server"] = {}
    assert reload(service, config) == 200
    own = metrics(service, True)
    assert own.value("ehlod_runs_total", status="pass") == 3  # nothing that was counted is gone
    assert own.value("ehlod_phase_duration_seconds_count", phase="rcpt") == 3


# ---- bounded ----

def test_h45_no_label_of_ours_comes_from_a_server(ehlod, fake):
    """Whatever a server says of itself, the labels of smtp_* are words of the config and of closed lists."""
    words = "".join(f"250-X-KEYWORD-{i} a\"b\\c\r\n" for i in range(50))
    mta = fake(BANNER='220 evil"host} 1 ESMTP', EHLO=words + "250 SIZE 5", RCPT='550 5.1.1 "evil\\"} 1')
    service = ehlod({"targets": {"mx": target(mta.address)}})
    evil = read(service.get("/probe?target=mx"))
    good = read(ehlod({"targets": {"mx": target(fake(RCPT="550 no").address)}}).get("/probe?target=mx"))

    def labels(exposition):
        return {(name, tuple(sorted(own.items()))) for family in exposition.families.values()
                for name, own, _ in family.samples if name.startswith("smtp_")}
    assert labels(evil) == labels(good)
    assert evil.value("smtp_extension_supported", keyword="SIZE") == 1


# ---- packed ----

@pytest.mark.parametrize("field, packed", [
    ("gzip", True), ("deflate, gzip;q=0.5", True), ("*", True), ("x-gzip", True), ("gzip;q=0", False),
    ("gzip;q=0, *", False), ("identity", False), ("", False), (None, False), ("br", False), ("GZIP", True)])
def test_gzip_where_it_is_taken(service, field, packed):
    headers = {} if field is None else {"Accept-Encoding": field}
    for path in ("/metrics", "/probe?target=good"):
        answer = service.get(path, headers=headers)
        assert answer.headers.get("Content-Encoding") == ("gzip" if packed else None)
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        assert answer.headers["Content-Type"] == TEXT
        text = gzip.decompress(answer.body) if packed else answer.body
        assert text.startswith(b"# HELP ") and text.endswith(b"\n")
        assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_nothing_but_metrics_is_packed(service):
    for path in ("/check/good", "/targets", "/sd", "/-/healthy", "/check/good?format=prometheus", "/probe?target=good&debug=true"):
        answer = service.get(path, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers, path


@pytest.mark.parametrize("path", ["/metrics", "/probe?target=good"])
def test_head_is_get_without_the_body(service, path):
    answer = service.get(path, method="HEAD", headers={"Accept-Encoding": "gzip", **ASKS_OPENMETRICS})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == OPENMETRICS
    assert answer.headers["Content-Encoding"] == "gzip"
