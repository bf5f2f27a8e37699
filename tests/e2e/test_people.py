# SPDX-License-Identifier: Apache-2.0
"""What people and their programs are shown: negotiation, health+json, colours, helpful refusals, the config."""
import os
import pty
import re
import subprocess

import pytest
from conftest import KEPT, target
from doors import PASSWORD, USER, basic, bcrypt
from service import Service, assert_problem, run_ehlod, write_config
from support import EHLOD, free_port, scaled

HEALTH = "application/health+json"
OPENMETRICS = "application/openmetrics-text"
SGR = re.compile(r"\x1b\[[0-9;]*m")


# --- negotiation ---

@pytest.mark.parametrize("accept, kind", [
    (HEALTH, HEALTH), (f"{HEALTH}, application/json", "application/json"), (f"{HEALTH}, application/json;q=0.9", HEALTH),
    (f"{HEALTH};q=0.5, text/*;q=0.6", "text/plain"), ("text/*", "text/plain"), ("TEXT/Plain", "text/plain"),
    ("application/*;q=0.5, text/plain;q=0.4", "application/json"), ("application/json;q=0, */*;q=0.1", "text/plain"),
    ("application/json;q=0, text/plain;q=0, */*", HEALTH), (f"{OPENMETRICS};version=1.0.0;q=0.6,*/*;q=0.5", OPENMETRICS),
    ("text/plain;q=0.001", "text/plain"), ("text/plain;q=0", "application/json"), ("*/*;q=0", "application/json"),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"), ("image/png", "application/json"),
    ("", "application/json"), (",;,/,*", "application/json"), (f"*/*, {HEALTH}", HEALTH),
])
def test_accept_everywhere(service, accept, kind):
    run = service.get("/check/good").json["id"]
    for path in ("/check", "/check/good", f"/runs/{run}"):
        for method in ("GET", "HEAD"):
            answer = service.get(path, method=method, headers={"Accept": accept})
            assert answer.status in (200, 503), answer
            assert answer.headers["Content-Type"].split(";")[0] == kind, (path, answer)
            assert answer.headers["Vary"].split(", ")[0] == "Accept"


@pytest.mark.parametrize("name, kind", [("json", "application/json"), ("text", "text/plain"), ("health", HEALTH),
                                        ("prometheus", "text/plain")])
def test_format_counts_more_than_accept(service, name, kind):
    run = service.get("/check/good").json["id"]
    for path in ("/check", "/check/good", f"/runs/{run}"):
        answer = service.get(f"{path}?format={name}", headers={"Accept": "text/html"})
        assert answer.headers["Content-Type"].split(";")[0] == kind and "Accept" in answer.headers["Vary"]


# --- health+json ---

def test_health_of_one_target(service):
    good, bad = service.get("/check/good?format=health"), service.get("/check/bad?format=health")
    assert (good.status, bad.status) == (200, 503) and good.body.startswith(b'{"status":"pass",')
    assert "output" not in good.json and bad.json["output"].startswith("rcpt/rejected")
    check, = bad.json["checks"]["bad:responseTime"]
    assert check["status"] == "fail" and check["observedUnit"] == "ms" and check["componentId"] == "bad"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", check["time"])
    assert service.get(check["links"]["run"]).json["status"] == "fail"
    route, = good.json["checks"]["good:route"]
    assert route == {"componentId": "inbound", "observedValue": "accepted", "status": "pass"}


def test_health_of_all(service):
    answer = service.get("/check?format=health")
    assert (answer.status, answer.json["status"], answer.json["output"]) == (503, "fail", "1 of 2 targets passes, 1 fails")
    states = {key: [check["status"] for check in checks] for key, checks in answer.json["checks"].items()}
    assert states == {"good:responseTime": ["pass"], "good:route": ["pass"],
                      "bad:responseTime": ["fail"], "bad:route": ["fail"]}


@pytest.mark.parametrize("status, word", [(500, "fail"), (503, "fail"), (200, "warn"), (299, "warn"), (399, "warn")])
def test_unknown_agrees_with_the_http_status(ehlod, mta, status, word):
    """The draft: pass and warn go with 2xx and 3xx, fail with 4xx and 5xx."""
    service = ehlod({"targets": {"ours": target(mta.address, source="192.0.2.7", cache_ttl=KEPT)},
                     "server": {"unknown_status": status}})
    for path in ("/check/ours", "/check"):
        answer = service.get(f"{path}?format=health")
        assert (answer.status, answer.json["status"]) == (status, word)
        assert "no evidence against the mail server" in answer.json["notes"][0]
        check, = answer.json["checks"]["ours:responseTime"]
        assert check["status"] == word and check["output"].startswith("unknown: ")


