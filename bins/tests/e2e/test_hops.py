"""`mpcsfaas bench hops`: every hop of a task is told of, in each mode and on each store, and they add up."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, GONE_S, PYTHON, Platform, Process, eventually

HOPS = [
    *("read", "submit", "claim", "claimed", "sent", "arrived", "given", "called"),
    *("replied", "reported", "finished", "commit", "heard", "told", "got"),
]


def start(platform: Platform, *arguments: str) -> Process:
    places = ["--python", PYTHON, "--data", str(platform.home / "data")]
    return platform.start("hops", BINARY, "bench", "hops", "--log", "warn", *places, *arguments)


def report(process: Process) -> dict[str, Any]:
    assert process.exit_code() == 0, process.log()
    found: dict[str, Any] = json.loads(process.log().splitlines()[-1])
    return found


def adds_up(figures: dict[str, Any], tasks: int) -> None:
    assert (figures["told"], figures["untold"]) == (tasks, 0)
    assert [hop["until"] for hop in figures["hops"]] == HOPS
    assert all(hop["what"] and hop["part"] for hop in figures["hops"])
    whole = figures["end_to_end"]
    explained = sum(hop["mean_us"] for hop in figures["hops"])
    assert explained + figures["rest_us"] == pytest.approx(whole["mean_us"])
    # Each place has been reached, so nothing is left that no hop explains.
    assert figures["rest_us"] == pytest.approx(0, abs=whole["mean_us"] / 1e3)
    assert sum(hop["share_percent"] for hop in figures["hops"]) == pytest.approx(100, abs=0.1)
    for times in [whole, figures["silent"], *figures["hops"], *figures["beside"]]:
        assert 0 <= times["p50_us"] <= times["p95_us"] <= times["p99_us"]
    # Nothing that crosses a process or runs Python is done in no time.
    took = {hop["until"]: hop["mean_us"] for hop in figures["hops"]}
    assert all(took[hop] > 0 for hop in ("read", "arrived", "called", "replied", "finished", "got"))
    assert all(beside["mean_us"] > 0 for beside in figures["beside"])


def test_every_hop_is_told_of_and_they_add_up(platform: Platform, temporary: Path) -> None:
    found = report(start(platform, "--tasks", "30", "--json"))
    assert (found["store"], found["rate"], found["tasks"]) == ("embedded", None, 30)
    assert set(found["modes"]) == {"local", "pull", "push"}
    for figures in found["modes"].values():
        adds_up(figures, 30)
    assert not platform.all_alive()
    assert not list(temporary.iterdir())


def test_on_redis_nothing_is_left(platform: Platform, temporary: Path) -> None:
    platform.store()
    url = f"redis://127.0.0.1:{platform.redis_port}/0"
    found = report(
        start(platform, "--modes", "push", "--tasks", "30", "--store", url, "--rate", "100", "--workers", "2", "--json")
    )
    assert (found["store"], found["rate"]) == (url, 100)
    adds_up(found["modes"]["push"], 30)
    with platform.store_client() as redis:
        assert redis.keys() == []
    assert not list(temporary.iterdir())


def test_people_get_a_table(platform: Platform, temporary: Path) -> None:
    shown = start(platform, "--modes", "local", "--tasks", "20")
    assert shown.exit_code() == 0
    table = shown.log()
    for words in ("task claimed", "function run", "no hop explains it", "end to end", "nothing traced", "█"):
        assert words in table


def test_a_platform_tells_the_same_when_it_is_asked_to(platform: Platform) -> None:
    """With the flag alone, and in the workers that `up` starts, too."""
    options = ["--mode", "push", "--workers", "1", "--processes", "1", "--python", PYTHON]
    ports = ["--port", str(platform.http_port), "--zmq-port", str(platform.zmq_port)]
    log = ["--log-format", "json", "--log", "mpcsfaas::hops=trace"]
    up = platform.start("up", BINARY, "up", *log, *options, *ports, "--data", str(platform.home / "data"))
    platform.wait_until_ready()
    load = platform.start("load", BINARY, "bench", "load", "--tasks", "1", "--connections", "1", "--url", platform.url)
    assert load.exit_code() == 0, load.log()
    events = [json.loads(line) for line in up.log().splitlines()]
    assert {event["target"] for event in events} == {"mpcsfaas::hops"}
    assert len({event["fields"]["task"] for event in events}) == 1
    told = [event["fields"]["hop"] for event in events]
    assert sorted(told) == sorted({*HOPS, "accepted", "committed"} - {"called", "got"})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--modes", "fast"], 2, "invalid value 'fast'"),
        (["--tasks", "0"], 2, "0 is not in 1..=100000"),
        (["--rate", "0"], 2, "expected a number of submissions a second"),
        (["--store", "redis://127.0.0.1:1/0"], 1, "no Redis answers at redis://127.0.0.1:1/0"),
        (["--store", "nonsense"], 1, "is no Redis URL"),
    ],
)
def test_mistakes_are_explained(
    platform: Platform, temporary: Path, arguments: list[str], code: int, message: str
) -> None:
    process = start(platform, *arguments)
    assert process.exit_code() == code
    assert message in process.log()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_leaves_nothing(platform: Platform, temporary: Path, end: signal.Signals) -> None:
    process = start(platform, "--modes", "push", "--tasks", "100000")
    eventually("workers have their processes", lambda: len(process.descendants()) > 5)
    started = process.descendants()
    process.send(end)
    assert process.exit_code() == 130
    assert "nothing is left running" in process.log()
    eventually("nothing is left", lambda: not any(child.is_running() for child in started), within=GONE_S)
    assert not list(temporary.iterdir())
