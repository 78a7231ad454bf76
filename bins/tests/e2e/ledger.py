"""What really ran: each execution of a task appends a line to a file named by the task.

So tests judge by executions and by results; what the platform says about itself is not asked.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple

from processes import PATIENCE_S, Process, eventually

from mpcsfaas import Client, TaskHandle


class Execution(NamedTuple):
    """One execution: in which process, and whose child that is."""

    pid: int
    worker: int

    def at(self, worker: Process) -> bool:
        return self.worker == worker.pid


class Ledger:
    """The files, and functions that write them. They are nested, so that they travel by value."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = str(directory)
        self._gates = f"{directory}.gate-"

    def sleeper(self) -> Callable[[str, float], str]:
        """A function that takes some seconds and returns the task's name backwards."""
        directory = self._directory

        def sleep(task: str, seconds: float) -> str:
            import os
            import time

            with open(f"{directory}/{task}", "a") as executions:
                executions.write(f"{os.getpid()} {os.getppid()}\n")
            time.sleep(seconds)
            return task[::-1]

        return sleep

    def gated(self, gate: str, *, grandchild: bool = False) -> Callable[[str], str]:
        """A function that runs until `open_gate`, perhaps with a process of its own beside it."""
        directory, opened = self._directory, self._gates + gate

        def wait(task: str) -> str:
            import os
            import subprocess
            import time

            if grandchild:
                subprocess.Popen(["sleep", "600"])
            with open(f"{directory}/{task}", "a") as executions:
                executions.write(f"{os.getpid()} {os.getppid()}\n")
            while not os.path.exists(opened):
                time.sleep(0.02)
            return task[::-1]

        return wait

    def open_gate(self, gate: str) -> None:
        Path(self._gates + gate).touch()

    def executions(self, task: str) -> list[Execution]:
        """Those that have begun, oldest first."""
        path = Path(self._directory, task)
        if not path.exists():
            return []
        return [Execution(*map(int, line.split())) for line in path.read_text().splitlines()]

    def started(self) -> set[str]:
        """The tasks that have begun at least once."""
        return {path.name for path in Path(self._directory).iterdir()}

    def wait_until_started(self, *tasks: str) -> None:
        eventually(f"{tasks} have started", lambda: self.started().issuperset(tasks))

    def repeated(self) -> dict[str, list[Execution]]:
        """The tasks that were executed more than once."""
        runs = {task: self.executions(task) for task in self.started()}
        return {task: executions for task, executions in runs.items() if len(executions) > 1}


class Load:
    """A steady stream of tasks of 50-300 ms, submitted by a thread while the test makes trouble."""

    def __init__(self, client: Client, ledger: Ledger, *, tasks: int = 200, per_second: float = 25.0) -> None:
        self._ledger = ledger
        self._tasks = [f"load-{number:03}" for number in range(tasks)]
        self._pause_s = 1.0 / per_second
        self._function = client.register(ledger.sleeper())
        self._handles: dict[str, TaskHandle[str]] = {}
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._submit_all, daemon=True)
        self._thread.start()

    def _submit_all(self) -> None:
        durations = random.Random(7)
        try:
            for task in self._tasks:
                self._handles[task] = self._function.submit(task, durations.uniform(0.05, 0.3))
                time.sleep(self._pause_s)  # The pace of the load; nothing is waited for.
        except BaseException as problem:
            self._problem = problem

    def wait_until_started(self, tasks: int) -> None:
        """Waits until so many tasks have begun."""
        eventually(f"{tasks} tasks of the load have started", lambda: len(self._started()) >= tasks)

    def wait_for_more(self, tasks: int) -> None:
        """Waits until so many tasks have begun that have not yet."""
        self.wait_until_started(min(len(self._tasks), len(self._started()) + tasks))

    def finish(self) -> None:
        """Waits until every task has been submitted and has ended; each must have its right result."""
        self._thread.join(PATIENCE_S)
        assert self._problem is None, self._problem
        assert set(self._handles) == set(self._tasks), "the load is not submitted"
        deadline = time.monotonic() + PATIENCE_S
        results = {task: handle.result(max(1.0, deadline - time.monotonic())) for task, handle in self._handles.items()}
        assert results == {task: task[::-1] for task in self._tasks}
        assert self._started() == set(self._tasks)

    def _started(self) -> set[str]:
        return {task for task in self._ledger.started() if task.startswith("load-")}
