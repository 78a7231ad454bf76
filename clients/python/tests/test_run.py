"""The driver of `mpcsfaas run`, as the command runs it, against a fake platform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakePlatform, Fault

SOURCE = Path(__file__).parents[1] / "src"

JOBS = '''
"""Jobs."""
import math
from dataclasses import dataclass

print("loaded as", __name__)

def area(width, height=1):
    return width * height

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

@dataclass
class Point:
    x: int

def point(x):
    return Point(x)

def values(kind):
    print("working on", kind)
    return {"set": {1}, "nan": math.nan, "big": 10**30, "half": "\\ud800"}[kind]

def fail(message):
    print("about to fail")
    raise ValueError(message)

class Shape:
    @staticmethod
    def area(width):
        return width * width

unpicklable = type("F", (), {"__call__": lambda self: 1, "__reduce__": lambda self: 1 / 0})()
number = 4

if __name__ == "__main__":
    raise SystemExit("was run as a script")
'''


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.py"
    file.write_text(JOBS)
    return file


def run(platform: FakePlatform, *arguments: str, cwd: Path = SOURCE) -> list[dict[str, Any]]:
    """Runs the driver; returns its events, of which the last one is how it ended."""
    ran = subprocess.run(
        [sys.executable, "-m", "mpcsfaas._run", "--url", platform.url, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def call(platform: FakePlatform, jobs: Path, function: str, *arguments: str) -> dict[str, Any]:
    """Runs a function that exists; returns how that ended."""
    submitted, end = run(platform, str(jobs), function, "--", *arguments)
    assert submitted["event"] == "submitted"
    return end


def test_a_function_runs_with_arguments_from_json(platform: FakePlatform, jobs: Path) -> None:
    submitted, completed = run(platform, "--kwargs", '{"height": 2}', str(jobs), "area", "--", "-3")
    assert submitted["task_id"] in platform.tasks
    assert completed == {"event": "completed", "repr": "-6", "json": "-6", "output": ""}
    assert call(platform, jobs, "Shape.area", "[1.5]")["event"] == "failed"
    assert call(platform, jobs, "Shape.area", "1.5")["repr"] == "2.25"


def test_what_a_function_uses_of_its_file_goes_with_it(platform: FakePlatform, jobs: Path) -> None:
    assert call(platform, jobs, "even", "10")["json"] == "true"
    end = call(platform, jobs, "point", "3")
    assert (end["repr"], end["json"]) == ("Point(x=3)", None)


def test_results_that_json_does_not_have(platform: FakePlatform, jobs: Path) -> None:
    ends = {kind: call(platform, jobs, "values", f'"{kind}"') for kind in ("set", "nan", "big", "half")}
    assert {kind: (end["repr"], end["json"]) for kind, end in ends.items()} == {
        "set": ("{1}", None),
        "nan": ("nan", None),
        "big": ("1" + 30 * "0", "1" + 30 * "0"),
        "half": (r"'\ud800'", r'"\ud800"'),
    }
    assert ends["set"]["output"] == "working on set\n"


def test_a_failure_is_reported_with_all_that_is_known(platform: FakePlatform, jobs: Path) -> None:
    end = call(platform, jobs, "fail", '"no more"')
    assert (end["event"], end["kind"], end["type"], end["message"]) == ("failed", "raised", "ValueError", "no more")
    assert "ValueError: no more" in end["traceback"]
    assert end["output"] == "about to fail\n"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nothing", "has no `nothing`; it has area, even, odd, point, values, fail"),
        ("Shape.nothing", "has no `Shape.nothing`; it has area"),
        ("number", "is no function but int; it has area"),
        ("unpicklable", "cannot be pickled: ZeroDivisionError"),
    ],
)
def test_what_is_no_function_is_explained(platform: FakePlatform, jobs: Path, function: str, message: str) -> None:
    (end,) = run(platform, str(jobs), function)
    assert end["event"] == "unusable"
    assert message in end["message"]
    assert not platform.tasks


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 +", "SyntaxError"), ("import nowhere", "ModuleNotFoundError"), ("exit(3)", "SystemExit: 3")],
)
def test_a_file_that_cannot_be_loaded_is_explained(
    platform: FakePlatform, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(f"\n{text}\n")
    (end,) = run(platform, str(file), "f")
    assert end["event"] == "unusable"
    assert f"{file} cannot be loaded" in end["message"]
    assert message in end["message"]
    assert "_run.py" not in end["message"]


def test_nothing_is_written_beside_the_file(platform: FakePlatform, jobs: Path) -> None:
    call(platform, jobs, "area", "2")
    assert list(jobs.parent.iterdir()) == [jobs]


def test_a_refusal_is_passed_on(platform: FakePlatform, jobs: Path) -> None:
    platform.faults.append(Fault("/v1/tasks:batch", 413))
    (end,) = run(platform, str(jobs), "area", "2")
    assert end["event"] == "refused"
    assert "413" in end["message"]
