# SPDX-License-Identifier: Apache-2.0
"""A mailbox whose server lets in who has a token: a token server by HTTPS, a POP3 server that takes XOAUTH2 or
OAUTHBEARER, and a real Postfix that delivers into what it shows."""
import os
import re

import pytest
from certificates import NAME
from fake_pop3 import FakePop3
from fake_token_server import FakeTokenServer
from postfix import MAILDIR_DOMAIN, Postfix
from support import HOST, free_port, scaled, wait_until

SECRETS = ["the+client/secret", "refresh-1", "refresh-2", "token-1", "token-2"]


@pytest.fixture(name="postfix", scope="module")
def postfix_fixture():
    server = Postfix(maildir=True, transport={"void.example.org": "discard:"})
    server.make_maildir(server.maildir_path)
    yield server
    server.stop()


@pytest.fixture(name="pop3")
def pop3_fixture(postfix, certificates, cleanup):
    """pop3(token_server, mechanism) lets in who has the newest token."""
    def start(tokens, mechanisms="XOAUTH2"):
        server = FakePop3(os.path.join(postfix.maildir_path, "new"), certificates.good(), mechanisms)
        server.tokens = Newest(tokens)
        cleanup.callback(server.stop)
        return server
    return start


@pytest.fixture(name="token_server")
def token_server_fixture(certificates, cleanup):
    def start(answer=None):
        server = FakeTokenServer(certificates, answer)
        cleanup.callback(server.stop)
        return server
    return start


class Newest:
    """The token that was issued last, unless it was revoked."""

    def __init__(self, server):
        self.server, self.revoked = server, set()

    def __contains__(self, token):
        return token in self.server.issued[-1:] and token not in self.revoked


def config(postfix, pop3, url, ca_file, route=None, **oauth):
    box = {"pop3": pop3.url, "username": "probe@example.org", "tls_config": {"ca_file": ca_file, "server_name": NAME},
           "oauth2": {"client_id": "ehlod", "client_secret": SECRETS[0], "token_url": url, **oauth}}
    return {"mailboxes": {"m365": box},
            "targets": {"mx": {"address": postfix.address, "wait": f"{scaled(20):g}s", "timeout": f"{scaled(25):g}s",
                               "cache_ttl": "0",
                               "routes": [{"from": "probe@example.net", "to": f"www@{MAILDIR_DOMAIN}", "expect": "delivered",
                                           "mailbox": "m365", "deliver_within": f"{scaled(15):g}s",
                                           "min_send_interval": "0", **(route or {})}]}}}


LOST = {"to": "www@void.example.org", "deliver_within": "1s"}


def check_no_secret(service, answer):
    text = service.get(f"/runs/{answer.json['id']}?format=text").text
    shown = [service.log(), service.get("/targets").text, answer.text, text]
    assert [(secret, text) for secret in SECRETS for text in shown if secret in text] == []


def state_of(answer):
    return answer.json["routes"][0]["state"]


@pytest.mark.parametrize("mechanism, used", [("XOAUTH2", "XOAUTH2"), ("OAUTHBEARER", "OAUTHBEARER"),
                                             ("PLAIN XOAUTH2 OAUTHBEARER", "OAUTHBEARER")], ids=["xoauth2", "bearer", "all"])
def test_in_the_clients_name(ehlod, certificates, postfix, pop3, token_server, mechanism, used):
    tokens = token_server()
    server = pop3(tokens, mechanism)
    service = ehlod(config(postfix, server, tokens.url, certificates.ca, scopes=["https://mail.example.org/.default", "x"]))
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, state_of(answer)) == (200, "delivered"), answer
    wait_until(lambda: os.listdir(server.folder) == [], 20, "it was removed")
    assert tokens.forms == [{"grant_type": "client_credentials", "client_id": "ehlod", "client_secret": SECRETS[0],
                             "scope": "https://mail.example.org/.default x"}], "one token does for all looks"
    assert set(server.offered) == {(used, "token-1")} and len(server.offered) > 1
    check_no_secret(service, answer)


def test_a_refresh_token_is_followed_when_it_is_replaced(ehlod, certificates, postfix, pop3, token_server):
    """And tokens that live for a second are renewed."""
    refresh = ["refresh-1"]

    def answer_to(form):
        if form["refresh_token"] != refresh[-1]:
            return 400, {"error": "invalid_grant"}
        refresh.append(f"refresh-{len(refresh) + 1}")
        return tokens.issue(life=1, refresh_token=refresh[-1])
    tokens = token_server(answer_to)
    server = pop3(tokens)
    service = ehlod(config(postfix, server, tokens.url, certificates.ca, refresh_token=refresh[0]))
    for _ in range(3):
        answer = service.get("/check/mx", timeout=60)
        assert (answer.status, state_of(answer)) == (200, "delivered"), answer
    wait_until(lambda: len(tokens.forms) >= 3, 20, "tokens were renewed")
    forms = tokens.forms[:3]
    assert [form["refresh_token"] for form in forms] == ["refresh-1", "refresh-2", "refresh-3"]
    assert {form["grant_type"] for form in forms} == {"refresh_token"}
    assert "cannot be looked into" not in service.log()
    check_no_secret(service, answer)


