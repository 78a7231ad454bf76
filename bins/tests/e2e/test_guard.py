"""Hostile peers at the workers' port while honest workers work: nothing stops, and hardly anything becomes slower."""

from __future__ import annotations

import re
import statistics
import sys
import time
from pathlib import Path

import psutil
import pytest
from ledger import Ledger, Load
from processes import Platform, Process, eventually

from mpcsfaas import Client, Function

HOSTILE = Path(__file__).with_name("hostile.py")

LEGACY = "the-worker"
KINDS = {"loiter", "lie at once", "lie later", "never read", "steal"}

ROUNDS = 9
TASKS_A_ROUND = 200
P99_RATIO = 2.0
# Most of it is what peers that never read have not taken.
GROWTH_BYTES = 64 << 20


def start(platform: Platform, mode: str) -> Process:
    platform.store()
    platform.gateway()
    dispatcher = platform.dispatcher(mode)
    for _ in range(2):
        platform.worker(mode, 2)
    platform.wait_until_ready(workers=2)
    return dispatcher


def attack(platform: Platform) -> Process:
    hostile = platform.start("hostile", sys.executable, str(HOSTILE), str(platform.zmq_port), LEGACY)
    eventually("the attack is on", lambda: "attacking" in hostile.log())
    return hostile


def thrown_out(hostile: Process) -> set[str]:
    """The kinds of peers that have been."""
    return set(re.findall("thrown out: (.+)", hostile.log()))


def percentiles(function: Function[str]) -> tuple[float, float]:
    """The median and the 99th of the seconds from submitting a task to having its result, one after the other."""
    durations = []
    for number in range(TASKS_A_ROUND):
        begun = time.perf_counter()
        assert function.submit(f"{number}").result() == f"{number}"
        durations.append(time.perf_counter() - begun)
    return statistics.median(durations), statistics.quantiles(durations, n=100)[-1]


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_all_tasks_end_under_attack(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    dispatcher = start(platform, mode)
    # Its identity is its name, in every connection; in push mode it is there to be stolen.
    platform.legacy_worker(mode, 2, LEGACY)
    platform.wait_until_ready(workers=3)
    load = Load(client, ledger)
    hostile = attack(platform)
    load.finish()
    eventually("each kind is thrown out", lambda: thrown_out(hostile) == KINDS)
    # The attack goes on: whoever comes now is let in.
    platform.worker(mode, 2)
    platform.wait_until_ready(workers=4)
    assert not ledger.repeated()
    assert dispatcher.running()
    assert "declared dead" not in dispatcher.log()


@pytest.mark.alone
def test_latency_and_memory_under_attack(platform: Platform, client: Client) -> None:
    """In turns, so that whatever else this machine does strikes both alike."""
    dispatcher = start(platform, "push")

    def same(text: str) -> str:
        return text

    function = client.register(same)
    percentiles(function)
    memory = psutil.Process(dispatcher.pid).memory_info
    ratios, sizes = [], [memory().rss]
    for _ in range(ROUNDS):
        quiet = percentiles(function)
        hostile = attack(platform)
        attacked = percentiles(function)
        sizes.append(memory().rss)
        assert {"loiter", "lie at once", "lie later"} <= thrown_out(hostile)
        hostile.kill()
        ratios.append(attacked[1] / quiet[1])
        for name, (p50, p99) in (("quiet", quiet), ("attacked", attacked)):
            print(f"{name}: p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
        print(f"resident: {sizes[-1] >> 20} MiB")
    assert statistics.median(ratios) <= P99_RATIO, ratios
    assert max(sizes) - sizes[0] <= GROWTH_BYTES, sizes
    # More rounds do not need more.
    middle = ROUNDS // 2
    assert max(sizes[middle:]) <= 1.5 * max(sizes[:middle]), sizes
    assert dispatcher.running()
    assert "declared dead" not in dispatcher.log()
