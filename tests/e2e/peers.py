# SPDX-License-Identifier: Apache-2.0
"""Real HAProxy and Prometheus, run with the very files that docker/ ships and the README shows."""
import csv
import json
import os
import socket
import urllib.parse
import urllib.request

from support import HOST, ROOT, Program, accepts, free_port, scaled, with_sbin

EHLOD_IN_SNIPPETS = "127.0.0.1:8025"


def snippet(name, replaced):
    """docker/NAME with addresses replaced; each must be there, so that a changed file is noticed."""
    with open(os.path.join(ROOT, "docker", name), encoding="utf-8") as f:
        text = f.read()
    for old, new in replaced.items():
        assert old in text, f"docker/{name} has no {old}"
        text = text.replace(old, new)
    return text


class HAProxy(Program):
    def __init__(self, folder, ehlod_port, servers, name="haproxy.cfg", replaced=None):
        """With docker/NAME, and more in it replaced. servers: {"mx1": "127.0.0.1:2501", "mx2": ...}"""
        self.port = free_port()
        # Socket paths are short (108 bytes), pytest's folders may not be: a relative one in its folder.
        self.folder = str(folder)
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w", encoding="utf-8") as f:
            f.write("global\n    stats socket unix@stats.sock level admin\n\n")
            f.write(snippet(name, {
                **({EHLOD_IN_SNIPPETS: f"{HOST}:{ehlod_port}"} if name == "haproxy.cfg" else
                   {"agent-port 8026": f"agent-port {ehlod_port}"}),
                "bind :25": f"bind {HOST}:{self.port}",
                "192.0.2.11:25": servers["mx1"],
                "192.0.2.12:25": servers["mx2"],
                **(replaced or {}),
            }))
        super().__init__(["haproxy", "-db", "-f", config], os.path.join(self.folder, "haproxy.log"),
                         cwd=self.folder, env=with_sbin())
        socket_path = os.path.join(self.folder, "stats.sock")  # there a moment later
        self.wait_for(lambda: accepts(self.port) and os.path.exists(socket_path), 10, "HAProxy listens")

    def state(self, server):
        """"UP" or "DOWN"; on the way from one to the other HAProxy says "UP 2/3"."""
        return self._row(server)["status"].split(" ")[0]

    def agent(self, server):
        """What the agent has said last: (status of the check, what it means for the server)."""
        row = self._row(server)
        return row["agent_status"], row["last_agt"]

    def command(self, text):
        return self._ask(text)

    def last_check(self, server):
        """("L7OK", "200"), ("L7STS", "503"), ..."""
        row = self._row(server)
        return row["check_status"], row["check_code"]

    def _row(self, server):
        backend, name = server.split("/")
        table = csv.DictReader(self._ask("show stat").removeprefix("# ").splitlines())
        return next(row for row in table if (row["pxname"], row["svname"]) == (backend, name))

    def _ask(self, command):
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(scaled(5))
                s.connect("stats.sock")
                s.sendall(command.encode() + b"\n")
                parts = iter(lambda: s.recv(65536), b"")
                return b"".join(parts).decode()
        finally:
            os.chdir(before)


class Prometheus(Program):
    def __init__(self, folder, ehlod_port, name="prometheus.yml", replaced=None):
        """With docker/NAME, and more in it replaced."""
        self.port = free_port()
        config = os.path.join(str(folder), "prometheus.yml")
        with open(config, "w", encoding="utf-8") as f:
            f.write("global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\n")
            f.write(snippet(name, {EHLOD_IN_SNIPPETS: f"{HOST}:{ehlod_port}", **(replaced or {})}))
        super().__init__(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                          f"--web.listen-address={HOST}:{self.port}"],
                         os.path.join(str(folder), "prometheus.log"), env=with_sbin())
        self.wait_for(self._is_ready, 30, "Prometheus is ready")

    def value(self, query):
        """The one value of an instant query, as a float; None when there is no such series (yet)."""
        series = self.series(query)
        assert len(series) <= 1, f"{query}: {series}"
        return float(series[0]["value"][1]) if series else None

    def series(self, query):
        """[{"metric": labels, "value": [time, text]}] of an instant query."""
        answer = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        return answer["data"]["result"]

    def targets(self):
        """What it scrapes now: [{"labels": ..., "scrapeUrl": ..., "health": ...}]."""
        return self._get("/api/v1/targets")["data"]["activeTargets"]

    def metadata(self, name):
        """What it has learnt of a family: [{"type", "help", "unit"}]."""
        return self._get(f"/api/v1/metadata?metric={name}")["data"].get(name, [])

    def scrape_error(self):
        """What Prometheus says about its last scrapes, for a failed test to show."""
        return [(t["labels"]["instance"], t["health"], t["lastError"])
                for t in self.targets()]

    def _get(self, path):
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=scaled(5)) as f:
            return json.load(f)

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=1) as f:
                return f.status == 200
        except OSError:
            return False


class Blackbox(Program):
    """The real blackbox_exporter with these modules."""

    def __init__(self, folder, modules):
        self.port = free_port()
        config = os.path.join(str(folder), "blackbox.yml")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"modules": modules}, f)
        super().__init__(["prometheus-blackbox-exporter", f"--config.file={config}",
                          f"--web.listen-address={HOST}:{self.port}"],
                         os.path.join(str(folder), "blackbox.log"), env=with_sbin())
        self.wait_for(lambda: accepts(self.port), 10, "blackbox_exporter listens")