def test_a_token_that_is_refused_is_replaced_within_the_look(ehlod, certificates, postfix, pop3, token_server):
    tokens = token_server()
    server = pop3(tokens)
    service = ehlod(config(postfix, server, tokens.url, certificates.ca))
    service.wait_for(lambda: "looking for mail" in service.log(), 20, "it has looked once")
    server.tokens.revoked.add("token-1")
    answer = service.get("/check/mx", timeout=60)
    assert (answer.status, state_of(answer)) == (200, "delivered"), answer
    assert len(tokens.forms) == 2 and {token for _, token in server.offered} == {"token-1", "token-2"}
    assert "cannot be looked into" not in service.log()
    check_no_secret(service, answer)


def unverified(service, words):
    answer = service.get("/check/mx", timeout=60)
    failure = answer.json["failure"]
    assert (answer.status, answer.json["status"], state_of(answer)) == (500, "unknown", "unverified"), answer
    assert (failure["phase"], failure["reason"]) == ("delivery", "mailbox_unreachable")
    assert re.search(rf"pop3s://{HOST}:\d+: failing since \d\d:\d\d:\d\dZ: {words}", failure["message"]), failure
    text = service.get(f"/runs/{answer.json['id']}?format=text").text
    assert "the server ACCEPTED the message" in text and "no evidence against the mail server" in text, text
    check_no_secret(service, answer)


def test_a_token_that_is_always_refused(ehlod, certificates, postfix, pop3, token_server):
    """Another one is asked for once a look, not more often."""
    tokens = token_server()
    server = pop3(tokens)
    server.tokens = set()
    service = ehlod(config(postfix, server, tokens.url, certificates.ca, LOST))
    unverified(service, r'login refused: .*"status":"401"')
    offered = [token for _, token in server.offered]
    assert offered[:3] == ["token-1", "token-2", "token-2"] and max(map(offered.count, offered)) == 2
    assert service.log().count("a mailbox cannot be looked into") == 1


@pytest.mark.parametrize("words, answer", [
    (r'no token from \S+/token: invalid_client: AADSTS7000215: wrong secret \*\*\*, or \*\*\*',
     (401, {"error": "invalid_client",
            "error_description": f"AADSTS7000215: wrong secret {SECRETS[0]}, or the%2Bclient%2Fsecret"})),
    (r'no token from \S+/token: invalid_grant: the token \*\*\* has expired',
     (400, {"error": "invalid_grant", "error_description": "the token refresh-1 has expired"})),
    ("no token from .*: HTTP status 503", (503, b"<html>down")),
    ("no token from .*: its answer is no JSON object", (200, b"<html>Sign in")),
    ("no token from .*: its answer holds no token", (200, {"access_token": "a b\r\nQUIT", "token_type": "Bearer"})),
    ("no token from .*: HTTP status 307", (307, b"", {"Location": "https://other.example.org/"})),
    ("no token from .*: the answer is larger than 64 KiB", (200, b"x" * 100000)),
], ids=["client", "grant", "down", "html", "bad-token", "redirect", "large"])
def test_a_token_server_that_gives_none(ehlod, certificates, postfix, pop3, token_server, words, answer):
    tokens = token_server(lambda form: answer)
    server = pop3(tokens)
    service = ehlod(config(postfix, server, tokens.url, certificates.ca, LOST, refresh_token="refresh-1"))
    unverified(service, words)
    assert server.lines == [], "nobody was asked for anything"


def test_a_token_server_that_is_gone_and_comes_back(ehlod, certificates, postfix, pop3, token_server):
    answers = [lambda: (500, b"")]
    tokens = token_server(lambda form: answers[-1]())
    server = pop3(tokens)
    service = ehlod(config(postfix, server, tokens.url, certificates.ca, {"deliver_within": "2s"}))
    unverified(service, "no token from .*: HTTP status 500")
    answers.append(tokens.issue)

    def works():
        return state_of(service.get("/check/mx", timeout=60)) == "delivered"
    wait_until(works, 40, "it is delivered again")
    wait_until(lambda: os.listdir(server.folder) == [], 30, "all were removed")


def test_whom_it_trusts_with_the_secret(ehlod, certificates, postfix, pop3, token_server):
    """Nobody whose certificate is not signed by whom the config says, and nobody that is not there."""
    tokens = token_server()
    server = pop3(tokens)
    service = ehlod(config(postfix, server, tokens.url, certificates.self_signed()[0], LOST))
    unverified(service, r"no token from \S+: SSL certificate problem: unable to get local issuer certificate")
    assert tokens.forms == []
    service.stop_cleanly()
    service = ehlod(config(postfix, server, f"https://{HOST}:{free_port()}/token", certificates.ca, LOST))
    unverified(service, r"no token from \S+: connect to \S+: connection refused")
