"""`concurrent.futures`, from Python itself."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from compare.peers.peer import FuturePeer
from compare.work import WORK


class ProcessPool(FuturePeer):
    """`ProcessPoolExecutor`, one `submit` a task. Pipes between a parent and its children: no network, no store.

    A task exists in the memory of two processes only. If one worker process dies, all pending tasks fail.
    """

    def start(self) -> None:
        self._pool = ProcessPoolExecutor(self.setting.processes)

    def submit(self, name: str) -> Future[Any]:
        return self._pool.submit(WORK[name])

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)
