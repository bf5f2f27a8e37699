# SPDX-License-Identifier: Apache-2.0
"""The built-in mail server takes mail from the clients that there are, and relays for none of them."""
import smtplib
import socket
import subprocess

import pytest
from service import read_to_end
from support import HOST, free_port, scaled, wait_until, with_sbin
from test_lmtp import FakeLmtp

OURS, STRANGER = "www@probe.example.org", "someone@example.com"
RELAYING = "550 5.7.1"


@pytest.fixture(name="sink")
def sink_fixture(ehlod):
    """(port of the sink, the service)"""
    port = free_port()
    return port, ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"]}},
                        "targets": {}})


def swaks(port, to):
    return ["swaks", "--server", f"{HOST}:{port}", "--from", "a@example.net", "--to", to, "--helo", "client.example.net"]


def curl(port, to):
    return ["curl", "-sv", f"smtp://{HOST}:{port}/client.example.net", "--mail-from", "a@example.net", "--mail-rcpt", to,
            "--upload-file", "-"]


def msmtp(port, to):
    return ["msmtp", f"--host={HOST}", f"--port={port}", "--from=a@example.net", "--tls=off", "--auth=off", to]


def smtp_source(port, to):
    return ["smtp-source", "-l", "20000", "-m", "20", "-s", "4", "-f", "a@example.net", "-t", to, f"{HOST}:{port}"]


def run(command):
    message = "From: a@example.net\nTo: b@example.net\nSubject: x\n\n.\n..dots\nend\n"
    return subprocess.run(command, input=message, capture_output=True, text=True, timeout=scaled(30), check=False,
                          env=with_sbin())


@pytest.mark.parametrize("client", [swaks, curl, msmtp, smtp_source], ids=lambda c: c.__name__)
def test_real_clients_deliver(sink, client):
    done = run(client(sink[0], OURS))
    assert done.returncode == 0, done


@pytest.mark.parametrize("client", [swaks, curl, msmtp, smtp_source], ids=lambda c: c.__name__)
def test_real_clients_cannot_relay(sink, client):
    done = run(client(sink[0], STRANGER))
    assert done.returncode != 0 and RELAYING in done.stdout + done.stderr, done


def talk(port, data, piece):
    """Everything that it says to that, sent in pieces once it has greeted; each command waits for its reply."""
    with socket.create_connection((HOST, port), timeout=scaled(10)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = s.recv(4096)
        for command in data:
            for at in range(0, len(command), piece or len(command)):
                s.sendall(command[at:at + (piece or len(command))])
            heard += s.recv(4096)
        return heard + read_to_end(s)


def test_split_at_every_byte_it_says_the_same(sink):
    data = [b"EHLO client.example.net\r\n", b"MAIL FROM:<a@example.net> SIZE=10 BODY=8BITMIME\r\n", f"RCPT TO:<{OURS}>\r\n".encode(),
            f"RCPT TO:<{STRANGER}>\r\n".encode(), b"WHAT\r\n", b"DATA\r\n", b"a\n.\nb\r\n..\r\n.\r\n", b"DATA\r\n", b"QUIT\r\n"]
    whole = talk(sink[0], data, None)
    assert whole.count(b"\r\n") == 15 and whole.endswith(b"221 2.0.0 Bye\r\n"), whole
    assert {talk(sink[0], data, piece) for piece in (1, 2, 5)} == {whole}


def test_connections_are_bounded(sink):
    """Who comes when all are in use waits until there is room, as in front of any busy server."""
    port, service = sink
    open_ones = []
    try:
        for _ in range(100):
            s = socket.create_connection((HOST, port), timeout=scaled(10))
            open_ones.append(s)
            assert s.recv(100).startswith(b"220 ")
        with socket.create_connection((HOST, port), timeout=scaled(10)) as waiting:
            wait_until(lambda: "mail waits: all sessions are in use" in service.log(), 10, "it is told")
            assert service.get("/-/healthy").status == 200
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                waiting.recv(100)
            waiting.settimeout(scaled(10))
            open_ones.pop().close()
            assert waiting.recv(100).startswith(b"220 ")
    finally:
        for s in open_ones:
            s.close()


def test_k12_clients_that_reset_leave_nothing_behind(sink):
    port, service = sink
    before = service.descriptors()
    for _ in range(50):
        s = socket.create_connection((HOST, port), timeout=scaled(10))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        s.close()
    wait_until(lambda: service.descriptors() <= before, 10, "all are closed")
    assert " error " not in service.log() and " warn " not in service.log(), service.log()
    assert smtplib.SMTP(HOST, port, "client.example.net", timeout=scaled(10)).quit()[0] == 221


def test_who_is_connected_at_the_end_is_told(sink):
    port, service = sink
    with socket.create_connection((HOST, port), timeout=scaled(10)) as s:
        assert s.recv(100).startswith(b"220 ")
        service.stop_cleanly()
        assert read_to_end(s) == b"421 4.3.2 Going down\r\n"


# --- clients that mean no good: rows K of the fault catalogue ---

def flood(port, start, much):
    """Says start, a command at a time, and then much until it is hung up on: how many octets that took, and the last
    that it said (nothing where the reset overtook it)."""
    with socket.create_connection((HOST, port), timeout=scaled(20)) as s:
        for command in start:
            s.recv(4096)
            s.sendall(command)
        s.recv(4096)
        sent = 0
        try:
            while sent < 200 * len(much):
                s.sendall(much)
                sent += len(much)
        except OSError:
            pass
        try:
            return sent, read_to_end(s)
        except OSError:
            return sent, b""


def test_k01_what_never_ends_is_cut_off(sink):
    port, service = sink
    before = service.status_field("VmHWM")
    begun = [b"EHLO client.example.net\r\n", b"MAIL FROM:<a@example.net>\r\n", f"RCPT TO:<{OURS}>\r\n".encode(), b"DATA\r\n"]
    mib = b"x" * 1024 * 1024
    for start, most, words in (([], 20, b"500 5.5.2 Line too long\r\n"), (begun, 40, b"552 5.3.4 Message too big\r\n"),
                               (begun[:3], 20, b"500 5.5.2 Line too long\r\n")):
        sent, said = flood(port, start, mib)
        assert sent < most * len(mib) and said in (words, b""), (sent, said)
    assert service.is_sanitized() or service.status_field("VmHWM") < before + 4096
    assert smtplib.SMTP(HOST, port, "client.example.net", timeout=scaled(10)).quit()[0] == 221


def secured_sink(ehlod, certificates, **more):
    pair, port = certificates.good(), free_port()
    return port, ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"],
                                                "cert_file": pair[0], "key_file": pair[1], **more}}, "targets": {}})


