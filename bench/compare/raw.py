"""What the machine can do without any of the systems: the bounds under which they are.

Each limit answers rates (`..._per_s`) and times (`..._us`). Messages have 200 bytes, about what a task has.
"""

from __future__ import annotations

import itertools
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import dill
import zmq

from compare import figures
from compare.children import free_port
from compare.peers.peer import REDIS_URL
from compare.work import noop

BODY = b"x" * 200

_SINGLE = 5_000
_STREAMED = 50_000

Figures = dict[str, float]


def pipe() -> Figures:
    """Two Python processes with a pipe each way, as a worker and its Python process have: one round trip at a time."""
    there_read, there_write = os.pipe()
    back_read, back_write = os.pipe()

    def echo() -> None:
        while True:
            os.write(back_write, os.read(there_read, len(BODY)))

    def ask() -> None:
        os.write(there_write, BODY)
        os.read(back_read, len(BODY))

    with _other_process(echo):
        return _round_trips(ask)


def zmq_echo() -> Figures:
    """A ROUTER that answers each message of a DEALER, over TCP, both in Python: one in flight, and 1,000."""
    window = 1_000
    port = free_port()

    def echo() -> None:
        # A context does not survive a fork, so each process has its own.
        router = zmq.Context().socket(zmq.ROUTER)
        router.set_hwm(0)
        router.bind(f"tcp://127.0.0.1:{port}")
        while True:
            router.send_multipart(router.recv_multipart())

    with _other_process(echo):
        dealer = zmq.Context().socket(zmq.DEALER)
        dealer.set_hwm(0)
        dealer.connect(f"tcp://127.0.0.1:{port}")

        def ask() -> None:
            dealer.send(BODY)
            dealer.recv()

        outcome = _round_trips(ask)
        begun = time.perf_counter()
        for _ in range(window):
            dealer.send(BODY)
        for _ in range(_STREAMED - window):
            dealer.recv()
            dealer.send(BODY)
        for _ in range(window):
            dealer.recv()
        streamed = round(_STREAMED / (time.perf_counter() - begun))
        dealer.close(0)
        return {**outcome, "window_1000_per_s": streamed}


def redis_set() -> Figures:
    """SET of one key a command: one at a time, and in pipelines of 32 and of 500."""
    return _redis(lambda number: _command("SET", f"key:{number}", BODY), b"+OK\r\n")


def redis_script() -> Figures:
    """EVALSHA of the least script that changes something: what each decision costs that is made in Redis."""
    with _redis_connection() as connection:
        connection.sendall(_command("SCRIPT", "LOAD", "return redis.call('SET', KEYS[1], ARGV[1])"))
        digest = connection.recv(4_096).split(b"\r\n")[1]
    return _redis(lambda number: _command("EVALSHA", digest, "1", f"key:{number}", BODY), b"+OK\r\n")


def pickled_calls() -> Figures:
    """One process: pickle the arguments, unpickle them, call, pickle the result. With pickle, and with dill."""
    outcome: Figures = {}
    for name, module in (("pickle", pickle), ("dill", dill)):
        begun = time.perf_counter()
        for _ in range(_STREAMED):
            arguments, keywords = module.loads(module.dumps(((), {})))
            module.dumps(noop(*arguments, **keywords))
        outcome[f"{name}_per_s"] = round(_STREAMED / (time.perf_counter() - begun))
    return outcome


LIMITS: dict[str, Callable[[], Figures]] = {
    "pipe": pipe,
    "zmq": zmq_echo,
    "redis SET": redis_set,
    "redis EVALSHA": redis_script,
    "calls": pickled_calls,
}


def _round_trips(ask: Callable[[], None]) -> Figures:
    times = []
    for number in range(_SINGLE + 500):
        begun = time.perf_counter()
        ask()
        if number >= 500:
            times.append(time.perf_counter() - begun)
    milliseconds = figures.latencies(times)
    microseconds = {f"p{percent}_us": round(1_000 * milliseconds[f"p{percent}_ms"], 1) for percent in (50, 99)}
    return {"single_per_s": round(_SINGLE / sum(times)), **microseconds}


@contextmanager
def _other_process(work: Callable[[], None]) -> Iterator[None]:
    """`work` in a forked process, until the block ends."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def _redis(command: Callable[[int], bytes], answer: bytes) -> Figures:
    """Commands written beforehand, so that the server is measured and no client library; `answer` is that of each."""
    numbers = itertools.count()
    with _redis_connection() as connection:

        def ask(count: int, commands: bytes) -> None:
            connection.sendall(commands)
            expected = count * len(answer)
            received = bytearray()
            while len(received) < expected:
                if not (some := connection.recv(65_536)):
                    raise ConnectionError("Redis hung up")
                received += some
            # All answers are the same, so no others can hide among them.
            if received != count * answer:
                raise ValueError(f"Redis answered {bytes(received[:100])!r}")

        one = command(next(numbers))
        outcome = _round_trips(lambda: ask(1, one))
        for depth in (32, 500):
            batches = [b"".join(command(next(numbers)) for _ in range(depth)) for _ in range(2 * _STREAMED // depth)]
            begun = time.perf_counter()
            for batch in batches:
                ask(depth, batch)
            outcome[f"pipelined_{depth}_per_s"] = round(depth * len(batches) / (time.perf_counter() - begun))
        return outcome


def _redis_connection() -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", urlsplit(REDIS_URL).port or 6379), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _command(*words: str | bytes) -> bytes:
    """A command in Redis' protocol."""
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)])
