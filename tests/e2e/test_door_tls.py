# SPDX-License-Identifier: Apache-2.0
"""HTTPS at the door: who is spoken with, whose certificates are good, and files that change while it runs."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest
from conftest import target
from doors import SecureService, Trusting, UnixHttps, answer_of
from fake_mta import Gate
from service import Service, parse_replies, read_to_end, run_ehlod, write_config
from support import HOST, accepts, free_port, scaled, wait_until

CHECK = b"GET /check/mx HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(name="secure")
def secure_fixture(tmp_path, cleanup, certificates, mta):
    """secure(**tls_server_config) is ready; a config of its own besides may be given as more."""
    def start(more=None, address=None, arguments=(), **tls):
        cert, key = certificates.good()
        port = free_port()
        config = {"server": {"listen": [f"{HOST}:{port}", f"unix:{tmp_path}/web.sock"],
                             "tls_server_config": {"cert_file": cert, "key_file": key, **tls}, **(more or {})},
                  "targets": {"mx": target(address or mta.address, cache_ttl="1h")}}
        service = SecureService(str(tmp_path), config, *arguments, port=port)
        service.tls = Trusting(certificates.ca)
        cleanup.callback(service.stop_cleanly)
        service.wait_for(lambda: "try: " in service.log(), 10, "it listens")
        return service
    return start


def caller(certificates, usage="clientAuth"):
    return certificates.signed(f"caller-{usage}", "caller.example.test", usage=usage)


def fails(service, tls):
    """The handshake, or the first that is read after it (TLS 1.3), is refused."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with service.connect(tls) as s:
            s.sendall(LAST)
            if not s.recv(1):
                raise ConnectionError("closed")


# --- it works ---

def test_https_over_tcp_and_a_unix_socket(secure, tmp_path):
    service = secure()
    assert service.get("/check/mx").json["status"] == "pass"
    answer = answer_of(UnixHttps(f"{tmp_path}/web.sock", service.tls), "/check/mx")
    assert (answer.status, answer.json["status"]) == (200, "pass")
    assert f"listening on https://{HOST}:{service.port}" in service.log()
    assert f"try: curl -s https://{HOST}:{service.port}/check/mx" in service.log()


