# SPDX-License-Identifier: Apache-2.0
"""What comes out: rows with a goal and a figure side by side, as a table and as JSON."""
import json
import statistics


class Goal:
    """At most, or at least, so much; what is hoped for beyond it."""

    def __init__(self, sign, limit, stretch=None):
        self.sign, self.limit, self.stretch = sign, limit, stretch

    def is_met(self, figure):
        return figure <= self.limit if self.sign == "<=" else figure >= self.limit

    def text(self, unit):
        stretch = f" ({self.stretch:g})" if self.stretch is not None else ""
        return f"{'≤' if self.sign == '<=' else '≥'} {self.limit:g}{stretch} {unit}"


class Row:
    """One figure: the median of what the rounds gave, none when it could not be measured; then the note says why."""

    def __init__(self, name, what, unit, values, goal=None, note="", detail=None):
        self.name, self.what, self.unit, self.goal, self.note = name, what, unit, goal, note
        self.values, self.detail = list(values), detail or {}
        self.figure = statistics.median(self.values) if self.values else None

    @property
    def verdict(self):
        if self.figure is None:
            return "not there"
        if self.goal is None:
            return ""
        return "met" if self.goal.is_met(self.figure) else "missed"

    def as_json(self):
        goal = self.goal and {"sign": self.goal.sign, "limit": self.goal.limit, "stretch": self.goal.stretch}
        return {"name": self.name, "what": self.what, "unit": self.unit, "figure": self.figure, "goal": goal,
                "verdict": self.verdict or None, "spread": [min(self.values), max(self.values)] if self.values else None,
                "rounds": self.values, "note": self.note or None, "detail": self.detail}

    def cells(self):
        spread = f"{number(min(self.values))} – {number(max(self.values))}" if len(self.values) > 1 else ""
        return [self.name, self.what, self.goal.text(self.unit) if self.goal else "",
                f"{number(self.figure)} {self.unit}" if self.values else "-", spread, self.verdict]


def number(value):
    if abs(value) < 0.001:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratios(above, below):
    """Round by round: both were measured one after the other."""
    return [a / b for a, b in zip(above, below, strict=True)]


def median_of(values):
    return statistics.median(values) if values else None


def table(rows):
    """As Markdown has it, so that it can go into a document."""
    lines = [["row", "what", "goal (stretch)", "figure", "spread", ""], *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    names = {}
    for row in rows:
        if row.note:
            names.setdefault(row.note, []).append(row.name)
    notes = [f"{', '.join(who)}: {note}" for note, who in names.items()]
    return "\n".join([*text, *([""] if notes else []), *notes])


def write_json(path, machine, scale, rows):
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"machine": machine, "scale": scale, "rows": [row.as_json() for row in rows]}, f, indent=1)
        f.write("\n")
