# SPDX-License-Identifier: Apache-2.0
"""HTTP as balancers, scrapers and browsers speak it. The letters are rows of the fault catalogue."""
import json
import re
import subprocess
import time

import pytest
from conftest import target
from fake_mta import Gate
from service import assert_problem, parse_only_reply
from support import HOST, scaled, wait_until


# --- what is answered ---

def test_check_says_pass_with_200_and_fail_with_503(service):
    good, bad = service.get("/check/good"), service.get("/check/bad")
    assert (good.status, good.json["status"]) == (200, "pass")
    assert (bad.status, bad.json["status"]) == (503, "fail")
    for answer in (good, bad):
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.body.startswith(b'{"status":"'), "a balancer reads the first kilobyte only"
        assert "Cache-Control" in answer.headers and "Accept" in answer.headers["Vary"]


def test_check_of_all_targets(service):
    answer = service.get("/check")
    assert answer.status == 503
    whole = answer.json
    assert whole["status"] == "fail" and set(whole["targets"]) == {"good", "bad"}
    assert whole["counts"] == {"pass": 1, "warn": 0, "fail": 1, "unknown": 0}
    assert whole["targets"]["good"]["status"] == "pass"


def test_targets_lists_what_is_configured_and_runs_nothing(service, mta):
    before = {t["name"]: t for t in service.get("/targets").json["targets"]}
    assert before["good"]["status"] is None and before["good"]["address"] == mta.address
    assert mta.connections() == 0
    service.get("/check/good")
    after = {t["name"]: t for t in service.get("/targets").json["targets"]}
    assert after["good"]["status"] == "pass" and after["good"]["id"] and after["bad"]["status"] is None


def test_no_such_target(service, mta):
    assert_problem(service.get("/check/goood"), 404)
    assert_problem(service.get("/no/such/page"), 404)
    assert_problem(service.get("/check/good/more"), 404)
    assert mta.connections() == 0


def test_health_pages(service, mta):
    for path in ("/-/healthy", "/-/ready"):
        assert service.get(path).status == 200
        assert service.get(path, method="HEAD").body == b""
    assert mta.connections() == 0


def test_every_field_of_the_result_is_there(service):
    """Keys never vanish."""
    result = service.get("/check/bad").json
    assert list(result)[0] == "status"
    assert set(result) == {
        "status", "target", "id", "vantage", "summary", "failure", "flags", "started_at", "duration_ms", "age_ms",
        "peer", "local", "claimed", "timing_ms", "extensions", "tls", "commands", "routes", "attempts", "dane",
        "mta_sts"}
    assert set(result["failure"]) == {
        "phase", "reason", "route", "code", "enhanced", "message", "limit_ms", "elapsed_ms", "last_ok_run"}
    assert set(result["timing_ms"]) == {
        "dns", "connect", "tls", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message", "final",
        "rset", "quit"}
    assert set(result["routes"][0]) == {
        "name", "from", "expect", "state", "ok", "message_id", "queue_id", "recipients", "final", "delivery"}
    for command in result["commands"]:
        assert set(command) == {
            "phase", "route", "sent", "at_ms", "first_byte_ms", "reply_ms", "reply", "expected", "ok"}
    assert result["tls"] is None and result["attempts"] == [] and result["flags"] == []


def test_a_banner_of_broken_utf8_survives_into_the_json(ehlod, fake):
    """B22"""
    mta = fake(BANNER=b"220 Gr\xfc\xdf Gott \\o/\r\n")
    result = ehlod({"targets": {"odd": target(mta.address)}}).get("/check/odd").json
    assert result["status"] == "pass" and "non_utf8" in result["flags"]
    banner = result["commands"][0]["reply"]
    assert banner["escaped"] is True and banner["lines"] == [r"Gr\xFC\xDF Gott \\o/"]


