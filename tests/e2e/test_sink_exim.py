# SPDX-License-Identifier: Apache-2.0
"""The built-in mail server as the last hop of a real Exim: by SMTP with STARTTLS, and by LMTP over TCP and at a path."""
import re
import shutil
import subprocess
import tempfile

import pytest
from exim import NOBODY, Exim
from postfix import AS_ROOT
from support import HOST, free_port, scaled, wait_until

SMTP, LMTP = free_port(), free_port()

ROUTERS = f"""\
alias:
  driver = redirect
  domains = example.test
  data = www@smtp.example.org

ehlod_smtp:
  driver = manualroute
  domains = smtp.example.org
  transport = to_smtp
  route_list = * {HOST}
  self = send

ehlod_lmtp:
  driver = manualroute
  domains = lmtp.example.org
  transport = to_lmtp
  route_list = * {HOST}
  self = send

ehlod_unix:
  driver = accept
  domains = unix.example.org
  transport = to_unix
"""

TRANSPORTS = f"""\
to_smtp:
  driver = smtp
  port = {SMTP}
  allow_localhost

to_lmtp:
  driver = smtp
  protocol = lmtp
  port = {LMTP}
  allow_localhost

to_unix:
  driver = lmtp
  socket = %s/lmtp
  batch_max = 10
  user = Debian-exim
"""


@pytest.fixture(name="folder", scope="module")
def folder_fixture():
    """As Postfix' in test_sink_lmtp.py: what is made there is for a group, here Exim's."""
    path = tempfile.mkdtemp(prefix="ehlod-sink-")
    subprocess.run([*AS_ROOT, "chgrp", str(NOBODY), path], check=True, timeout=30)
    subprocess.run([*AS_ROOT, "chmod", "2755", path], check=True, timeout=30)
    yield path
    shutil.rmtree(path)


@pytest.fixture(name="exim", scope="module")
def exim_fixture(folder):
    server = Exim(["smtp.example.org", "lmtp.example.org", "unix.example.org"], ROUTERS, TRANSPORTS % folder)
    yield server
    server.stop()


@pytest.mark.parametrize("to, mailbox", [
    (["a@smtp.example.org", "b@smtp.example.org"], "smtp"), (["a@lmtp.example.org", "b@lmtp.example.org"], "lmtp"),
    (["a@unix.example.org", "b@unix.example.org"], "unix"), (["alias@example.test"], "smtp")],
    ids=["smtp", "lmtp", "unix", "alias"])
def test_exim_delivers(ehlod, exim, certificates, folder, to, mailbox):
    pair = certificates.good()
    service = ehlod({
        "mailboxes": {"smtp": {"sink": f"{HOST}:{SMTP}", "domains": ["smtp.example.org"], "cert_file": pair[0],
                               "key_file": pair[1]},
                      "lmtp": {"sink": f"{HOST}:{LMTP}", "domains": ["lmtp.example.org"], "protocol": "lmtp"},
                      "unix": {"sink": f"unix:{folder}/lmtp", "domains": ["unix.example.org"], "protocol": "lmtp"}},
        "targets": {"mx": {"address": exim.address, "wait": f"{scaled(20):g}s", "routes": [
            {"name": "through", "from": "probe@example.net", "to": to, "expect": "delivered", "mailbox": mailbox}]}}})
    answer = service.get("/check/mx", timeout=40)
    shown = answer.json["routes"][0]
    assert (answer.status, shown["state"], shown["ok"], shown["delivery"]["flags"]) == (200, "delivered", True, []), answer
    queue_id = shown["queue_id"]
    wait_until(lambda: f"{queue_id} Completed" in exim.log(), 10, "Exim has done with it")
    lines = [line for line in exim.log().splitlines() if re.search(rf" {queue_id} [=-]> ", line)]
    assert len(lines) == len(to) and all(f" T=to_{mailbox} " in line for line in lines), lines
    assert all(("X=TLS1.3" in line) == (mailbox == "smtp") for line in lines), lines
