# SPDX-License-Identifier: Apache-2.0
"""TLS by STARTTLS and from the first byte on, against servers that do it well and that do not (rows T)."""
import datetime
import json
import os
import socket
import ssl
import subprocess
import threading

import pytest
from certificates import NAME
from conftest import target
from postfix import Postfix
from service import Service, run_ehlod, write_config
from support import EHLOD, HOST, free_port, scaled, wait_until
from test_readme import blocks, example, same_shape
from tls_mta import OFFER, assert_fails, openssl_says, run, secured


def assert_good_tls(result, pair):
    tls = result["tls"]
    assert tls["version"] == "TLSv1.3" and tls["cipher"].startswith("TLS_") and tls["group"]
    assert (tls["verified"], tls["reason"], tls["alert"]) == (True, None, None)
    leaf = tls["chain"][0]
    assert leaf["names"] == [NAME]
    assert leaf["sha256"] == openssl_says(pair[0], "-fingerprint", "-sha256").split("=")[1].replace(":", "").lower()
    assert openssl_says(pair[0], "-subject", "-nameopt", "RFC2253") == "subject=" + leaf["subject"]
    assert openssl_says(pair[0], "-issuer", "-nameopt", "RFC2253") == "issuer=" + leaf["issuer"]
    assert result["timing_ms"]["tls"] > 0 and result["flags"] == []


def test_starttls(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), EHLO=OFFER)
    result = run(ehlod, secured(mta, certificates, "starttls")).json
    assert result["status"] == "pass", result["summary"]
    assert_good_tls(result, certificates.good())
    assert [c["sent"].split(" ")[0] for c in result["commands"] if c["sent"]] == \
        ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "RSET", "QUIT"]
    assert result["timing_ms"]["starttls"] > 0
    assert mta.lines()[1] == "STARTTLS"


def test_implicit(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), implicit=True)
    result = run(ehlod, secured(mta, certificates, "implicit")).json
    assert result["status"] == "pass", result["summary"]
    assert_good_tls(result, certificates.good())
    banner = result["commands"][0]
    # the greeting counts from the end of the handshake
    assert banner["at_ms"] >= result["timing_ms"]["connect"] + result["timing_ms"]["tls"] - 0.01
    assert result["timing_ms"]["starttls"] is None


def test_text_shows_tls(ehlod, tls_mta, certificates):
    service = ehlod({"targets": {"mx": secured(tls_mta(certificates.good()), certificates, "starttls")}})
    text = service.get("/check/mx?format=text").text
    assert "\nTLS: TLSv1.3, verified; TLS_" in text, text
    assert f"\n  CN={NAME}, EC 256, until 2050-01-01T00:00:00Z, for {NAME}\n" in text, text
    assert ", TLSv1.3, verified; " in text and "no TLS" not in text, text


@pytest.mark.parametrize("stop, last", [("starttls", "STARTTLS"), ("tls", "STARTTLS"), ("auth", "EHLO"), ("ehlo", "EHLO")])
def test_stop_after(ehlod, tls_mta, certificates, stop, last):
    result = run(ehlod, secured(tls_mta(certificates.good()), certificates, "starttls", stop_after=stop)).json
    assert result["status"] == "pass", result["summary"]
    assert [c["sent"].split(" ")[0] for c in result["commands"] if c["sent"]][-2:] == [last, "QUIT"]
    assert (result["tls"] is None) == (stop == "ehlo")


def test_stop_after_implicit(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), implicit=True)
    result = run(ehlod, secured(mta, certificates, "implicit", stop_after="tls")).json
    assert result["status"] == "pass" and result["commands"] == [] and result["tls"]["verified"], result
    assert mta.lines() == []


def test_t01_not_offered(ehlod, mta, certificates):
    failure = assert_fails(run(ehlod, secured(mta, certificates, "starttls")), "starttls", "not_offered")
    assert failure["code"] is None
    assert [line.split(" ")[0] for line in mta.lines()] == ["EHLO", "QUIT"]


