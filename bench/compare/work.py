"""The work items. Every peer runs exactly these functions; workers import them by name."""

from __future__ import annotations

import os
import time


def noop() -> str:
    """The system's own cost."""
    return "done"


def cpu() -> int:
    """Some 50 microseconds of pure Python."""
    total = 0
    for i in range(1_000):
        total += i * i
    return total


def sleep() -> str:
    """Waits, as tasks do that call other services."""
    time.sleep(0.1)
    return "slept"


def where() -> int:
    """In which process a task runs. It stays long enough for the slowest system to give a task to all the others."""
    time.sleep(0.1)
    return os.getpid()


WORK = {function.__name__: function for function in (noop, cpu, sleep, where)}

EXPECTED: dict[str, object] = {"noop": "done", "cpu": 332_833_500, "sleep": "slept"}
