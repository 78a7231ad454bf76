"""Ray, on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray

from compare.peers.peer import PATIENCE_S, Peer, each

_OBJECT_STORE_BYTES = 200 * 1024 * 1024


class Ray(Peer):
    """`ray.init` with so many CPUs, without dashboard and usage statistics; results are taken by one `ray.get` of all.

    Tasks are owned by the client's process and end with it. Those of a dead worker are run again (3 times by default).
    """

    package = "ray"

    def start(self) -> None:
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0")
        ray.init(
            num_cpus=self.setting.processes,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=_OBJECT_STORE_BYTES,
            _node_ip_address="127.0.0.1",
        )
        self._tasks = each(ray.remote)

    def submit(self, name: str) -> Any:
        return self._tasks[name].remote()

    def result(self, handle: Any) -> Any:
        return ray.get(handle, timeout=PATIENCE_S)

    def results(self, handles: list[Any]) -> list[Any]:
        found: list[Any] = ray.get(handles, timeout=PATIENCE_S)
        return found

    def when_done(self, handle: Any, finished: Callable[[Any], None]) -> bool:
        handle.future().add_done_callback(lambda done: finished(done.exception() or done.result()))
        return True

    def stop(self) -> None:
        ray.shutdown()
