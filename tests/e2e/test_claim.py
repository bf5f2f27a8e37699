# SPDX-License-Identifier: Apache-2.0
"""Seen from elsewhere: a real Postfix takes ehlod for whom it claims to be, by XCLIENT and by the PROXY protocol, and
its log says so; a HAProxy that waits for the header; servers that will have none of it."""
import os
import re

import pytest
from certificates import NAME, Certificates
from conftest import target
from postfix import Postfix
from service import run_ehlod, write_config
from support import HOST, Program, accepts, free_port, wait_until, with_sbin

PROXY = "smtpd_upstream_proxy_protocol=haproxy"
XCLIENT = "smtpd_authorized_xclient_hosts=127.0.0.0/8"
CLIENT = {"ADDR": "198.51.100.4", "NAME": "client.example.net"}
V4, V6 = "192.0.2.9:4711", "[2001:db8::9]:4711"

RELAY = {"name": "relay", "from": "a@example.net", "to": "b@example.com", "expect": ["rejected", "deferred"]}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def postfix(certificates):
    """It trusts 198.51.100.4 and 2001:db8::4 to relay."""
    server = Postfix(tls=certificates.good(), mynetworks="198.51.100.4/32 [2001:db8::4]/128", services={
        "proxy": ("127.0.0.2", [PROXY]),
        "proxy6": ("[::1]", [PROXY]),
        "wrapper": ("127.0.0.3", [PROXY, "smtpd_tls_wrappermode=yes"]),
        "xclient": ("127.0.0.4", [XCLIENT]),
        "xclient_wrapper": ("127.0.0.5", [XCLIENT, "smtpd_tls_wrappermode=yes"]),
        "choosy": ("127.0.0.7", [XCLIENT, "smtpd_delay_reject=no",
                                 "smtpd_client_restrictions=check_client_access,inline:{198.51.100.4=REJECT}"]),
        "both": ("127.0.0.6", [PROXY, "smtpd_authorized_xclient_hosts=192.0.2.9"]),
    })
    yield server
    server.stop()


@pytest.fixture
def seen(postfix):
    """seen(): how Postfix' log names the clients that it has talked with since the test began, when each has gone."""
    before = len(postfix.smtpd_log())

    def clients():
        def gone():
            log = "\n".join(postfix.smtpd_log()[before:])
            found = re.findall(r" disconnect from (\S+)", log)
            return found if len(found) == len(re.findall(r"\]: connect from ", log)) else None
        return wait_until(gone, 10, "Postfix' log shows the end of the dialogue")
    return clients


def checked(ehlod, address, *routes, **more):
    answer = ehlod({"targets": {"mx": target(address, *routes, **more)}}).get("/check/mx")
    assert answer.status in (200, 503), answer
    return answer.json


def tls_by(certificates, mode):
    return {"tls": mode, "tls_config": {"ca_file": certificates.ca, "server_name": NAME}} if mode != "off" else {}


def assert_failed(result, phase, reason, *pieces):
    failure = result["failure"]
    assert (result["status"], failure["phase"], failure["reason"]) == ("fail", phase, reason), result
    for piece in pieces:
        assert piece in failure["message"], failure


def sent(result):
    return [command["sent"] for command in result["commands"]]


# XCLIENT

@pytest.mark.parametrize("service, mode", [("xclient", "off"), ("xclient", "starttls"), ("xclient_wrapper", "implicit")])
def test_xclient_is_honoured(ehlod, postfix, certificates, seen, service, mode):
    result = checked(ehlod, postfix.services[service], xclient=CLIENT, **tls_by(certificates, mode))
    assert result["status"] == "pass", result
    assert result["claimed"] == {"proxy": None, "xclient": "ADDR=198.51.100.4 NAME=client.example.net", "honoured": True}
    ehlo = [c["sent"].split(" ")[0] for c in result["commands"] if c["phase"] == "ehlo"]
    assert ehlo == (["EHLO"] if mode == "starttls" else []) + ["EHLO", "XCLIENT", "EHLO"]
    assert seen()[-1] == "client.example.net[198.51.100.4]"


