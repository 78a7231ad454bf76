"""taskiq, on a Redis stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from compare.children import Server
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer, each

# Its own default, of 200 ms, would be all that a latency shows.
_POLL_S = 0.002
_SENDS_AT_ONCE = 64

results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(REDIS_URL, result_ex_time=600)
broker = RedisStreamBroker(REDIS_URL).with_result_backend(results)
TASKS = each(lambda function: broker.register_task(function, task_name=function.__name__))


class Taskiq(Peer):
    """The stream broker, whose messages are acknowledged after they ran.

    A result is polled for every 2 ms (200 ms by default), which is most of its latency.
    Its client is asynchronous, so its loop has a thread of its own here, which costs each call some 0.1 ms. A worker
    reads 100 messages at a time, so 80 sleeping tasks may all be with one of 8 processes.
    """

    package = "taskiq"

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._sending = asyncio.Semaphore(_SENDS_AT_ONCE)
        self._run(broker.startup()).result(PATIENCE_S)
        command = [self.setting.programs / "taskiq", "worker", f"{__name__}:broker", "--log-level", "WARNING"]
        command += ["--workers", self.setting.processes]
        if self.setting.one_each:
            command += ["--max-async-tasks", 1, "--max-threadpool-threads", 1]
        self._workers = Server("taskiq", command, self.setting.scratch)

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(doing, self._loop)

    def submit(self, name: str) -> Future[Any]:
        return self._run(self._send(name))

    async def _send(self, name: str) -> Any:
        async with self._sending:
            return await TASKS[name].kiq()

    def result(self, handle: Future[Any]) -> Any:
        sent = handle.result(PATIENCE_S)
        return self._run(sent.wait_result(check_interval=_POLL_S, timeout=PATIENCE_S)).result().return_value

    def stop(self) -> None:
        self._workers.stop()
