# SPDX-License-Identifier: Apache-2.0
"""/openapi.json is true: every path, method, parameter and status in it is tried, and nothing is missing from it."""
import re
import signal
import socket

import pytest
from conftest import KEPT, target
from doors import PASSWORD, USER, basic, bcrypt
from fake_mta import Gate
from service import Service, assert_problem, parse_reply, read_to_end
from support import HOST, scaled, wait_until

METHODS = {"get", "head", "options", "post"}
JUDGING = {"/check", "/check/{target}", "/probe", "/-/healthy", "/-/ready"}

# A question for each status of each path; ID stands for a run that is kept. What needs another service stands below.
SCENES = {
    "/check": {200: "/check?tag=good", 503: "/check?tag=bad", 500: "/check?tag=ours", 404: "/check?tag=nobody",
               400: "/check?min_pass=0"},
    "/check/{target}": {200: "/check/good", 503: "/check/bad", 500: "/check/ours", 404: "/check/nobody",
                        400: "/check/good?wait=soon"},
    "/probe": {200: "/probe?target=good", 503: "/probe?target=ours", 400: "/probe"},
    "/metrics": {200: "/metrics", 400: "/metrics?x=1"},
    "/sd": {200: "/sd", 400: "/sd?x=1"},
    "/runs/{id}": {200: "/runs/ID", 404: "/runs/01", 400: "/runs/ID?x=1"},
    "/targets": {200: "/targets", 400: "/targets?x=1"},
    "/targets/{target}/drain": {200: "/targets/drained/drain", 404: "/targets/nobody/drain",
                                400: "/targets/drained/drain?x=1"},
    "/targets/{target}/undrain": {200: "/targets/drained/undrain", 404: "/targets/nobody/undrain",
                                  400: "/targets/drained/undrain?x=1"},
    "/config": {200: "/config", 400: "/config?x=1"},
    "/openapi.json": {200: "/openapi.json", 400: "/openapi.json?x=1"},
    "/-/healthy": {200: "/-/healthy", 400: "/-/healthy?x=1"},
    "/-/ready": {200: "/-/ready", 400: "/-/ready?x=1"},
    "/-/reload": {200: "/-/reload", 400: "/-/reload?x=1"},
}
ELSEWHERE = {("/check/{target}", 403), ("/-/ready", 503), ("/-/reload", 403), ("/-/reload", 500),
             ("/targets/{target}/drain", 403), ("/targets/{target}/undrain", 403)}

# Where the description has no example, since it depends on the config.
VALUES = {"target": "good", "tag": "good", "module": "m", "hostname": "mx.example.org"}


def config(good, bad, **server):
    return {"modules": {"m": {"timeout": "5s"}},
            "targets": {"drained": target(good.address, cache_ttl=KEPT),
                        "good": {"module": "m", **target(good.address, cache_ttl=KEPT, tags=["good"])},
                        "bad": target(bad.address, cache_ttl=KEPT, tags=["bad"]),
                        "ours": target(good.address, source="192.0.2.7", cache_ttl=KEPT, tags=["ours"])},
            "server": server}


@pytest.fixture(name="service")
def service_fixture(ehlod, mta, fake):
    return ehlod(config(mta, fake(RCPT="550 5.1.1 No such user")))


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


def query_of(path, name, value):
    """A question whose only doubtful part is that parameter."""
    question = {"/check": "/check?", "/check/{target}": "/check/good?", "/runs/{id}": "/runs/ID?",
                "/targets/{target}/drain": "/targets/drained/drain?"}.get(path, f"{path}?")
    if path == "/probe" and name != "target":
        question += "target=good&"
    return f"{question}{name}={value}"


def ask(service, path, method="GET"):
    run = service.get("/check/good").json["id"]
    return service.get(path.replace("ID", run), method=method)


# --- the document ---