@pytest.mark.parametrize("reply", ["454 4.7.0 TLS not available", "554 5.7.0 never", "421 4.3.0 later"])
def test_t02_refused(ehlod, tls_mta, certificates, reply):
    mta = tls_mta(certificates.good(), STARTTLS=reply)
    failure = assert_fails(run(ehlod, secured(mta, certificates, "starttls")), "starttls", "refused")
    assert failure["code"] == int(reply[:3]) and failure["enhanced"] == reply[4:9]
    assert "MAIL" not in " ".join(mta.lines())


@pytest.mark.parametrize("answers, flag", [({"EHLO": "250 fake"}, "tls_not_offered"), ({"STARTTLS": "454 4.7.0 no"}, "tls_refused")])
def test_opportunistic_goes_on(ehlod, tls_mta, certificates, answers, flag):
    result = run(ehlod, secured(tls_mta(certificates.good(), **answers), certificates, "opportunistic")).json
    assert result["status"] == "pass" and result["flags"] == [flag] and result["tls"] is None, result


def test_opportunistic_is_secured(ehlod, tls_mta, certificates):
    result = run(ehlod, secured(tls_mta(certificates.good()), certificates, "opportunistic")).json
    assert result["status"] == "pass"
    assert_good_tls(result, certificates.good())


@pytest.mark.parametrize("more", ["250 mx\r\n", "\r\n", "x"])
def test_t05_injected(ehlod, tls_mta, certificates, more):
    mta = tls_mta(certificates.good(), STARTTLS=b"220 Ready\r\n" + more.encode())
    answer = run(ehlod, secured(mta, certificates, "starttls"))
    failure = assert_fails(answer, "starttls", "injected")
    assert f"{len(more)} octet" in failure["message"] and answer.json["tls"] is None
    assert mta.lines()[-1] == "STARTTLS"


@pytest.mark.parametrize("octets, reason", [(65536, "closed"), (1, "reset")])
@pytest.mark.parametrize("implicit", [False, True])
def test_t08_hangs_up(ehlod, tls_mta, certificates, implicit, octets, reason):
    """What was not read turns the end into a reset."""
    mta = tls_mta(certificates.good(), implicit=implicit, hangs_up_after=octets)
    assert_fails(run(ehlod, secured(mta, certificates, "implicit" if implicit else "starttls")), "tls", reason)


@pytest.mark.parametrize("implicit", [False, True])
def test_t09_goes_on_in_plain_text(ehlod, tls_mta, certificates, implicit):
    mta = tls_mta(certificates.good(), implicit=implicit, plain=True)
    answer = run(ehlod, secured(mta, certificates, "implicit" if implicit else "starttls"))
    failure = assert_fails(answer, "tls", "not_tls")
    assert "500 5.5.1 What is that?" in failure["message"] and answer.json["tls"]["version"] is None


def test_t38_greets_before_tls(ehlod, mta, certificates):
    answer = run(ehlod, secured(mta, certificates, "implicit"))
    assert "220 fake.example.test" in assert_fails(answer, "tls", "not_tls")["message"]
    assert answer.json["commands"] == []


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_t07_silence(ehlod, cleanup, certificates, mode):
    listener = socket.create_server((HOST, 0))
    cleanup.callback(listener.close)
    held = []

    def serve():
        s, _ = listener.accept()
        held.append(s)
        if mode == "starttls":
            s.sendall(b"220 mx\r\n")
            s.recv(1000)
            s.sendall(b"250 STARTTLS\r\n".replace(b"250 ", b"250-mx\r\n250 "))
            s.recv(1000)
            s.sendall(b"220 go\r\n")
    threading.Thread(target=serve, daemon=True).start()
    mx = target(f"{HOST}:{listener.getsockname()[1]}", tls=mode, timeouts={"tls": "300ms"})
    answer = run(ehlod, mx)
    failure = assert_fails(answer, "tls", "timeout")
    assert failure["limit_ms"] == 300 and "timeouts.tls" in failure["message"]
    assert 300 <= answer.json["timing_ms"]["tls"] < 600


