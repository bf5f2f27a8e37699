# SPDX-License-Identifier: Apache-2.0
"""What the README shows is what the program says: its examples are typed in and compared."""
import json
import os
import re
import shlex
import shutil
import socket
import subprocess

import pytest
from conftest import target
from dovecot_sasl import DovecotSasl
from postfix import DOMAIN, Postfix
from service import demo_config, run_ehlod, write_config
from support import EHLOD, HOST, ROOT, free_port, scaled, wait_until
from test_mx import postfix_hosts

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
    README = f.read()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.S | re.M)


def example(command):
    """The output that the README shows for the command which begins so."""
    for block in blocks("console"):
        first, _, rest = block.partition("\n")
        if first.startswith("$ " + command):
            return rest
    pytest.fail(f"README.md shows no: {command}")


def shown_tail(command, output):
    """As many lines of the output as the README shows with tail."""
    lines = int(re.search(re.escape(command) + r" \| tail -n (\d+)", README)[1])
    return "".join(output.splitlines(keepends=True)[-lines:])


def shown_from(command, output):
    """The lines of the output that the README shows with grep -A."""
    count, start = re.search(re.escape(command) + r" \| grep -A (\d+) '(.*)'", README).groups()
    lines = output.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if start in line)
    return "".join(lines[first:first + int(count) + 1])


def same_shape(text):
    """The text without what differs each time: times, addresses (and whether one was looked up), ids, the
    machine's name."""
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "ID", text)
    text = re.sub(r"(?<=seen from )\S+|(?<=<- 220 )\S+|(?<=-> EHLO )\S+|(?<=<- 250-)\S+(?=\n +<- 250-PIPELINING)",
                  "NAME", text)
    text = re.sub(r"(?<=<ehlod-)[0-9a-f]{48}@\S+(?=>[:,] )|\b\d+(?= octets)|(?<=> SIZE=)\d+", "N", text)
    text = re.sub(r"(?<=ended )\S+(?= s ago)", "N", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"\b\d+\.\d+\.\d+\.\d+:\d+", "ADDRESS", text)
    text = re.sub(r"\b\d+\.\d+\b(?! (Ok|Relaying|Bye|<))(?!\.\d)", "N", text)
    return re.sub(r" +(?=N)", " ", text).replace("dns N  ", "")


def queued(text):
    """The text without a name of a queue file."""
    return re.sub(r"(?<=queued as )\w+|(?<=, queue id )\w+", "ID", text)


def through_hosts(text):
    """What of a delivery differs from machine to machine, and from second to second, left out."""
    text = re.sub(r'(?<=from )\S+(?= \(unknown)|(?<="from": ")\S+(?= \(unknown)|(?<=@)[^>\s]+(?=>: 250 2\.0\.0)', "NAME", text)
    text = re.sub(r"\b\d+ s(?=  mx)|(?<=delay_ms\": )[\d.-]+", "DELAY", text)
    return queued(same_shape(text))


@pytest.fixture(name="demo")
def demo_fixture(ehlod):
    web, sink = free_port(), free_port()
    service = ehlod(demo_config(web, sink), port=web)
    service.sink = f"{HOST}:{sink}"
    return service


def test_the_first_screen(demo):
    answer = demo.get("/check/demo?format=text")
    shown = example("curl -s 'localhost:8025/check/demo?format=text'")
    assert same_shape(answer.text) == same_shape(shown)


def test_the_json(demo):
    shown = example("curl -si localhost:8025/check/demo")
    head, _, body = shown.partition("\n\n")
    answer = demo.get("/check/demo")
    status, *fields = head.split("\n")
    assert status == f"HTTP/1.1 {answer.status} OK"
    shown_fields = [field.split(": ", 1) for field in fields]
    assert [name for name, _ in shown_fields] == list(answer.headers), "all of them, in this order"
    for name, value in shown_fields:
        if name not in ("Date", "Content-Length"):
            assert answer.headers[name] == value
    assert body.rstrip().endswith(", ...")

    def anonymous(text):
        return re.sub(r'("(?:id|vantage)":)"[^"]*"', r"\1X", text)
    assert anonymous(answer.text).startswith(anonymous(body.rstrip().removesuffix(" ...")))


