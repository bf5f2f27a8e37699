# SPDX-License-Identifier: Apache-2.0
"""Side by side: the real blackbox_exporter and ehlod probe the same server, and say the same of it."""
import pytest
from certificates import NAME
from conftest import target
from exposition import read
from service import request
from support import free_port

DIALOGUE = [{"expect": "^220"}, {"send": "EHLO prober\r"}, {"expect": "^250[ -]STARTTLS"}, {"send": "STARTTLS\r"},
            {"expect": "^220"}, {"starttls": True}, {"send": "EHLO prober\r"}, {"expect": "^250 "}, {"send": "QUIT\r"}]
PLAIN = [{"expect": "^220"}, {"send": "EHLO prober\r"}, {"expect": "^250 "}, {"send": "QUIT\r"}]

# What is measured: of these only that both say it.
TIMES = {"probe_duration_seconds", "probe_dns_lookup_time_seconds"}


def theirs(ca_file=None, server_name=NAME, skip=False, dialogue=None, **more):
    tls = {"ca_file": ca_file, "server_name": server_name, "insecure_skip_verify": skip}
    return {"prober": "tcp", "timeout": "5s",
            "tcp": {"query_response": dialogue or DIALOGUE, "preferred_ip_protocol": "ip4",
                    "tls_config": {key: value for key, value in tls.items() if value}, **more}}


def ours(ca_file=None, server_name=NAME, skip=False, tls="starttls"):
    config = {"ca_file": ca_file, "server_name": server_name, "insecure_skip_verify": skip}
    return {"tls": tls, "timeout": "5s", "timeouts": {key: "5s" for key in ("tls", "banner", "reply", "message", "final")},
            "tls_config": {key: value for key, value in config.items() if value}}


@pytest.fixture
def both(ehlod, blackbox):
    """both(address, blackbox_exporter's module, ours) are what each of them says, as expositions."""
    def ask(address, their_module, our_module):
        exporter = blackbox({"smtp": their_module})
        service = ehlod({"modules": {"smtp": our_module}, "targets": {"mx": {"address": address}}})
        path = f"/probe?target={address}&module=smtp"
        return read(request(exporter.port, path)), read(service.get(path))
    return ask


def assert_alike(their, our, but=()):
    """Every family of theirs is there with the same help, type and labels, and the same values."""
    probe = {name: family for name, family in our.families.items() if name.startswith("probe_")}
    assert sorted(probe) == sorted(their.families)
    for name, family in their.families.items():
        own = probe[name]
        assert (own.help, own.type) == (family.help, family.type)
        if name in TIMES or name in but:
            assert [labels for _, labels, _ in own.samples] == [labels for _, labels, _ in family.samples]
        else:
            assert own.samples == family.samples


def test_a_good_server_with_starttls(both, tls_mta, certificates):
    mta = tls_mta(certificates.good())
    their, our = both(mta.address, theirs(certificates.ca), ours(certificates.ca))
    assert_alike(their, our)
    assert our.value("probe_success") == 1
    assert our.value("probe_ssl_earliest_cert_expiry") > 0
    assert our.value("probe_tls_version_info", version="TLS 1.3") == 1


def test_the_chain_that_is_trusted_ends_first(both, tls_mta, certificates):
    """What expires first on the way to the trusted one, which no server sends, is theirs to know, and ours."""
    mta = tls_mta(certificates.signed("long", end="20991231000000Z"))
    their, our = both(mta.address, theirs(certificates.ca), ours(certificates.ca))
    assert_alike(their, our)
    assert our.value("probe_ssl_last_chain_expiry_timestamp_seconds") < our.value("probe_ssl_earliest_cert_expiry")


def test_several_names_and_addresses_in_a_certificate(both, tls_mta, certificates):
    pair = certificates.signed("names", alt=f"DNS:{NAME},IP:192.0.2.1,DNS:*.example.test,DNS:xn--bcher-kva.example.test")
    their, our = both(tls_mta(pair).address, theirs(certificates.ca), ours(certificates.ca))
    assert_alike(their, our)
    [labels] = our.labels("probe_ssl_last_chain_info")
    assert labels["subjectalternative"] == f"{NAME},*.example.test,xn--bcher-kva.example.test"


