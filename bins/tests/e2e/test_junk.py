"""Junk, lies and silence at the workers' port: honest workers go on, and the dispatcher says it once a peer."""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from ledger import Ledger, Load
from processes import PATIENCE_S, Platform, Process, eventually

from mpcsfaas import Client

GOLDEN_HELLO = Path(__file__).resolve().parents[3] / "core/src/wire/golden/worker-hello.hex"

JUNK = {
    "random": random.Random(7).randbytes(1_000),
    "half-json": b'{"type": "register", "worker_id": ',
    "json-of-no-type": b'{"worker_id": "x"}',
    "json-of-another-type": b'{"type": "shutdown", "worker_id": "x"}',
    "json-of-wrong-types": b'{"type": "register", "worker_id": [1, 2]}',
    "json-without-end": b'{"type": ' + b"[" * 100_000,
    "json-result-of-no-task": b'{"type": "task_result", "worker_id": "x", "task_id": "y", "status": "COMPLETED"}',
    "json-of-a-long-name": json.dumps({"type": "register", "worker_id": "x" * 10_000}).encode(),
    "unknown-version": b"\x02" + bytes(100),
    "version-only": b"\x01",
    "version-and-random": b"\x01" + random.Random(8).randbytes(1_000),
    "huge-length": b"\x01" + b"\xfd" + b"\xff" * 8 + b"\x01\x01\x03" + b"\xfd" + b"\xff" * 8,
    "empty": b"",
    "too-large": bytes(9 << 20),
}


@pytest.fixture
def sockets() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


@contextmanager
def peer(
    context: zmq.Context[zmq.Socket[bytes]], platform: Platform, kind: int, identity: str
) -> Iterator[zmq.Socket[bytes]]:
    """A socket that is connected to the dispatcher under a name of its own."""
    connected = context.socket(kind)
    connected.setsockopt(zmq.IDENTITY, identity.encode())
    connected.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
    connected.setsockopt(zmq.SNDTIMEO, int(PATIENCE_S * 1000))
    connected.connect(f"tcp://127.0.0.1:{platform.zmq_port}")
    try:
        yield connected
    finally:
        connected.close(linger=int(PATIENCE_S * 1000))


def start(platform: Platform, mode: str) -> Process:
    platform.store()
    platform.gateway()
    dispatcher = platform.dispatcher(mode)
    platform.worker(mode, 3)
    platform.worker(mode, 3)
    return dispatcher


def finish(load: Load, ledger: Ledger, platform: Platform) -> None:
    """The honest are not disturbed: no task was taken from them."""
    load.finish()
    assert not ledger.repeated()
    assert all(process.running() for process in platform.processes)
    assert not re.search("declared dead", "".join(process.log() for process in platform.processes))


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_junk_messages(
    platform: Platform, client: Client, ledger: Ledger, sockets: zmq.Context[zmq.Socket[bytes]], mode: str
) -> None:
    dispatcher = start(platform, mode)
    load = Load(client, ledger)
    load.wait_until_started(10)
    for name, body in JUNK.items():
        with peer(sockets, platform, zmq.DEALER, f"dealer-{name}") as dealer:
            for _ in range(20):
                dealer.send(body)
            if name != "empty":  # To a ROUTER that is the delimiter, and nothing behind it.
                dealer.send_multipart([b"", body])
    with peer(sockets, platform, zmq.DEALER, "dealer-many-frames") as dealer:
        for _ in range(20):
            dealer.send_multipart([b"x"] * 500)
    for name, body in JUNK.items():
        with peer(sockets, platform, zmq.REQ, f"req-{name}") as req:
            for _ in range(3):
                req.send(body)
                # It would say nothing more before it has an answer.
                assert json.loads(req.recv())["status"] == "error"
    names = [f"{kind}-{name}" for kind in ("dealer", "req") for name in JUNK] + ["dealer-many-frames"]
    eventually("all are in the log", lambda: set(junk_peers(dispatcher)) == set(names))
    finish(load, ledger, platform)
    assert junk_peers(dispatcher) == dict.fromkeys(names, 1)


def junk_peers(dispatcher: Process) -> dict[str, int]:
    """How often the log tells of each peer that sent junk."""
    return Counter(re.findall(r'sends junk.* peer=b"([^"]*)"', dispatcher.log()))


