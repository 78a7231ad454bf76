"""What both of the original's workers do with a task: unpickle, call, pickle; in a pool of processes."""

from __future__ import annotations

import argparse
import codecs
import multiprocessing.pool
import signal
import sys
import uuid
from typing import Any, Callable, NoReturn

import dill

BEAT_S = 1.0


def arguments(description: str | None) -> argparse.Namespace:
    """N URL [--id ID]."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processes", type=int, metavar="N")
    parser.add_argument("url", metavar="URL", help="tcp://localhost:5555")
    parser.add_argument("--id", default=str(uuid.uuid4()))
    return parser.parse_args()


def process_pool(processes: int) -> multiprocessing.pool.Pool:
    """A pool that ends with this process at SIGTERM. There is no goodbye; the dispatcher finds out by itself."""
    pool = multiprocessing.get_context("fork").Pool(processes, signal.signal, (signal.SIGTERM, signal.SIG_DFL))

    def stop(*_: object) -> NoReturn:
        pool.terminate()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    return pool


def start(pool: multiprocessing.pool.Pool, task: dict[str, Any], finished: Callable[[dict[str, Any]], None]) -> None:
    """Runs a task in the pool, and hands its result on from one of the pool's threads."""
    pool.apply_async(execute, (task["task_id"], task["fn_payload"], task["param_payload"]), callback=finished)


def execute(task_id: str, fn_payload: str, param_payload: str) -> dict[str, Any]:
    """In a process of the pool. A failure's result is the text of the exception, pickled as a result is."""
    try:
        function = unpack(fn_payload)
        args, kwargs = unpack(param_payload)
        return {"task_id": task_id, "status": "COMPLETED", "result": pack(function(*args, **kwargs))}
    except Exception as error:
        return {"task_id": task_id, "status": "FAILED", "result": pack(str(error))}


def pack(obj: object) -> str:
    return codecs.encode(dill.dumps(obj), "base64").decode()


def unpack(payload: str) -> Any:
    return dill.loads(codecs.decode(payload.encode(), "base64"))
