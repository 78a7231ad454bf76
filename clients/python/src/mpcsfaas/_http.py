"""HTTP/1.1 over one connection that is kept alive: what a small JSON call needs of it, and nothing else.

The standard library's client reads the header of an answer as it would read that of an e-mail, and the whole call takes
five times as long as this. A lone task's round trip is two calls, so that was half of what it took.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

# As many bytes in a line, and lines in a header, as the standard library takes.
_LINE_LIMIT = 65_536
_HEADER_LIMIT = 100


class NotHttp(Exception):
    """What came is no HTTP/1.1 answer, or only a part of one."""


class Response(NamedTuple):
    """An answer."""

    status: int
    retry_after: str
    body: bytes
    # Whether the connection may be used again.
    keeps: bool


class Connection:
    """A connection to a server, whose socket it owns. Requests may be sent before earlier ones have been answered."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._socket = sock
        self._file = sock.makefile("rb")
        self._rest = f" HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"

    def close(self) -> None:
        """Ends it."""
        self._file.close()
        self._socket.close()

    def request(self, method: str, path: str, body: bytes | None) -> bytes:
        """A request as it is sent."""
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        return f"{method} {path}{self._rest}{length}\r\n".encode("ascii") + (body or b"")

    def send(self, requests: bytes, timeout: float) -> None:
        """Sends what `request` made, or several one after the other. Raises OSError."""
        self._socket.settimeout(timeout)
        self._socket.sendall(requests)

    def receive(self, timeout: float) -> Response:
        """The next answer; raises OSError or `NotHttp`. `timeout` bounds each silence, not the whole."""
        self._socket.settimeout(timeout)
        status = 100
        while 100 <= status < 200:  # Interim answers (RFC 9110, 15.2).
            version, status = self._status()
            header = self._header()
        body, delimited = self._body(status, header)
        connection = header.get(b"connection", b"keep-alive" if version == b"HTTP/1.1" else b"close")
        keeps = delimited and b"close" not in connection.lower()
        return Response(status, header.get(b"retry-after", b"0").decode("latin-1"), body, keeps)

    def _line(self) -> bytes:
        line = self._file.readline(_LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise NotHttp("the connection was closed before the end of an answer" if line else "no answer")
        return line.rstrip(b"\r\n")

    def _status(self) -> tuple[bytes, int]:
        version, _, rest = self._line().partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise NotHttp("what came is not HTTP/1.1")
        return version, int(rest[:3])

    def _header(self) -> dict[bytes, bytes]:
        header: dict[bytes, bytes] = {}
        for _ in range(_HEADER_LIMIT):
            line = self._line()
            if not line:
                return header
            name, _, value = line.partition(b":")
            header[name.lower()] = value.strip()
        raise NotHttp("an answer with too many headers")

    def _body(self, status: int, header: dict[bytes, bytes]) -> tuple[bytes, bool]:
        """The body, and whether its end was marked by more than the end of the connection (RFC 9112, 6.3)."""
        if status in (204, 304):
            return b"", True
        if b"chunked" in header.get(b"transfer-encoding", b"").lower():
            return self._chunks(), True
        length = header.get(b"content-length")
        if length is None:
            return self._file.read(), False
        return self._exactly(_number(length, 10)), True

    def _chunks(self) -> bytes:
        chunks = []
        while size := _number(self._line().partition(b";")[0], 16):
            chunks.append(self._exactly(size))
            self._line()
        self._header()  # The trailer.
        return b"".join(chunks)

    def _exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise NotHttp(f"{len(data)} of {length} bytes, then the connection was closed")
        return data


def _number(digits: bytes, base: int) -> int:
    try:
        return int(digits, base)
    except ValueError:
        raise NotHttp("an answer without a length") from None
