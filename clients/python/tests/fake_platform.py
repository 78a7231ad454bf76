"""A platform of one process: it speaks the HTTP contract, runs tasks right here, and misbehaves on request.

Tasks run one at a time in a thread, or not until told so (`hold`). A fault is used up by the next request whose path
begins with its prefix.
"""

from __future__ import annotations

import codecs
import io
import json
import socket
import sys
import threading
import traceback
import uuid
from collections import deque
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

import dill

TERMINAL = ("COMPLETED", "FAILED")


def pack(obj: object) -> str:
    return codecs.encode(dill.dumps(obj), "base64").decode()


def unpack(payload: str) -> Any:
    return dill.loads(codecs.decode(payload.encode(), "base64"))


@dataclass
class Fault:
    """What happens to one request.

    An error status; or this text for an answer, whatever was asked; or a connection cut before the answer, or in the
    middle of it. The latter two before or after the request was obeyed.
    """

    prefix: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    obey: bool = False
    text: str | None = None
    cut_short: bool = False


@dataclass
class Task:
    """A row of the store."""

    id: str
    function_id: str
    payload: str
    status: str = "QUEUED"
    result: str = ""
    error: dict[str, Any] | None = None
    output: str = ""


class Server(ThreadingHTTPServer):
    """Threads end with the test; a map connects many times at once."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Clients may hang up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


class FakePlatform:
    """Start it as a context manager; `url` is where it listens."""

    def __init__(self, port: int = 0) -> None:
        self.changed = threading.Condition()
        self.functions: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, Task] = {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.connections: set[tuple[str, int]] = set()
        self.sockets: set[socket.socket] = set()
        self.faults: deque[Fault] = deque()
        self.hold = False
        # As a gateway that has not the routes for many tasks.
        self.is_old = False
        # So many tasks are taken before the queue is full.
        self.room = 10**9
        # The largest body that is taken.
        self.body_limit = 10**9
        # Requests to this path are answered when it is reset.
        self.stalled: str | None = None
        self._server = Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakePlatform:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=self._run_tasks, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The bodies of all requests to a path."""
        with self.changed:
            return [body for _, seen, body in self.requests if seen == path]

    def batches(self) -> list[list[dict[str, Any]]]:
        """The tasks of each request that brought some."""
        return [body["tasks"] for body in self.bodies("/v1/tasks:batch")]

    def asked(self) -> list[list[str]]:
        """The ids of each request for results."""
        return [body["task_ids"] for body in self.bodies("/v1/results")]

    def change(self, **values: Any) -> None:
        """Behaves differently from now on."""
        with self.changed:
            for name, value in values.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def hang_up(self) -> None:
        """Ends all connections, as a restart does."""
        with self.changed:
            for connection in self.sockets:
                connection.shutdown(socket.SHUT_RDWR)
            self.sockets.clear()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Waits until something is true of the platform."""
        with self.changed:
            assert self.changed.wait_for(condition, 20)

    def finish(self, task: Task, *, result: object = None, error: dict[str, Any] | None = None) -> None:
        """Ends a held task."""
        with self.changed:
            task.error = error
            task.status = "FAILED" if error else "COMPLETED"
            task.result = pack(error["message"] if error else result)
            self.changed.notify_all()

    def _run_tasks(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: not self.hold and self._next() is not None)
                task = self._next()
                assert task is not None
                task.status = "RUNNING"
            output = io.StringIO()
            result, error = None, None
            with redirect_stdout(output), redirect_stderr(output):
                try:
                    args, kwargs = unpack(task.payload)
                    result = unpack(self.functions[task.function_id]["payload"])(*args, **kwargs)
                except BaseException as exc:
                    error = error_of(exc)
            task.output = output.getvalue()
            self.finish(task, result=result, error=error)

    def _next(self) -> Task | None:
        return next((task for task in self.tasks.values() if task.status == "QUEUED"), None)

    def submit(self, item: dict[str, Any]) -> tuple[int, str]:
        """Takes one task; says how that went, and why."""
        if item["function_id"] not in self.functions:
            return 404, "Function not found"
        if item["task_id"] not in self.tasks:
            if len(self.tasks) >= self.room:
                return 429, "the queue is full"
            self.tasks[item["task_id"]] = Task(item["task_id"], item["function_id"], item["payload"])
            self.changed.notify_all()
        return 200, ""

    def submit_many(self, items: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Takes a batch of tasks. One whose shape is wrong spoils it."""
        if not 1 <= len(items) <= 1000 or any(item["function_id"] == "no-uuid" for item in items):
            return 422, {"detail": [{"loc": ["body", "tasks"]}]}
        tasks: list[dict[str, Any]] = []
        for item in items:
            status, detail = self.submit(item)
            refusal = {} if status == 200 else {"status": status, "detail": detail}
            tasks.append({"task_id": item["task_id"], **refusal})
        return 200, {"tasks": tasks}

    def results(self, asked: list[str], wait: float) -> tuple[int, dict[str, Any]]:
        """Waits for the first of some tasks to end; tells all that have."""

        def ended() -> list[str]:
            return [id for id in asked if id not in self.tasks or self.tasks[id].status in TERMINAL]

        self.changed.wait_for(ended, wait)
        results: list[dict[str, Any]] = []
        for task_id in ended():
            task = self.tasks.get(task_id)
            if task is None:
                results.append({"task_id": task_id, "status": "UNKNOWN", "result": ""})
            else:
                error = {} if task.error is None else {"error": task.error}
                results.append({"task_id": task.id, "status": task.status, "result": task.result, **error})
        return 200, {"results": results}

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Obeys one request."""
        url = urlsplit(target)
        _, call, *rest = url.path.split("/")
        with self.changed:
            if (method, call) == ("POST", "register_function"):
                function_id = str(uuid.uuid4())
                self.functions[function_id] = body
                return 200, {"function_id": function_id}
            if (method, call) == ("POST", "execute_function"):
                body.setdefault("task_id", str(uuid.uuid4()))
                status, detail = self.submit(body)
                return status, {"task_id": body["task_id"]} if status == 200 else {"detail": detail}
            if (method, url.path) == ("POST", "/v1/tasks:batch") and not self.is_old:
                return self.submit_many(body["tasks"])
            if (method, url.path) == ("POST", "/v1/results") and not self.is_old:
                return self.results(body["task_ids"], body["wait"])
            if method == "POST":
                return 405, {"detail": "Method Not Allowed"}
            task_or_none = self.tasks.get(rest[-1]) if rest else None
            if task_or_none is None:
                return 404, {"detail": "Task not found"}
            task = task_or_none
            if call == "result":
                wait = float(parse_qs(url.query).get("wait", ["0"])[0])
                self.changed.wait_for(lambda: task.status in TERMINAL, wait)
                return 200, {"task_id": task.id, "status": task.status, "result": task.result}
            if call == "status":
                return 200, {"task_id": task.id, "status": task.status}
            return 200, {
                "task_id": task.id,
                "function_id": task.function_id,
                "status": task.status,
                "submitted_at": "2026-01-01T00:00:00.000Z",
                "finished_at": None,
                "attempts": [],
                "losses": 0,
                "reason": None,
                "error": task.error,
                "output": task.output,
            }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # Head and body in one packet.

            def finish(self) -> None:
                with platform.changed:
                    platform.sockets.discard(self.connection)
                super().finish()

            def log_message(self, *_: object) -> None:
                pass

            def handle_request(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                body = json.loads(self.rfile.read(length) or b"{}")
                with platform.changed:
                    platform.requests.append((self.command, urlsplit(self.path).path, body))
                    platform.connections.add(self.client_address)
                    platform.sockets.add(self.connection)
                    platform.changed.notify_all()
                    platform.changed.wait_for(lambda: platform.stalled is None or platform.stalled not in self.path)
                    faults = platform.faults
                    fault = faults.popleft() if faults and self.path.startswith(faults[0].prefix) else None
                if length > platform.body_limit:
                    self.reply(413, {"detail": "too large"})
                elif fault is None:
                    self.reply(*platform.answer(self.command, self.path, body))
                else:
                    self.fail(fault, body)

            def fail(self, fault: Fault, body: dict[str, Any]) -> None:
                if fault.obey:
                    platform.answer(self.command, self.path, body)
                if fault.status is not None:
                    self.reply(fault.status, {"detail": "no"}, fault.headers)
                elif fault.text is not None:
                    self.write(200, fault.text.encode())
                elif fault.cut_short:
                    self.write(200, b'{"tasks": [', {"Content-Length": "1000"})
                    self.close_connection = True
                else:
                    self.close_connection = True

            do_GET = do_POST = handle_request

            def reply(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
                self.write(status, json.dumps(value).encode(), headers)

            def write(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, text in {"Content-Length": str(len(data)), **(headers or {})}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(data)

        return Handler


def error_of(exc: BaseException) -> dict[str, Any]:
    """The error of a task as the platform reports it."""
    return {
        "kind": "exit" if isinstance(exc, SystemExit) else "raised",
        "type": type(exc).__name__,
        "message": str(exc),
        "traceback": "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)),
        "exit_code": exc.code if isinstance(exc, SystemExit) else None,
        "signal": None,
    }
