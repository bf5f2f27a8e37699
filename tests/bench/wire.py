# SPDX-License-Identifier: Apache-2.0
"""How true the times are: what tests/e2e/test_times.py finds when it lays those of runs beside a packet capture."""
import os
import re
import subprocess
import sys

from figures import Goal, Row
from machine import BUILD, ROOT, support

TEST = os.path.join("tests", "e2e", "test_times.py")
AMONG = {"idle": "idle", "with 1000 others": "busy"}


def rows_of(found, note):
    """found: {title: (median, last hundredth), microseconds}"""
    rows = []
    for title, name in AMONG.items():
        median, last = found.get(title, (None, None))
        for what, value, limit in (("median", median, 20), ("p99", last, 100)):
            values = [] if value is None else [abs(value)]
            rows.append(Row(f"times-{name}-{what}", f"per-command time against a packet capture, {title}: {what} off", "us",
                            values, Goal("<=", limit), "" if values else note))
    return rows


def read(output):
    """{title: (median, last hundredth)} of all durations, as the test prints them."""
    return {title: (float(median), float(last)) for title, median, last in re.findall(
        r"^(.+), microseconds too much:\n(?:.*\n)*?all durations +\d+ +(-?[\d.]+) +([\d.]+)", output, re.M)}


def times(setting):
    if not os.path.exists(os.path.join(ROOT, TEST)):
        return rows_of({}, f"there is no {TEST} in this version")
    if setting.scale < 0.1:
        return rows_of({}, "left out at this scale")
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", f"--rootdir={ROOT}", TEST],
                          cwd=ROOT, env={**os.environ, "EHLOD_BIN": support.EHLOD, "BUILD": BUILD}, capture_output=True,
                          text=True, timeout=600, check=False)
    return rows_of(read(done.stdout), f"{TEST} told no figures:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
