"""Huey, on Redis."""

from __future__ import annotations

import signal
from typing import Any

from huey import RedisHuey

from compare.children import Server
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer, each

app = RedisHuey("compare", url=REDIS_URL, notify_result=True)
TASKS = each(app.task())


class Huey(Peer):
    """Process workers, and `notify_result`, so that a caller is woken by Redis (without it results are polled for).

    A worker takes a task off the list before it runs it, and there is no acknowledgement: if it dies, the task is lost.
    """

    package = "huey"

    def start(self) -> None:
        command = [self.setting.programs / "huey_consumer", f"{__name__}.app", "-k", "process"]
        self._consumer = Server("huey", [*command, "-w", self.setting.processes, "-q"], self.setting.scratch)

    def submit(self, name: str) -> Any:
        return TASKS[name]()

    def result(self, handle: Any) -> Any:
        return handle.get(blocking=True, timeout=PATIENCE_S)

    def stop(self) -> None:
        self._consumer.stop(signal.SIGINT)
