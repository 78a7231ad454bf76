"""Requests over connections that are kept alive: what a batch of tasks travels by.

`requests` takes several times as long for a small call as the platform does. So the calls that there are many of go
through `_http`; everything else, and everything behind a proxy, goes through `requests`.
"""

from __future__ import annotations

import json
import os
import random
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit

import certifi  # With `requests`, as its own.
import requests
import requests.utils

from mpcsfaas._http import Connection, NotHttp

# Busy (429), away (503), and a proxy's ways to say the same.
RETRIED = frozenset({429, 502, 503, 504})
# How much longer than it may take by contract an answer is waited for.
ANSWER_S = 15.0
PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0

_CONNECT_S = 5.0
# So many are kept alive.
_IDLE_LIMIT = 32
_HEADERS = {"Content-Type": "application/json"}


class Request(NamedTuple):
    """What is asked, and for how many seconds at most an answer is waited for."""

    method: str
    path: str
    body: bytes | None
    answer_s: float


class Answer(NamedTuple):
    """What came back."""

    status: int
    retry_after: str
    body: bytes

    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    def detail(self) -> str:
        """The platform's {"detail": ...}, or what somebody in between sent instead."""
        try:
            return str(self.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return self.body[:200].decode(errors="replace")


class TryAgain(Exception):
    """The platform is away or full, or did not answer as it does. Nobody knows what was done; repeating is safe."""

    def __init__(self, reason: str, after_s: float = 0.0, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.status = status


class Trouble:
    """Since when the platform is away or full, and when to try again: after growing, jittered pauses."""

    def __init__(self) -> None:
        self.over()

    def over(self) -> None:
        """It has answered."""
        self.since: float | None = None
        self.latest = 0.0
        self.reason = ""
        self.again_at = 0.0
        self._pause = PAUSE_S

    def came(self, failure: TryAgain, asked: float, timeout: float) -> None:
        """It has not, and who asked then tries for so long."""
        self.latest = time.monotonic()
        if self.since is None:
            self.since = self.latest
        self.reason = failure.reason
        left = timeout - self.lasted(asked)
        pause = max(failure.after_s, self._pause * random.uniform(0.5, 1.0))
        self.again_at = self.latest + max(0.0, min(pause, left))
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)

    def lasted(self, asked: float) -> float:
        """For how long who asked then had been asking in vain at the latest try; less than 0 if not since then."""
        return -1.0 if self.since is None else self.latest - max(self.since, asked)


class Wire:
    """Connections to one platform. Threads may share it; each call has a connection of its own while it lasts."""

    def __init__(self, url: str, session: requests.Session) -> None:
        parts = urlsplit(url)
        self._url, self._session = url, session
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._path = parts.path
        self._host_header = parts.netloc.rpartition("@")[2]
        # Credentials, proxies and URLs that are none are left to the library that knows about them.
        self._direct = (
            parts.scheme in ("http", "https")
            and bool(self._host)
            and not parts.query
            and parts.username is None
            and requests.utils.get_netrc_auth(url) is None
            and requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url, no_proxy=None)) is None
        )
        self._context: ssl.SSLContext | None = None
        self._idle: deque[Connection] = deque()
        self._closed = False

    def close(self) -> None:
        """Closes the connections that nobody uses now, and from now on keeps none."""
        self._closed = True
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connections that nobody uses now; in a forked process, those that belong to its parent."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return  # Another thread has taken the last one.

    def ask(self, method: str, path: str, body: bytes | None, answer_s: float) -> Answer:
        """Sends JSON and waits so many seconds for an answer that is worth one."""
        return self._worth(Request(method, path, body, answer_s), self._send)

    def ask_both(self, first: Request, second: Request) -> tuple[Answer, Callable[[], Answer]]:
        """Sends one request right after the other, on one connection, before either is answered (RFC 9112, 9.3.2).

        Returns the first answer, and what to call for the second one. Both have to be safe to repeat.
        """
        if not self._direct:
            return self._worth(first, self._send), lambda: self._worth(second, self._send)
        connections: list[Connection] = []

        def ask_first(request: Request) -> Answer:
            connection, answer, keeps = self._over_one(request, second)
            if keeps and not 300 <= answer.status < 400:
                connections.append(connection)
            else:
                connection.close()
            return self._followed(request, answer)

        def ask_second(request: Request) -> Answer:
            if not connections:
                return self._send(request)
            try:
                return self._kept(connections[0], *self._received(connections[0], request))
            except _Broken as broken:
                if isinstance(broken.__cause__, socket.timeout):
                    raise
                return self._send(request)  # Who stands in between may have taken the first request only.

        try:
            answer = self._worth(first, ask_first)
        except BaseException:
            for connection in connections:
                connection.close()
            raise
        return answer, lambda: self._worth(second, ask_second)

    def _worth(self, request: Request, send: Callable[[Request], Answer]) -> Answer:
        """An answer that is the platform's."""
        what = f"{request.method} {self._url}{request.path}"
        try:
            answer = send(request)
        except _Broken as broken:
            raise TryAgain(f"{what}: {broken}") from None
        if answer.status in RETRIED:
            reason = f"{what}: HTTP {answer.status}: {answer.detail()}"
            raise TryAgain(reason, _seconds(answer.retry_after), answer.status)
        return answer

    def _send(self, request: Request) -> Answer:
        if not self._direct:
            return self._by_requests(request)
        return self._followed(request, self._kept(*self._over_one(request)))

    def _followed(self, request: Request, answer: Answer) -> Answer:
        """The answer, or that of the place that it points to."""
        if not 300 <= answer.status < 400:
            return answer
        self._direct = False
        return self._by_requests(request)

    def _over_one(self, *asked: Request) -> tuple[Connection, Answer, bool]:
        """As `_over`, on a connection that is idle, or on a new one."""
        try:
            connection = self._idle.pop()
        except IndexError:
            pass
        else:
            try:
                return connection, *self._over(connection, *asked)
            except _Broken as broken:
                # The platform may have closed it while it was idle.
                if isinstance(broken.__cause__, socket.timeout):
                    raise
        connection = self._connected()
        return connection, *self._over(connection, *asked)

    def _connected(self) -> Connection:
        try:
            sock = socket.create_connection((self._host, self._port), _CONNECT_S)
        except OSError as error:
            raise _Broken(str(error) or type(error).__name__) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                if self._context is None:
                    self._context = _tls()
                sock = self._context.wrap_socket(sock, server_hostname=self._host)
            return Connection(sock, self._host_header)
        except ssl.SSLError as error:
            sock.close()
            raise requests.exceptions.SSLError(str(error)) from error
        except OSError as error:
            sock.close()
            raise _Broken(str(error) or type(error).__name__) from error
        except BaseException:
            sock.close()
            raise

    def _over(self, connection: Connection, *asked: Request) -> tuple[Answer, bool]:
        """Sends requests over a connection; the answer to the first, and whether the connection can be used on."""
        sent = True
        with _usable_or_closed(connection):
            data = [connection.request(one.method, self._path + one.path, one.body) for one in asked]
            try:
                connection.send(b"".join(data), asked[0].answer_s)
            except (BrokenPipeError, ConnectionResetError):
                sent = False  # Who takes no more of a request may have said why.
        answer, keeps = self._received(connection, asked[0])
        return answer, sent and keeps

    def _received(self, connection: Connection, request: Request) -> tuple[Answer, bool]:
        """The next answer over a connection, and whether there may be another."""
        with _usable_or_closed(connection):
            status, retry_after, body, keeps = connection.receive(request.answer_s)
        return Answer(status, retry_after, body), keeps

    def _kept(self, connection: Connection, answer: Answer, keeps: bool) -> Answer:
        if keeps and not self._closed and len(self._idle) < _IDLE_LIMIT:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _by_requests(self, request: Request) -> Answer:
        method, path, body, answer_s = request
        try:
            response = self._session.request(
                method, self._url + path, data=body, headers=_HEADERS, timeout=(_CONNECT_S, answer_s)
            )
        except requests.exceptions.SSLError:
            raise
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _Broken(str(error)) from error
        return Answer(response.status_code, response.headers.get("Retry-After", "0"), response.content)


class _Broken(Exception):
    """There was no answer: the platform is away, or the connection broke."""


@contextmanager
def _usable_or_closed(connection: Connection) -> Iterator[None]:
    """Closes a connection that fails, or is left with half of an answer to come, as after ^C."""
    try:
        yield
    except (OSError, NotHttp) as error:
        connection.close()
        raise _Broken(str(error) or type(error).__name__) from error
    except BaseException:
        connection.close()
        raise


def _tls() -> ssl.SSLContext:
    """Trusts whom `requests` would trust."""
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    context = (
        ssl.create_default_context(capath=trusted)
        if os.path.isdir(trusted)
        else ssl.create_default_context(cafile=trusted)
    )
    context.set_alpn_protocols(["http/1.1"])
    return context


def _seconds(text: str) -> float:
    """The seconds that the platform asks to wait; dates, which it does not send, are ignored."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
