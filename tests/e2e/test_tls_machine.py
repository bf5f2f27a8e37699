# SPDX-License-Identifier: Apache-2.0
"""What TLS needs of the machine and the config: a fault of ours is a mistake, and never the server's."""
import json
import os
import re

import pytest
from certificates import NAME
from conftest import target
from service import run_ehlod, write_config
from support import HOST, free_port
from tls_mta import openssl_says, run, secured

CONF = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"


def mistakes(folder, config, **environment):
    """What `ehlod validate` says in this environment; "" when the config is good."""
    done = run_ehlod("validate", "--config", write_config(str(folder), config), env={**os.environ, **environment})
    said = done.stderr + done.stdout
    assert done.returncode == (1 if re.search(r"ehlod\.yaml:\d+:\d+: ", said) else 0), said
    return said if done.returncode else ""


def config(**tls_config):
    return {"targets": {"mx": {"address": "mx.example.org:25", "tls": "starttls", "tls_config": tls_config}}}


@pytest.mark.parametrize("left, least, says", [
    ("Protocol = -TLSv1.2,-TLSv1.3\n", "TLS12", "no protocols available"),
    ("Protocol = -TLSv1.3\n", "TLS13", "no protocols available"),
    ("Ciphersuites =\n", "TLS13", "no ciphers available"),
])
def test_an_openssl_that_can_speak_nothing(tmp_path, certificates, left, least, says):
    conf = tmp_path / "openssl.cnf"
    conf.write_text(CONF + left)
    said = mistakes(tmp_path, config(ca_file=certificates.ca, min_version=least), OPENSSL_CONF=str(conf))
    assert f"targets.mx.tls: the OpenSSL of this machine cannot begin TLS (min_version {least}): {says}" in said, said


def test_an_openssl_that_can_speak_something(tmp_path, certificates):
    conf = tmp_path / "openssl.cnf"
    conf.write_text(CONF + "Protocol = -TLSv1.3\nCipherString = ECDHE-ECDSA-AES128-GCM-SHA256\n")
    assert mistakes(tmp_path, config(ca_file=certificates.ca), OPENSSL_CONF=str(conf)) == ""


@pytest.mark.parametrize("mode", ["starttls", "opportunistic", "implicit"])
def test_a_machine_that_trusts_nobody(tmp_path, certificates, mode):
    """Without an authority every server would be cert_untrusted, in every mode that wants a good certificate."""
    nowhere = {"SSL_CERT_FILE": str(tmp_path / "none.pem"), "SSL_CERT_DIR": str(tmp_path / "none")}
    mx = config()
    mx["targets"]["mx"]["tls"] = mode
    said = mistakes(tmp_path, mx, **nowhere)
    assert f"targets.mx.tls: no certificate could be verified: there is no authority in {tmp_path}/none.pem" in said, said
    assert "ca-certificates" in said and "tls_config.ca_file" in said
    for good in ({"ca_file": certificates.ca}, {"insecure_skip_verify": True}):
        mx["targets"]["mx"]["tls_config"] = good
        assert mistakes(tmp_path, mx, **nowhere) == ""


def test_the_systems_authorities_are_the_machines(tmp_path, tls_mta, certificates):
    """Whom this machine trusts is trusted where ca_file is not set."""
    mta = tls_mta(certificates.good())
    path = write_config(str(tmp_path), {"targets": {"mx": target(mta.address, tls="starttls",
                                                                 tls_config={"server_name": NAME})}})
    for file, status in ((certificates.ca, "pass"), (certificates.self_signed()[0], "fail")):
        done = run_ehlod("check", "--config", path, "--format", "json", "mx",
                         env={**os.environ, "SSL_CERT_FILE": file, "SSL_CERT_DIR": str(tmp_path / "none")})
        result = json.loads(done.stdout)
        assert result["status"] == status and result["tls"]["verified"] == (status == "pass"), result


def test_a_bad_server_does_not_see_our_certificate(ehlod, tls_mta, certificates):
    """It asks for one and takes none as well: it is shown none, and the run fails for its own certificate."""
    seen = []
    mta = tls_mta(certificates.signed("expired", end="20210101000000Z"), client_ca=certificates.ca,
                  EHLO=lambda _line: seen.append("in TLS") or "250-fake\r\n250 STARTTLS")
    cert, key = certificates.signed("client", dns="probe.example.test", usage="clientAuth")
    answer = run(ehlod, secured(mta, certificates, "starttls", {"cert_file": cert, "key_file": key}))
    assert answer.json["failure"]["reason"] == "cert_expired" and answer.json["tls"]["reason"] == "cert_expired"
    assert seen == ["in TLS"] and [line.split(" ")[0] for line in mta.lines()] == ["EHLO", "STARTTLS"]


def test_a_reload_changes_the_sinks_certificate(ehlod, tmp_path, certificates):
    port = free_port()
    cert, key = tmp_path / "sink.pem", tmp_path / "sink.key"

    def install(pair):
        for source, path in zip(pair, (cert, key)):
            with open(source, encoding="ascii") as f:
                path.write_text(f.read())
        return openssl_says(pair[0], "-fingerprint", "-sha256").split("=")[1].replace(":", "").lower()
    old = install(certificates.good())
    route = {"from": "probe@example.net", "to": "www@probe.example.org", "expect": "accepted"}
    mx = target(f"{HOST}:{port}", route, tls="starttls", cache_ttl="0",
                tls_config={"ca_file": certificates.ca, "server_name": NAME})
    service = ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"], "cert_file": "sink.pem",
                                             "key_file": "sink.key"}}, "targets": {"mx": mx}})

    def shown():
        result = service.get("/check/mx").json
        assert result["status"] == "pass", result
        return result["tls"]["chain"][0]["sha256"]
    assert shown() == old
    new = install(certificates.signed("renewed"))
    assert shown() == old != new
    assert service.get("/-/reload", method="POST").status == 200
    assert shown() == new
    cert.write_text("nonsense")
    bad = service.get("/-/reload", method="POST")
    assert bad.status == 500 and "mailboxes.local.cert_file" in bad.text
    assert shown() == new