def test_the_transcript_for_people(service):
    answer = service.get("/check/bad?format=text")
    assert answer.status == 503 and answer.headers["Content-Type"].startswith("text/plain")
    assert "RCPT TO:<www@example.test>" in answer.text and "550 5.1.1 No such user" in answer.text
    assert re.search(r"^FAIL bad  rcpt/rejected: ", answer.text, re.M), answer.text


def test_curl_is_content(service):
    """As the README shows it."""
    done = subprocess.run(["curl", "-si", f"{HOST}:{service.port}/check/good"], capture_output=True, text=True,
                          timeout=scaled(10), check=True)
    head, body = done.stdout.split("\n\n" if "\n\n" in done.stdout else "\r\n\r\n", 1)
    assert head.startswith("HTTP/1.1 200") and json.loads(body)["status"] == "pass"


# --- negotiation ---

@pytest.mark.parametrize("accept, kind", [
    (None, "application/json"), ("*/*", "application/json"), ("application/json", "application/json"),
    ("text/plain", "text/plain"), ("text/plain;q=0.1, application/json", "application/json"),
    ("application/json;q=0.1, text/plain;q=0.9", "text/plain"), ("application/*", "application/json"),
    ("image/png, */*;q=0.1", "application/json"), ("nonsense", "application/json"),
])
def test_accept(service, accept, kind):
    answer = service.get("/check/good", headers={"Accept": accept} if accept else {})
    assert answer.status == 200 and answer.headers["Content-Type"].split(";")[0] == kind
    assert answer.headers["Vary"] == "Accept"


def test_format_beats_accept(service):
    answer = service.get("/check/good?format=json", headers={"Accept": "text/plain"})
    assert answer.headers["Content-Type"].startswith("application/json")


def test_h46_wishes_that_are_not_granted(service):
    first = service.get("/check/good")
    answer = service.get("/check/good", headers={"Accept-Encoding": "gzip, br", "Range": "bytes=0-9",
                                                 "If-None-Match": "*", "If-Modified-Since": first.headers["Date"]})
    assert answer.status == 200 and answer.json["id"] == first.json["id"]
    assert answer.headers["Cache-Control"] == "no-store" and "Content-Encoding" not in answer.headers


# --- methods ---

def test_h29_head_is_get_without_the_body(service):
    for path, status in (("/check/good", 200), ("/check/bad", 503), ("/check", 503), ("/targets", 200),
                         ("/check/nobody", 404), ("/check/good?x=1", 400)):
        get, head = service.get(path), service.get(path, method="HEAD")
        assert (get.status, head.status, head.body) == (status, status, b""), path
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert "Content-Length" in head.headers


def test_h30_options_on_check_is_the_verdict(service, mta):
    """As HAProxy sends it: HTTP/1.0, no Host."""
    for name, status in (("good", 200), ("bad", 503)):
        code, headers, body = parse_only_reply(service.raw(f"OPTIONS /check/{name} HTTP/1.0\r\n\r\n".encode()))
        assert (code, body) == (status, b"") and "get" in headers["allow"]
    assert mta.connections() == 1


def test_h30_options_elsewhere_runs_nothing(service, mta):
    for path in ("/targets", "/-/healthy", "/-/ready", "*"):
        answer = service.get(path, method="OPTIONS")
        allowed = "GET, HEAD, OPTIONS, POST" if path == "*" else "GET, HEAD, OPTIONS"
        assert (answer.status, answer.body, answer.headers["Allow"]) == (200, b"", allowed), path
    # What HAProxy sends when it is told no path.
    status, headers, body = parse_only_reply(service.raw(b"OPTIONS / HTTP/1.0\r\n\r\n"))
    assert (status, headers["allow"], body) == (200, "get, head, options, post", b"")
    assert service.get("/").status == 404
    assert mta.connections() == 0


