# SPDX-License-Identifier: Apache-2.0
"""What a dialogue, and an answer, cost beside others who do the same. Each function is an experiment that gives rows."""
import contextlib
import os

from contestants import (CONCURRENCY, Batch, Blackbox, Ehlod, Floor, Once, SmtpSource, check_smtp, is_there, load, module, serve,
                         swaks)
from figures import Goal, Row, median_of, ratios
from machine import OTHERS, OURS, Ended, Peer, cpu_us, pinned, tool
from support import HOST, Program, accepts, free_port, with_sbin


def play_in_turns(setting, contestants, peer=None):
    """{name: {"cpu": [us a dialogue, by round], "rate": [...]}}. Who begins changes from round to round. The peer says
    whether the dialogues really were those that each is meant to speak."""
    measured = {c.name: {"cpu": [], "rate": []} for c in contestants}
    for turn in range(setting.rounds):
        at = turn % len(contestants)
        for c in contestants[at:] + contestants[:at]:
            least = 2 if isinstance(c, Once) else CONCURRENCY
            count = setting.count(c.batch, least)
            batch = c.play(count)
            spoken = peer.drain() if peer else {c.speaks: count}
            if spoken != {c.speaks: count}:
                raise SystemExit(f"{c.name} should have spoken {count} times {c.speaks}, but spoke {spoken}")
            measured[c.name]["cpu"].append(batch.cpu_us)
            measured[c.name]["rate"].append(batch.rate)
    return measured


def targets_at(port, count=CONCURRENCY):
    return {f"t{i}": {"module": "m", "address": f"{HOST}:{port}"} for i in range(count)}


def stopping(stack, contestant):
    stack.callback(contestant.stop)
    return contestant


def measure_all(setting, tls):
    """Everybody who plays this dialogue, and what their programs are called that are not there."""
    with contextlib.ExitStack() as stack:
        peer = stopping(stack, Peer(setting.folder, "--cert", setting.certificate, "--key", setting.key))
        service = serve(setting.folder, "starttls" if tls else "plain", {"m": module(tls)}, targets_at(peer.port))
        contestants = [Floor(peer.port, tls), stopping(stack, Ehlod(service, "/check/t%d", tls)),
                       Ehlod(service, "/probe?target=t%d", tls)]
        others = {"blackbox": lambda: stopping(stack, Blackbox(setting.folder, peer.port, tls)),
                  "check_smtp": lambda: check_smtp(peer.port, tls), "swaks": lambda: swaks(peer.port, tls)}
        if not tls:
            others["smtp-source"] = lambda: SmtpSource(peer.port)
        contestants += [make() for name, make in others.items() if is_there(name)]
        return play_in_turns(setting, contestants, peer)


def beside(measured, name, what, above, below, goal=None, note=""):
    """A row of how much more CPU one used than the other."""
    if above not in measured or below not in measured:
        missing = above if above not in measured else below
        return Row(name, what, "×", [], goal, f"{missing} is not installed")
    values = ratios(measured[above]["cpu"], measured[below]["cpu"])
    detail = {f"{who} us": median_of(measured[who]["cpu"]) for who in (above, below)}
    return Row(name, what, "×", values, goal, note, detail)


def plain(setting):
    m = measure_all(setting, None)
    rate = ratios(m["check"]["rate"], m["floor"]["rate"])
    return [
        beside(m, "plain-floor", "CPU per plain dialogue by /check: the floor's", "check", "floor", Goal("<=", 1.6, 1.3)),
        beside(m, "plain-source", "… smtp-source's", "check", "smtp-source", Goal("<=", 1.0)),
        beside(m, "plain-blackbox", "plain dialogues per CPU second by /check: blackbox_exporter's", "blackbox", "check",
               Goal(">=", 6)),
        beside(m, "plain-blackbox-probe", "… by /probe", "blackbox", "probe", Goal(">=", 6)),
        beside(m, "plain-floor-blackbox", "… by the floor itself", "blackbox", "floor"),
        beside(m, "plain-floor-probe", "CPU per plain dialogue by /probe: the floor's", "probe", "floor"),
        beside(m, "plain-check-smtp", "plain dialogues per CPU second by /check: check_smtp's", "check_smtp", "check"),
        beside(m, "plain-swaks", "… swaks'", "swaks", "check"),
        Row("plain-rate", "plain dialogues a second of a service with a core for itself: the floor's", "×", rate,
            detail={f"{who} per second": median_of(m[who]["rate"]) for who in ("check", "floor")}),
    ]


