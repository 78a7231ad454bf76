"""Rows as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from compare import goals
from compare.figures import Spread, spread
from compare.peers import RAW

Row = dict[str, Any]


class Column(NamedTuple):
    """One figure of a table."""

    title: str
    test: str
    figure: str
    digits: int


THROUGHPUT = (
    Column("noop tasks/s", "noop", "per_s", 0),
    Column("of N tasks", "noop", "n", 0),
    Column("cpu tasks/s", "cpu", "per_s", 0),
    Column("of N tasks", "cpu", "n", 0),
    Column("80 x 100 ms, in s", "sleep", "seconds", 2),
    Column("start, in s", "start-2", "seconds", 1),
)
LATENCY = (
    Column("seq p50", "seq", "p50_ms", 2),
    Column("p95", "seq", "p95_ms", 2),
    Column("p99", "seq", "p99_ms", 2),
    Column("open p50", "open", "p50_ms", 2),
    Column("p95", "open", "p95_ms", 2),
    Column("p99", "open", "p99_ms", 2),
)


class Results:
    """The rows of a run, by peer and test."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.about: Row = next((row for row in rows if "machine" in row), {})
        self._rows = [row for row in rows if "peer" in row]
        self.peers = list(dict.fromkeys(row["peer"] for row in self._rows if row["peer"] != RAW))
        self.tests = {row.get("test") for row in self._rows}
        self.limits = list(dict.fromkeys(row["test"] for row in self._rows if row["peer"] == RAW))

    def spread(self, peer: str, test: str, figure: str) -> Spread | None:
        """The figure over all rounds that have it."""
        values = [row[figure] for row in self._rows if (row["peer"], row.get("test")) == (peer, test) and figure in row]
        return spread(values) if values else None

    def median(self, peer: str, test: str, figure: str) -> float | None:
        """Its median."""
        found = self.spread(peer, test, figure)
        return found and found.median

    def errors(self) -> list[Row]:
        """What went wrong."""
        return [row for row in self._rows if "error" in row]

    def failed(self, peer: str, test: str) -> bool:
        """Whether an error is the reason that a figure is missing in some round."""
        return any(row["peer"] == peer and row.get("test", test) == test for row in self.errors())

    def text(self, peer: str, name: str) -> str:
        """What a peer says of itself."""
        return next((row[name] for row in self._rows if row["peer"] == peer and name in row), "")

    def figures(self, limit: str) -> list[str]:
        """Which figures a raw limit has."""
        rows = (row for row in self._rows if row.get("test") == limit)
        return [name for name in next(rows) if name.endswith(("_per_s", "_us"))]


def markdown(rows: Sequence[Row]) -> str:
    """The whole report."""
    results = Results(rows)
    parts = [_head(results.about)]
    if results.peers:
        parts.append(_section("Throughput", _table(results, THROUGHPUT)))
        parts.append(_section("Latency in ms", _table(results, LATENCY)))
        parts.append(_section("Goals", _goals(results)))
        parts.append(_section("What the figures mean", _meanings(results)))
    if results.limits:
        parts.append(_section("Raw limits", _limits(results)))
    if results.errors():
        parts.append(_section("Errors", _errors(results)))
    return "\n\n".join(part for part in parts if part) + "\n"


def cell(found: Spread | None, digits: int) -> str:
    """Median, least and most; the extremes only if they differ as they are shown."""
    if found is None:
        return ""
    middle, least, most = (f"{value:,.{digits}f}" for value in found[:3])
    return middle if least == most else f"{middle} ({least}–{most})"


def _head(about: Row) -> str:
    lines = ["# Side by side", ""]
    if not about:
        return lines[0]
    lines += [f"Measured {about['date']} with `{about['command']}`, {about['rounds']} rounds on:", ""]
    lines += [f"- {name}: {value}" for name, value in about["machine"].items()]
    lines += [
        "",
        "Medians, in parentheses the least and the most of the rounds. [README.md](README.md) says what is measured.",
    ]
    return "\n".join(lines)


def _section(title: str, body: str) -> str:
    return body and f"## {title}\n\n{body}"


def _grid(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in titles[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (titles, rule, *lines))


def _table(results: Results, columns: Sequence[Column]) -> str:
    measured = [column for column in columns if column.test in results.tests]
    if not measured:
        return ""
    lines = [[peer, *(_cell(results, peer, column) for column in measured)] for peer in results.peers]
    return _grid(["", *(column.title for column in measured)], lines)


def _cell(results: Results, peer: str, column: Column) -> str:
    text = cell(results.spread(peer, column.test, column.figure), column.digits)
    return " ".join(filter(None, (text, "error" if results.failed(peer, column.test) else "")))


def _goals(results: Results) -> str:
    lines = []
    wanted = [goal for goal in goals.GOALS if goal.test in results.tests]
    for verdict in (goals.judge(goal, results.median) for goal in wanted):
        if verdict.ratio is None:
            lines.append([str(verdict.goal), "", "not measured"])
        else:
            lines.append([str(verdict.goal), f"{verdict.ratio:.2f} x", "met" if verdict.met else "**missed**"])
    return _grid(["goal", "ours to theirs", ""], lines)


def _meanings(results: Results) -> str:
    return "\n".join(
        f"- **{peer}** {results.text(peer, 'version')}: {' '.join(results.text(peer, 'about').split())}"
        for peer in results.peers
        if results.text(peer, "about")
    )


def _limits(results: Results) -> str:
    lines = [
        [limit, _named(figure), cell(results.spread(RAW, limit, figure), 1 if figure.endswith("_us") else 0)]
        for limit in results.limits
        for figure in results.figures(limit)
    ]
    return _grid(["limit", "figure", "median"], lines)


def _named(figure: str) -> str:
    """`pipelined_32_per_s` as a person reads it."""
    return figure.replace("_per_s", " a second").replace("_us", " in µs").replace("_", " ")


def _errors(results: Results) -> str:
    return "\n".join(
        f"- {row['peer']}, round {row['round']}, {row.get('test', 'as a whole')}: {row['error']}"
        for row in results.errors()
    )
