# SPDX-License-Identifier: Apache-2.0
"""A password is found nowhere: not in a run that fails of it, not where a server echoes it, in no view, no log, no
message about the config, and no core file can hold it."""
import base64
import json
import re

import pytest
from conftest import target
from service import run_ehlod, write_config
from support import wait_until

PASSWORD = "Zug-um-Zug#4711"
TOKEN = "ya29.A0ARrdaM-k9Vq7WzL2pM4HnQ"
USER = "probe"


def in_base64(data):
    return base64.b64encode(data.encode()).decode()


PLAIN = in_base64(f"\0{USER}\0{PASSWORD}")
XOAUTH2 = in_base64(f"user={USER}\1auth=Bearer {TOKEN}\1\1")


def spellings():
    """What must be seen nowhere: the secrets as they are, in base64 wherever they begin in it, and whole responses."""
    forms = {PASSWORD, TOKEN, PLAIN, XOAUTH2}
    for secret in (PASSWORD, TOKEN):
        forms.add(in_base64(secret))
        for before in range(3):
            text = base64.b64encode(b"x" * before + secret.encode()).decode().rstrip("=")
            forms.add(text[4 if before else 0:-2])  # what depends on nothing around it
    return sorted(forms)


FORMS = spellings()


def assert_not_found(what, text):
    found = [form for form in FORMS if form in text]
    assert not found, f"{what} shows {found}:\n{text[:4000]}"


class Echo:
    """An answer that repeats, in its own words and in every later one, all that the client has said in the login."""

    def __init__(self, mechanisms, end="535 5.7.8"):
        self.mechanisms, self.end, self.said = mechanisms, end, []

    def ehlo(self, _line):
        return f"250-fake.example.test\r\n250 AUTH {self.mechanisms}"

    def words(self):
        plain = [base64.b64decode(word + "==").decode("latin-1") for word in re.findall(r"[\w+/=]{8,}", " ".join(self.said))]
        own = [TOKEN, XOAUTH2] if self.mechanisms == "XOAUTH2" else [PASSWORD, PLAIN]
        return [*own, *map(in_base64, own), *self.said, *[re.sub(r"[\0-\x1f]", "?", text) for text in plain]]

    def __call__(self, line):
        self.said.append(line)
        code = self.end[:3]
        return "\r\n".join([f"{code}-{self.end[4:]} you said {word}" for word in self.words()] + [f"{self.end} no"])

    def bye(self, _line):
        return "221 2.0.0 bye " + " ".join(self.words() if self.said else [])

    def later(self, line):
        return f"550 5.7.1 {line}: " + " and ".join(self.words())


@pytest.fixture
def echoing(fake):
    """echoing(mechanisms) is a server that refuses a login and echoes it; with "235 2.7.0" one that takes it."""
    def start(mechanisms, end="535 5.7.8"):
        echo = Echo(mechanisms, end)
        return fake(EHLO=echo.ehlo, AUTH=echo, MAIL=echo.later, QUIT=echo.bye)
    return start


