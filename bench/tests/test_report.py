"""Rows as Markdown."""

from __future__ import annotations

from typing import Any

from compare import report
from compare.figures import spread

ABOUT = {
    "date": "2026-01-02 03:04",
    "command": "cargo xtask compare",
    "rounds": 3,
    "machine": {"CPU": "a good one", "memory": "4.0 GiB"},
}


def rows_of(peer: str, test: str, *rounds: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"peer": peer, "round": number, "test": test, **row} for number, row in enumerate(rounds, 1)]


def test_a_cell_has_the_median_and_the_extremes() -> None:
    assert report.cell(spread([1_234.5, 1_000, 2_000]), 0) == "1,234 (1,000–2,000)"
    assert report.cell(spread([1.001, 1.002]), 2) == "1.00"
    assert report.cell(None, 2) == ""


def test_a_table_has_a_line_a_peer_and_the_columns_that_were_measured() -> None:
    rows = [
        ABOUT,
        {"peer": "huey", "round": 1, "about": "Process workers.", "version": "3"},
        *rows_of("huey", "noop", {"n": 5_000, "per_s": 4_000.0}, {"n": 5_000, "per_s": 5_000.0}),
        *rows_of("dramatiq", "noop", {"n": 5_000, "per_s": 4_100.0}, {"error": "it broke"}),
    ]
    text = report.markdown(rows)
    assert "|  | noop tasks/s | of N tasks |\n| --- | ---: | ---: |\n" in text
    assert "| huey | 4,500 (4,000–5,000) | 5,000 |" in text
    assert "| dramatiq | 4,100 error | 5,000 error |" in text
    assert "cpu" not in text
    assert "## Latency" not in text
    assert "- **huey** 3: Process workers." in text
    assert "- dramatiq, round 2, noop: it broke" in text
    assert "Measured 2026-01-02 03:04 with `cargo xtask compare`, 3 rounds on:\n\n- CPU: a good one\n" in text


def test_an_error_of_a_whole_peer_is_in_all_its_cells() -> None:
    rows = [*rows_of("huey", "noop", {"n": 5, "per_s": 4.0}), {"peer": "ray", "round": 1, "error": "not installed"}]
    text = report.markdown(rows)
    assert "| ray | error | error |" in text
    assert "- ray, round 1, as a whole: not installed" in text


def test_goals_are_judged_by_the_medians() -> None:
    rows = [
        *rows_of("huey", "seq", *({"p50_ms": value, "p95_ms": 1.0, "p99_ms": 1.0} for value in (0.5, 0.4, 9.0))),
        *rows_of("mpcsfaas", "seq", {"p50_ms": 0.4, "p95_ms": 1.0, "p99_ms": 2.0}),
    ]
    text = report.markdown(rows)
    assert "| seq p50: mpcsfaas at most huey | 0.80 x | met |" in text
    assert "| seq p99: mpcsfaas at most huey | 2.00 x | **missed** |" in text
    assert "| seq p50: mpcsfaas-embedded at most 0.5 x huey |  | not measured |" in text
    assert "open p50" not in text.partition("## Goals")[2]


def test_raw_limits_have_a_table_of_their_own() -> None:
    limits = rows_of("raw", "pipe", {"single_per_s": 50_000, "p50_us": 12.5}, {"single_per_s": 40_000, "p50_us": 13.5})
    text = report.markdown([ABOUT, *limits])
    assert "| pipe | single a second | 45,000 (40,000–50,000) |" in text
    assert "| pipe | p50 in µs | 13.0 (12.5–13.5) |" in text
    assert "## Goals" not in text
