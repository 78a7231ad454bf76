"""One POST after the other over connections that are kept alive: what a batch of tasks travels by.

`requests` takes several times as long for a small call as the platform does. So the calls that there are many of go
through the standard library's HTTP client; everything else, and everything behind a proxy, goes through `requests`.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections import deque
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

_CONNECT_S = 5.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    retry_after: str
    body: bytes

    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Broken(Exception):
    """There was no answer: the platform is away, or the connection broke. Nobody knows what was done."""


class Wire:
    """Connections to one platform. Threads may share it; each call has a connection of its own while it lasts."""

    def __init__(self, url: str, session: requests.Session) -> None:
        parts = urlsplit(url)
        self._url, self._session = url, session
        self._host, self._port, self._secure = parts.hostname or "", parts.port, parts.scheme == "https"
        self._path = parts.path
        # Who has credentials in the URL or a proxy on the way is served by the library that knows about them.
        self._direct = parts.username is None and not requests.utils.get_environ_proxies(url)
        self._idle: deque[http.client.HTTPConnection] = deque()

    def close(self) -> None:
        """Closes the connections that nobody uses now."""
        while self._idle:
            self._idle.pop().close()

    def post(self, path: str, body: bytes, answer_s: float) -> Answer:
        """Sends JSON and waits so many seconds for the answer; raises `Broken` if there is none."""
        if not self._direct:
            return self._by_requests(path, body, answer_s)
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._over(self._connected(), path, body, answer_s)
        try:
            return self._over(connection, path, body, answer_s)
        except Broken as broken:
            # The platform may have closed it while it was idle. A request may be repeated: tasks carry their ids.
            if isinstance(broken.__cause__, socket.timeout):
                raise
            return self._over(self._connected(), path, body, answer_s)

    def _connected(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_CONNECT_S)
        try:
            connection.connect()
        except ssl.SSLError as error:
            raise requests.exceptions.SSLError(str(error)) from error
        except OSError as error:
            raise Broken(str(error)) from error
        return connection

    def _over(self, connection: http.client.HTTPConnection, path: str, body: bytes, answer_s: float) -> Answer:
        try:
            connection.sock.settimeout(answer_s)
            connection.request("POST", self._path + path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers.get("Retry-After", "0"), response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Broken(str(error) or type(error).__name__) from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _by_requests(self, path: str, body: bytes, answer_s: float) -> Answer:
        headers = {"Content-Type": "application/json"}
        try:
            response = self._session.post(self._url + path, body, headers=headers, timeout=(_CONNECT_S, answer_s))
        except requests.exceptions.SSLError:
            raise
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise Broken(str(error)) from error
        return Answer(response.status_code, response.headers.get("Retry-After", "0"), response.content)
