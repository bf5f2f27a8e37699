# SPDX-License-Identifier: Apache-2.0
"""LMTP and Unix sockets: a real Dovecot on both, and servers that say too little."""
import ctypes
import os
import re
import shutil
import smtplib
import socket
import tempfile

import pytest
from certificates import NAME, Certificates
from conftest import target
from dovecot import Dovecot
from fake_mta import FakeMta
from service import run_ehlod, write_config
from support import HOST, free_port, scaled
from test_readme import blocks, example, same_shape, shown_tail

USERS = {"good@example.test": "", "other@example.test": "", "full@example.test": "userdb_quota_rule=*:bytes=1",
         "failing@example.test": "userdb_mail=maildir:/proc/none",
         "www@example.org": "", "full@example.org": "userdb_quota_rule=*:bytes=1"}

CONFIG = """\
protocols = lmtp
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = {port}
  }
}
protocol lmtp {
  mail_plugins = quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
}
"""


@pytest.fixture(name="certificates", scope="module")
def certificates_fixture(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(name="dovecot", scope="module")
def dovecot_fixture(certificates):
    pair = certificates.good()
    port = free_port()
    config = CONFIG
    for name, value in (("certificate", pair[0]), ("key", pair[1]), ("port", port)):
        config = config.replace("{%s}" % name, str(value))
    server = Dovecot(config, USERS)
    server.tcp = f"{HOST}:{port}"
    server.unix = f"unix:{server.path('run/lmtp')}"
    yield server
    server.stop()


@pytest.fixture(name="folder")
def folder_fixture():
    """Short enough for the path of a socket, which pytest's may not be."""
    path = tempfile.mkdtemp(prefix="ehlod-lmtp-")
    yield path
    shutil.rmtree(path)


class FakeLmtp(FakeMta):
    """Takes a message; finals is given the recipients that were taken and the message, and says what is replied to
    it: bytes, or None for nothing at all."""

    def __init__(self, finals, **more):
        self.finals = finals
        super().__init__(**{"DATA": "354 go ahead", **more})

    def _serve(self, s, dialogue):
        taken = []
        try:
            with s, s.makefile("rb") as stream:
                self._answer(s, "BANNER", "")
                for raw in stream:
                    line = raw.decode().rstrip("\r\n")
                    verb = line.split(" ")[0].upper()
                    with self.lock:
                        dialogue.append(line)
                    self._answer(s, verb, line)
                    if verb == "RCPT":
                        taken.append(line[len("RCPT TO:<"):-1])
                    if verb == "DATA":
                        replies = self.finals(taken, b"".join(iter(stream.readline, b".\r\n")))
                        if replies is None:
                            return
                        s.sendall(replies)
                    if verb == "QUIT":
                        return
        except OSError:
            pass
        finally:
            with self.lock:
                self.sockets.discard(s)


@pytest.fixture(name="lmtp")
def lmtp_fixture(cleanup):
    def start(finals, **more):
        server = FakeLmtp(finals, **more)
        cleanup.callback(server.stop)
        return server
    return start


def route(to, expect="queued", **more):
    return {"name": "in", "from": "probe@example.net", "to": to, "expect": expect, "min_send_interval": "0", **more}


def lmtp_target(address, *routes, **more):
    return target(address, *routes, protocol="lmtp", **more)


def only_route(answer):
    assert len(answer.json["routes"]) == 1
    return answer.json["routes"][0]


def codes(shown):
    return {r["to"].split("@")[0]: (r["code"], r["enhanced"], r["ok"]) for r in shown["recipients"]}


def finals(answer):
    return [c for c in answer.json["commands"] if c["phase"] == "final"]


def check_times(answer):
    """They never run backwards, and those of a phase add up to what it took."""
    commands = answer.json["commands"]
    times = [c[key] for c in commands for key in ("at_ms", "first_byte_ms", "reply_ms")]
    assert times == sorted(times)
    took = sum(c["reply_ms"] - c["at_ms"] for c in finals(answer))
    assert took == pytest.approx(answer.json["timing_ms"]["final"], abs=0.01)


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_dovecot_takes_it(ehlod, dovecot, way):
    to = ["good@example.test", "other@example.test"]
    answer = ehlod({"targets": {"mda": lmtp_target(getattr(dovecot, way), route(to))}}).get("/check/mda")
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (200, "queued", True), answer
    assert codes(shown) == {"good": (250, "2.0.0", True), "other": (250, "2.0.0", True)}
    for r in shown["recipients"]:
        assert r["text"].startswith(f"<{r['to']}> ") and r["text"].endswith(" Saved")
    assert answer.json["commands"][1]["sent"].startswith("LHLO ")
    assert [c["sent"] for c in finals(answer)] == [".", None]
    check_times(answer)
    for user in to:
        assert sum(shown["message_id"] in text for text in dovecot.mail(user)) == 1


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_dovecot_gives_each_a_reply_of_its_own(ehlod, dovecot, way):
    to = ["good@example.test", "full@example.test", "failing@example.test", "other@example.test"]
    answer = ehlod({"targets": {"mda": lmtp_target(getattr(dovecot, way), route(to))}}).get("/check/mda")
    shown = only_route(answer)
    assert (answer.status, shown["state"], shown["ok"]) == (503, "rejected", False), answer
    assert codes(shown) == {"good": (250, "2.0.0", True), "full": (552, "5.2.2", False),
                            "failing": (451, "4.2.0", False), "other": (250, "2.0.0", True)}
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"], failure["enhanced"], failure["route"]) == \
        ("final", "rejected", 552, "5.2.2", "in")
    assert failure["message"].startswith('the message for <full@example.test> was refused: "552 5.2.2 ')
    assert (shown["final"]["code"], shown["final"]["enhanced"]) == (552, "5.2.2")
    assert len(finals(answer)) == 4
    check_times(answer)
    assert sum(shown["message_id"] in text for text in dovecot.mail("other@example.test")) == 1


def test_dovecot_refuses_a_stranger_at_rcpt(ehlod, dovecot):
    service = ehlod({"targets": {
        "wanted": lmtp_target(dovecot.tcp, route("nobody@example.test", "rejected", reply="550 5.1.1")),
        "mixed": lmtp_target(dovecot.unix, route(["good@example.test", "nobody@example.test"], ["queued", "rejected"])),
        "over": lmtp_target(dovecot.unix, route(["full@example.test"], "rejected", at="final", reply="552 5.2.2"))}})
    answer = service.get("/check/wanted")
    assert (answer.status, only_route(answer)["state"]) == (200, "rejected"), answer
    answer = service.get("/check/mixed")
    assert (answer.status, only_route(answer)["state"]) == (200, "queued"), answer
    assert codes(only_route(answer)) == {"good": (250, "2.0.0", True), "nobody": (550, "5.1.1", True)}
    assert len(finals(answer)) == 1
    answer = service.get("/check/over")
    assert (answer.status, only_route(answer)["state"], codes(only_route(answer))["full"]) == \
        (200, "rejected", (552, "5.2.2", True)), answer


def test_tls_over_a_unix_socket(ehlod, dovecot, certificates):
    tls = {"tls": "starttls", "tls_config": {"ca_file": certificates.ca, "server_name": NAME}}
    service = ehlod({"targets": {
        "good": lmtp_target(dovecot.unix, route("good@example.test"), **tls),
        "other": lmtp_target(dovecot.unix, route("good@example.test"),
                             **{**tls, "tls_config": {**tls["tls_config"], "server_name": "mx.example.org"}}),
        "blind": lmtp_target(dovecot.unix, route("good@example.test"), tls="starttls",
                             tls_config={"insecure_skip_verify": True})}})
    answer = service.get("/check/good")
    assert (answer.status, answer.json["tls"]["verified"]) == (200, True), answer
    assert [c["sent"].split(" ")[0] for c in answer.json["commands"][1:4]] == ["LHLO", "STARTTLS", "LHLO"]
    answer = service.get("/check/other")
    assert (answer.status, answer.json["failure"]["reason"]) == (503, "cert_name_mismatch"), answer
    answer = service.get("/check/blind")
    assert (answer.status, answer.json["flags"]) == (200, ["insecure_skip_verify"]), answer


def test_the_other_protocol_is_told(ehlod, dovecot, mta):
    service = ehlod({"targets": {"smtp": target(dovecot.unix), "lmtp": lmtp_target(mta.address)}})
    mta.answers["LHLO"] = "500 5.5.2 Error: command not recognized"
    for name, hint in (("smtp", "HELO"), ("lmtp", "LHLO")):
        answer = service.get(f"/check/{name}")
        failure = answer.json["failure"]
        assert (answer.status, failure["phase"], failure["reason"], failure["code"]) == (503, "ehlo", "rejected", 500)
        other = "LMTP" if name == "smtp" else "SMTP"
        assert failure["message"].startswith(hint) and f"(the server may speak {other}: protocol)" in failure["message"]
    assert [line.split(" ")[0] for line in mta.lines()] == ["LHLO", "QUIT"]


def test_smtp_over_a_unix_socket(ehlod, fake, folder):
    server = fake(path=f"{folder}/smtp")
    service = ehlod({"targets": {"mx": target(server.address)}})
    answer = service.get("/check/mx")
    assert answer.status == 200, answer
    assert answer.json["peer"] == {"host": f"unix:{folder}/smtp", "port": None, "address": f"{folder}/smtp",
                                   "family": "unix", "name": "fake.example.test"}
    assert answer.json["local"] == {"address": None, "port": None}
    timing = answer.json["timing_ms"]
    assert timing["dns"] is None and timing["connect"] >= 0 and timing["banner"] >= 0
    assert answer.json["attempts"] == []
    text = service.get("/check/mx?format=text").text
    assert f"mx  unix:{folder}/smtp, seen from " in text and f" connected -> unix:{folder}/smtp\n" in text
    assert f"\n  -> unix:{folder}/smtp, no TLS; " in text
    assert service.get("/targets").json["targets"][0]["address"] == f"unix:{folder}/smtp"


def test_a_relative_path_is_relative_to_the_config(fake, folder, cleanup):
    server = FakeMta(path=f"{folder}/smtp")
    cleanup.callback(server.stop)
    path = write_config(folder, {"targets": {"mx": target("unix:./smtp")}})
    done = run_ehlod("check", "--config", path, "mx", "--format", "nagios", cwd="/")
    assert (done.returncode, done.stdout[:8]) == (0, "SMTP OK "), done


@pytest.mark.parametrize("how", ["none", "closed"])
def test_nobody_at_the_path(ehlod, folder, how):
    with socket.socket(socket.AF_UNIX) as s:
        if how == "closed":
            s.bind(f"{folder}/lmtp")
    answer = ehlod({"targets": {"mda": lmtp_target(f"unix:{folder}/lmtp")}}).get("/check/mda")
    failure = answer.json["failure"]
    assert (answer.status, failure["phase"], failure["reason"]) == (503, "connect", "refused"), answer
    assert failure["message"].startswith(f"connect to unix:{folder}/lmtp: ")
    assert (answer.json["peer"]["family"], answer.json["local"]) == ("unix", None)


def without_override():
    """Before a program begins: the file system's rights hold for it, though it be root's."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_socket_that_ehlod_may_not_use_is_unknown(ehlod, fake, folder):
    """Our own rights are no evidence against the server."""
    fake(path=f"{folder}/lmtp")
    os.chmod(f"{folder}/lmtp", 0)
    path = write_config(folder, {"targets": {"mda": lmtp_target(f"unix:{folder}/lmtp")}})
    done = run_ehlod("check", "--config", path, "mda", preexec_fn=without_override)
    assert done.returncode == 3, done
    assert re.search(r"^UNKNOWN mda  connect/local_resource: .*EACCES.*ehlod may not write", done.stdout, re.M), done


def test_our_own_socket_is_a_loop(ehlod, folder):
    os.symlink("http", f"{folder}/link")
    port = free_port()
    service = ehlod({"server": {"listen": [f"{HOST}:{port}", f"unix:{folder}/http"]},
                     "targets": {name: target(f"unix:{folder}/{name}") for name in ("http", "link")}}, port=port)
    for name in ("http", "link"):
        failure = service.get(f"/check/{name}").json["failure"]
        assert (failure["phase"], failure["reason"]) == ("connect", "loop"), failure


def test_a_missing_reply_leaves_it_uncertain(ehlod, lmtp):
    def one_of_two(_taken, _message):
        return b"250 2.0.0 saved\r\n"
    silent = lmtp(one_of_two)
    closing = lmtp(lambda taken, message: None)
    to = ["a@example.test", "b@example.test"]
    service = ehlod({"targets": {
        "silent": lmtp_target(silent.address, route(to), timeouts={"final": f"{scaled(0.5):g}s"}),
        "closing": lmtp_target(closing.address, route(to))}})
    answer = service.get("/check/silent")
    failure = answer.json["failure"]
    assert (answer.status, failure["phase"], failure["reason"]) == (503, "final", "timeout"), answer
    assert failure["message"].startswith("no reply to the message for <b@example.test> in ")
    assert only_route(answer)["state"] == "uncertain"
    assert codes(only_route(answer)) == {"a": (250, "2.0.0", True), "b": (None, None, False)}
    answer = service.get("/check/closing")
    assert (answer.json["failure"]["reason"], only_route(answer)["state"], finals(answer)[0]["reply"]) == \
        ("closed", "uncertain", None), answer
    assert codes(only_route(answer)) == {"a": (None, None, False), "b": (None, None, False)}


def test_one_reply_too_many_is_unsolicited(ehlod, lmtp):
    server = lmtp(lambda taken, message: b"250 2.0.0 saved\r\n" * (len(taken) + 1))
    answer = ehlod({"targets": {"mda": lmtp_target(server.address, route(["a@example.test", "b@example.test"]))}}) \
        .get("/check/mda")
    assert (answer.json["failure"]["phase"], answer.json["failure"]["reason"]) == ("final", "unsolicited"), answer
    assert (only_route(answer)["state"], only_route(answer)["ok"]) == ("queued", True)


@pytest.mark.parametrize("refused, arrive, state", [
    ((), ("a", "b"), "delivered"), (("b",), ("a",), "delivered"), ((), ("a",), "lost"), (("b",), (), "lost")])
def test_delivered_to_those_whose_reply_took_it(ehlod, lmtp, folder, refused, arrive, state):
    """One whose final reply refused the message, as wanted, is not waited for."""
    sink = free_port()

    def relay(taken, message):
        them = [to for to in taken if to.split("@")[0] in arrive]
        if them:
            with smtplib.SMTP(HOST, sink, timeout=scaled(10)) as hop:
                hop.sendmail("probe@example.net", them, message)
        return b"".join(b"552 5.2.2 over quota\r\n" if to.split("@")[0] in refused else b"250 2.0.0 saved\r\n"
                        for to in taken)
    server = lmtp(relay, path=f"{folder}/lmtp")
    service = ehlod({
        "mailboxes": {"local": {"sink": f"{HOST}:{sink}", "domains": ["example.test"]}},
        "targets": {"mda": lmtp_target(server.address, route(
            ["a@example.test", "b@example.test"], ["delivered", "rejected"], at="final", mailbox="local",
            deliver_within=f"{scaled(1):g}s"), wait=f"{scaled(20):g}s")}})
    answer = service.get("/check/mda", timeout=40)
    assert only_route(answer)["state"] == state, answer
    assert answer.status == (200 if state == "delivered" else 503)


def test_a_check_of_the_command_line(dovecot, folder):
    path = write_config(folder, {"targets": {"mda": lmtp_target(
        dovecot.unix, route(["good@example.test", "full@example.test"]))}})
    done = run_ehlod("check", "--config", path, "mda")
    assert done.returncode == 2, done
    assert "FAIL mda  final/rejected: the message for <full@example.test> was refused: " in done.stdout
    rows = [line for line in done.stdout.splitlines() if re.search(r"<- (250 2\.0\.0|552 5\.2\.2) <", line)]
    assert len(rows) == 2


def test_the_readme(dovecot, tmp_path):
    """Its config is good, and what it shows is what is said of a Dovecot where one mailbox is full."""
    path = write_config(str(tmp_path), next(block for block in blocks("yaml") if block.startswith("# lmtp.yaml")))
    assert run_ehlod("validate", "--config", path).returncode == 0
    command = "build/ehlod check --config lmtp.yaml mda"
    done = run_ehlod("check", "--config", path, "--set", f"targets.mda.address={dovecot.unix}", "mda")
    assert done.returncode == 2, done
    output, shown = (re.sub(r"(?<=<www@example.org> )\S+(?= Saved)", "ID", text)
                     for text in (done.stdout.replace(dovecot.unix, "unix:/run/dovecot/lmtp"), example(command)))
    assert same_shape(shown_tail(command, output)) == same_shape(shown)