def test_what_every_document_must_have(service):
    """The essentials of the specification, 3.1.0."""
    answer = service.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json
    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "ehlod" and document["info"]["version"]
    assert set(document) == {"openapi", "info", "paths", "components"}
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 20
    for path, item in document["paths"].items():
        assert path.startswith("/") and set(item) <= METHODS | {"parameters"}
        names = [(p["name"], p["in"]) for p in item["parameters"]]
        assert len(names) == len(set(names))
        assert {name for name, place in names if place == "path"} == set(re.findall(r"{(\w+)}", path))
        for parameter in item["parameters"]:
            assert parameter["in"] in ("path", "query") and parameter["schema"]["type"] == "string"
            assert parameter["description"], f"{path}: nobody has described {parameter['name']}"
            assert parameter["required"] or parameter["in"] == "query"


def test_every_answer_is_described(service):
    document = service.get("/openapi.json").json
    for path, method, operation in operations(document):
        assert operation["summary"], f"nobody has described {path} (server/render/openapi_words.c)"
        assert "default" in operation["responses"] and len(operation["responses"]) > 1
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d|default", status) and response["description"]
            assert bool(response.get("content")) == (method in ("get", "post")), (path, method, status)
            for media in response.get("content", {}).values():
                reference = media["schema"].get("$ref")
                assert reference is None or reference.split("/")[-1] in document["components"]["schemas"]


def test_every_path_there_is(service):
    """The list that a stranger is told is made of the rows by which requests are answered."""
    told = assert_problem(service.get("/"), 404)["detail"].split("There is ")[-1].rstrip(".").split(", ")
    assert told == list(service.get("/openapi.json").json["paths"])


# --- tried ---

def test_every_status_is_had(service):
    document = service.get("/openapi.json").json
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status == "default" or (path, int(status)) in ELSEWHERE:
                continue
            answer = ask(service, SCENES[path][int(status)], method.upper())
            assert answer.status == int(status), (path, method, status, answer)
            if method in ("get", "post"):
                assert answer.headers["Content-Type"].split(";")[0] in response["content"], (path, method, status)
            else:
                assert answer.body == b""


def test_every_scene_is_described(service):
    """The other way round: what is had is in the document."""
    paths = service.get("/openapi.json").json["paths"]
    assert set(paths) == set(SCENES)
    for path, scenes in SCENES.items():
        method = "get" if "get" in paths[path] else "post"
        assert {str(status) for status in scenes} <= set(paths[path][method]["responses"]), path


