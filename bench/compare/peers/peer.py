"""What a peer is asked for."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from compare.work import WORK

# How long anything may take that is waited for.
PATIENCE_S = 120.0

# The folder that has this package, for workers to import it from.
HOME = Path(__file__).resolve().parents[2]

# Workers import a peer's module too, and have only this to know the server from.
REDIS_URL = os.environ.get("COMPARE_REDIS", "redis://127.0.0.1:6379/0")


class Setting(NamedTuple):
    """What a peer is started with."""

    processes: int
    # Whether each process may hold one task at a time only, so that 8 processes run 8 that sleep.
    one_each: bool
    # Where programs of the peer's environment are.
    programs: Path
    # The platform's binary.
    binary: Path
    # An empty folder for logs and data.
    scratch: Path


class Peer(ABC):
    """One system. The docstring of its class goes into the report: how it is set up, and what its figures mean.

    Tasks are names of functions of `compare.work`.
    """

    # The distribution whose version the report shows; none for what comes with Python.
    package: ClassVar[str | None] = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @abstractmethod
    def start(self) -> None:
        """Starts servers, workers and the client. Workers may still be on their way when it returns."""

    @abstractmethod
    def submit(self, name: str) -> Any:
        """One task, as a user submits one; answers a handle."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """Waits for a task's result."""

    @abstractmethod
    def stop(self) -> None:
        """Ends all that was started, as far as it was."""

    def results(self, handles: list[Any]) -> list[Any]:
        """The results of many tasks, in their order."""
        return [self.result(handle) for handle in handles]

    def when_done(self, handle: Any, finished: Callable[[Any], None]) -> bool:
        """Arranges that `finished` is called with the result. False if the system has no such hook."""
        return False

    def pump(self, seconds: float) -> None:
        """Spends so much time, or a part of it. A client that does nothing by itself works meanwhile."""
        time.sleep(seconds)


class FuturePeer(Peer):
    """A system whose handles are futures of `concurrent.futures`."""

    def result(self, handle: Future[Any]) -> Any:
        return handle.result(PATIENCE_S)

    def when_done(self, handle: Future[Any], finished: Callable[[Any], None]) -> bool:
        handle.add_done_callback(lambda done: finished(done.exception() or done.result()))
        return True


def each(wrap: Callable[[Callable[..., Any]], Any]) -> dict[str, Any]:
    """The work items, each as the system wants to have it."""
    return {name: wrap(function) for name, function in WORK.items()}