def test_a_certificate_that_is_not_looked_at(both, tls_mta, certificates):
    mta = tls_mta(certificates.self_signed())
    their, our = both(mta.address, theirs(skip=True), ours(skip=True))
    assert_alike(their, our)
    assert our.value("probe_success") == 1


def test_a_certificate_that_is_not_good(both, tls_mta, certificates):
    mta = tls_mta(certificates.self_signed())
    their, our = both(mta.address, theirs(certificates.ca), ours(certificates.ca))
    assert_alike(their, our)
    assert our.value("probe_success") == 0
    assert our.value("smtp_failure_info", phase="tls", reason="cert_self_signed") == 1


def test_another_name_than_is_asked_for(both, tls_mta, certificates):
    mta = tls_mta(certificates.good())
    other = "other.example.test"
    their, our = both(mta.address, theirs(certificates.ca, server_name=other), ours(certificates.ca, server_name=other))
    assert_alike(their, our)
    assert our.value("smtp_failure_info", phase="tls", reason="cert_name_mismatch") == 1


def test_tls_from_the_first_byte_on(both, tls_mta, certificates):
    mta = tls_mta(certificates.good(), implicit=True)
    their, our = both(mta.address, theirs(certificates.ca, dialogue=PLAIN, tls=True), ours(certificates.ca, tls="implicit"))
    assert_alike(their, our)


def test_a_server_without_tls(both, fake):
    their, our = both(fake().address, theirs(dialogue=PLAIN), ours(tls="off"))
    assert_alike(their, our)
    assert our.value("probe_ip_addr_hash") == 3668918509


def test_nobody_listens(both):
    their, our = both(f"127.0.0.1:{free_port()}", theirs(), ours())
    assert_alike(their, our)
    assert our.value("smtp_failure_info", phase="connect", reason="refused") == 1


def test_a_server_that_hangs_up_instead_of_greeting(both, fake):
    def hang_up(_):
        raise OSError("hangs up")
    their, our = both(fake(BANNER=hang_up).address, theirs(dialogue=PLAIN), ours(tls="off"))
    assert_alike(their, our)
    assert our.value("probe_failed_due_to_regex") == 1


def test_ipv6(both, fake):
    their, our = both(f"[::1]:{free_port()}", theirs(), ours())
    assert_alike(their, our)
    assert our.value("probe_ip_protocol") == 6


def test_a_refusal_takes_no_timeout(both, fake):
    """blackbox_exporter waits for its pattern until its time is over; ehlod knows at once, and why."""
    mta = fake(EHLO="554 5.7.1 Go away", HELO="554 5.7.1 Go away")
    their, our = both(mta.address, theirs(dialogue=PLAIN), ours(tls="off"))
    assert_alike(their, our, but={"probe_failed_due_to_regex"})
    assert their.value("probe_duration_seconds") > 4 > our.value("probe_duration_seconds")
    assert our.value("smtp_failure_info", phase="ehlo", reason="rejected") == 1
    assert our.value("smtp_reply_code", phase="ehlo") == 554


def test_the_three_blocks(both, ehlod, tls_mta, certificates, tmp_path, blackbox):
    mta = tls_mta(certificates.good())
    exporter = blackbox({"smtp": theirs(certificates.ca)})
    service = ehlod({"modules": {"smtp": ours(certificates.ca)}, "targets": {"mx": target(mta.address)}})
    path = f"/probe?target={mta.address}&module=smtp&debug=true"
    for answer in (request(exporter.port, path), service.get(path)):
        assert answer.status == 200
        assert answer.headers["Content-Type"].split(";")[0] == "text/plain"
        heads = [line for line in answer.text.split("\n") if line in (
            "Logs for the probe:", "Metrics that would have been returned:", "Module configuration:")]
        assert len(heads) == 3 and answer.text.startswith(heads[0])
        logs, rest = answer.text.split("\n\n\n\n" + heads[1] + "\n")
        metrics, _ = rest.split("\n\n\n\n" + heads[2] + "\n")
        assert "STARTTLS" in logs and "probe_success 1" in metrics