@pytest.mark.parametrize("kind, reason", [("self", "cert_self_signed"), ("expired", "cert_expired"),
                                          ("early", "cert_not_yet_valid"), ("name", "cert_name_mismatch"),
                                          ("purpose", "cert_purpose")], ids=["t14", "t15", "t16", "t17", "t23"])
@pytest.mark.parametrize("implicit", [False, True])
def test_t14_to_t23_certificates(ehlod, tls_mta, certificates, kind, reason, implicit):
    pair = {"self": certificates.self_signed,
            "expired": lambda: certificates.signed("expired", end="20210101000000Z"),
            "early": lambda: certificates.signed("early", start="20490101000000Z"),
            "name": lambda: certificates.signed("name", dns="other.example.test"),
            "purpose": lambda: certificates.signed("purpose", usage="clientAuth")}[kind]()
    mta = tls_mta(pair, implicit=implicit)
    answer = run(ehlod, secured(mta, certificates, "implicit" if implicit else "starttls"))
    assert_fails(answer, "tls", reason)
    tls = answer.json["tls"]
    assert (tls["verified"], tls["reason"], tls["version"]) == (False, reason, "TLSv1.3")
    assert len(tls["chain"]) == 1
    assert not any(line.startswith("MAIL") for line in mta.lines())


def test_insecure_skip_verify(ehlod, tls_mta, certificates):
    mx = secured(tls_mta(certificates.self_signed()), certificates, "starttls", {"insecure_skip_verify": True})
    result = run(ehlod, mx).json
    assert result["status"] == "pass" and result["flags"] == ["insecure_skip_verify"], result
    assert (result["tls"]["verified"], result["tls"]["reason"]) == (False, "cert_self_signed")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_t12_old_version(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), most=ssl.TLSVersion.TLSv1_1)
    assert_fails(run(ehlod, secured(mta, certificates, "starttls")), "tls", "version")


def test_t26_client_certificate(ehlod, tls_mta, certificates):
    """A TLS 1.3 server says only after the handshake that it wants one."""
    mta = tls_mta(certificates.good(), client_ca=certificates.ca)
    answer = run(ehlod, secured(mta, certificates, "starttls"))
    assert_fails(answer, "tls", "alert")
    assert answer.json["tls"]["alert"] == "certificate_required"


def test_client_certificate_is_shown(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), client_ca=certificates.ca)
    cert, key = certificates.signed("client", dns="probe.example.test", usage="clientAuth")
    result = run(ehlod, secured(mta, certificates, "starttls", {"cert_file": cert, "key_file": key})).json
    assert result["status"] == "pass", result["summary"]


def test_no_certificate_is_no_good_certificate(tls_mta, certificates, tmp_path):
    """Where this machine's OpenSSL allows ciphers without one: nothing was verified, so nothing is sent."""
    conf = tmp_path / "openssl.cnf"
    conf.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
                    "CipherString = ALL:@SECLEVEL=0\nMaxProtocol = TLSv1.2\n")
    mta = tls_mta(certificates.good(), most=ssl.TLSVersion.TLSv1_2)
    mta.context.set_ciphers("aNULL:@SECLEVEL=0")
    path = write_config(str(tmp_path), {"targets": {"mx": secured(mta, certificates, "starttls")}})
    done = run_ehlod("check", "--config", path, "--format", "json", "mx", env={**os.environ, "OPENSSL_CONF": str(conf)})
    result = json.loads(done.stdout)
    assert (result["status"], result["failure"]["phase"], result["failure"]["reason"]) == ("fail", "tls", "cert_untrusted")
    assert "anon" in result["tls"]["cipher"] and not any(line.startswith("MAIL") for line in mta.lines())


def test_t27_no_close_notify(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), close_notify=False)
    result = run(ehlod, secured(mta, certificates, "starttls")).json
    assert result["status"] == "pass" and result["flags"] == ["tls_no_close_notify"], result


