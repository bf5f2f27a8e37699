# SPDX-License-Identifier: Apache-2.0
"""Who plays the dialogues that are measured. Each plays a batch, and says what its own process used for it."""
import json
import os
import shutil

from machine import OTHERS, OURS, Ended, cpu_us, pinned, tool
from service import Service
from support import HOST, Program, accepts, free_port, with_sbin

HELO, FROM, TO = "bench.example.org", "probe@example.org", "www@example.org"
PLAIN = "EHLO MAIL RCPT RSET QUIT"
STARTTLS = "EHLO STARTTLS EHLO MAIL RCPT RSET QUIT"
CONCURRENCY = 64
CHECK_SMTP = "/usr/lib/nagios/plugins/check_smtp"


class Batch:
    """What a dialogue took."""

    def __init__(self, count, used_us, wall_us):
        self.cpu_us = used_us / count
        self.rate = count / wall_us * 1e6


class Floor:
    """The least a client can spend; with TLS a bare use of OpenSSL."""

    def __init__(self, port, tls=None):
        self.name, self.batch = "floor", 4000 if tls else 20000
        self.speaks = STARTTLS if tls else PLAIN
        self.command = [tool("floor"), "--port", str(port), "--concurrency", str(CONCURRENCY)]
        if tls:
            self.command += ["--starttls", tls.ca, tls.name]

    def play(self, count):
        said = Ended([*self.command, "--count", str(count)], OURS).json
        return Batch(count, said["cpu_us"], said["wall_us"])

    def stop(self):
        pass


class Tls:
    """What a verifying client is told."""

    def __init__(self, certificates, name):
        self.ca, self.name = certificates.ca, name


def load(port, path, count, targets=1, concurrency=CONCURRENCY, has='{"status":"pass"', first=0, cores=None):
    """Asks that often; every answer must be good."""
    return Ended([tool("load"), "--port", str(port), "--path", path, "--targets", str(targets), "--count", str(count),
                  "--concurrency", str(concurrency), "--has", has, "--first", str(first)], cores or OTHERS).json


def module(tls=None, **more):
    """Settings of targets that play the dialogue, one run a request."""
    settings = {"cache_ttl": "0", "helo": HELO, "routes": [{"from": FROM, "to": TO}], **more}
    if tls:
        settings.update(tls="starttls", tls_config={"ca_file": tls.ca, "server_name": tls.name})
    return settings


def serve(folder, name, modules, targets, cores=None, **server):
    """A service in a folder of its own; as many runs at once as are asked for."""
    folder = os.path.join(folder, name)
    os.mkdir(folder)
    port = free_port()
    server = {"listen": f"{HOST}:{port}", "workers": 1, "max_runs": 12000, "max_per_address": 12000, **server}
    config = json.dumps({"server": server, "modules": modules, "targets": targets}, separators=(",", ":"))
    return Service(folder, config, port=port, wrapper=pinned(cores or OURS, [])).ready()


class Ehlod:
    """/check or /probe of one service, whose targets differ in their names alone."""

    def __init__(self, service, path, tls=None):
        self.service, self.path = service, path
        self.name = "probe" if path.startswith("/probe") else "check"
        self.has = "\nprobe_success 1" if self.name == "probe" else '{"status":"pass"'
        self.speaks, self.batch = (STARTTLS, 3000) if tls else (PLAIN, 10000)

    def play(self, count):
        before = cpu_us(self.service.pid)
        said = load(self.service.port, self.path, count, targets=CONCURRENCY, has=self.has)
        return Batch(count, cpu_us(self.service.pid) - before, said["wall_us"])

    def stop(self):
        self.service.stop_cleanly()