def test_other_methods_are_refused(service):
    for path, item in service.get("/openapi.json").json["paths"].items():
        for method in sorted({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"} - {m.upper() for m in item}):
            answer = ask(service, SCENES[path][200], method)
            assert answer.status == 405, (path, method)
            assert {m.lower() for m in answer.headers["Allow"].split(", ")} == METHODS & set(item)


def test_every_parameter_is_taken(service):
    for path, item in service.get("/openapi.json").json["paths"].items():
        method = "GET" if "get" in item else "POST"
        for parameter in item["parameters"]:
            if parameter["in"] != "query":
                continue
            name, schema = parameter["name"], parameter["schema"]
            values = schema.get("enum") or [parameter.get("example") or VALUES[name]]
            for value in values:
                assert re.search(schema.get("pattern", ""), value)
                assert ask(service, query_of(path, name, value), method).status != 400, (path, name, value)
            if "enum" in schema or "pattern" in schema:
                wrong = "no such value"
                assert not re.search(schema.get("pattern", "^$"), wrong) and wrong not in schema.get("enum", [])
                answer = ask(service, query_of(path, name, wrong.replace(" ", "%20")), method)
                assert_problem(answer, 400, name)
        answer = ask(service, query_of(path, "nobody", "1"), method)
        assert_problem(answer, 400, "nobody")
        for name in (p["name"] for p in item["parameters"] if p["in"] == "query"):
            assert f" {name}" in answer.json["detail"], "an unknown parameter is answered with those that there are"


def test_every_view_is_had_by_its_media_type(service):
    content = service.get("/openapi.json").json["paths"]["/check/{target}"]["get"]["responses"]["200"]["content"]
    for media_type in content:
        answer = service.get("/check/good", headers={"Accept": media_type})
        assert answer.headers["Content-Type"].split(";")[0] == media_type


# --- what needs another service ---

def test_ready_while_stopping(ehlod, fake):
    """Over a connection from before."""
    gate = Gate("250 2.1.5 Ok")
    service = ehlod({"targets": {"slow": target(fake(RCPT=gate).address)}})
    assert "503" in service.get("/openapi.json").json["paths"]["/-/ready"]["get"]["responses"]
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        s.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        asked = service.ask("/check/slow")
        wait_until(lambda: gate.waiting, 10, "a run is under way")
        service.signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in service.log(), 10, "it is stopping")
        s.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _, _ = parse_reply(read_to_end(s))
    assert status == 503 and headers["content-type"].startswith("text/plain")
    gate.open()
    assert asked.answer().status == 200


def test_reload_that_is_not_allowed_or_goes_wrong(ehlod, mta, tmp_path, cleanup):
    service = ehlod({"targets": {"good": target(mta.address)}})
    with open(service.config_path, "w", encoding="utf-8") as f:
        f.write("targets: [")
    assert_problem(service.get("/-/reload", method="POST"), 500)
    (tmp_path / "closed").mkdir()
    closed = Service(str(tmp_path / "closed"), {"targets": {}, "server": {"allow_reload": "nobody"}})
    cleanup.callback(closed.stop_cleanly)
    assert_problem(closed.ready().get("/-/reload", method="POST"), 403)
    for one in (service, closed):
        assert {"403", "500"} <= set(one.get("/openapi.json").json["paths"]["/-/reload"]["post"]["responses"])


@pytest.mark.parametrize("path", ["/check/good", "/targets/good/drain", "/targets/good/undrain", "/-/reload"])
def test_a_post_for_a_page_of_another_site(service, mta, path):
    """A browser says so, whichever of the two fields it knows; and nothing is done."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://www.example.org"}, {"Origin": "null"}):
        answer = service.get(path, method="POST", headers=headers)
        assert_problem(answer, 403)
        assert "another site" in answer.json["detail"]
    assert not mta.dialogues and "reloaded" not in service.log()
    assert not any(one["drained"] for one in service.get("/targets").json["targets"])
    own = {"Origin": f"http://127.0.0.1:{service.port}"}
    for headers in (own, {**own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert service.get(path, method="POST", headers=headers).status == 200
    assert service.get("/check/good", headers={"Sec-Fetch-Site": "cross-site"}).status in (200, 503)  # anybody may look


def test_the_status_of_unknown_is_the_configs(ehlod, mta, fake):
    service = ehlod(config(mta, fake(RCPT="550 5.1.1 No such user"), unknown_status=200))
    for path in ("/check", "/check/{target}"):
        responses = service.get("/openapi.json").json["paths"][path]["get"]["responses"]
        assert "500" not in responses and "; or unknown" in responses["200"]["description"]
    assert service.get("/check/ours").status == 200


def test_a_login_is_described(ehlod, mta):
    service = ehlod({"targets": {"good": target(mta.address)}, "server": {"basic_auth_users": {USER: bcrypt(PASSWORD)}}})
    assert_problem(service.get("/openapi.json"), 401)
    document = service.get("/openapi.json", headers=basic()).json
    assert document["security"] == [{"basic": []}, {"bearer": []}]
    assert document["components"]["securitySchemes"]["basic"] == {"type": "http", "scheme": "basic"}
    for path, method, operation in operations(document):
        is_open = path in ("/-/healthy", "/-/ready")
        assert ("401" in operation["responses"]) != is_open and (operation.get("security") == []) == is_open
        answer = service.get(SCENES[path][200].replace("ID", "01"), method=method.upper())
        assert (answer.status == 401) != is_open, (path, method)