def test_t28_truncated(ehlod, tls_mta, certificates):
    answer = run(ehlod, secured(tls_mta(certificates.good(), cut="RCPT"), certificates, "starttls"))
    failure = assert_fails(answer, "tls", "truncated")
    assert failure["route"] == "inbound" and "RCPT TO:<www@example.test>" in failure["message"]
    assert answer.json["commands"][-1]["reply"]["lines"] == ["250-in the mid"]


def test_t34_first_round_is_not_trusted(ehlod, tls_mta, certificates):
    count = []

    def ehlo(_line):
        count.append(1)
        return OFFER if len(count) == 1 else "250-fake\r\n250 8BITMIME"
    result = run(ehlod, secured(tls_mta(certificates.good(), EHLO=ehlo), certificates, "starttls")).json
    assert result["status"] == "pass" and result["extensions"] == {"8BITMIME": ""}


def test_t34_second_ehlo_refused(ehlod, tls_mta, certificates):
    count = []

    def ehlo(_line):
        count.append(1)
        return OFFER if len(count) == 1 else "450 4.3.0 not now"
    answer = run(ehlod, secured(tls_mta(certificates.good(), EHLO=ehlo), certificates, "starttls"))
    assert_fails(answer, "ehlo", "deferred")
    assert answer.json["extensions"] == {} and answer.json["tls"]["verified"]


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


@pytest.mark.parametrize("left, status", [(13, "warn"), (15, "pass")])
def test_t37_certificate_expires_soon(ehlod, tls_mta, certificates, left, status):
    end = in_days(left)
    pair = certificates.signed(f"left-{left}", end=f"{end:%Y%m%d%H%M%SZ}")
    result = run(ehlod, secured(tls_mta(pair), certificates, "starttls", warn={"certificate": "14d"})).json
    assert result["status"] == status and result["flags"] == (["certificate_expiring"] if status == "warn" else []), result
    assert (f"certificate_expiring (at {end:%Y-%m-%dT%H:%M:%SZ}, warn.certificate is 14 d)" in result["summary"]) == \
        (status == "warn"), result["summary"]


def test_t39_speaks_before_asked(ehlod, tls_mta, certificates):
    mta = tls_mta(certificates.good(), early=b"250 I am eager\r\n")
    answer = run(ehlod, secured(mta, certificates, "starttls"))
    assert "250 I am eager" in assert_fails(answer, "starttls", "unsolicited")["message"]
    assert answer.json["tls"]["verified"] and mta.lines()[-1] == "STARTTLS"


@pytest.mark.parametrize("mode", ["starttls", "opportunistic"])
def test_the_sink_offers_starttls(ehlod, certificates, mode):
    cert, key = certificates.good()
    port = free_port()
    route = {"from": "probe@example.net", "to": "www@probe.example.org", "expect": "delivered", "mailbox": "local"}
    mx = target(f"{HOST}:{port}", route, tls=mode, tls_config={"ca_file": certificates.ca, "server_name": NAME})
    service = ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"], "cert_file": cert,
                                             "key_file": key}}, "targets": {"mx": mx}})
    result = service.get("/check/mx").json
    assert result["status"] == "pass" and result["routes"][0]["state"] == "delivered", result
    assert_good_tls(result, certificates.good())
    assert "STARTTLS" not in result["extensions"]


def test_the_sink_takes_no_plain_text_behind_starttls(ehlod, certificates):
    cert, key = certificates.good()
    port = free_port()
    ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"], "cert_file": cert,
                                   "key_file": key}}, "targets": {}})
    with socket.create_connection((HOST, port), timeout=scaled(10)) as s, s.makefile("rb") as stream:
        assert stream.readline().startswith(b"220 ")
        s.sendall(b"EHLO x\r\n")
        while not stream.readline().startswith(b"250 "):
            pass
        s.sendall(b"STARTTLS\r\nMAIL FROM:<a@example.net>\r\n")
        assert stream.read().splitlines()[-1].startswith(b"554 5.5.0")