def test_xclient_takes_every_attribute(ehlod, postfix, seen):
    everything = {"ADDR": "2001:db8::4", "NAME": "[TEMPUNAVAIL]", "PORT": 4711, "PROTO": "SMTP", "HELO": "a.example.net",
                  "LOGIN": "a=b+c", "DESTADDR": "192.0.2.1", "DESTPORT": 25}
    result = checked(ehlod, postfix.services["xclient"], xclient=everything)
    assert result["status"] == "pass", result
    assert result["claimed"]["xclient"] == ("ADDR=IPV6:2001:db8::4 NAME=[TEMPUNAVAIL] PORT=4711 PROTO=SMTP "
                                            "HELO=a.example.net LOGIN=a+3Db+2Bc DESTADDR=192.0.2.1 DESTPORT=25")
    assert seen()[-1] == "unknown[2001:db8::4]"


def test_the_source_is_where_it_dials_from(ehlod, postfix, seen):
    """No claim: it is so."""
    result = checked(ehlod, postfix.address, source="127.0.0.9")
    assert result["status"] == "pass" and result["local"]["address"] == "127.0.0.9", result
    assert result["claimed"] == {"proxy": None, "xclient": None, "honoured": None}
    assert seen() == ["unknown[127.0.0.9]"]


def test_xclient_is_not_offered_to_everybody(ehlod, postfix, seen):
    result = checked(ehlod, postfix.address, xclient=CLIENT)
    assert_failed(result, "ehlo", "not_offered", "the server does not offer XCLIENT to this client")
    assert result["claimed"] == {"proxy": None, "xclient": None, "honoured": None}
    assert sent(result)[-1] == "QUIT" and "XCLIENT" not in " ".join(filter(None, sent(result)))
    assert seen() == ["unknown[127.0.0.1]"]


def test_xclient_is_refused(ehlod, fake):
    mta = fake(EHLO="250-fake.example.test\r\n250 XCLIENT NAME ADDR", XCLIENT="550 5.7.0 Error: insufficient authorization")
    result = checked(ehlod, mta.address, xclient=CLIENT)
    assert_failed(result, "ehlo", "refused", '"550 5.7.0 Error: insufficient authorization"')
    assert result["claimed"]["honoured"] is False and result["failure"]["enhanced"] == "5.7.0"
    assert [line.split(" ")[0] for line in mta.lines()] == ["EHLO", "XCLIENT", "QUIT"]


def test_the_claimed_client_is_not_let_in(ehlod, postfix, seen):
    """Postfix refuses whom it takes ehlod for, in its reply to XCLIENT: the claim was honoured all the same."""
    result = checked(ehlod, postfix.services["choosy"], xclient={"ADDR": "198.51.100.4"})
    assert_failed(result, "ehlo", "rejected", "XCLIENT was taken, but the client that it names was refused: "
                  '"554 5.7.1 <unknown[198.51.100.4]>: Client host rejected: Access denied"')
    assert result["claimed"]["honoured"] is True
    assert seen()[-1] == "unknown[198.51.100.4]"


# PROXY

@pytest.mark.parametrize("mode", ["off", "starttls", "implicit"])
@pytest.mark.parametrize("version", [1, 2])
def test_the_header_is_honoured(ehlod, postfix, certificates, seen, version, mode):
    address = postfix.services["wrapper" if mode == "implicit" else "proxy"]
    result = checked(ehlod, address, proxy_protocol={"version": version, "source": V4}, **tls_by(certificates, mode))
    assert result["status"] == "pass", result
    words = f"PROXY TCP4 192.0.2.9 {address.replace(':', ' 4711 ')}"
    assert result["claimed"] == {"proxy": words if version == 1 else f"v2 {words}", "xclient": None, "honoured": True}
    assert seen() == ["unknown[192.0.2.9]"]
    assert (result["tls"] or {}).get("verified") is (None if mode == "off" else True)


@pytest.mark.parametrize("version", [1, 2])
def test_the_header_names_ipv6(ehlod, postfix, seen, version):
    result = checked(ehlod, postfix.services["proxy6"], proxy_protocol={"version": version, "source": V6})
    assert result["status"] == "pass", result
    assert "PROXY TCP6 2001:db8::9 ::1 4711 " in result["claimed"]["proxy"]
    assert seen() == ["unknown[2001:db8::9]"]


