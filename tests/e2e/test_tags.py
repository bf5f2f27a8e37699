# SPDX-License-Identifier: Apache-2.0
"""Several targets asked at once: by tag, with fewer than all being enough, and routes as a matrix."""
import json

import pytest
from conftest import KEPT, target
from service import assert_problem, run_ehlod, write_config


@pytest.fixture(name="config")
def config_fixture(mta, fake):
    bad = fake(RCPT="550 5.1.1 No such user")
    return {"targets": {"mx1": target(mta.address, tags=["eu", "inbound"], cache_ttl=KEPT),
                        "mx2": target(bad.address, tags="inbound", cache_ttl=KEPT),
                        "sub": target(mta.address, tags="outbound", cache_ttl=KEPT)}}


def test_a_tag_picks_targets(ehlod, config, mta):
    service = ehlod(config)
    answer = service.get("/check?tag=eu")
    assert answer.status == 200 and set(answer.json["targets"]) == {"mx1"}
    assert mta.connections() == 1, "no other was run"
    answer = service.get("/check?tag=inbound")
    assert answer.status == 503 and set(answer.json["targets"]) == {"mx1", "mx2"}
    assert service.get("/check?tag=inbound", method="OPTIONS").status == 503
    assert_problem(service.get("/check?tag=inbond"), 404, "tag")
    assert {t["name"]: t["tags"] for t in service.get("/targets").json["targets"]} == {
        "mx1": ["eu", "inbound"], "mx2": ["inbound"], "sub": ["outbound"]}


def test_enough_may_be_fewer_than_all(ehlod, config):
    service = ehlod(config)
    answer = service.get("/check?min_pass=2")
    assert (answer.status, answer.json["status"]) == (200, "warn")
    assert answer.json["summary"] == "2 of 3 targets pass, 1 fails; at least 2 must pass"
    assert service.get("/check?min_pass=3").status == 503
    assert service.get("/check?tag=inbound&min_pass=1&format=text").body.endswith(
        b"WARN  1 of 2 targets passes, 1 fails; at least 1 must pass\n")
    assert_problem(service.get("/check?tag=inbound&min_pass=3"), 400, "min_pass")


def test_the_command_line_takes_a_tag(config, tmp_path):
    path = write_config(str(tmp_path), config)

    def check(*arguments):
        done = run_ehlod("check", "--config", path, "--format", "json", *arguments)
        return done.returncode, set(json.loads(done.stdout)["targets"])

    assert check("--tag", "eu") == (0, {"mx1"})
    assert check("--tag", "inbound", "sub", "mx1") == (2, {"mx1", "mx2", "sub"})
    done = run_ehlod("check", "--config", path, "--tag", "inbond")
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr == "ehlod check: no target has the tag inbond; did you mean inbound?\n"


def test_a_matrix_of_routes(ehlod, postfix):
    """Who may relay through it, and who may not: every pair with its own verdict."""
    matrix = {"name": "open", "pairs": "each", "from": ["", "a@example.net", "www@example.test"],
              "to": ["www@example.test", "b@example.com"], "expect": "accepted"}
    service = ehlod({"targets": {"mx1": target(postfix.address, matrix)}})
    result = service.get("/check/mx1").json
    assert [(r["name"], r["from"], r["recipients"][0]["to"]) for r in result["routes"]] == [
        ("open.1", "", "www@example.test"), ("open.2", "", "b@example.com"),
        ("open.3", "a@example.net", "www@example.test"), ("open.4", "a@example.net", "b@example.com"),
        ("open.5", "www@example.test", "www@example.test"), ("open.6", "www@example.test", "b@example.com")]
    assert [r["ok"] for r in result["routes"]] == [True, False] * 3
    assert (result["failure"]["route"], result["failure"]["code"]) == ("open.2", 454)
