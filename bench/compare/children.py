"""Child processes and free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_S = 60.0
GRACE_S = 8.0


class Server:
    """A child process whose output goes to a file; in a group of its own, so that ^C does not reach it before us."""

    def __init__(
        self, name: str, command: Sequence[object], logs: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Returns when it is ready; raises if it ends before, or takes too long."""
        deadline = time.monotonic() + START_S
        while not ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} was not ready after {START_S:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Asks it to end, waits a while, and kills what is left of its group."""
        self._signal(number)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").strip()[-300:]


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def redis_server(binary: Path, port: int, logs: Path) -> Server:
    """A Redis that keeps nothing on disk. Returns when it answers."""
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", logs]
    server = Server("redis", [binary, *options], logs)
    server.wait_until(lambda: ask_redis(port, "PING") == "+PONG")
    return server


def ask_redis(port: int, command: str) -> str | None:
    """The first line of its answer, or nothing if it cannot be reached."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.makefile().readline().strip()
    except OSError:
        return None
