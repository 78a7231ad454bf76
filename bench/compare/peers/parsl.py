"""Parsl's HighThroughputExecutor."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

from compare.peers.peer import FuturePeer
from compare.work import WORK

_PREFETCH = 20


class Parsl(FuturePeer):
    """The HighThroughputExecutor without encryption, with a prefetch of 20 tasks, called directly.

    That is half as fast again as the usual way through `python_app` and the DataFlowKernel, with their defaults.
    Tasks exist in memory only. Those of a dead worker fail, unless retries are configured.
    """

    package = "parsl"

    def start(self) -> None:
        # It starts its interchange and its workers by name.
        os.environ["PATH"] = f"{self.setting.programs}{os.pathsep}{os.environ['PATH']}"
        self._executor = HighThroughputExecutor(
            label="compare",
            address="127.0.0.1",
            max_workers_per_node=self.setting.processes,
            cores_per_worker=1e-3,
            encrypted=False,
            prefetch_capacity=_PREFETCH,
            provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
        )
        config = Config(
            executors=[self._executor],
            run_dir=str(self.setting.scratch / "parsl"),
            strategy="none",
            initialize_logging=False,
        )
        self._kernel = parsl.load(config)

    def submit(self, name: str) -> Future[Any]:
        return self._executor.submit(WORK[name], {})

    def stop(self) -> None:
        self._kernel.cleanup()
        parsl.clear()