def test_a_local_header_claims_nothing(ehlod, postfix, seen):
    result = checked(ehlod, postfix.services["proxy"], proxy_protocol={"command": "local"})
    assert result["status"] == "pass", result
    assert result["claimed"] == {"proxy": "v2 LOCAL", "xclient": None, "honoured": True}
    assert seen() == ["unknown[127.0.0.1]"]


def test_a_header_that_postfix_does_not_take(ehlod, postfix):
    """Postfix 3.7 knows no PROXY UNKNOWN, and says so with a 421."""
    result = checked(ehlod, postfix.services["proxy"], proxy_protocol={"version": 1, "command": "local"})
    assert_failed(result, "banner", "deferred",
                  'behind the PROXY header the connection was refused: "421 4.3.0 ')
    assert result["claimed"]["proxy"] == "PROXY UNKNOWN"


def test_xclient_behind_the_header(ehlod, postfix, seen):
    """Postfix offers XCLIENT to the client that the header names."""
    result = checked(ehlod, postfix.services["both"], proxy_protocol={"source": V4}, xclient=CLIENT)
    assert result["status"] == "pass" and result["claimed"]["honoured"] is True, result
    assert seen()[-1] == "client.example.net[198.51.100.4]"


@pytest.mark.parametrize("version", [1, 2])
def test_a_postfix_that_knows_no_header(ehlod, postfix, version):
    """Whichever of the two speaks first, the verdict is the same, and no reply is taken for another's."""
    service = ehlod({"targets": {"mx": target(postfix.address, proxy_protocol={"version": version, "source": V4})}})
    for _ in range(10):
        result = service.get("/check/mx?max_age=0").json
        assert_failed(result, "banner", "unsolicited", "the server")
        assert result["claimed"]["honoured"] is False, (result["failure"], result["commands"])
        assert all(c["reply"] is None or not c["sent"] for c in result["commands"]), result["commands"]
        assert result["routes"][0]["state"] == "skipped"
        assert not set(filter(None, sent(result))) - {f"EHLO {service_name(result)}"}


def service_name(result):
    return next((s.split(" ")[1] for s in filter(None, sent(result))), "")


def test_tls_that_knows_no_header(ehlod, postfix, certificates):
    result = checked(ehlod, postfix.wrapper_address, proxy_protocol={"source": V4}, **tls_by(certificates, "implicit"))
    assert result["status"] == "fail" and result["failure"]["phase"] == "tls", result
    assert "it may not speak the PROXY protocol" in result["failure"]["message"]


def test_a_server_that_hangs_up_on_a_header(ehlod, fake):
    def hang_up(_line):
        raise ConnectionAbortedError

    mta = fake(BANNER=b"", PROXY=hang_up)
    result = checked(ehlod, mta.address, proxy_protocol={"version": 1, "source": V4})
    assert result["failure"]["phase"] == "banner" and result["failure"]["reason"] == "closed", result
    assert "it may not speak the PROXY protocol" in result["failure"]["message"]
    assert result["claimed"]["honoured"] is None


def test_a_run_that_ends_at_the_greeting_sees_the_refusal(ehlod, fake):
    """The reply to the header comes behind QUIT: it is none to that."""
    mta = fake(BANNER=b"", PROXY="220 fake.example.test ESMTP", QUIT="502 5.5.2 Error: command not recognized")
    result = checked(ehlod, mta.address, proxy_protocol={"version": 1, "source": V4}, stop_after="banner")
    assert_failed(result, "banner", "unsolicited", "the server took the PROXY header for a command: \"502 ")
    assert result["claimed"]["honoured"] is False and result["routes"][0]["ok"] is None


# relaying, as somebody else

