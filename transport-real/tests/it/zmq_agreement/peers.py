"""Sockets of libzmq on a leash: one command a line on stdin, one answer a line on stdout, both JSON.

A frame is its text, or its size if it is long. What was observed is a word, the same as in
`words.rs`. All settings are libzmq's defaults, and no wait is without a bound.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

LONGEST_TEXT = 64
# A bound on what happens by itself in the libraries, in ms: connecting, noticing an end.
PATIENCE = 10_000
# What is between two steps of libzmq's own threads, and much more, in ms.
SETTLING = 20

context = zmq.Context()


def to_wire(frame: str | int) -> bytes:
    return frame.encode() if isinstance(frame, str) else b"x" * frame


def from_wire(frame: bytes) -> str | int:
    return frame.decode(errors="backslashreplace") if len(frame) <= LONGEST_TEXT else len(frame)


class Leashed:
    """A socket, and the monitor that says what befalls its connections."""

    def __init__(self, kind: int, identity: str = "") -> None:
        self.socket = context.socket(kind)
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        self.inbox: list[list[bytes]] = []
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)

    def sees(self, event: int, limit: int) -> bool:
        """Whether this befalls a connection in time; other news before it are skipped."""
        until = time.monotonic() + limit / 1000
        while self.monitor.poll(max(0, until - time.monotonic()) * 1000):
            if recv_monitor_message(self.monitor)["event"] == event:
                return True
        return False

    def try_send(self, frames: list[bytes]) -> str:
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return "waits"
        except zmq.ZMQError as error:
            if error.errno == zmq.EFSM:
                return "out of turn"
            if error.errno == zmq.EHOSTUNREACH:
                return "refused"
            raise
        return "taken"

    def send(self, frames: list[bytes], stuck: int) -> str:
        word = self.try_send(frames)
        if word == "waits" and self.socket.poll(stuck, zmq.POLLOUT):
            return self.try_send(frames)
        return word

    def receive(self, limit: int) -> list[bytes] | str:
        return self.inbox.pop(0) if self.inbox else self.take(limit)

    def take(self, limit: int) -> list[bytes] | str:
        for last in (False, True):
            try:
                return self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                if last or not self.socket.poll(limit):
                    return "nothing"
            except zmq.ZMQError as error:
                if error.errno == zmq.EFSM:
                    return "out of turn"
                raise
        raise AssertionError("unreachable")

    def read_on(self, limit: int) -> None:
        """Reads what has come, as a socket's owner does. Only so does a ROUTER let go of who has left."""
        while not isinstance(got := self.take(limit), str):
            self.inbox.append(got)

    def knows(self, identity: str) -> bool:
        """Whether a ROUTER has a peer; it is asked with a message that goes nowhere if not."""
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        word = self.try_send([identity.encode(), b"?"])
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 0)
        return word != "refused"


sockets: dict[str, Leashed] = {}


def bind(who: str, endpoint: str) -> dict[str, Any]:
    router = Leashed(zmq.ROUTER)
    router.socket.bind(endpoint)
    sockets[who] = router
    return {"word": "done"}


def connect(who: str, kind: str, identity: str, endpoint: str, somebody: bool) -> dict[str, Any]:
    peer = Leashed(getattr(zmq, kind), identity)
    peer.socket.connect(endpoint)
    sockets[who] = peer
    return {"word": "done" if not somebody or peer.sees(zmq.EVENT_HANDSHAKE_SUCCEEDED, PATIENCE) else "nothing"}


def send(who: str, frames: list[str | int], stuck: int) -> dict[str, Any]:
    return {"word": sockets[who].send([to_wire(frame) for frame in frames], stuck)}


def fill(who: str, to: str | None, size: int, limit: int, stuck: int) -> dict[str, Any]:
    """Sends numbered messages until one is not taken."""
    head = [] if to is None else [to.encode()]
    padding = b"x" * size
    for number in range(limit):
        word = sockets[who].send([*head, b"%d" % number, padding], stuck)
        if word != "taken":
            return {"taken": number, "word": word}
    return {"taken": limit, "word": "taken"}


def receive(who: str, limit: int) -> dict[str, Any]:
    got = sockets[who].receive(limit)
    return {"word": got} if isinstance(got, str) else {"frames": [from_wire(frame) for frame in got]}


def drain(who: str, bound: bool, want: int, limit: int) -> dict[str, Any]:
    """Reads numbered messages until there are enough, the end's mark comes, or none comes for a while."""
    last: dict[bytes, int] = {}
    count, whole = 0, True
    while count < want:
        got = sockets[who].receive(limit)
        if isinstance(got, str):
            break
        peer = got.pop(0) if bound else b""
        if got == [b"end"]:
            return {"count": count, "ordered": whole, "end": True}
        number = int(got[0])
        whole = whole and len(got) == 2 and number > last.get(peer, -1)
        last[peer] = number
        count += 1
    return {"count": count, "ordered": whole, "end": False}


def end_noticed(who: str, of: str | None, limit: int) -> dict[str, Any]:
    """Waits until a connection's end is known: the monitor says so, and a ROUTER has forgotten the peer."""
    one = sockets[who]
    if not one.sees(zmq.EVENT_DISCONNECTED, limit):
        return {"word": "nothing"}
    until = time.monotonic() + PATIENCE / 1000
    while of is not None and one.knows(of):
        if time.monotonic() > until:
            return {"word": "nothing"}
        one.read_on(1)
    # It is "known" no more from its first sign of leaving; the rest comes with reading.
    one.read_on(SETTLING)
    return {"word": "noticed"}


def let_in(who: str) -> dict[str, Any]:
    """Waits until a ROUTER has one more connection."""
    one = sockets[who]
    seen = one.sees(zmq.EVENT_HANDSHAKE_SUCCEEDED, PATIENCE)
    one.socket.getsockopt(zmq.EVENTS)  # It takes in what its I/O thread has told it.
    return {"word": "done" if seen else "nothing"}


def close(who: str, linger: bool) -> dict[str, Any]:
    one = sockets.pop(who)
    one.socket.disable_monitor()
    one.socket.close(linger=-1 if linger else 0)
    return {"word": "done"}


COMMANDS = {
    command.__name__: command
    for command in (bind, connect, send, fill, receive, drain, end_noticed, let_in, close)
}


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        answer = COMMANDS[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)
    os._exit(0)  # Whoever held the leash is gone; what lingers does not matter.


main()
