# SPDX-License-Identifier: Apache-2.0
"""The built-in mail server under the clients that there are, many messages at a time: SMTP and LMTP, in the clear and in
TLS, over TCP and at a path. Every message is answered, and afterwards it holds no more than before."""
import re
import subprocess

import pytest
from certificates import NAME
from support import HOST, free_port, scaled, wait_until, with_sbin

OURS = "www@probe.example.org"
TWO = ["b@probe.example.org", "c@probe.example.org"]
SESSIONS, MESSAGES = 20, 400
ROOM_KB = 4096  # memory may differ by this; the messages are some megabytes


class Sinks:
    def __init__(self, service, folder, ports, ca):
        self.service, self.ports, self.ca = service, ports, ca
        self.paths = {name: f"{folder}/{name}" for name in ("lmtp.sock", "smtp.sock")}

    def address(self, way):
        """As smtp-source has it."""
        return f"{HOST}:{self.ports[way]}" if way in self.ports else f"unix:{self.paths[way]}"


@pytest.fixture(name="sinks")
def sinks_fixture(ehlod, certificates, tmp_path):
    pair = certificates.good()
    ports = {"smtp": free_port(), "lmtp": free_port()}
    tls = {"domains": ["probe.example.org"], "cert_file": pair[0], "key_file": pair[1]}
    service = ehlod({"mailboxes": {"a": {**tls, "sink": f"{HOST}:{ports['smtp']}"},
                                   "b": {**tls, "sink": f"{HOST}:{ports['lmtp']}", "protocol": "lmtp"},
                                   "c": {**tls, "sink": "unix:lmtp.sock", "protocol": "lmtp"},
                                   "d": {**tls, "sink": "unix:smtp.sock"}},
                     "targets": {}})
    return Sinks(service, tmp_path, ports, certificates.ca)


def run(command, message=None):
    message = message or "From: a@example.net\nTo: b@example.net\nSubject: x\n\n.\n..dots\nend\n"
    done = subprocess.run([str(word) for word in command], input=message, capture_output=True, text=True,
                          timeout=scaled(30), check=False, env=with_sbin())
    assert done.returncode == 0, done
    return done.stdout + done.stderr


def smtp_source(sinks, way, *more):
    """How many messages it says were answered by 250; it gives up at the first that was not."""
    said = run(["smtp-source", "-c", *(["-L"] if way.startswith("lmtp") else []), "-f", "a@example.net", "-t", OURS, *more,
                sinks.address(way)])
    return max(map(int, re.findall(r"\d+", said)))


@pytest.mark.parametrize("way", ["smtp", "lmtp", "lmtp.sock", "smtp.sock"])
def test_hundreds_of_messages_over_many_sessions(sinks, way):
    """Each to three recipients; a session for each message, then many in each session. The first round is for what is
    kept for ever (threads, the heap's own)."""
    service = sinks.service

    def send():
        assert smtp_source(sinks, way, "-s", SESSIONS, "-m", MESSAGES, "-r", 3, "-l", 5000) == MESSAGES
        assert smtp_source(sinks, way, "-d", "-s", SESSIONS, "-m", MESSAGES, "-r", 3, "-l", 5000) == MESSAGES
    descriptors = service.descriptors()
    send()
    wait_until(lambda: service.descriptors() <= descriptors, 10, "all are closed")
    memory = service.status_field("VmRSS")
    send()
    wait_until(lambda: service.descriptors() <= descriptors, 10, "all are closed again")
    assert service.is_sanitized() or service.status_field("VmRSS") < memory + ROOM_KB
    assert " warn " not in service.log() and " error " not in service.log(), service.log()


@pytest.mark.parametrize("way", ["smtp", "lmtp.sock"])
def test_messages_of_megabytes(sinks, way):
    """It keeps the first 64 KiB of each, whatever their size."""
    service = sinks.service
    assert smtp_source(sinks, way, "-s", 1, "-m", 1) == 1
    memory = service.status_field("VmRSS")
    assert smtp_source(sinks, way, "-s", 4, "-m", 12, "-l", 8 * 1024 * 1024) == 12
    assert service.is_sanitized() or service.status_field("VmHWM") < memory + 2 * ROOM_KB


SWAKS = {"smtp": ["--protocol", "ESMTP"], "smtp-tls": ["--protocol", "ESMTP", "-tls"], "lmtp": ["--protocol", "LMTP"],
         "lmtp-tls": ["--protocol", "LMTP", "-tls"], "lmtp.sock": ["--protocol", "LMTP"], "smtp.sock": ["--protocol", "ESMTP"]}


@pytest.mark.parametrize("how", SWAKS)
def test_swaks(sinks, how):
    way = how.removesuffix("-tls")
    place = ["--server", sinks.address(way)] if way in sinks.ports else ["--socket", sinks.paths[way]]
    said = run(["swaks", *place, *SWAKS[how], "--from", "a@example.net", "--to", ",".join(TWO), "--helo",
                "client.example.net"])
    assert ("=== TLS started with cipher TLSv1.3" in said) == how.endswith("-tls"), said
    finals = re.findall(r"^<[-~]  (250 2\.0\.0 .*)$", said, re.M)
    assert finals == ([f"250 2.0.0 <{to}> Ok" for to in TWO] if "lmtp" in how else ["250 2.0.0 Ok"]), said
    assert "<** " not in said, said


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_curl(sinks, tls):
    port = sinks.ports["smtp"]
    said = run(["curl", "-sv", f"smtp://{NAME}:{port}/client.example.net", "--resolve", f"{NAME}:{port}:{HOST}",
                *(["--ssl-reqd", "--cacert", sinks.ca] if tls else []), "--mail-from", "a@example.net",
                "--mail-rcpt", TWO[0], "--mail-rcpt", TWO[1], "--upload-file", "-"])
    assert ("SSL certificate verify ok" in said) == tls, said
    assert len(re.findall(r"^< 250 2\.1\.5 Ok", said, re.M)) == 2 and len(re.findall(r"^< 250 2\.0\.0 Ok", said, re.M)) == 1, said


@pytest.mark.parametrize("how", ["smtp", "smtp-tls", "lmtp", "lmtp-tls", "lmtp.sock"])
def test_msmtp(sinks, how):
    way = how.removesuffix("-tls")
    place = [f"--host={HOST}", f"--port={sinks.ports[way]}"] if way in sinks.ports else \
        ["--host=localhost", "--port=24", f"--socket={sinks.paths[way]}"]
    tls = ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={sinks.ca}", f"--tls-host-override={NAME}"] \
        if how.endswith("-tls") else ["--tls=off"]
    said = run(["msmtp", "--debug", *place, *tls, f"--protocol={'lmtp' if 'lmtp' in how else 'smtp'}", "--auth=off",
                "--from=a@example.net", *TWO])
    finals = re.findall(r"^<-- (250 2\.0\.0 .*)$", said, re.M)
    assert finals == ([f"250 2.0.0 <{to}> Ok" for to in TWO] if "lmtp" in how else ["250 2.0.0 Ok"]), said