def test_curl(secure, certificates):
    service = secure()
    done = subprocess.run(["curl", "-sS", "--cacert", certificates.ca, "--resolve", f"mx.example.test:{service.port}:{HOST}",
                           f"https://mx.example.test:{service.port}/check/mx"], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    assert json.loads(done.stdout)["status"] == "pass", done


def test_the_key_may_stand_with_the_certificate(tmp_path, cleanup, certificates, mta):
    path = tmp_path / "both.pem"
    path.write_text("".join(open(part, encoding="ascii").read() for part in certificates.good()), encoding="ascii")
    service = SecureService(str(tmp_path), {"server": {"tls_server_config": {"cert_file": str(path)}},
                                            "targets": {"mx": target(mta.address)}})
    service.tls = Trusting(certificates.ca)
    cleanup.callback(service.stop_cleanly)
    service.wait_for(lambda: "try: " in service.log(), 10, "it listens")
    assert service.get("/-/ready").status == 200


def test_a_run_is_waited_for(secure, fake):
    """A request that is suspended while its run lasts, and one behind it in the same connection."""
    gate = Gate("250 2.1.5 Ok")
    service = secure(address=fake(RCPT=gate).address)
    with service.connect() as s:
        s.sendall(CHECK + LAST)
        service.wait_for(lambda: gate.waiting, 10, "the run is at RCPT")
        gate.open()
        replies = parse_replies(read_to_end(s))
    assert [status for status, _ in replies] == [200, 200]
    assert json.loads(replies[0][1])["status"] == "pass"


def test_pipelined_requests_in_one_record(secure):
    service = secure()
    with service.connect() as s:
        s.sendall(CHECK * 50 + LAST)
        assert [status for status, _ in parse_replies(read_to_end(s))] == [200] * 51


def test_a_request_in_many_records(secure):
    service = secure()
    with service.connect() as s:
        for byte in LAST:
            s.send(bytes([byte]))
        assert [status for status, _ in parse_replies(read_to_end(s))] == [200]


def test_h12_many_requests_on_one_connection(secure):
    service = secure()
    request, count = LAST.replace(b"Connection: close\r\n", b""), 2000
    with service.connect() as s, s.makefile("rb") as stream:
        for _ in range(count):
            s.sendall(request)
            assert stream.readline().startswith(b"HTTP/1.1 200 ")
            fields = dict(line.lower().strip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            stream.read(int(fields[b"content-length"]))


def test_a_client_that_leaves_while_it_waits(secure, fake):
    gate = Gate("250 2.1.5 Ok")
    service = secure(address=fake(RCPT=gate).address)
    s = service.connect()
    s.sendall(CHECK)
    service.wait_for(lambda: gate.waiting, 10, "the run is at RCPT")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close resets
    s.close()
    service.wait_for(lambda: not service.connections(), 10, "it has seen that the client is gone")
    gate.open()
    assert service.get("/check/mx").json["status"] == "pass"


def test_l01_stopping_answers_who_waits(secure, fake):
    gate = Gate("250 2.1.5 Ok")
    service = secure(address=fake(RCPT=gate).address)
    with service.connect() as s:
        s.sendall(CHECK)
        service.wait_for(lambda: gate.waiting, 10, "the run is at RCPT")
        service.signal(signal.SIGTERM)
        gate.open()
        replies = parse_replies(read_to_end(s))
    assert [status for status, _ in replies] == [200]
    assert service.wait(20) == 0


# --- what is no handshake ---

@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x80\x2e\x01\x00\x02", b"\0" * 2000])
def test_h33_what_does_not_speak_tls_is_closed(secure, said):
    service = secure()
    with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s:
        s.sendall(said)
        assert b"HTTP" not in read_to_end(s)  # an alert at most
    assert service.get("/-/healthy").status == 200


def test_h33_tls_to_a_plain_port(ehlod, certificates):
    service = ehlod({})
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with socket.create_connection((HOST, service.port), timeout=scaled(20)) as s:
            Trusting(certificates.ca).wrap_socket(s)
    assert service.get("/-/healthy").status == 200


def hello(tls):
    """What a client says first."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def processor_s(service):
    with open(f"/proc/{service.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("part", [5, None])
def test_h02_handshakes_that_stay_half_done(secure, part):
    """The time for a head has the handshake in it; meanwhile others are answered, and nothing is done for these."""
    service = secure()
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection((HOST, service.port), timeout=scaled(20)))
                 for _ in range(50)]
        for s in crowd:
            s.sendall(hello(service.tls)[:part])
        service.wait_for(lambda: service.connections_read() == 50, 10, "it has read all")
        before, begun = processor_s(service), time.monotonic()
        assert service.get("/check/mx").json["status"] == "pass"
        for s in crowd:
            read_to_end(s)
        took = time.monotonic() - begun
        assert processor_s(service) - before < 0.2 * took
    service.wait_for(lambda: not service.connections(), 10, "they are closed")


def test_what_is_old_is_not_spoken(secure):
    service = secure(min_version="TLS13")
    with service.connect() as s:
        assert s.version() == "TLSv1.3"
    service.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    fails(service, service.tls)


def test_tls12_is_the_oldest_by_default(secure):
    service = secure()
    service.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with service.connect() as s:
        assert s.version() == "TLSv1.2"


# --- callers' certificates ---

MUST = (None, "RequireAndVerifyClientCert")


@pytest.mark.parametrize("kind", MUST)
def test_a_caller_needs_a_certificate(secure, certificates, kind):
    service = secure(client_ca_file=certificates.ca, **({"client_auth_type": kind} if kind else {}))
    good = Trusting(certificates.ca, caller(certificates))
    assert service.get("/check/mx", tls=good).json["status"] == "pass"
    fails(service, service.tls)
    fails(service, Trusting(certificates.ca, certificates.self_signed()))
    fails(service, Trusting(certificates.ca, caller(certificates, "serverAuth")))
    past = certificates.signed("caller-past", "caller.example.test", usage="clientAuth", start="20200101000000Z",
                               end="20210101000000Z")
    fails(service, Trusting(certificates.ca, past))
    assert service.get("/-/healthy", tls=good).status == 200


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_certificate_that_is_given_must_be_good(secure, certificates, version):
    service = secure(client_ca_file=certificates.ca, client_auth_type="VerifyClientCertIfGiven")

    def client(pair=None):
        tls = Trusting(certificates.ca, pair)
        tls.minimum_version = tls.maximum_version = getattr(ssl.TLSVersion, version)
        return tls
    assert service.get("/-/healthy", tls=client()).status == 200
    assert service.get("/-/healthy", tls=client(caller(certificates))).status == 200
    fails(service, client(certificates.self_signed()))


@pytest.mark.parametrize("kind, without", [("RequireAnyClientCert", False), ("RequestClientCert", True),
                                           ("NoClientCert", True)])
def test_certificates_that_are_not_verified(secure, certificates, kind, without):
    service = secure(client_auth_type=kind)
    assert service.get("/-/healthy", tls=Trusting(certificates.ca, certificates.self_signed())).status == 200
    if without:
        assert service.get("/-/healthy").status == 200
    else:
        fails(service, service.tls)


# --- files that change ---

def serial(service, tls=None):
    with service.connect(tls) as s:
        return s.getpeercert()["serialNumber"]


def put(path, source):
    """As certbot does: a new file takes the name."""
    shutil.copy(source, f"{path}.new")
    os.rename(f"{path}.new", path)


def own_files(tmp_path, pair):
    paths = str(tmp_path / "own.pem"), str(tmp_path / "own.key")
    for path, source in zip(paths, pair):
        put(path, source)
    return paths


def test_a_new_certificate_is_taken_without_a_reload(secure, certificates, tmp_path):
    cert, key = own_files(tmp_path, certificates.signed("first"))
    service = secure(cert_file=cert, key_file=key)
    before = serial(service)
    with service.connect() as kept:
        own_files(tmp_path, certificates.signed("second"))
        service.wait_for(lambda: serial(service) != before, 10, "it has the new one")
        kept.sendall(LAST)  # a connection that was there goes on
        assert [status for status, _ in parse_replies(read_to_end(kept))] == [200]
    assert "certificate read again" in service.log()


def test_a_changed_certificate_that_is_bad_is_told_once(secure, certificates, tmp_path):
    cert, key = own_files(tmp_path, certificates.signed("first"))
    service = secure(cert_file=cert, key_file=key)
    before = serial(service)
    put(cert, certificates.signed("second")[0])  # the key does not fit
    told = "a changed certificate is not taken: the old one stands"
    service.wait_for(lambda: told in service.log(), 10, "it says so")
    assert serial(service) == before
    put(key, certificates.signed("second")[1])
    service.wait_for(lambda: serial(service) != before, 10, "it has the new one")
    assert service.log().count(told) == 1
    os.unlink(cert)
    with open(key, encoding="ascii") as f:
        assert f.read().split("\n")[1] not in service.log()
    assert serial(service) != before


def test_new_authorities_for_callers_are_taken(secure, certificates, tmp_path):
    ca = str(tmp_path / "callers.pem")
    put(ca, certificates.self_signed()[0])
    service = secure(client_ca_file=ca)
    tls = Trusting(certificates.ca, caller(certificates))
    fails(service, tls)
    put(ca, certificates.ca)

    def let_in():
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            return service.get("/-/healthy", tls=tls).status == 200
    service.wait_for(let_in, 10, "the new authority is known")


# --- a reload ---

def test_a_reload_turns_it_on_and_off(tmp_path, cleanup, certificates, mta):
    cert, key = certificates.good()
    port = free_port()
    plain = {"server": {"listen": [f"{HOST}:{port}"]}, "targets": {"mx": target(mta.address)}}
    tls = {**plain, "server": {**plain["server"], "tls_server_config": {"cert_file": cert, "key_file": key}}}
    service = Service(str(tmp_path), plain, port=port)
    cleanup.callback(service.stop_cleanly)
    service.ready()
    client = Trusting(certificates.ca)
    with socket.create_connection((HOST, port), timeout=scaled(20)) as kept:
        service.wait_for(lambda: service.connections(), 10, "it is taken")
        for times, config in enumerate([tls, plain, tls], 1):
            write_config(str(tmp_path), config)
            service.signal(signal.SIGHUP)
            service.wait_for(lambda t=times: service.log().count("config reloaded") == t, 10, "it has reloaded")
            if config is tls:
                with client.wrap_socket(socket.create_connection((HOST, port), timeout=scaled(20))) as s:
                    s.sendall(LAST)
                    assert [status for status, _ in parse_replies(read_to_end(s))] == [200]
            else:
                assert service.get("/check/mx").json["status"] == "pass"
            if times == 1:
                kept.sendall(LAST)  # plain, as it began
                assert [status for status, _ in parse_replies(read_to_end(kept))] == [200]


def test_what_cannot_be_used_does_not_start(tmp_path, certificates):
    path = write_config(str(tmp_path), {"server": {"listen": [f"{HOST}:{free_port()}"], "tls_server_config": {
        "cert_file": certificates.signed("first")[0], "key_file": certificates.signed("second")[1]}}})
    done = run_ehlod("serve", "--config", path)
    assert done.returncode == 1 and "server.tls_server_config.key_file" in done.stderr, done.stderr


def brainpool(folder):
    """A pair that OpenSSL takes, with which the config is tried, and GnuTLS, which speaks, does not."""
    paths = {"cert_file": str(folder / "odd.pem"), "key_file": str(folder / "odd.key")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-nodes",
                    "-subj", "/CN=x", "-keyout", paths["key_file"], "-out", paths["cert_file"]], check=True,
                   capture_output=True, timeout=30)
    return paths


def test_what_cannot_be_spoken_does_not_start(tmp_path):
    path = write_config(str(tmp_path), {"server": {"listen": [f"{HOST}:{free_port()}"],
                                                   "tls_server_config": brainpool(tmp_path)}})
    done = run_ehlod("serve", "--config", path)
    assert done.returncode == 1 and "cannot start" in done.stderr, done.stderr
    assert "server.tls_server_config.cert_file, or its key: " in done.stderr, done.stderr


def test_what_cannot_be_spoken_is_not_reloaded(ehlod, tmp_path, mta):
    """Nor is anything else of that config in force."""
    service = ehlod({"targets": {"mx": target(mta.address)}})
    other = free_port()
    write_config(str(tmp_path), {"server": {"listen": [f"{HOST}:{other}"], "tls_server_config": brainpool(tmp_path)}})
    answer = service.get("/-/reload", method="POST")
    assert answer.status == 500 and "server.tls_server_config.cert_file" in answer.json["detail"], answer
    assert service.get("/check/mx").json["status"] == "pass" and not accepts(other)


def test_nothing_leaks(secure, certificates):
    service = secure(client_ca_file=certificates.ca)
    good = Trusting(certificates.ca, caller(certificates))

    def crowd():
        for _ in range(50):
            assert service.get("/-/healthy", tls=good).status == 200
            fails(service, service.tls)
        service.wait_for(lambda: not service.connections(), 10, "nobody is left")
    crowd()
    descriptors, memory = service.descriptors(), service.status_field("VmRSS")
    for _ in range(4):
        crowd()
    wait_until(lambda: service.descriptors() <= descriptors, 10, "no descriptor is left open")
    if not service.is_sanitized():
        assert service.status_field("VmRSS") < memory + 4000
