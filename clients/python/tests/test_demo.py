"""The demo's driver, as the command runs it, against a fake platform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakePlatform, Fault

from mpcsfaas._demo import percentile

SOURCE = Path(__file__).parents[1] / "src"


def demo(platform: FakePlatform, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """Runs the driver; returns its exit code and events."""
    ran = subprocess.run(
        [sys.executable, "-m", "mpcsfaas._demo", "--url", platform.url, "--mode", "push", "--json", *options],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


def test_all_is_well(platform: FakePlatform) -> None:
    code, events = demo(platform, "--tasks", "20", "--noop", "40")
    assert code == 0
    reports = [event for event in events if event["event"] == "workload"]
    assert [(r["workload"], r["tasks"], r["failed_as_expected"], r["wrong"]) for r in reports] == [
        ("noop", 40, 0, 0),
        ("cpu", 20, 0, 0),
        ("sleep", 20, 0, 0),
        ("raise", 20, 20, 0),
        ("print", 20, 0, 0),
    ]
    for report in reports:
        assert report["mode"] == "push"
        assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"]
        assert report["throughput"] == pytest.approx(report["tasks"] / report["seconds"], rel=0.01)
    for report in reports:
        progress = [e for e in events if e["event"] == "progress" and e["workload"] == report["workload"]]
        assert (progress[-1]["done"], progress[-1]["total"]) == (report["tasks"], report["tasks"])
        assert len(progress) <= 20 * report["seconds"] + 2


def test_what_is_wrong_is_described(platform: FakePlatform) -> None:
    platform.faults.append(Fault("/v1/tasks:batch", 400))
    code, events = demo(platform, "--tasks", "1")
    assert code == 1
    (wrong,) = [event for event in events if event["event"] == "wrong"]
    assert (wrong["workload"], wrong["task"], wrong["task_id"], wrong["expected"]) == ("noop", 0, None, "None")
    assert "400" in wrong["got"]
    assert [event["wrong"] for event in events if event["event"] == "workload"] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([1.0], 99, 1.0), ([1.0, 2.0], 50, 1.0), ([float(n) for n in range(1, 101)], 95, 95.0)],
)
def test_percentile(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected
