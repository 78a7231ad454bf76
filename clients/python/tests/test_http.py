"""HTTP/1.1 as the client reads it, and two requests in one breath."""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable

import pytest

from mpcsfaas import Client, _wire
from mpcsfaas._http import Connection, NotHttp
from mpcsfaas._pickling import encode_line

FIRST = _wire.Request("POST", "/first", b"{}", 20)
SECOND = _wire.Request("POST", "/second", b"[]", 20)


def response(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


class Server:
    """Serves one connection after the other, as a test says."""

    def __init__(self, listener: socket.socket, pool: ThreadPoolExecutor) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener, self._pool = listener, pool

    def is_called(self) -> bool:
        """Whether there is a connection that nobody has served."""
        return bool(select.select([self._listener], [], [], 0)[0])

    def serve(self, *connections: Callable[[socket.socket], None]) -> Future[None]:
        """What each connection in turn meets; the result says whether all went as they expected."""

        def run() -> None:
            for meet in connections:
                connection, _ = self._listener.accept()
                connection.settimeout(20)
                with connection:
                    meet(connection)

        return self._pool.submit(run)


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(20)
        yield Server(listener, pool)


def until(connection: socket.socket, end: bytes) -> bytes:
    """Receives until this has come."""
    data = b""
    while end not in data:
        more = connection.recv(65_536)
        assert more, f"closed after {data!r}"
        data += more
    return data


def answer_to(text: bytes) -> tuple[int, str, bytes, bool]:
    """What a connection makes of the bytes that a server sends before it closes."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(text)
    connection = Connection(ours, "host")
    try:
        return connection.receive(20)
    finally:
        connection.close()


class TestFraming:
    """Where an answer ends (RFC 9112, 6.3)."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (response(b"whole"), (200, "0", b"whole", True)),
            (response(b"x", "Connection: close"), (200, "0", b"x", False)),
            (response(b"x", "RETRY-AFTER:  7 "), (200, "7", b"x", True)),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, "0", b"x", False)),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"x"), (200, "0", b"x", True)),
            (b"HTTP/1.1 204 No Content\r\n\r\n", (204, "0", b"", True)),
            (b"HTTP/1.1 200 OK\r\n\r\nto the end", (200, "0", b"to the end", False)),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
                (200, "0", b"abc0123456789", True),
            ),
        ],
    )
    def test_answers(self, text: bytes, expected: tuple[int, str, bytes, bool]) -> None:
        assert answer_to(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + 200 * b"A: b\r\n" + b"\r\n",
            b"HTTP/1.1 200 " + 70_000 * b"O" + b"\r\n\r\n",
        ],
    )
    def test_what_is_none(self, text: bytes) -> None:
        with pytest.raises(NotHttp):
            answer_to(text)


class TestInOneBreath:
    """Two requests are sent before either is answered."""

    def test_both_are_there_before_the_first_answer(self, server: Server) -> None:
        def both(connection: socket.socket) -> None:
            assert re.search(rb"POST /first .*POST /second ", until(connection, b"[]"), re.S)
            connection.sendall(response(b"1"))
            connection.sendall(response(b"2"))
            assert b"POST /first" in until(connection, b"{}")  # It is used again.
            connection.sendall(response(b"3"))

        served = server.serve(both)
        wire = Client(server.url)._wire
        answer, second = wire.ask_both(FIRST, SECOND)
        assert [answer.body, second().body] == [b"1", b"2"]
        assert wire.ask(*FIRST).body == b"3"
        served.result(20)

    def test_who_answers_one_and_closes_is_asked_again(self, server: Server) -> None:
        def one(connection: socket.socket) -> None:
            until(connection, b"[]")
            connection.sendall(response(b"1"))

        def other(connection: socket.socket) -> None:
            assert b"/first" not in until(connection, b"[]")
            connection.sendall(response(b"2"))

        served = server.serve(one, other)
        answer, second = Client(server.url)._wire.ask_both(FIRST, SECOND)
        assert [answer.body, second().body] == [b"1", b"2"]
        served.result(20)

    @pytest.mark.parametrize("is_second", [False, True])
    def test_who_is_silent_is_not_asked_over_another_connection(self, server: Server, is_second: bool) -> None:
        """It may be at work on it."""

        def silent(connection: socket.socket) -> None:
            data = until(connection, b"{}")
            connection.sendall(response(b"1"))
            assert b"[]" in data or until(connection, b"[]")
            assert connection.recv(1) == b""  # Until it is given up.

        served = server.serve(silent)
        wire = Client(server.url)._wire
        hurried = SECOND._replace(answer_s=0.1)
        if is_second:
            _, ask = wire.ask_both(FIRST, hurried)
        else:
            wire.ask(*FIRST)
            ask = lambda: wire.ask(*hurried)  # noqa: E731
        with pytest.raises(_wire.TryAgain, match="timed out"):
            ask()
        served.result(20)
        assert not server.is_called()

    def test_a_refusal_leaves_no_connection_with_an_answer_to_come(self, server: Server) -> None:
        def busy(connection: socket.socket) -> None:
            until(connection, b"[]")
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            assert connection.recv(1) == b""

        served = server.serve(busy)
        wire = Client(server.url)._wire
        with pytest.raises(_wire.TryAgain, match="503"):
            wire.ask_both(FIRST, SECOND)
        served.result(20)
        assert not wire._idle

    def test_a_lone_task_and_its_result(self, server: Server) -> None:
        """The platform has the question before it has accepted the task, and may let the answer wait."""

        def registering(connection: socket.socket) -> None:
            until(connection, b"register_function")
            connection.sendall(response(b'{"function_id": "f", "status": "registered"}', "Connection: close"))

        def running(connection: socket.socket) -> None:
            text = until(connection, b'"wait":')
            asked = json.loads(text[text.index(b'{"task_ids"') :])
            task_id = asked["task_ids"][0]
            assert 0 < asked["wait"] <= 20
            connection.sendall(response(json.dumps({"tasks": [{"task_id": task_id}]}).encode()))
            result = {"task_id": task_id, "status": "COMPLETED", "result": encode_line("done")}
            connection.sendall(response(json.dumps({"results": [result]}).encode()))

        served = server.serve(registering, running)
        with Client(server.url) as client:
            function = client.register(abs)
            # The thread that sends what nobody waits for may not be faster than who waits.
            client._courier._start = lambda: True  # type: ignore[method-assign]
            assert function.submit(1).result(20) == "done"
        served.result(20)
