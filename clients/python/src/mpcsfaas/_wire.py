"""Requests over connections that are kept alive: what a batch of tasks travels by.

`requests` takes several times as long for a small call as the platform does. So the calls that there are many of go
through the standard library's HTTP client; everything else, and everything behind a proxy, goes through `requests`.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import ssl
import time
from collections import deque
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import certifi  # With `requests`, as its own.
import requests
import requests.utils

# Busy (429), away (503), and a proxy's ways to say the same.
RETRIED = frozenset({429, 502, 503, 504})
# How much longer than it may take by contract an answer is waited for.
ANSWER_S = 15.0
PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0

_CONNECT_S = 5.0
# So many are kept alive.
_IDLE_LIMIT = 32
_HEADERS = {"Content-Type": "application/json"}


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
        self._idle: deque[http.client.HTTPConnection] = deque()
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
        try:
            answer = self._send(method, path, body, answer_s)
        except _Broken as broken:
            raise TryAgain(f"{method} {self._url}{path}: {broken}") from None
        if answer.status in RETRIED:
            reason = f"{method} {self._url}{path}: HTTP {answer.status}: {answer.detail()}"
            raise TryAgain(reason, _seconds(answer.retry_after), answer.status)
        return answer

    def _send(self, method: str, path: str, body: bytes | None, answer_s: float) -> Answer:
        if not self._direct:
            return self._by_requests(method, path, body, answer_s)
        try:
            connection = self._idle.pop()
        except IndexError:
            answer = self._over(self._connected(), method, path, body, answer_s)
        else:
            try:
                answer = self._over(connection, method, path, body, answer_s)
            except _Broken as broken:
                # The platform may have closed it while it was idle.
                if isinstance(broken.__cause__, socket.timeout):
                    raise
                answer = self._over(self._connected(), method, path, body, answer_s)
        if 300 <= answer.status < 400:
            self._direct = False
            return self._by_requests(method, path, body, answer_s)
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._secure:
            if self._context is None:
                self._context = _tls()
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=_CONNECT_S, context=self._context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT_S)
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            raise requests.exceptions.SSLError(str(error)) from error
        except OSError as error:
            connection.close()
            raise _Broken(str(error) or type(error).__name__) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _over(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, answer_s: float
    ) -> Answer:
        whole = True
        try:
            connection.sock.settimeout(answer_s)
            try:
                connection.request(method, self._path + path, body, _HEADERS)
            except (BrokenPipeError, ConnectionResetError):
                whole = False  # Who takes no more of a request may have said why.
            response = connection.getresponse()
            answer = Answer(response.status, response.headers.get("Retry-After", "0"), response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Broken(str(error) or type(error).__name__) from error
        except BaseException:
            # ^C, and half of the answer may still come.
            connection.close()
            raise
        if whole and not response.will_close and not self._closed and len(self._idle) < _IDLE_LIMIT:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _by_requests(self, method: str, path: str, body: bytes | None, answer_s: float) -> Answer:
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
