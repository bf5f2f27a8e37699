# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, and the exit codes that scripts and Nagios go by."""
import json
import re
import subprocess
import time

import pytest
from conftest import target
from service import run_ehlod, write_config
from support import EHLOD, free_port, scaled


def late(_line):
    time.sleep(0.05)
    return "250 2.1.5 Ok"


@pytest.fixture(name="config")
def config_fixture(fake, tmp_path):
    """good passes, slow warns, bad fails, ours is unknown."""
    good = fake().address
    return write_config(str(tmp_path), {"targets": {
        "good": target(good),
        "slow": target(fake(RCPT=late).address, warn={"rcpt": "10ms"}),
        "bad": target(fake(RCPT="550 5.1.1 No such user").address),
        "ours": target(good, source="192.0.2.7"),
    }})


@pytest.mark.parametrize("name, word, code", [
    ("good", "PASS", 0), ("slow", "WARN", 1), ("bad", "FAIL", 2), ("ours", "UNKNOWN", 3)])
def test_check_as_text(config, name, word, code):
    done = run_ehlod("check", "--config", config, name)
    assert done.returncode == code, done
    assert re.search(rf"^{word} {name}\b", done.stdout, re.M), done.stdout


def test_check_shows_the_dialogue(config):
    done = run_ehlod("check", "--config", config, "bad", "--format", "text")
    assert "RCPT TO:<www@example.test>" in done.stdout and "550 5.1.1 No such user" in done.stdout
    assert re.search(r"^FAIL bad  rcpt/rejected: ", done.stdout, re.M), done.stdout


def test_check_as_json(config):
    done = run_ehlod("check", "--config", config, "--format", "json", "bad")
    result = json.loads(done.stdout)
    assert done.returncode == 2
    assert result["status"] == "fail" and result["failure"]["code"] == 550 and result["target"] == "bad"


def test_check_of_all_is_as_bad_as_the_worst(config):
    done = run_ehlod("check", "--config", config, "--format=json")
    whole = json.loads(done.stdout)
    assert done.returncode == 2 and whole["status"] == "fail"
    assert whole["counts"] == {"pass": 1, "warn": 1, "fail": 1, "unknown": 1}
    assert {name: result["status"] for name, result in whole["targets"].items()} == {
        "good": "pass", "slow": "warn", "bad": "fail", "ours": "unknown"}


def test_check_of_several(config):
    done = run_ehlod("check", "--config", config, "--format=json", "good", "slow")
    assert done.returncode == 1 and set(json.loads(done.stdout)["targets"]) == {"good", "slow"}


@pytest.mark.parametrize("name, word, code", [
    ("good", "OK", 0), ("slow", "WARNING", 1), ("bad", "CRITICAL", 2), ("ours", "UNKNOWN", 3)])
def test_check_as_nagios(config, name, word, code):
    done = run_ehlod("check", "--config", config, "--format", "nagios", name)
    first = done.stdout.splitlines()[0]
    assert done.returncode == code
    assert re.match(rf"SMTP {word} - .+ \| .*\S+=[0-9.]+", first), first
    assert first.count("|") == 1


@pytest.mark.parametrize("arguments", [
    ["check", "--config", "CONFIG", "nobody"], ["check", "--config", "none.yaml"], ["check", "--format", "xml"],
    ["check", "--no-such-option"], ["check", "--config"],
])
def test_check_cannot_begin(config, arguments):
    done = run_ehlod(*[config if a == "CONFIG" else a for a in arguments])
    assert done.returncode == 3, done
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["serve", "--config"],
                                       ["serve", "stray"]])
def test_serve_is_misused(arguments):
    done = run_ehlod(*arguments)
    assert done.returncode == 2, done
    assert done.stderr


def test_a_mistyped_command_or_target_is_guessed(config):
    assert "validate" in run_ehlod("valdiate").stderr
    assert "good" in run_ehlod("check", "--config", config, "godo").stderr