def test_junk_connections(
    platform: Platform, client: Client, ledger: Ledger, sockets: zmq.Context[zmq.Socket[bytes]]
) -> None:
    start(platform, "push")
    load = Load(client, ledger)
    load.wait_until_started(10)
    greeting = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
    openings = {
        "silence": b"",
        "web": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "random": random.Random(9).randbytes(4_096),
        "half a greeting": greeting[:20],
        "no handshake": greeting,
        "random after the greeting": greeting + random.Random(10).randbytes(4_096),
        "a command that is none": greeting + b"\x04\x05\x04JUNK",
        "a message before the handshake": greeting + b"\x00\x05{    ",
        "an old protocol": b"\x01\x00",
        "another mechanism": greeting.replace(b"NULL", b"CURV"),
    }
    held = []
    for opening in openings.values():
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", platform.zmq_port), timeout=PATIENCE_S)
            connection.sendall(opening)
            held.append(connection)
    for _ in range(50):
        socket.create_connection(("127.0.0.1", platform.zmq_port), timeout=PATIENCE_S).close()
    for kind in (zmq.PUSH, zmq.PUB, zmq.SUB, zmq.PULL, zmq.REP):
        stranger = sockets.socket(kind)
        stranger.connect(f"tcp://127.0.0.1:{platform.zmq_port}")
    finish(load, ledger, platform)
    for connection in held:
        connection.close()


def test_result_of_a_stranger(
    platform: Platform, client: Client, ledger: Ledger, sockets: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """The original believes it."""
    start(platform, "push")
    handle = client.register(ledger.gated("end")).submit("honest")
    ledger.wait_until_started("honest")
    forged = {"type": "task_result", "worker_id": "stranger", "task_id": handle.id, "status": "FAILED", "result": ""}
    with peer(sockets, platform, zmq.REQ, "req-stranger") as req:
        for kind in ("task_result", "register", "task_result"):
            req.send_json({**forged, "type": kind})
            req.recv_json()
    ledger.open_gate("end")
    assert handle.result(PATIENCE_S) == "tsenoh"
    assert len(ledger.executions("honest")) == 1


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_hello_of_another(
    platform: Platform, client: Client, ledger: Ledger, sockets: zmq.Context[zmq.Socket[bytes]], mode: str
) -> None:
    """A repeated Hello is old. One of a session to come ends the honest one, whose worker opens another."""
    dispatcher = start(platform, mode)
    platform.wait_until_ready(workers=2)
    workers = [worker_id(process) for process in platform.processes if process.name.startswith("worker")]
    load = Load(client, ledger)
    load.wait_until_started(10)
    with peer(sockets, platform, zmq.DEALER, "replayer") as dealer:
        for worker in workers:
            for _ in range(20):
                dealer.send(hello(worker, session=1))
        load.wait_for_more(40)
        assert not ledger.repeated()
        dealer.send(hello(workers[0], session=3))
        load.finish()
    assert re.search(f"worker joined worker=w-{workers[0]:016x} session=[2-9]", dispatcher.log())
    # Those that the forged one was given never ran; those that the honest one had may have run twice.
    assert len(ledger.repeated()) <= 6
    tasks = [f"together-{number}" for number in range(18)]
    function = client.register(ledger.gated("last"))
    handles = [function.submit(task) for task in tasks]
    eventually("both workers take part", lambda: len(ledger.started() & set(tasks)) == 6)
    ledger.open_gate("last")
    assert [handle.result(PATIENCE_S) for handle in handles] == [task[::-1] for task in tasks]


def test_worker_that_only_says_hello(
    platform: Platform, client: Client, ledger: Ledger, sockets: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """What it is given comes back when it has been silent for too long."""
    dispatcher = start(platform, "push")
    phantom = random.Random(11).getrandbits(63)
    with peer(sockets, platform, zmq.DEALER, "phantom") as dealer:
        dealer.send(hello(phantom, session=1))
        eventually("it is let in", lambda: f"worker joined worker=w-{phantom:016x}" in dispatcher.log())
        # It has more free processes than the others, so it is given some of a function that none of them knows.
        Load(client, ledger, tasks=100).finish()
    assert re.search(f"declared dead worker=w-{phantom:016x} tasks=[1-9]", dispatcher.log())
    assert not ledger.repeated()


def worker_id(worker: Process) -> int:
    (name,) = re.findall(r"worker=w-([0-9a-f]{16})", worker.log())
    return int(name, 16)


def hello(worker: int, session: int) -> bytes:
    """The Hello of the wire format's golden file with another worker and session, and not draining, which is last."""
    golden = bytes.fromhex(GOLDEN_HELLO.read_text())
    head = bytes.fromhex("01 fd 0807060504030201 02")
    assert golden.startswith(head), "the wire format has changed"
    assert golden.endswith(b"\1"), "the wire format has changed"
    return head[:2] + worker.to_bytes(8, "little") + bytes([session]) + golden[len(head) : -1] + b"\0"
