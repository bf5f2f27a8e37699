# SPDX-License-Identifier: Apache-2.0
"""The built-in mail server takes mail from the clients that there are, and relays for none of them."""
import smtplib
import socket
import subprocess

import pytest
from service import read_to_end
from support import HOST, free_port, scaled, wait_until, with_sbin

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
