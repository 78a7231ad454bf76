"""A push worker as the original has it, to try whether such workers can join.

    push_worker.py N URL [--id ID]

A DEALER whose identity is the worker's id. It registers, and exits with code 0 if nobody answers for 5 s. The original
sends beats and results from threads of their own over the same socket, which makes it deaf at times; here one thread
owns the socket, and what it says is the same.
"""

from __future__ import annotations

import queue
import sys
import time
from typing import Any

import zmq
from _execution import BEAT_S, arguments, process_pool, start

REGISTER_WAIT_MS = 5000
RESULT_PAUSE_MS = 10


def main() -> None:
    options = arguments(__doc__)
    pool = process_pool(options.processes)  # Before the socket: it forks.
    finished: queue.Queue[dict[str, Any]] = queue.Queue()
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, options.id.encode())
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(options.url)

    def send(kind: str, **fields: Any) -> None:
        socket.send_json({"type": kind, "worker_id": options.id, **fields})

    send("register")
    if not socket.poll(REGISTER_WAIT_MS):
        pool.terminate()
        sys.exit(0)
    next_beat = time.monotonic() + BEAT_S
    while True:
        if socket.poll(RESULT_PAUSE_MS):
            message = socket.recv_json()
            assert isinstance(message, dict)
            if message["type"] == "task":
                start(pool, message, finished.put)
        while not finished.empty():
            send("task_result", **finished.get())
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + BEAT_S
            send("heartbeat")


if __name__ == "__main__":
    main()