def test_h30_options_on_probe_tells_what_a_scrape_would_get(ehlod, mta, fake):
    bad = fake(RCPT="550 5.1.1 No such user")
    service = ehlod({"targets": {"good": target(mta.address), "bad": target(bad.address),
                                 "ours": target(mta.address, source="192.0.2.7")}})
    for name, status in (("good", 200), ("bad", 200), ("ours", 503), ("nobody", 400)):
        for method in ("OPTIONS", "HEAD"):
            answer = service.get(f"/probe?target={name}", method=method)
            assert (answer.status, answer.body) == (status, b""), (name, method)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"])
def test_h31_other_methods(service, mta, method):
    for path in ("/check/good", "/check", "/targets", "/-/ready", "/probe?target=good"):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        code, headers, body = parse_only_reply(service.raw(head.encode()))
        assert code == 405 and "get" in headers["allow"], path
        assert json.loads(body)["status"] == 405
    assert mta.connections() == 0


@pytest.mark.parametrize("asked", ["good:25", "127.0.0.1:25", "[::1]:25", "*", "/check/good", "/"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_h31_connect_is_refused_and_closed(service, mta, asked, version):
    """What stands behind it was meant for the other end of a tunnel, and is not read as a request."""
    head = f"CONNECT {asked} HTTP/{version}\r\nHost: good:25\r\n\r\nGET /check/good HTTP/1.1\r\nHost: x\r\n\r\n"
    code, headers, body = parse_only_reply(service.raw(head.encode()))
    assert (code, headers["allow"], headers["connection"]) == (405, "get, head, options, post", "close")
    assert "ehlod is no proxy" in json.loads(body)["detail"] and mta.connections() == 0


def test_h31_the_preface_of_http2(service):
    reply = service.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert not reply.startswith(b"HTTP/1.1 2"), reply
    assert service.get("/-/healthy").status == 200


# --- probe ---

def test_probe_is_200_whatever_the_verdict(service):
    for name, success in (("good", "1"), ("bad", "0")):
        answer = service.get(f"/probe?target={name}")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        metrics = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line and line[0] != "#")
        assert metrics["probe_success"] == success
        assert float(metrics["probe_duration_seconds"]) > 0 and "probe_dns_lookup_time_seconds" in metrics
        assert metrics['smtp_status{status="pass"}'] == success
    assert metrics['smtp_failure_info{phase="rcpt",reason="rejected"}'] == "1"


def test_the_scrape_timeout_bounds_the_run(ehlod, fake):
    silent = fake(RCPT=None)
    service = ehlod({"targets": {"slow": target(silent.address, timeout="20s")}})
    begun = time.monotonic()
    answer = service.get("/probe?target=slow", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1.5"})
    assert 0.9 < time.monotonic() - begun < 1.0 + scaled(0.4)
    assert 'smtp_failure_info{phase="rcpt",reason="deadline"} 1' in answer.text


def test_h31_a_probe_without_target_or_of_a_stranger(service, mta):
    assert_problem(service.get("/probe"), 400, "target")
    assert_problem(service.get("/probe?target=nobody"), 400, "target")
    assert_problem(service.get(f"/probe?target={mta.address}"), 400, "module")  # H25
    assert mta.connections() == 0


@pytest.mark.parametrize("value", ["NaN", "-1", "ten", "1e999", "0x10", "", "5s"])
def test_h41_a_scrape_timeout_that_does_not_parse(service, mta, value):
    answer = service.get("/probe?target=good", headers={"X-Prometheus-Scrape-Timeout-Seconds": value})
    assert answer.status == 400, answer
    assert mta.connections() == 0


# --- sharing ---

def test_a_young_result_is_shared(service, mta):
    first = service.get("/check/good")
    again = service.get("/check/good")
    assert mta.connections() == 1
    assert again.json["id"] == first.json["id"] and again.json["age_ms"] >= 0
    assert int(again.headers["Age"]) >= 0
    assert service.get("/check/good?max_age=1h").json["id"] == first.json["id"]


def test_max_age_0_runs_again(service, mta):
    first = service.get("/check/good").json["id"]
    assert service.get("/check/good?max_age=0").json["id"] != first
    assert mta.connections() == 2


def test_max_age_0_joins_a_run_under_way(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address)}})
    requests = service.ask_many(2, "/check/slow?max_age=0")
    wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    gate.open()
    assert len({asked.answer().json["id"] for asked in requests}) == 1 and mta.connections() == 1