# --- colours ---

def test_color_adds_nothing_but_colours(service):
    for path in ("/check", "/check/bad"):
        plain = service.get(f"{path}?format=text").text
        coloured = service.get(f"{path}?format=text&color=1").text
        assert "\x1b" not in plain and "\x1b[1;31mFAIL\x1b[0m" in coloured
        same = [re.sub(r"ended [\d.]+ s ago", "ended", SGR.sub("", text)) for text in (plain, coloured)]
        assert same[0] == same[1]
        assert service.get(f"{path}?color=0&format=text").text.count("\x1b") == 0
    wrong = [line for line in coloured.splitlines() if line.startswith("\x1b[31m")]
    assert wrong and all(line.endswith("\x1b[0m") for line in wrong) and any("wanted 2xx" in line for line in wrong)
    assert "\x1b[32m" not in coloured
    answer = service.get("/check/good?color=1", headers={"Accept": "text/plain"})
    assert "\x1b[1;32mPASS\x1b[0m good" in answer.text


def test_no_server_can_colour_a_terminal(ehlod, fake):
    """Nor anything else with it: C0, C1 and what ends a colour."""
    banner = b"220 \x1b[2J\x1b]0;mine\x07 \x9b31m\xc2\x9b31m \x01\x02\x03\x04\x05\x06 \x0eok\r\n"
    mta = fake(BANNER=banner, RCPT=b"550 5.1.1 \x1b[0m\x1b[32mPASS\x01\x03\r\n")
    service = ehlod({"targets": {"odd": target(mta.address, cache_ttl=KEPT)}})
    text = service.get("/check/odd?format=text&color=1").text
    assert set(SGR.findall(text)) <= {"\x1b[0m", "\x1b[31m", "\x1b[1;31m"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", SGR.sub("", text))
    assert r"\x1B[2J" in text


def run_on_terminal(*arguments, **environment):
    """What it writes to a terminal, and its exit status."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", **environment}
    if "NO_COLOR" not in environment:
        env.pop("NO_COLOR", None)
    with subprocess.Popen([EHLOD, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL,
                          env=env) as program:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return b"".join(parts).decode(), program.wait(scaled(20))


@pytest.fixture(name="cli")
def cli_fixture(tmp_path, fake):
    return write_config(str(tmp_path), {"targets": {"bad": target(fake(RCPT="550 5.1.1 No such user").address)}})


@pytest.mark.parametrize("arguments, environment, coloured", [
    ([], {}, True), ([], {"NO_COLOR": "1"}, False), ([], {"NO_COLOR": ""}, True), ([], {"TERM": "dumb"}, False),
    (["--color", "never"], {}, False), (["--color", "always"], {"NO_COLOR": "1"}, True), (["--color", "auto"], {}, True),
    (["--format", "json"], {}, False), (["--format", "nagios", "--color", "always"], {}, False)])
def test_check_on_a_terminal(cli, arguments, environment, coloured):
    for names in ([], ["bad"]):
        text, status = run_on_terminal("check", "--config", cli, *names, *arguments, **environment)
        assert status == 2 and ("\x1b" in text) == coloured, text


def test_check_into_a_pipe(cli):
    assert "\x1b" not in run_ehlod("check", "--config", cli).stdout
    assert "\x1b[1;31mFAIL\x1b[0m bad" in run_ehlod("check", "--config", cli, "--color", "always").stdout
    done = run_ehlod("check", "--config", cli, "--color", "sometimes")
    assert done.returncode == 3 and "--color is to be auto, always or never, not \"sometimes\"" in done.stderr


def test_talk_is_coloured_while_it_goes_on(fake, tmp_path):
    script = tmp_path / "script"
    script.write_text("EHLO x\nMAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\n")
    address = fake(RCPT="550 5.1.1 No such user").address
    text, status = run_on_terminal("talk", address, str(script))
    assert status == 2 and re.search(r"^\x1b\[31m +[\d. ]*! +wanted .*\x1b\[0m$", text.replace("\r", ""), re.M), text
    assert "\x1b[1;31mFAIL\x1b[0m" in text
    plain, _ = run_on_terminal("talk", address, str(script), "--color", "never")
    assert "\x1b" not in plain and not re.search(r"[\x01-\x08]", plain)
    assert "\x1b" not in run_ehlod("talk", address, script).stdout


# --- refusals ---

@pytest.mark.parametrize("path, status, parameter, words", [
    ("/check/godo", 404, None, "There is no target named godo. Did you mean good?"),
    ("/check/elsewhere", 404, None, "GET /targets lists them."),
    ("/check?tag=x", 404, "tag", "No target has the tag x."),
    ("/chek/good", 404, None, "Did you mean /check/good?"),
    ("/metric", 404, None, "Did you mean /metrics?"),
    ("/nothing/of/the/kind", 404, None, "There is /check, /check/{target}, "),
    ("/runs/01ABC", 404, None, "There is no run 01ABC here; the newest 1000 are kept"),
    ("/check/good?formt=text", 400, "formt", "Did you mean format?"),
    ("/check/good?q=1", 400, "q", "There is format, color, max_age, timeout, wait and stop_after."),
    ("/check/good?format=yaml", 400, "format", "json, text, health or prometheus"),
    ("/check/good?format=jsn", 400, "format", "did you mean json?"),
    ("/check/good?timeout=5", 400, "timeout", "a duration such as 500ms, 10s, 5m or 30d, not 5."),
    ("/check/good?stop_after=rctp", 400, "stop_after", "did you mean rcpt?"),
    ("/check?min_pass=9", 400, "min_pass", "from 1 to 2"),
    ("/check/good?color=1", 400, "color", "ask for format=text, too"),
    ("/check/good?wait=1s&wait=1s", 400, "wait", "more than once"),
    ("/check/good?wait=%zz", 400, "wait", "two hexadecimal digits"),
    ("/probe", 400, "target", "is missing"),
    ("/probe?target=godo", 400, "target", "Did you mean good?"),
    ("/probe?target=good&debug=yes", 400, "debug", "true or false, not yes"),
    ("/probe?target=good&module=x", 400, "module", "There is no module named x."),
    ("/probe?target=192.0.2.1:25", 400, "module", "how to probe host:port"),
])
def test_a_refusal_says_what_would_do(service, mta, path, status, parameter, words):
    assert words in assert_problem(service.get(path), status, parameter)["detail"]
    assert mta.connections() == 0


def test_methods_are_refused_with_those_that_there_are(service):
    for method, path in (("DELETE", "/check/good"), ("POST", "/config"), ("GET", "/-/reload")):
        problem = assert_problem(service.get(path, method=method), 405)
        assert re.search(rf"{method} is not allowed here, only [A-Z, ]+\.", problem["detail"])


# --- the config in effect ---

def test_the_config_reads_back_as_the_same(ehlod, mta, tmp_path, cleanup):
    config = {"modules": {"m": {"timeout": "8s", "timeouts": {"reply": "3s"}, "tls": "opportunistic"}},
              "targets": {"a": {"module": "m", "tags": ["eu"], **target(mta.address)},
                          "b": target(mta.address, helo="{{target}}.example.org", family="ipv4")}}
    service = ehlod(config, "--set", "targets.b.cache_ttl=7s")
    answer = service.get("/config")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/yaml")
    assert "cache_ttl: 7s" in answer.text and "unknown_status: 500" in answer.text
    again = answer.text.replace(str(service.port), str(port := free_port()))
    (tmp_path / "again").mkdir()
    copy = Service(str(tmp_path / "again"), again, port=port)
    cleanup.callback(copy.stop_cleanly)
    copied = copy.ready().get("/config").text.replace(str(port), str(service.port))
    assert copied.splitlines()[1:] == answer.text.splitlines()[1:]
    assert copy.get("/targets").json == service.get("/targets").json
    for name in "ab":
        debug = [one.get(f"/probe?target={name}&debug=true").text.split("Module configuration:\n")[1]
                 for one in (service, copy)]
        assert debug[0] == debug[1] and "reply" in debug[0]


def test_the_config_is_that_of_the_last_reload(ehlod, mta):
    service = ehlod({"targets": {"before": target(mta.address)}})
    write_config(os.path.dirname(service.config_path),
                 {"targets": {"after": target(mta.address)}, "server": {"listen": [f"127.0.0.1:{service.port}"]}})
    assert service.get("/-/reload", method="POST").status == 200
    assert "after:" in service.get("/config").text and "before:" not in service.get("/config").text


def test_f14_no_secret_is_in_the_config(ehlod, mta, tmp_path):
    (tmp_path / "password").write_text("s3cret-in-a-file\n")
    (tmp_path / "password").chmod(0o600)
    hashed = bcrypt(PASSWORD)
    service = ehlod({"targets": {
        "a": target(mta.address, auth={"username": "u", "password": "s3cret-inline", "allow_plaintext": True}),
        "b": target(mta.address, auth={"username": "u", "password_file": "password", "allow_plaintext": True})},
        "server": {"basic_auth_users": {USER: hashed}}})
    assert service.get("/config").status == 401
    text = service.get("/config", headers=basic()).text
    assert "s3cret" not in text and hashed not in text and hashed[-20:] not in text
    assert 'password: "***"' in text and 'password_file: "password"' in text and f'{USER}: "***"' in text