def secret_file(tmp_path, name, secret):
    path = tmp_path / name
    path.write_text(secret + "\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def auth(**more):
    return {"username": USER, "allow_plaintext": True, **more}


@pytest.fixture
def targets(tmp_path, echoing):
    """Every way to have a secret, and to lose it."""
    password, token = secret_file(tmp_path, "password", PASSWORD), secret_file(tmp_path, "token", TOKEN)
    return {
        "file": target(echoing("PLAIN LOGIN").address, auth=auth(password_file=password)),
        "inline": target(echoing("PLAIN").address, auth=auth(password=PASSWORD)),
        "environment": target(echoing("PLAIN").address, auth=auth(password="${EHLOD_TEST_PASSWORD}")),
        "token": target(echoing("XOAUTH2").address, auth=auth(token_file=token)),
        "inline-token": target(echoing("XOAUTH2").address, auth=auth(token=TOKEN)),
        "taken": target(echoing("PLAIN", "235 2.7.0").address, auth=auth(password_file=password)),
        "wanted": target(echoing("PLAIN").address, auth=auth(password_file=password, expect="rejected")),
        "no-tls": target(echoing("PLAIN").address, tls="opportunistic", auth={"username": USER, "password_file": password}),
    }


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("EHLOD_TEST_PASSWORD", PASSWORD)


PATHS = ["/targets", "/metrics", "/config", "/check?format=text", "/check?format=prometheus", "/check/nothing-of-the-kind",
         *[f"/check/{name}{query}" for name in ("file", "inline", "token", "taken")
           for query in ("?format=json", "?format=text", "?format=health", "?format=html", "?format=text&max_age=0",
                         "?stop_after=auth", "?timeout=1ms")],
         "/probe?target=file&debug=true", "/probe?target=file"]


def test_found_nowhere(ehlod, targets, environment):
    service = ehlod({"targets": targets}, "--log-level", "debug", "--log-format", "json")
    together = service.get("/check")
    assert_not_found("/check", together.text)
    results = together.json["targets"]
    reasons = {name: f"{r['failure']['phase']}/{r['failure']['reason']}" for name, r in results.items()}
    assert reasons == {name: "auth/failed" for name in targets} | {
        "taken": "mail/rejected", "wanted": "mail/rejected", "no-tls": "auth/needs_tls"}
    for name, result in results.items():
        echoed = [line for command in result["commands"] for line in command["reply"]["lines"]]
        assert name == "no-tls" or any("***" in line for line in echoed), echoed
        assert_not_found("/runs", service.get(f"/runs/{result['id']}").text)
        assert_not_found("/runs", service.get(f"/runs/{result['id']}?format=text").text)
    for path in PATHS:
        assert_not_found(path, service.get(path).text)
    assert_not_found("the log", service.log())
    assert '"level":"debug"' in service.log()


def test_found_in_nothing_before_the_login(ehlod, fake, environment):
    """A server that knows the secrets from another time: in its greeting, what it offers, and before the password is due."""
    words = " ".join([PASSWORD, TOKEN, PLAIN, in_base64(PASSWORD), in_base64("x" + TOKEN)])
    greeting = fake(BANNER=f"220 {PASSWORD} {words}", EHLO=f"250-{TOKEN} {words}\r\n250-X{in_base64(PASSWORD).rstrip('=')}\r\n250 AUTH {words}")
    refused = fake(BANNER=f"554 5.7.1 {words}")
    prompt = fake(EHLO="250-fake.example.test\r\n250 AUTH LOGIN", AUTH="334 VXNlcm5hbWU6", **{in_base64(USER).upper(): f"535 {words}"})
    service = ehlod({"targets": {
        "greeting": target(greeting.address, auth=auth(password=PASSWORD, token=TOKEN)),
        "refused": target(refused.address, auth=auth(password="${EHLOD_TEST_PASSWORD}", token=TOKEN)),
        "prompt": target(prompt.address, auth=auth(password=PASSWORD, token=TOKEN)),
    }}, "--log-level", "debug")
    results = service.get("/check").json["targets"]
    reasons = {name: f"{r['failure']['phase']}/{r['failure']['reason']}" for name, r in results.items()}
    assert reasons == {"greeting": "auth/no_mechanism", "refused": "banner/rejected", "prompt": "auth/failed"}
    for name in results:
        for view in ("json", "text", "prometheus"):
            shown = service.get(f"/check/{name}?format={view}").text
            assert_not_found(f"{name} as {view}", shown)
        assert "***" in json.dumps(results[name])
    assert_not_found("the log", service.log())


def test_found_in_no_mistake(ehlod, targets, environment, tmp_path):
    """A config that is wrong in whatever way near a secret, when it is loaded again, validated, or checked with."""
    service = ehlod({"targets": targets}, "--log-level", "debug")
    good = json.dumps({"server": {"listen": [f"127.0.0.1:{service.port}"]}, "targets": targets}, indent=2)
    quoted = json.dumps(PASSWORD)
    assert good.count(f'"password": {quoted}') == 1
    for instead in (f'"pasword": {quoted}', f'"password": [{quoted}', f'"password": {quoted[:-1]}', f'"password" {quoted}',
                    f'"password": {{{quoted}: 1}}', f'"password": !{PASSWORD}', f'"password": *{PASSWORD}',
                    f'"password": {quoted}, "password": {quoted}', f'"password": {quoted}, "password_file": {quoted}',
                    f'"password_file": {json.dumps(PASSWORD + chr(10))}', f'"allow_plaintext": {quoted[:-1]}\\q"'):
        write_config(str(tmp_path), good.replace(f'"password": {quoted}', instead))
        answer = service.get("/-/reload", method="POST")
        assert answer.status == 500, (instead, answer)
        for what, text in (("the answer", answer.text), ("validate", run_ehlod("validate", "--config", service.config_path).stderr)):
            if "password_file" not in instead:  # a path is shown
                assert_not_found(f"{what} to {instead}", text)
    assert_not_found("the log", re.sub(r".*password_file.*", "", service.log()))
    write_config(str(tmp_path), good)
    assert service.get("/-/reload", method="POST").status == 200
    for option in (f"targets.inline.auth.password.x={PASSWORD}", f"targets.inline..auth.password={PASSWORD}",
                   f"targets.inline.auth.password=[{PASSWORD}", f"targets.inlin.auth.password={PASSWORD}",
                   f"targets.inline.auth={PASSWORD}", f"targets.inline.auth.password={PASSWORD}"):
        done = run_ehlod("validate", "--config", service.config_path, "--set", option)
        assert_not_found(f"validate --set {option}", done.stdout + done.stderr)


@pytest.mark.parametrize("view", ["text", "json", "nagios"])
def test_found_in_no_check(view, targets, environment, tmp_path):
    path = write_config(str(tmp_path), {"targets": targets})
    done = run_ehlod("check", "--config", path, "--format", view)
    assert done.returncode == 2, done
    assert_not_found(view, done.stdout + done.stderr)


def test_nothing_is_said_in_the_clear(ehlod, echoing, tmp_path):
    """A11: the server offers PLAIN without TLS, and gets nothing."""
    mta = echoing("PLAIN LOGIN SCRAM-SHA-256")
    password = secret_file(tmp_path, "password", PASSWORD)
    service = ehlod({"targets": {"a": target(mta.address, tls="opportunistic",
                                             auth={"username": USER, "password_file": password})}})
    failure = service.get("/check/a").json["failure"]
    assert (failure["phase"], failure["reason"]) == ("auth", "needs_tls")
    assert [line.split(" ")[0] for line in mta.lines()] == ["EHLO", "QUIT"]


def test_no_core_file(ehlod, mta):
    service = ehlod({"targets": {"a": target(mta.address)}})
    with open(f"/proc/{service.pid}/limits", encoding="ascii") as f:
        limits = dict(re.findall(r"^(Max core file size) +(\d+ +\d+)", f.read(), re.M))
    assert limits["Max core file size"].split() == ["0", "0"]


def copies(pid, text):
    """How often it lies in the memory that the program may write to."""
    count = 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for place, rights in (line.split()[:2] for line in maps):
            start, end = (int(number, 16) for number in place.split("-"))
            try:
                memory.seek(start)
                count += memory.read(end - start).count(text.encode()) if rights.startswith("rw") else 0
            except (OSError, OverflowError, MemoryError):
                pass  # nothing is there, as in the shadow of a sanitizer
    return count


@pytest.mark.parametrize("where", ["file", "inline"])
def test_once_in_memory(where, ehlod, fake, tmp_path):
    """What was read, sent and answered is wiped; the secret itself stays, and goes with its config."""
    mta = fake(EHLO="250-fake.example.test\r\n250 AUTH PLAIN", AUTH="235 2.7.0 Welcome")
    own = {"password": PASSWORD} if where == "inline" else {"password_file": secret_file(tmp_path, "password", PASSWORD)}
    service = ehlod({"targets": {"a": target(mta.address, auth=auth(**own))}})
    if service.is_sanitized():
        pytest.skip("the sanitizer has copies of its own")
    for _ in range(3):
        assert service.get("/check/a?max_age=0").json["status"] == "pass"
    assert f"AUTH PLAIN {PLAIN}" in mta.lines()
    assert [copies(service.pid, form) for form in (PASSWORD, PLAIN, in_base64(PASSWORD))] == [1, 0, 0]


def test_gone_with_its_config(ehlod, mta, tmp_path):
    """Where no past run is kept that belongs to it."""
    config = {"targets": {"a": target(mta.address, auth=auth(password_file=secret_file(tmp_path, "password", PASSWORD)))}}
    service = ehlod(config)
    if service.is_sanitized():
        pytest.skip("the sanitizer has copies of its own")
    assert copies(service.pid, PASSWORD) == 1
    write_config(str(tmp_path), {"server": {"listen": [f"127.0.0.1:{service.port}"]}, "targets": {"a": target(mta.address)}})
    assert service.get("/-/reload", method="POST").status == 200
    wait_until(lambda: copies(service.pid, PASSWORD) == 0, 10, "the password is gone")