def starttls(setting):
    m = measure_all(setting, setting.tls)
    return [
        beside(m, "starttls-blackbox", "STARTTLS dialogues per CPU second by /check: blackbox_exporter's", "blackbox", "check",
               Goal(">=", 2.2)),
        beside(m, "starttls-blackbox-probe", "… by /probe", "blackbox", "probe", Goal(">=", 2.2)),
        beside(m, "starttls-floor-blackbox", "… by a bare OpenSSL client", "blackbox", "floor"),
        beside(m, "starttls-floor", "CPU per STARTTLS dialogue by /check: a bare OpenSSL client's", "check", "floor",
               Goal("<=", 1.15, 1.0)),
        beside(m, "starttls-floor-probe", "… by /probe", "probe", "floor"),
        beside(m, "starttls-check-smtp", "STARTTLS dialogues per CPU second by /check: check_smtp's", "check_smtp", "check"),
        beside(m, "starttls-swaks", "… swaks'", "swaks", "check"),
    ]


def sink(setting):
    """A second opinion on the peer: Postfix' own one, which is slower and does not tell what was spoken."""
    what = "CPU per plain dialogue by /check: the floor's, with smtp-sink as their peer"
    if not is_there("smtp-sink"):
        return [Row("sink-floor", what, "×", [], note="smtp-sink is not installed")]
    with contextlib.ExitStack() as stack:
        port = free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = ["smtp-sink", *user, "-4", "-h", "peer.example.org", f"{HOST}:{port}", "1024"]
        program = Program(pinned(OTHERS, command), f"{setting.folder}/smtp-sink.log", env=with_sbin())
        stack.callback(program.process.wait)
        stack.callback(program.process.kill)
        program.wait_for(lambda: accepts(port), 10, "smtp-sink listens")
        service = serve(setting.folder, "sink", {"m": module()}, targets_at(port))
        m = play_in_turns(setting, [Floor(port), stopping(stack, Ehlod(service, "/check/t%d"))])
        return [beside(m, "sink-floor", what, "check", "floor")]


def shared(setting):
    """Answers from the shared result beside a bare libmicrohttpd."""
    with contextlib.ExitStack() as stack:
        peer = stopping(stack, Peer(setting.folder))
        service = serve(setting.folder, "shared", {"m": module(cache_ttl="1h")}, targets_at(peer.port))
        stack.callback(service.stop_cleanly)
        size = len(service.get("/check/t0").body)
        port = free_port()
        bare = Program(pinned(OURS, [tool("answer"), "--port", str(port), "--bytes", str(size)]),
                       f"{setting.folder}/answer.log")
        stack.callback(bare.stop)
        bare.wait_for(lambda: accepts(port), 10, "libmicrohttpd listens")
        load(service.port, "/check/t%d", CONCURRENCY, targets=CONCURRENCY)
        contestants = [Answers("bare", bare.pid, port, "/", "xxxx"),
                       Answers("shared", service.pid, service.port, "/check/t%d", '{"status":"pass"')]
        m = play_in_turns(setting, contestants)
        spoken = sum(peer.drain().values())
        if spoken != CONCURRENCY:
            raise SystemExit(f"of the shared results {spoken} were run, not {CONCURRENCY}")
        row = beside(m, "shared-bare", "shared results per CPU second: a bare libmicrohttpd's of that size", "bare", "shared",
                     Goal(">=", 0.7))
        row.detail["bytes"] = size
        return [row]


class Answers:
    """A service that answers at once."""

    speaks, batch = "", 100000

    def __init__(self, name, pid, port, path, has):
        self.name, self.pid, self.port, self.path, self.has = name, pid, port, path, has

    def play(self, count):
        before = cpu_us(self.pid)
        said = load(self.port, self.path, count, targets=CONCURRENCY, has=self.has)
        return Batch(count, cpu_us(self.pid) - before, said["wall_us"])


def latency(setting):
    """Service and client on one core, the peer on another: as many times as the floor's does the check's dialogue cross
    over from one to the other."""
    with contextlib.ExitStack() as stack:
        peer = stopping(stack, Peer(setting.folder))
        service = serve(setting.folder, "latency", {"m": module()}, targets_at(peer.port, 1))
        stack.callback(service.stop_cleanly)
        command = [tool("lone"), "--port", str(service.port), "--path", "/check/t0", "--has", '{"status":"pass"', "--peer",
                   str(peer.port), "--count", str(setting.count(5000, 50))]
        rounds = [Ended(command, OURS).json for _ in range(setting.rounds)]
        detail = {f"{who} {q}": median_of([r[who][q] for r in rounds])
                  for who in ("floor", "check") for q in ("p50_us", "p99_us")}
        return [Row("latency-p50", "latency that HTTP and bookkeeping add to a lone run, p50", "ms",
                    [r["more"]["p50_us"] / 1000 for r in rounds], detail=detail),
                Row("latency-p99", "… p99", "ms", [r["more"]["p99_us"] / 1000 for r in rounds], Goal("<=", 0.5),
                    detail=detail)]