def test_the_config_for_ones_own_server(fake, tmp_path):
    """It is good, and plays as it says: here against a server that relays, which the README shows the fault of."""
    text = next(block for block in blocks("yaml") if block.startswith("# ehlod.yaml"))
    path = write_config(str(tmp_path), text)
    assert run_ehlod("validate", "--config", path).returncode == 0

    def rcpt(line):
        return "550 5.1.1 No such user" if "no-such-user" in line else "250 2.1.5 Ok"
    mta = fake(RCPT=rcpt)
    command = "build/ehlod check --config ehlod.yaml mx1"
    done = run_ehlod("check", "--config", path, "--set", f"targets.mx1.address={mta.address}", "mx1")
    assert done.returncode == 2
    assert same_shape(shown_tail(command, done.stdout)) == same_shape(example(command))


def test_the_config_with_tags(ehlod, fake, tmp_path):
    text = next(block for block in blocks("yaml") if block.startswith("# tags.yaml"))
    assert run_ehlod("validate", "--config", write_config(str(tmp_path), text)).returncode == 0
    text = text.replace("mx1.example.org:25", fake(RCPT="454 4.7.1 Relay access denied").address)
    text = text.replace("mx2.example.org:25", f"{HOST}:{free_port()}")
    port = free_port()
    service = ehlod(text + f'server: {{listen: "{HOST}:{port}"}}\n', port=port)
    command = "curl -s 'localhost:8025/check?tag=inbound&min_pass=1&format=text'"
    tail = service.get("/check?tag=inbound&min_pass=1&format=text").text.splitlines(keepends=True)[-3:]
    assert same_shape("".join(tail)) == same_shape(example(command))


