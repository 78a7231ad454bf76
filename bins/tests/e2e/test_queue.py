"""`mpcsfaas bench queue`, small: what it tells of a long queue and of an idle platform, and that it leaves nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, GONE_S, PYTHON, Platform, Process, eventually


def start(platform: Platform, *arguments: str) -> Process:
    places = ["--python", PYTHON, "--data", str(platform.home / "data")]
    return platform.start("queue", BINARY, "bench", "queue", "--log", "warn", *places, *arguments)


def report(process: Process) -> dict[str, Any]:
    assert process.exit_code(180) == 0, process.log()
    found: dict[str, Any] = json.loads(process.log().splitlines()[-1])
    return found


def whole(found: dict[str, Any], parts: set[str]) -> None:
    queue = found["queue"]
    for windows in (queue["fill"], queue["drain"]):
        assert windows
        for window in windows:
            assert 0 <= window["from"] < window["to"] <= found["tasks"]
            assert window["tasks_per_s"] > 0
            assert set(window["cpu_us"]) == parts
    # Each batch is a look, so of the filling every tenth is known.
    assert [window["to"] for window in queue["fill"]][-1] == found["tasks"]
    assert len(queue["fill"]) >= 10
    for moment in ("empty", "full", "drained", "peak"):
        held = queue[f"memory_{moment}_kib"]
        assert set(held) == parts
        assert all(kib > 0 for kib in held.values())


def test_without_a_server_one_process_has_the_queue(platform: Platform, temporary: Path) -> None:
    found = report(start(platform, "--tasks", "5000", "--idle", "1", "--json"))
    assert (found["store"], found["tasks"], found["bytes"]) == ("embedded", 5000, 200)
    assert {row["process"] for row in found["idle"]} == {"up", "worker", "reaper", "Python"}
    assert all(row["memory_kib"] > 0 for row in found["idle"])
    whole(found, {"up"})
    assert not platform.all_alive()
    assert not list(temporary.iterdir())


def test_on_redis_nothing_is_left(platform: Platform, temporary: Path) -> None:
    platform.store()
    url = f"redis://127.0.0.1:{platform.redis_port}/0"
    found = report(start(platform, "--tasks", "5000", "--bytes", "20", "--idle", "0", "--store", url, "--json"))
    assert found["idle"] == []
    whole(found, {"gateway", "dispatcher", "Redis"})
    with platform.store_client() as redis:
        assert redis.keys() == []
    assert not list(temporary.iterdir())


def test_people_get_tables(platform: Platform, temporary: Path) -> None:
    process = start(platform, "--tasks", "3000", "--idle", "0.5")
    assert process.exit_code(180) == 0
    for words in ("idle", "% of a processor", "submitting, queued", "draining, queued", "tasks/s", "MiB", "peak"):
        assert words in process.log()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--tasks", "999"], 2, "999 is not in 1000..=1000000"),
        (["--bytes", "3"], 2, "3 is not in 16..=65536"),
        (["--idle", "soon"], 2, "expected a number of seconds"),
        (["--store", "redis://127.0.0.1:1/0"], 1, "no Redis answers at redis://127.0.0.1:1/0"),
    ],
)
def test_mistakes_are_explained(
    platform: Platform, temporary: Path, arguments: list[str], code: int, message: str
) -> None:
    process = start(platform, *arguments)
    assert process.exit_code() == code
    assert message in process.log()
    assert not list(temporary.iterdir())


def test_what_is_interrupted_leaves_nothing(platform: Platform, temporary: Path) -> None:
    process = start(platform, "--tasks", "1000000", "--idle", "600")
    eventually("the idle platform has its processes", lambda: len(process.descendants()) >= 7)
    started = process.descendants()
    process.send(signal.SIGINT)
    assert process.exit_code() == 130
    eventually("nothing is left", lambda: not any(child.is_running() for child in started), within=GONE_S)
    assert not list(temporary.iterdir())


def test_up_without_workers_serves_those_that_come(platform: Platform) -> None:
    ports = ["--port", str(platform.http_port), "--zmq-port", str(platform.zmq_port)]
    places = ["--python", PYTHON, "--data", str(platform.home / "data")]
    up = platform.start("up", BINARY, "up", "--workers", "0", *ports, *places)
    eventually("it has a dispatcher", lambda: platform.readiness().get("dispatchers") == 1)
    assert platform.readiness()["workers"] == 0
    platform.worker("push", 1)
    platform.wait_until_ready()
    up.terminate()
    assert up.exit_code() == 0