@pytest.mark.parametrize("protocol, hello", [("smtp", "EHLO"), ("lmtp", "LHLO")])
def test_k03_nothing_in_the_clear_is_heard_in_tls(ehlod, certificates, protocol, hello):
    port, _ = secured_sink(ehlod, certificates, protocol=protocol)
    said = talk(port, [f"{hello} client.example.net\r\n".encode(), b"STARTTLS\r\nMAIL FROM:<a@example.net>\r\n"], None)
    assert said.endswith(b"220 2.0.0 Ready to start TLS\r\n554 5.5.0 You talk before it is your turn\r\n"), said
    with socket.create_connection((HOST, port), timeout=scaled(10)) as s:
        for command in (f"{hello} client.example.net\r\n".encode(), b"STARTTLS\r\n", b"MAIL FROM:<a@example.net>\r\n"):
            s.recv(4096)
            s.sendall(command)
        assert b"2.1.0" not in read_to_end(s), "and no handshake comes of it"


def test_k04_who_pipelines_behind_ehlo_is_hung_up_on(sink):
    said = talk(sink[0], [b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n"], None)
    assert said.endswith(b"250 ENHANCEDSTATUSCODES\r\n554 5.5.0 You talk before it is your turn\r\n"), said


def test_k08_commands_that_lead_nowhere_are_counted(sink):
    greeting, *replies = talk(sink[0], [b"EHLO client.example.net\r\n", b"BDAT 1\r\n", b"NOOP\r\n" * 200], None).splitlines()
    assert greeting.startswith(b"220 ") and replies[-1] == b"421 4.7.0 Too many commands without a message"
    assert b"502 5.5.1 Not offered here" in replies and replies.count(b"250 2.0.0 Ok") == 98


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: sink.example.org\r\n\r\n", b"POST / HTTP/1.0\r\n\r\nMAIL FROM:<>\r\n",
                                  b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n" + b"\0\n" * 30], ids=["get", "post", "tls"])
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "at-once"])
def test_k09_who_speaks_no_mail_is_dropped(sink, data, waits):
    with socket.create_connection((HOST, sink[0]), timeout=scaled(10)) as s:
        heard = s.recv(100) if waits else b""
        s.sendall(data)
        heard += read_to_end(s)
    last = heard.splitlines()[-1]
    assert heard.startswith(b"220 ") and (last[:9] == b"554 5.5.1" if waits and data[0] > 32 else last[:4] in (b"554 ", b"421 "))


def test_k10_nothing_for_strangers(sink):
    for command in (b"VRFY root\r\n", b"EXPN staff\r\n", b"ETRN example.org\r\n", b"XCLIENT ADDR=127.0.0.1\r\n",
                    b"PROXY TCP4 192.0.2.1 192.0.2.2 25 25\r\n"):
        said = talk(sink[0], [command, b"EHLO client.example.net\r\n", command, b"QUIT\r\n"], None)
        assert said.count(b"502 5.5.1 Not offered here\r\n") == 2 and said.endswith(b"221 2.0.0 Bye\r\n"), said


LONG = b"X-Long: " + b"x" * 70000 + b"\r\n"
ODD = b"X-Odd: \0\xff\xc3(\x80\x01\r\n\0: \0\r\n"


@pytest.mark.parametrize("before, behind, found", [(ODD, b"", True), (b"", ODD + LONG, True), (LONG, b"", False),
                                                   (b"x" * 3000 + b"\r\n", b"", True)],
                         ids=["odd", "long-behind", "long-before", "no-field"])
def test_k11_what_no_mail_has_hides_no_token_that_is_kept(ehlod, cleanup, before, behind, found):
    """A hop that puts such a thing before or behind the token's line. What is not in the first 64 KiB is not seen."""
    port = free_port()

    def relay(taken, message):
        token = message.index(b"X-Ehlod-Token:")
        end = message.index(b"\r\n", token) + 2
        with smtplib.SMTP(HOST, port, timeout=scaled(10)) as hop:
            hop.sendmail("probe@example.net", taken, before + message[token:end] + behind + b"\r\n\0body\xff\r\n")
        return b"250 2.0.0 Ok\r\n"
    server = FakeLmtp(relay)
    cleanup.callback(server.stop)
    service = ehlod({"mailboxes": {"local": {"sink": f"{HOST}:{port}", "domains": ["probe.example.org"]}},
                     "targets": {"mx": {"address": server.address, "wait": f"{scaled(20):g}s", "routes": [
                         {"name": "r", "from": "probe@example.net", "to": OURS, "expect": "delivered", "mailbox": "local",
                          "deliver_within": f"{scaled(1):g}s"}]}}})
    answer = service.get("/check/mx", timeout=40)
    shown = answer.json["routes"][0]
    assert (answer.status, shown["state"] == "lost") == ((200, False) if found else (503, True)), answer
