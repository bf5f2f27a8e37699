# SPDX-License-Identifier: Apache-2.0
"""Metrics as text, read strictly: Prometheus' format 0.0.4 and OpenMetrics 1.0. promtool reads the first as well."""
import math
import re
import subprocess

from support import scaled, with_sbin

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_0-9]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'([a-z_0-9]+)="((?:[^"\\\n]|\\["\\n])*)"')
SUFFIXES = {"gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type, self.unit, self.samples = name, help_text, None, None, []

    def __repr__(self):
        return f"{self.name} ({self.type}): {self.samples}"


class Exposition:
    """families: {name: Family}; a counter's is named as in that format."""

    def __init__(self, text, openmetrics=False):
        assert text.endswith("\n")
        lines = text[:-1].split("\n")
        if openmetrics:
            assert lines.pop() == "# EOF"
        self.openmetrics, self.families, self.seen = openmetrics, {}, set()
        for line in lines:
            if line.startswith("#"):
                self._comment(line)
            else:
                self._sample(line)
        assert all(family.samples for family in self.families.values())

    def value(self, name, **labels):
        """The one sample of that name with those labels among its own; None when there is none."""
        found = [value for sample, own, value in self._all() if sample == name and labels.items() <= own.items()]
        assert len(found) <= 1, f"{name}{labels}: {found}"
        return found[0] if found else None

    def labels(self, name):
        return [own for sample, own, _ in self._all() if sample == name]

    def _all(self):
        return (sample for family in self.families.values() for sample in family.samples)

    def _comment(self, line):
        _, word, name, rest = line.split(" ", 3)
        if word == "HELP":
            assert name not in self.families, f"{name} comes twice"
            self.families[name] = Family(name, rest)
            self.current = self.families[name]
            return
        assert name == self.current.name, line
        if word == "TYPE":
            assert not self.current.type and not self.current.samples
            self.current.type = rest
        else:
            assert word == "UNIT" and self.openmetrics and name.endswith("_" + rest), line
            self.current.unit = rest

    def _sample(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        own = dict(LABEL.findall(labels or ""))
        suffixes = SUFFIXES.get(self.current.type, ["_total"] if self.openmetrics else [""])
        assert name in [self.current.name + suffix for suffix in suffixes], f"{line} under {self.current.name}"
        key = (name, tuple(sorted(own.items())))
        assert key not in self.seen, f"{key} comes twice"
        self.seen.add(key)
        number = float(value)
        assert not math.isnan(number)
        self.current.samples.append((name, own, number))


def read(answer, openmetrics=False):
    """An answer of the service, in the format that its header says."""
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == (OPENMETRICS if openmetrics else TEXT)
    if not openmetrics:
        assert_promtool_accepts(answer.text)
    return Exposition(answer.text, openmetrics)


def assert_promtool_accepts(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False,
                          timeout=scaled(20), env=with_sbin())
    assert done.returncode == 0 and not done.stderr, done.stderr + text
