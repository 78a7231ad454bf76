"""A pull worker as the original has it, to try whether such workers can join.

    pull_worker.py N URL [--id ID]

One REQ socket under one lock carries everything: a loop that asks for tasks (without a look at free processes), a
thread that beats, and one that sends results. A request waits for its answer for as long as it takes.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import zmq
from _execution import BEAT_S, arguments, process_pool, start

NO_TASK_NAP_S = 0.5


def main() -> None:
    options = arguments(__doc__)
    pool = process_pool(options.processes)  # Before the threads and the socket: it forks.
    dispatcher = Dispatcher(options.url, options.id)
    finished: queue.Queue[dict[str, Any]] = queue.Queue()
    dispatcher.request("register")
    threading.Thread(target=beat, args=(dispatcher,), daemon=True).start()
    threading.Thread(target=send_results, args=(dispatcher, finished), daemon=True).start()
    while True:
        answer = dispatcher.request("request_task")
        if "task_id" in answer:
            start(pool, answer, finished.put)
        else:
            time.sleep(NO_TASK_NAP_S)


class Dispatcher:
    """The socket, and the lock that makes a request and its answer one step."""

    def __init__(self, url: str, worker_id: str) -> None:
        self.worker_id = worker_id
        self.lock = threading.Lock()
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(url)

    def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        with self.lock:
            self.socket.send_json({"type": kind, "worker_id": self.worker_id, **fields})
            answer = self.socket.recv_json()
        assert isinstance(answer, dict)
        return answer


def beat(dispatcher: Dispatcher) -> None:
    while True:
        time.sleep(BEAT_S)
        dispatcher.request("heartbeat")


def send_results(dispatcher: Dispatcher, finished: queue.Queue[dict[str, Any]]) -> None:
    while True:
        dispatcher.request("task_result", **finished.get())


if __name__ == "__main__":
    main()
