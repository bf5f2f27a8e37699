# SPDX-License-Identifier: Apache-2.0
"""How what ehlod needs grows: with targets, with runs in flight, with cores. Each function is an experiment that gives
rows."""
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

from contestants import CONCURRENCY, load, module, serve
from figures import Goal, Row, median_of, ratios
from machine import BOTH, CORES, OURS, Peer, cpu_us, pss_bytes
from support import wait_until

SILENT = {"timeout": "300s", "timeouts": {"banner": "300s", "reply": "300s"}}


def address_of(i, port):
    """Everybody has an address of his own."""
    return f"127.{1 + (i >> 16)}.{i >> 8 & 255}.{i & 255}:{port}"


def many(count, port, name="t", first=0, **more):
    return {f"{name}{i}": {"module": "m", "address": address_of(first + i, port), **more} for i in range(count)}


@contextlib.contextmanager
def peer_everywhere(setting, *arguments, **more):
    peer = Peer(setting.folder, *arguments, address="0.0.0.0", **more)
    try:
        yield peer
    finally:
        peer.stop()


@contextlib.contextmanager
def service_of(setting, name, modules, targets, at_once=False, **more):
    """With `at_once` it is not waited for the runs that are under way at its end."""
    service = serve(setting.folder, name, modules, targets, **more)
    try:
        yield service
    finally:
        if at_once and service.running():
            service.process.kill()
            service.process.wait()
        else:
            service.stop_cleanly()


def startup(setting):
    """Until /-/ready says so, by the clock and by CPU."""
    sizes = [10, setting.count(10000, 100)]
    measured = {size: {"ms": [], "cpu": []} for size in sizes}
    for turn in range(setting.rounds):
        for size in sizes:
            begun = time.monotonic()
            with service_of(setting, f"startup-{size}-{turn}", {"m": module()}, many(size, 25)) as service:
                measured[size]["ms"].append((time.monotonic() - begun) * 1000)
                measured[size]["cpu"].append(cpu_us(service.pid) / 1000)
    small, large = (measured[size] for size in sizes)
    detail = {f"{kind} {size} targets": median_of(measured[size][key])
              for size in sizes for kind, key in (("ms", "ms"), ("cpu ms", "cpu"))}
    return [Row("startup", f"CPU until it is ready with {sizes[1]} targets: with {sizes[0]}", "×",
                ratios(large["cpu"], small["cpu"]), detail=detail),
            Row("startup-target", "… more, for each target", "us",
                [(b - a) * 1000 / (sizes[1] - sizes[0]) for a, b in zip(small["cpu"], large["cpu"], strict=True)], detail=detail)]


def cost(service, name, count, targets, first=0):
    """CPU of the service, us for each of so many runs."""
    before = cpu_us(service.pid)
    load(service.port, f"/check/{name}%d", count, targets=targets, concurrency=10, first=first)
    return (cpu_us(service.pid) - before) / count


def compare(setting, services, name, sizes):
    """{size: [us a run, by round]}, in turns; each goes on with the targets where it was the round before."""
    batch = setting.count(5000, 50)
    measured = {size: [] for size in services}
    for turn in range(setting.rounds):
        for size in list(services)[turn % len(services):] + list(services)[:turn % len(services)]:
            measured[size].append(cost(services[size], name, batch, sizes[size], first=turn * batch % sizes[size]))
    return measured