def test_a_bad_file_is_a_mistake(tmp_path, certificates):
    config = tmp_path / "bad.yaml"
    config.write_text(json.dumps({"targets": {"mx": {"address": "mx.example.org:25", "tls": "starttls",
                                                     "tls_config": {"ca_file": "none.pem"}}}}))
    done = subprocess.run([EHLOD, "validate", "--config", str(config)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"targets.mx.tls_config.ca_file: {tmp_path}/none.pem: cannot be opened" in done.stderr + done.stdout


def test_relative_files_and_reload(tmp_path, cleanup, tls_mta, certificates):
    mta = tls_mta(certificates.good())
    ca = open(certificates.ca, encoding="ascii").read()
    (tmp_path / "own.pem").write_text(ca)
    config = {"targets": {"mx": target(mta.address, tls="starttls", cache_ttl="0",
                                       tls_config={"ca_file": "own.pem", "server_name": NAME})}}
    service = Service(str(tmp_path), config)
    cleanup.callback(service.stop_cleanly)
    service.ready()
    assert service.get("/check/mx").json["status"] == "pass"
    (tmp_path / "own.pem").write_text("nonsense")
    bad = service.get("/-/reload", method="POST")
    assert bad.status == 500 and "tls_config.ca_file" in bad.text
    assert service.get("/check/mx").json["status"] == "pass"
    (tmp_path / "own.pem").write_text(open(certificates.self_signed()[0], encoding="ascii").read())
    assert service.get("/-/reload", method="POST").status == 200
    assert service.get("/check/mx").json["failure"]["reason"] == "cert_untrusted"


@pytest.fixture(scope="module", params=["ec", "rsa"])
def tls_postfix(request, certificates):
    algorithm = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}[request.param]
    server = Postfix(tls=certificates.signed("postfix-" + request.param, algorithm=algorithm))
    server.pair = certificates.signed("postfix-" + request.param)
    yield server
    server.stop()


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_postfix(ehlod, tls_postfix, certificates, mode):
    before = len(tls_postfix.dialogues())
    address = tls_postfix.address if mode == "starttls" else tls_postfix.wrapper_address
    mx = target(address, tls=mode, tls_config={"ca_file": certificates.ca, "server_name": NAME})
    result = run(ehlod, mx).json
    assert result["status"] == "pass", result["summary"]
    assert_good_tls(result, tls_postfix.pair)
    wait_until(lambda: len(tls_postfix.dialogues()) > before, 10, "Postfix' log shows the end of the dialogue")
    seen = tls_postfix.dialogues()[before]
    assert seen["quit"] == "1" and seen.get("starttls") == ("1" if mode == "starttls" else None)
    assert "TLS connection established" in tls_postfix.log() and "lost connection" not in tls_postfix.log()


def test_postfix_without_tls_offers_none(ehlod, postfix):
    assert_fails(run(ehlod, target(postfix.address, tls="starttls")), "starttls", "not_offered")


def test_the_readme(tls_mta, certificates, tmp_path):
    """Its config is good, and what it shows is what is said of an expired certificate."""
    text = next(block for block in blocks("yaml") if block.startswith("# tls.yaml"))
    path = write_config(str(tmp_path), text)
    assert run_ehlod("validate", "--config", path).returncode == 0
    pair = certificates.signed("readme", dns="mx1.example.org", end="20261101120000Z")
    mta = tls_mta(pair, BANNER="220 mx1.example.org ESMTP")
    done = run_ehlod("check", "--config", path, "--set", f"targets.mx1.address={mta.address}",
                     "--set", f"targets.mx1.tls_config.ca_file={certificates.ca}",
                     "--set", "targets.mx1.tls_config.server_name=mx1.example.org", "mx1")
    assert done.returncode == 2
    assert same_shape("".join(done.stdout.splitlines(keepends=True)[-9:])) == \
        same_shape(example("build/ehlod check --config tls.yaml"))