def test_the_config_that_logs_in(certificates, tmp_path, cleanup):
    """To a Postfix with Dovecot's SASL, with the right password and a wrong one, in files with the names that it shows."""
    dovecot = DovecotSasl(users=["probe"])
    cleanup.callback(dovecot.stop)
    postfix = Postfix(tls=certificates.signed("submission", dns="mx.example.org"), main=dovecot.postfix)
    cleanup.callback(postfix.stop)
    for name, password in (("probe.password", dovecot.PASSWORD), ("wrong.password", "wrong horse-4711")):
        (tmp_path / name).write_text(password + "\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    path = write_config(str(tmp_path), next(block for block in blocks("yaml") if block.startswith("# auth.yaml")))
    assert run_ehlod("validate", "--config", path).returncode == 0
    settings = {"address": postfix.address, "tls_config.ca_file": certificates.ca, "tls_config.server_name": "mx.example.org"}
    where = [word for key, value in settings.items() for word in ("--set", f"modules.submission.{key}={value}")]
    for name in ("login", "wrong-password"):
        command = f"build/ehlod check --config auth.yaml {name}"
        done = run_ehlod("check", "--config", path, *where, name)
        assert done.returncode == 0, done
        assert same_shape(shown_tail(command, done.stdout)) == same_shape(example(command))


def test_the_mechanisms_in_their_order():
    """As probe/auth.h has them."""
    with open(os.path.join(ROOT, "probe", "auth.h"), encoding="utf-8") as header:
        order = re.findall(r"^    AUTH_(\w+),", header.read(), re.M)[:8]
    told = re.search(r"that there is a secret for: (.*?)\.", README, re.S)[1]
    assert re.split(r",\s+", told) == [name.replace("_", "-") for name in order]


def test_the_config_that_claims(tmp_path, cleanup):
    """Against a Postfix that believes it, and whose log says so."""
    postfix = Postfix(services={"as-client": ("127.0.0.2", ["smtpd_authorized_xclient_hosts=127.0.0.0/8"]),
                                "balanced": ("127.0.0.3", ["smtpd_upstream_proxy_protocol=haproxy"])})
    cleanup.callback(postfix.stop)
    path = write_config(str(tmp_path), next(block for block in blocks("yaml") if block.startswith("# claimed.yaml")))
    assert run_ehlod("validate", "--config", path).returncode == 0
    for name, address in postfix.services.items():
        command = f"build/ehlod check --config claimed.yaml {name}"
        where = ["--config", path, "--set", f"targets.{name}.address={address}", name]
        done = run_ehlod("check", *where)
        assert done.returncode == 0, done
        output = done.stdout.replace(address.replace(":", " 4711 "), "192.0.2.12 4711 25")
        assert same_shape(shown_tail(command, output)) == same_shape(example(command))
    output = run_ehlod("check", *where, "--format", "json").stdout
    claimed = re.search(r'^`("claimed":{.*})`', README, re.M)[1]
    assert claimed in output.replace(address.replace(":", " 4711 "), "192.0.2.12 4711 25"), output
    clients = re.search(r"Postfix' log names `(.*)` and `(.*)` as its clients", README).groups()
    wait_until(lambda: all(f" disconnect from {client} " in postfix.log() for client in clients), 5,
               "its log shows both")


def test_the_config_of_a_domain(tmp_path, cleanup):
    """Against a Postfix at each of its addresses."""
    way, _ = postfix_hosts(cleanup)
    path = write_config(str(tmp_path), next(block for block in blocks("yaml") if block.startswith("# mx.yaml")))
    done = subprocess.run([*way.enter(way.here), EHLOD, "check", "--config", path, "example.org"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=scaled(30), check=False)
    assert done.returncode == 2, done
    command = "build/ehlod check --config mx.yaml example.org"
    assert same_shape(shown_tail(command, done.stdout)) == same_shape(example(command))


def test_the_message(tmp_path, cleanup):
    """Against a Postfix that offers all of it, whose queue then has it as the README says, and one that does not."""
    postfix, old = (Postfix(access={"www@example.org": "HOLD"}, virtual={"www@example.org": "www@example.test"},
                            main="virtual_alias_domains = example.org\n" + more)
                    for more in ("", "smtpd_discard_ehlo_keywords = smtputf8\nsmtputf8_enable = no\n"))
    cleanup.callback(postfix.stop)
    cleanup.callback(old.stop)
    message = next(block for block in blocks("text") if "{{token}}" in block)
    (tmp_path / "welcome.eml").write_text(message, encoding="utf-8")
    write_config(str(tmp_path), next(block for block in blocks("yaml") if block.startswith("# message.yaml")))
    os.rename(tmp_path / "ehlod.yaml", tmp_path / "message.yaml")

    def run(verb, *more):
        return run_ehlod(verb, "--config", "message.yaml", *more, cwd=tmp_path)
    assert run("validate").returncode == 0
    command = "build/ehlod check --config message.yaml mx1"
    done = run("check", "--set", f"targets.mx1.address={postfix.address}", "mx1")
    assert done.returncode == 0, done
    shown = example(command)
    assert "> SIZE=2048 BODY" in shown and "> SIZE=2048 BODY" in done.stdout
    assert same_shape(queued(shown_from(command, done.stdout))) == same_shape(queued(shown))
    arrived = postfix.message(re.search(r"queued as (\w+)", done.stdout)[1])
    assert "\nFrom: Probe <probe@xn--bcher-kva.example>\nTo: www@example.org\nSubject: Grüße an www@example.org\n" in arrived
    assert re.search(r"\n\nChecked from \S+ at \w{3}, [^\n]* \+0000, token ehlod-[0-9a-f]{48}\.\n"
                     + re.escape(message.splitlines()[-1]) + "\n(x+\n)+$", arrived), arrived
    command = "build/ehlod check --config message.yaml --set targets.mx1.address=mx2.example.org:25 mx1"
    done = run("check", "--set", f"targets.mx1.address={old.address}", "mx1")
    assert done.returncode == 2, done
    assert same_shape(shown_tail(command, done.stdout)) == same_shape(example(command))
    (tmp_path / "welcome.eml").write_text(message.replace("{{token}}", "{{tokn}}"), encoding="utf-8")
    done = run("validate")
    assert (done.returncode, done.stderr) == (1, example("build/ehlod validate --config message.yaml"))


def as_in_the_readme(text, address):
    """What was said with a Postfix of the tests, as if it had been the server of the README."""
    text = re.sub(rf"(?<=^(?:FAIL|PASS) ){re.escape(address)}", "mx1.example.org", text, flags=re.M)
    return same_shape(text.replace(DOMAIN, "example.org"))


def test_from_netcat_to_ehlod(tmp_path, cleanup):
    """The same file, piped into netcat and played, and one that says what must come back: against real Postfix."""
    postfix = Postfix(users=("www",))
    cleanup.callback(postfix.stop)
    for name, text in zip(("plain.smtp", "to_www.smtp"), blocks("smtp")):
        (tmp_path / name).write_text(text.replace("example.org", DOMAIN), encoding="utf-8")
    for command, program, status in (
            ("ncat -C mx1.example.org 25 < plain.smtp", ["ncat", "-C", *postfix.address.split(":")], 0),
            ("build/ehlod talk mx1.example.org plain.smtp", [EHLOD, "talk", postfix.address, "plain.smtp"], 2),
            ("build/ehlod talk mx1.example.org to_www.smtp --var customer=acme",
             [EHLOD, "talk", postfix.address, "to_www.smtp", "--var", "customer=acme"], 0)):
        with open(tmp_path / "plain.smtp", "rb") as plain:
            done = subprocess.run(program, cwd=tmp_path, stdin=plain, capture_output=True, text=True, timeout=scaled(40),
                                  check=False)
        assert done.returncode == status, done
        shown = as_in_the_readme(shown_tail(command, done.stdout), postfix.address)
        assert shown == same_shape(example(command)), command


def test_the_config_with_a_dialogue_is_good(tmp_path):
    text = next(block for block in blocks("yaml") if block.startswith("# dialogue.yaml"))
    (tmp_path / "to_www.smtp").write_text(blocks("smtp")[1], encoding="utf-8")
    done = run_ehlod("validate", "--config", write_config(str(tmp_path), text))
    assert done.returncode == 0 and not done.stderr, done


def test_the_config_with_a_delivery(ehlod, tmp_path, cleanup):
    """Through two Postfix in a row, the second of which hands on to the sink; what that takes nothing for comes back."""
    port, web = free_port(), free_port()
    second = Postfix(transport={domain: f"smtp:[{HOST}]:{port}" for domain in ("probe.example.org", "gone.example.org")},
                     hostname="mx2.example.org", mynetworks=f"{HOST}/32")
    cleanup.callback(second.stop)
    first = Postfix(transport={domain: f"smtp:[{HOST}]:{second.port}" for domain in ("probe.example.org", "gone.example.org")},
                    hostname="mx1.example.org")
    cleanup.callback(first.stop)
    text = next(block for block in blocks("yaml") if block.startswith("# delivered.yaml"))
    assert run_ehlod("validate", "--config", write_config(str(tmp_path), text)).returncode == 0
    text = text.replace("mx1.example.org:25", first.address).replace("192.0.2.7:2525", f"{HOST}:{port}")
    text = text.replace("        deliver_within", "        min_send_interval: 0\n        deliver_within")
    done = run_ehlod("check", "--config", write_config(str(tmp_path), text), "back")
    command = "build/ehlod check --config delivered.yaml back"
    assert queued(same_shape(shown_tail(command, done.stdout))) == queued(same_shape(example(command)))
    service = ehlod(text + f'server: {{listen: "{HOST}:{web}"}}\n', port=web)
    command = "curl -s 'http://127.0.0.1:8025/check/mx1?format=text'"
    answer = service.get("/check/mx1?format=text&wait=20s")
    assert through_hosts(shown_from(command, answer.text)) == through_hosts(example(command))
    command = "curl -s http://127.0.0.1:8025/check/mx1 | python3 -m json.tool"
    answer = service.get("/check/mx1?wait=20s&max_age=0")
    assert through_hosts(shown_from(command, json.dumps(answer.json, indent=4))) == through_hosts(example(command))


@pytest.mark.parametrize("name", ["door.yaml", "history.yaml"])
def test_what_the_service_is_told_is_good(certificates, tmp_path, name):
    """With the files that it names."""
    for path, there in zip(certificates.good(), ("web.pem", "web.key")):
        shutil.copy(path, tmp_path / there)
    (tmp_path / "token").write_text("0123456789abcdef\n", encoding="ascii")
    (tmp_path / "token").chmod(0o600)
    text = next(block for block in blocks("yaml") if block.startswith(f"# {name}"))
    done = run_ehlod("validate", "--config", write_config(str(tmp_path), text + "targets: {mx1: {address: mx1.example.org:25}}\n"))
    assert (done.returncode, done.stderr) == (0, ""), done


def test_what_balancers_and_people_are_told(ehlod, demo):
    """Agent-check, drains, health+json and a refusal, with the sink as the mail server."""
    agent, web = free_port(), free_port()
    routes = [{"name": "inbound", "from": "", "to": "www@probe.example.org"},
              {"name": "no-relay", "from": "", "to": "x@example.com", "expect": ["rejected", "deferred"]}]
    service = ehlod({"server": {"name": "fra1", "listen": f"{HOST}:{web}", "agent_listen": f"{HOST}:{agent}"},
                     "mailboxes": {"more": {"sink": f"{HOST}:{free_port()}", "domains": ["example.net"]}},
                     "targets": {"mx1": {"address": demo.sink, "interval": "10s", "routes": routes},
                                 "mx2": {"address": demo.sink, "routes": [{**routes[0], "to": "www@example.com"}]}}}, port=web)
    talk = re.split(r"^\$ ", "".join(block for block in blocks("console") if "8026" in block), flags=re.M)[1:]
    told = {line.partition("\n")[0]: line.partition("\n")[2] for line in talk}

    def shape(text):
        return re.sub(r'"age_ms":\d+|(?<=observedValue":)[\d.]+|(?<="address":")[^"]+', "N", same_shape(text))

    def ask_agent(name):
        with socket.create_connection((HOST, agent), timeout=scaled(10)) as s:
            s.sendall(f"{name}\n".encode())
            return s.makefile().read().strip("\n") + "\n"
    assert service.get("/check/mx1").json["status"] == "pass", service.get("/check/mx1")
    answers = {"printf 'mx2": ask_agent("mx2"), "curl -s -X POST": service.get(
        "/targets/mx1/drain?for=30m&reason=kernel%20update", method="POST").text, "printf 'mx1": ask_agent("mx1")}
    for command, answer in answers.items():
        assert shape(answer) == shape(next(shown for typed, shown in told.items() if typed.startswith(command)))
    service.get("/targets/mx1/undrain", method="POST")
    shown = example("curl -s 'http://127.0.0.1:8025/check/mx1?format=health'").splitlines()
    assert shape(service.get("/check/mx1?format=health").text.strip()) == shape(shown[0])
    assert service.get("/check/mx1?q=1").text.strip() == shown[2]


def test_the_config_for_balancers_is_good(tmp_path):
    """What docs/load-balancers.md shows of ehlod.yaml."""
    with open(os.path.join(ROOT, "docs", "load-balancers.md"), encoding="utf-8") as f:
        text, = re.findall(r"^```yaml\n(targets:\n.*?)^```$", f.read(), re.S | re.M)
    done = run_ehlod("validate", "--config", write_config(str(tmp_path), text))
    assert (done.returncode, done.stderr) == (0, ""), done


def test_every_command_line_is_understood(fake, tmp_path):
    """`ehlod validate` and `check` as in the README; serve is what every other test starts."""
    mta = fake()
    path = write_config(str(tmp_path), {"targets": {"mx1": target(mta.address)}})
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("build/ehlod")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] != "serve":
            done = run_ehlod(*[path if word == "ehlod.yaml" else word for word in words])
            assert done.returncode == 0, done