def targets(setting):
    """Each target has run once before it counts."""
    sizes = [10, *sorted({setting.count(size, 20) // 10 * 10 for size in (100, 1000, 10000, 100000)})]
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(peer_everywhere(setting))
        services = {size: stack.enter_context(service_of(setting, f"targets-{size}", {"m": module()}, many(size, peer.port)))
                    for size in sizes}
        for size, service in services.items():
            load(service.port, "/check/t%d", size, targets=size, concurrency=10)
        measured = compare(setting, services, "t", {size: size for size in sizes})
    detail = {f"us with {size}": median_of(values) for size, values in measured.items()}
    return [Row("targets", f"cost per run, {sizes[-1]} targets: 10", "×", ratios(measured[sizes[-1]], measured[10]),
                Goal("<=", 1.1), detail=detail)]


class InFlight:
    """Runs that wait for servers which say nothing; each lot of them is begun by one question."""

    def __init__(self, peer, handshakes=False):
        self.peer, self.handshakes = peer, handshakes
        self.open = self.shaken = 0

    @contextlib.contextmanager
    def begin(self, service, tag, runs):
        """They are there when it is entered, and have nothing left to do."""
        self.open += runs
        with contextlib.closing(service.ask(f"/check?tag={tag}", timeout=300).connection):
            wait_until(self.are_there, 120, f"{runs} runs more are in flight")
            wait_until(lambda: self.is_idle(service), 60, "the service has nothing to do")
            yield

    def are_there(self):
        stands = self.peer.ask()[1]
        self.shaken += stands["handshakes"]
        return stands["open"] >= self.open and (not self.handshakes or self.shaken >= self.open)

    @staticmethod
    def is_idle(service):
        before = cpu_us(service.pid)
        time.sleep(0.05)
        return cpu_us(service.pid) - before < 2000


def flight(setting):
    """What a run costs while others wait for servers that say nothing."""
    most = setting.silent(10000)
    sizes = [0, *sorted({setting.count(size, 10) for size in (100, 1000)} | {most})]
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(peer_everywhere(setting))
        silent = stack.enter_context(peer_everywhere(setting, "--mute", "banner"))
        waiting, services = InFlight(silent), {}
        for size in sizes:
            both = {**many(10, peer.port, "t"), **many(size, silent.port, "s", tags=["silent"], **SILENT)}
            services[size] = stack.enter_context(service_of(setting, f"flight-{size}", {"m": module()}, both, at_once=True))
            if size:
                stack.enter_context(waiting.begin(services[size], "silent", size))
        measured = compare(setting, services, "t", {size: 10 for size in sizes})
    detail = {f"us beside {size}": median_of(values) for size, values in measured.items()}
    return [Row("flight", f"cost per run with {most} others in flight: with none", "×", ratios(measured[most], measured[0]),
                detail=detail)]


def memory_of(setting, kind, goal, tls=None):
    """The second half of the runs is looked at by itself, too, and the worse counts: what the start of the service left
    free must not make the runs look small."""
    half = setting.silent(10000) // 2
    arguments = ["--mute", "tls", "--cert", setting.certificate, "--key", setting.key] if tls else ["--mute", "banner"]
    values = []
    for turn in range(min(setting.rounds, 3)):
        with contextlib.ExitStack() as stack:
            peer = stack.enter_context(peer_everywhere(setting, *arguments))
            silent = {f"{name}{target}": {**what, "tags": [name]} for name, at in (("a", 0), ("b", half))
                      for target, what in many(half, peer.port, first=at).items()}
            service = stack.enter_context(service_of(setting, f"memory-{kind}-{turn}", {"m": module(tls, **SILENT)}, silent,
                                                     at_once=True))
            waiting, used = InFlight(peer, handshakes=tls is not None), [pss_bytes(service.pid)]
            for name in "ab":
                stack.enter_context(waiting.begin(service, name, half))
                used.append(pss_bytes(service.pid))
            values.append(max((used[2] - used[0]) / 2, used[2] - used[1]) / half / 1024)
    what = f"memory for a {kind} run in flight, {2 * half} silent servers"
    return Row(f"memory-{kind}", what, "KiB", values, Goal("<=", goal))


def memory(setting):
    return [memory_of(setting, "plain", 12), memory_of(setting, "TLS", 64, setting.tls)]


def workers(setting):
    """The whole of it, service, peers and callers, on one core and on two: nobody is short of what the other has."""
    what = "plain dialogues a second, two workers on two cores: one on one"
    if len(CORES) < 2:
        return [Row("workers", what, "×", [], Goal(">=", 1.8), "there is one core alone")]
    count, rates = setting.count(10000, CONCURRENCY), {1: [], 2: []}
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(peer_everywhere(setting, cores=OURS))
        two = stack.enter_context(peer_everywhere(setting, cores=OURS))
        stack.enter_context(peer_everywhere(setting, cores=BOTH - OURS, port=two.port))
        services = {n: stack.enter_context(service_of(
            setting, f"workers-{n}", {"m": module()}, {**many(CONCURRENCY, port, "a"), **many(CONCURRENCY, port, "b")},
            cores=cores, workers=n)) for n, port, cores in ((1, one.port, OURS), (2, two.port, BOTH))}
        for _ in range(setting.rounds):
            for n, service in services.items():
                rates[n].append(rate_by(service, count, sorted(BOTH)[:n]))
    return [Row("workers", what, "×", ratios(rates[2], rates[1]), Goal(">=", 1.8),
                detail={f"{n} per second": median_of(rates[n]) for n in rates})]


def rate_by(service, count, cores):
    """A caller on each of the cores; dialogues a second of all."""
    begun = time.monotonic()
    with ThreadPoolExecutor(len(cores)) as pool:
        asked = [pool.submit(load, service.port, f"/check/{name}%d", count, targets=CONCURRENCY, cores={core})
                 for name, core in zip("ab", cores)]
        for one in asked:
            one.result()
    return count * len(cores) / (time.monotonic() - begun)