@pytest.mark.parametrize("claim, words", [
    ({"xclient": CLIENT}, " as 198.51.100.4 (XCLIENT accepted), no AUTH; no message was sent"),
    ({"proxy_protocol": {"source": "198.51.100.4:4711"}}, " as 198.51.100.4 (PROXY accepted), no AUTH; no message was sent"),
], ids=["xclient", "proxy"])
def test_who_may_relay_is_decided_by_the_claim(ehlod, postfix, claim, words):
    address = postfix.services["xclient" if "xclient" in claim else "proxy"]
    stranger = {"xclient": {**CLIENT, "ADDR": "198.51.100.5"}} if "xclient" in claim else \
        {"proxy_protocol": {"source": "198.51.100.5:4711"}}
    service = ehlod({"targets": {"friend": target(address, RELAY, **claim), "stranger": target(address, RELAY, **stranger)}})
    result = service.get("/check/stranger").json
    assert result["status"] == "pass" and result["routes"][0]["state"] == "deferred", result
    result = service.get("/check/friend").json
    assert_failed(result, "rcpt", "accepted", '"250 2.1.5 Ok"')
    text = service.get("/check/friend?format=text").text
    assert "MAIL FROM:<a@example.net> RCPT TO:<b@example.com>" + words in text, text
    assert re.search(r"^claimed: .*; honoured$", text, re.M), text


# HAProxy

HAPROXY_CFG = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client  30s
    timeout server  30s

frontend smtp
    bind {host}:{port} accept-proxy
    default_backend mail

backend mail
    server mx {server} send-proxy-v2
"""


@pytest.fixture
def balancer(tmp_path, cleanup, postfix):
    """A HAProxy that waits for a header, and hands on whom it names: its address."""
    return start_balancer(tmp_path, cleanup, postfix.port, postfix.services["proxy"])


def start_balancer(tmp_path, cleanup, port, server):
    host = "127.0.0.9"
    config = os.path.join(tmp_path, "balancer.cfg")
    with open(config, "w", encoding="utf-8") as f:
        f.write(HAPROXY_CFG.format(host=host, port=port, server=server))
    program = Program(["haproxy", "-db", "-f", config], tmp_path / "balancer.log", env=with_sbin())
    cleanup.callback(program.stop)
    program.wait_for(lambda: accepts(port, host), 10, "HAProxy listens")
    return f"{host}:{port}"


@pytest.mark.parametrize("version", [1, 2])
def test_a_haproxy_hands_on_the_claim(ehlod, balancer, seen, version):
    result = checked(ehlod, balancer, proxy_protocol={"version": version, "source": V4})
    assert result["status"] == "pass" and result["claimed"]["honoured"] is True, result
    assert seen()[-1] == "unknown[192.0.2.9]"


@pytest.mark.parametrize("version", [1, 2])
def test_a_haproxy_takes_a_local_header(ehlod, balancer, seen, version):
    """In version 1 that is PROXY UNKNOWN."""
    result = checked(ehlod, balancer, proxy_protocol={"version": version, "command": "local"})
    assert result["status"] == "pass" and result["claimed"]["honoured"] is True, result
    assert seen()[-1] == "unknown[127.0.0.1]"


def test_a_haproxy_that_waits_for_a_header_in_vain(ehlod, balancer):
    result = checked(ehlod, balancer, timeouts={"banner": "1s"})
    assert_failed(result, "banner", "timeout", "no greeting in 1.0")
    assert result["claimed"] == {"proxy": None, "xclient": None, "honoured": None}


def test_a_haproxy_with_nobody_behind_it(ehlod, tmp_path, cleanup):
    """It takes the header and closes, as one does that does not speak the protocol: nobody knows which it is."""
    balancer = start_balancer(tmp_path, cleanup, free_port(), f"{HOST}:{free_port()}")
    result = checked(ehlod, balancer, proxy_protocol={"source": V4})
    assert_failed(result, "banner", "closed", "it may not speak the PROXY protocol, or not take this header")
    assert result["claimed"]["honoured"] is None


def test_check_claims_too(tmp_path, postfix):
    path = write_config(str(tmp_path), {"targets": {"mx": target(postfix.services["proxy"],
                                                                proxy_protocol={"version": 1, "source": V4})}})
    done = run_ehlod("check", "--config", path)
    assert done.returncode == 0, done
    assert "; as 192.0.2.9 (PROXY accepted); " in done.stdout, done.stdout
    assert re.search(r"^claimed: PROXY TCP4 192\.0\.2\.9 127\.0\.0\.2 4711 \d+; honoured$", done.stdout, re.M)