def test_the_age_of_what_is_shared(service):
    """From the run's end, in whole seconds in the header."""
    fresh = service.get("/check/good")
    assert fresh.headers["Age"] == "0" and 0 <= fresh.json["age_ms"] < 1000
    old = wait_until(lambda: (answer := service.get("/check/good")).headers["Age"] != "0" and answer, 10, "it ages")
    assert int(old.headers["Age"]) == old.json["age_ms"] // 1000 >= 1
    assert old.json["id"] == fresh.json["id"] and old.json["duration_ms"] == fresh.json["duration_ms"]
    listed = next(t for t in service.get("/targets").json["targets"] if t["name"] == "good")
    assert listed["age_ms"] >= old.json["age_ms"] and listed["id"] == fresh.json["id"]


def test_check_of_all_is_as_old_as_the_oldest(service):
    service.get("/check/good")
    wait_until(lambda: int(service.get("/check/good").headers["Age"]) >= 1, 10, "it ages")
    whole = service.get("/check")
    ages = {name: result["age_ms"] for name, result in whole.json["targets"].items()}
    assert ages["bad"] < 1000 <= ages["good"]
    assert int(whole.headers["Age"]) == ages["good"] // 1000


def test_a_result_that_is_too_old_is_not_shared(ehlod, mta):
    service = ehlod({"targets": {"good": target(mta.address, cache_ttl="0")}})
    ids = {service.get("/check/good").json["id"] for _ in range(3)}
    assert len(ids) == 3 and mta.connections() == 3


def test_another_stop_after_is_another_plan(service, mta):
    whole = service.get("/check/good").json
    short = service.get("/check/good?stop_after=ehlo").json
    assert short["id"] != whole["id"] and mta.connections() == 2
    assert [c["sent"].split(" ")[0] for c in short["commands"] if c["sent"]] == ["EHLO", "QUIT"]
    assert [(r["state"], r["ok"]) for r in short["routes"]] == [("skipped", None)]
    assert service.get("/check/good").json["id"] == whole["id"]
    assert service.get("/check/good?stop_after=ehlo").json["id"] == short["id"]


def test_h06_twenty_at_once_share_one_run(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address, cache_ttl="0")}})
    requests = service.ask_many(20, "/check/slow")
    wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    gate.open()
    answers = [asked.answer() for asked in requests]
    assert mta.connections() == 1
    assert len(answers) == 20 and {a.status for a in answers} == {200}
    assert len({a.json["id"] for a in answers}) == 1


def test_the_timeout_of_a_caller_is_its_own(ehlod, fake):
    """One who waits 300 ms is told where the run stands; one who waits longer gets the whole result of the same run."""
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address, timeout="20s")}})
    patient = service.ask("/check/slow")
    wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    begun = time.monotonic()
    hasty = service.get("/check/slow?timeout=300ms")
    assert 0.29 < time.monotonic() - begun < 0.3 + scaled(0.3)
    assert hasty.status == 503
    failure = hasty.json["failure"]
    assert (failure["phase"], failure["reason"]) == ("rcpt", "deadline")
    assert failure["limit_ms"] == pytest.approx(300, abs=1)
    gate.open()
    assert patient.answer().json["status"] == "pass" and mta.connections() == 1


def test_timeout_only_lowers(ehlod, fake):
    silent = fake(BANNER=None)
    service = ehlod({"targets": {"silent": target(silent.address, timeout="500ms")}})
    begun = time.monotonic()
    answer = service.get("/check/silent?timeout=1m")
    assert time.monotonic() - begun < 0.5 + scaled(0.3)
    assert (answer.json["failure"]["phase"], answer.json["failure"]["reason"]) == ("banner", "deadline")