def test_validate(config, tmp_path):
    assert run_ehlod("validate", "--config", config).returncode == 0
    bad = write_config(str(tmp_path), "targets:\n  mx:\n    address: mx.example.org\n")
    done = run_ehlod("validate", "--config", bad)
    assert done.returncode == 1
    assert f"{bad}:3:14: targets.mx.address: " in done.stderr + done.stdout


def test_a_warning_is_called_one(tmp_path):
    path = write_config(str(tmp_path), "targets:\n  a:\n    address: mx.example.org:25\n"
                                       "  b:\n    address: mx.example.org:25\n")
    done = run_ehlod("validate", "--config", path)
    assert done.returncode == 0 and done.stdout == f"{path}: good, 2 targets\n"
    assert done.stderr.startswith(f"{path}:4:3: targets.b: ") and done.stderr.endswith("(a warning)\n"), done.stderr


def test_check_says_mistakes_but_no_warnings(tmp_path):
    """It is asked every minute; what is odd in the config is for validate and serve to say."""
    address = f"127.0.0.1:{free_port()}"
    config = write_config(str(tmp_path), {"targets": {"a": {"address": address}, "b": {"address": address}}})
    assert "(a warning)" in run_ehlod("validate", "--config", config).stderr
    done = run_ehlod("check", "--config", config, "a")
    assert done.returncode == 2 and done.stderr == ""


def test_nothing_checked_is_unknown(tmp_path):
    config = write_config(str(tmp_path), {"targets": {}})
    done = run_ehlod("check", "--config", config, "--format", "nagios")
    assert (done.returncode, done.stdout) == (3, "SMTP UNKNOWN - no targets\n")
    done = run_ehlod("check", "--config", config, "--format", "json")
    assert done.returncode == 3 and json.loads(done.stdout)["status"] == "unknown"


def test_check_of_several_ends_with_all_verdicts(config):
    lines = run_ehlod("check", "--config", config).stdout.splitlines()[-5:]
    begins = [" ".join(line.split(" ")[:2]) for line in lines[:4]]
    assert begins == ["PASS good", "WARN slow", "FAIL bad", "UNKNOWN ours"]
    assert lines[4] == "FAIL  1 of 4 targets passes, 1 fails, 1 is unknown, 1 warns"


def test_a_result_that_nobody_can_read(config):
    """A full disk, say: no exit code may claim that all is well."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([EHLOD, "check", "--config", config, "good"], stdout=full, stderr=subprocess.PIPE,
                              timeout=scaled(30), check=False)
    assert done.returncode == 3 and b"could not be written" in done.stderr


def test_standard_streams_may_be_closed(config):
    """R07: what is written to them must not end up in a socket that took their number."""
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', EHLOD, "check", "--config", config, "good"],
                          timeout=scaled(30), check=False)
    assert done.returncode == 0


def test_set_overrides_a_key(config):
    done = run_ehlod("check", "--config", config, "--set", "targets.good.routes.0.to=x@example.test", "good")
    assert done.returncode == 3 and "targets.good.routes" in done.stderr, "a list is only set as a whole"
    done = run_ehlod("check", "--config", config, "--set", "targets.good.timeout=0.0001ms", "good")
    assert done.returncode == 3 and "targets.good.timeout" in done.stderr
    done = run_ehlod("check", "--config", config, "--set", "targets.good.helo=set.example.net", "--format=json", "good")
    assert "EHLO set.example.net" in done.stdout


def test_version():
    done = run_ehlod("version")
    assert done.returncode == 0
    assert re.match(r"ehlod \d+\.\d+\.\d+", done.stdout)
    for library in ("libmicrohttpd", "jansson", "libfyaml", "c-ares", "libcurl", "libgsasl", "libidn2", "libuv", "OpenSSL"):
        assert re.search(rf"{library}\D+\d+\.\d+", done.stdout), done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["check", "--help"], ["validate", "--help"],
                                       ["version", "--help"]])
def test_help(arguments):
    done = run_ehlod(*arguments)
    assert done.returncode == 0 and "ehlod" in done.stdout and not done.stderr
    if arguments[0] in ("check", "serve", "validate"):
        assert "--config" in done.stdout