class SmtpSource:
    """Knows no RSET. Without HELO, and with the shortest message, it has as many replies to wait for as the others."""

    def __init__(self, port):
        self.name, self.speaks, self.batch = "smtp-source", "MAIL RCPT DATA . QUIT", 15000
        self.command = ["smtp-source", "-4", "-o", "-s", str(CONCURRENCY), "-f", FROM, "-t", TO]
        self.port = port

    def play(self, count):
        ended = Ended([*self.command, "-m", str(count), f"{HOST}:{self.port}"], OURS)
        return Batch(count, ended.cpu_us, ended.wall_us)

    def stop(self):
        pass


def blackbox_steps(tls):
    commands = [f"EHLO {HELO}", "STARTTLS", f"EHLO {HELO}"] if tls else [f"EHLO {HELO}"]
    steps = [{"expect": "^220 "}]
    for command in [*commands, f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "RSET", "QUIT"]:
        steps += [{"send": command + "\r"}, {"expect": "^221 " if command == "QUIT" else "^2[0-9][0-9] "}]
        if command == "STARTTLS":
            steps.append({"starttls": True})
    return steps


class Blackbox:
    """Its tcp prober with a query_response of the same steps."""

    def __init__(self, folder, port, tls=None):
        self.name, self.speaks, self.batch = "blackbox", STARTTLS if tls else PLAIN, 1500 if tls else 3000
        self.port = free_port()
        tcp = {"preferred_ip_protocol": "ip4", "query_response": blackbox_steps(tls)}
        if tls:
            tcp["tls_config"] = {"ca_file": tls.ca, "server_name": tls.name}
        config = os.path.join(folder, f"blackbox-{self.port}.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"modules": {"smtp": {"prober": "tcp", "timeout": "20s", "tcp": tcp}}}, f)
        self.program = Program(pinned(OURS, ["prometheus-blackbox-exporter", f"--config.file={config}",
                                             f"--web.listen-address={HOST}:{self.port}"]), config + ".log")
        self.program.wait_for(lambda: accepts(self.port), 10, "blackbox_exporter listens")
        self.path = f"/probe?module=smtp&target={HOST}:{port}"

    def play(self, count):
        before = cpu_us(self.program.pid)
        said = load(self.port, self.path, count, has="\nprobe_success 1")
        return Batch(count, cpu_us(self.program.pid) - before, said["wall_us"])

    def stop(self):
        self.program.stop()


class Once:
    """A program that plays one dialogue and ends, as monitoring systems start it: one after another."""

    def __init__(self, name, command, speaks, batch):
        self.name, self.command, self.speaks, self.batch = name, command, speaks, batch

    def play(self, count):
        ended = [Ended(self.command, OURS) for _ in range(count)]
        return Batch(count, sum(e.cpu_us for e in ended), sum(e.wall_us for e in ended))

    def stop(self):
        pass


def check_smtp(port, tls=None):
    """Says HELO in the clear; verifies no certificate."""
    command = [CHECK_SMTP, "-4", "-H", HOST, "-p", str(port), "-F", HELO, "-f", FROM, "-C", f"RCPT TO:<{TO}>", "-R", "250",
               "-C", "RSET", "-R", "250", *(["-S"] if tls else [])]
    return Once("check_smtp", command, STARTTLS if tls else PLAIN.replace("EHLO", "HELO"), 100)


def swaks(port, tls=None):
    """Knows no RSET."""
    command = ["swaks", "--server", HOST, "--port", str(port), "--helo", HELO, "--from", FROM, "--to", TO, "--quit-after",
               "RCPT", *(["--tls", "--tls-verify", "--tls-ca-path", tls.ca, "--tls-sni", tls.name] if tls else [])]
    return Once("swaks", command, (STARTTLS if tls else PLAIN).replace(" RSET", ""), 10)


def is_there(name):
    """Whether the program of that contestant is installed."""
    programs = {"smtp-source": "smtp-source", "blackbox": "prometheus-blackbox-exporter", "check_smtp": CHECK_SMTP,
                "swaks": "swaks", "smtp-sink": "smtp-sink"}
    return name not in programs or shutil.which(programs[name], path=with_sbin()["PATH"]) is not None
