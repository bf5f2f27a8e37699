# SPDX-License-Identifier: Apache-2.0
"""H28: with hide_replies nothing that a server writes is shown, logged or kept but its codes; verdicts are the same."""
import pytest
from conftest import KEPT, target
from service import run_ehlod
from support import HOST

WORD = "Xyzzy"  # in all that the server says
LOGIN = {"username": "probe", "password": "pencil-and-paper", "allow_plaintext": True}
FORMATS = ("json", "text", "text&color=1", "health", "prometheus")
SAYS = {
    "good": {},
    "refuses": {"RCPT": f"550 5.1.1 {WORD} no such user"},
    "greylists": {"RCPT": f"451 {WORD} greylisted, try again"},
    "floods": {"MAIL": f"250-{WORD}\r\n" * 150 + f"250 {WORD}"},
    "no reply": {"MAIL": f"{WORD} what?"},
    "odd bytes": {"EHLO": f"250-{WORD}\r\n250-{WORD.upper()} {WORD}\r\n250 SIZE 12345".encode() + b" \xff\x1b\r\n"},
    "two codes": {"EHLO": f"250-{WORD}\r\n251 {WORD}"},
    "breaks off": {"RCPT": lambda _: None},
    "unasked": {"RCPT": f"250 Ok\r\n421 {WORD} goes away"},
    "in the greeting": {"BANNER": f"554 {WORD} no service"},
    "another protocol": {"BANNER": f"SSH-2.0-{WORD}"},
}


def all_said(answers):
    return {"BANNER": f"220 {WORD}.example.test ESMTP {WORD}", "EHLO": f"250-{WORD}.example.test\r\n250-{WORD}\r\n250 AUTH {WORD}",
            "MAIL": f"250 2.1.0 {WORD}", "RCPT": f"250 2.1.5 {WORD}", "RSET": f"250 {WORD}", "QUIT": f"221 {WORD}", **answers}


@pytest.mark.parametrize("kind", SAYS)
def test_h28_nothing_of_a_reply_is_shown(ehlod, fake, tmp_path, kind):
    mta = fake(**all_said(SAYS[kind]))
    service = ehlod({"history": {"path": str(tmp_path / "history.db")},
                     "server": {"probe_allow": [f"{HOST}/32"]},
                     "modules": {"shy": {"hide_replies": True, "timeout": "2s"}},
                     "targets": {"open": target(mta.address, cache_ttl=KEPT, timeout="2s"),
                                 "shy": target(mta.address, cache_ttl=KEPT, timeout="2s", hide_replies=True)}},
                    "--log-level", "debug")
    paths = ["/check/shy?format=" + name for name in FORMATS] + ["/probe?target=shy&debug=true", "/probe?target=shy"]
    run = service.get("/check/shy").json
    paths += [f"/runs/{run['id']}?format={name}" for name in FORMATS]
    paths += [f"/probe?target={mta.address}&module=shy{debug}" for debug in ("", "&debug=true")] + ["/metrics"]
    for path in paths:
        assert WORD.lower() not in service.get(path).text.lower(), path
    assert WORD.lower() not in service.log().lower()
    assert "hide_replies: true" in service.get("/probe?target=shy&debug=true").text
    shown = service.get("/check/open").json
    assert WORD in str(shown) and (shown["status"], shown["flags"]) == (run["status"], run["flags"])
    for key in ("phase", "reason", "code", "enhanced"):
        assert (shown["failure"] or {}).get(key) == (run["failure"] or {}).get(key)
    assert [c["reply"] and c["reply"]["code"] for c in shown["commands"]] == [c["reply"] and c["reply"]["code"]
                                                                              for c in run["commands"]]


@pytest.mark.parametrize("keys, message", [
    ({"tls": "implicit"}, 'the server does not speak TLS here, it sent "***"'),
    ({"auth": LOGIN}, "the server offers no AUTH mechanism for a password (it offers: ***)"),
    ({"auth": {**LOGIN, "mechanism": "PLAIN"}}, "the server does not offer AUTH PLAIN, which auth.mechanism names (it offers: ***)"),
    ({"xclient": {"NAME": "client.example.org"}}, 'the server\'s XCLIENT does not take NAME: it offers "***"'),
    ({"routes": [{"from": "a@example.org", "to": "b@example.org", "expect": "queued", "size": "2MiB"}]},
     "octets, and the server takes at most *** (SIZE); nothing was sent"),
])
def test_h28_nor_where_a_run_stops_for_what_is_offered(ehlod, fake, keys, message):
    mta = fake(**all_said({"EHLO": f"250-{WORD}\r\n250-SIZE 47110\r\n250-XCLIENT {WORD}\r\n250 AUTH {WORD}"}))
    service = ehlod({"targets": {"shy": {**target(mta.address, cache_ttl=KEPT, hide_replies=True), **keys}}})
    assert service.get("/check/shy").json["failure"]["message"].endswith(message)
    for name in FORMATS:
        text = service.get(f"/check/shy?format={name}").text
        assert WORD.lower() not in text.lower() and "47110" not in text
    assert WORD.lower() not in service.log().lower() and "47110" not in service.log()


def test_h28_what_is_known_of_ehlo_is_kept(ehlod, fake):
    mta = fake(**all_said({"EHLO": f"250-{WORD}\r\n250-PIPELINING\r\n250-SIZE 4711\r\n250 X-{WORD} {WORD}"}))
    service = ehlod({"targets": {"shy": target(mta.address, cache_ttl=KEPT, hide_replies=True)}})
    run = service.get("/check/shy").json
    assert run["extensions"] == {"PIPELINING": "", "SIZE": ""} and run["peer"]["name"] is None
    assert run["commands"][0]["reply"] == {"code": 220, "enhanced": None, "lines": ["***"], "escaped": False}
    metrics = service.get("/probe?target=shy").text
    assert 'smtp_extension_supported{keyword="SIZE"} 1' in metrics and 'smtp_reply_code{phase="banner"} 220' in metrics


def test_h28_from_the_command_line(tmp_path, fake):
    mta = fake(**all_said({"RCPT": f"550 5.1.1 {WORD}"}))
    config = tmp_path / "ehlod.yaml"
    config.write_text(f"targets: {{shy: {{address: '{mta.address}', hide_replies: true, routes: [{{from: a@example.org, to: b@example.org}}]}}}}")
    for form in ("text", "json", "nagios"):
        done = run_ehlod("check", "--config", config, "--format", form)
        assert done.returncode == 2 and WORD not in done.stdout + done.stderr and "550" in done.stdout
