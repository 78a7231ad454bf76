"""The client: register functions, submit tasks, wait for results.

A call is repeated while the platform is away or full, with growing, jittered pauses, until its time is over. That is
safe for every call: reads change nothing; a function registered twice is one unused id; and a task carries an id that
was made here, so the platform knows a repeated submit for the same one and the task is not run twice.

Submitting does not wait for the platform: `_courier` takes tasks there, and `_collector` brings their results.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Generic, TypedDict, TypeVar, cast

import dill
import requests
from requests.adapters import HTTPAdapter

from mpcsfaas import _courier, _ids, _pickling
from mpcsfaas._collector import POLL_S, Collector
from mpcsfaas._courier import Courier, Parcel
from mpcsfaas._wire import ANSWER_S, LONGEST_PAUSE_S, PAUSE_S, RETRIED, Wire
from mpcsfaas.errors import RequestFailed, TaskFailed, TaskTimeout, Unavailable, WorkerLost

R = TypeVar("R")

DEFAULT_URL = "http://127.0.0.1:8000"

# Connections that are kept alive.
_CONNECTIONS = 32
_CONNECT_S = 5.0


class ErrorInfo(TypedDict):
    """Why a task failed; see `TaskFailed`."""

    kind: str
    type: str | None
    message: str
    traceback: str | None
    exit_code: int | None
    signal: int | None


class Attempt(TypedDict):
    """One time that a task was given to a worker."""

    attempt: int
    worker: str | None
    dispatcher: str | None
    started_at: str | None
    ended_at: str | None
    reason: str | None


class Details(TypedDict):
    """All that the platform knows of a task."""

    task_id: str
    function_id: str
    status: str
    submitted_at: str
    finished_at: str | None
    attempts: list[Attempt]
    losses: int
    reason: str | None
    error: ErrorInfo | None
    output: str


class Client:
    """A platform, by its URL (or the environment's MPCSFAAS_URL).

    `timeout` is for how many seconds a call goes on trying while the platform is away or full; 0 tries once. A client
    may be shared by threads, keeps its connections alive, and is best closed: it is a context manager. A forked process
    may go on with its parent's client and handles.
    """

    def __init__(self, url: str | None = None, *, timeout: float = 60.0) -> None:
        self.url = (url or os.environ.get("MPCSFAAS_URL") or DEFAULT_URL).rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()
        self._connect()
        self._wire = Wire(self.url, self._session)
        self._courier = Courier(self._wire, timeout)
        self._collector = Collector(self._wire, self._courier, timeout)
        self._registered: weakref.WeakKeyDictionary[Callable[..., Any], Function[Any]] = weakref.WeakKeyDictionary()
        self._registering = threading.Lock()
        # The courier knows nothing of the client, so a client that nobody has any more is collected.
        weakref.finalize(self, self._courier.abandon).atexit = False
        _clients.add(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            # Whoever presses ^C does not want to wait for a platform that is away.
            self._courier.hurry()
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def flush(self) -> None:
        """Returns when the platform has accepted all that was submitted before.

        Raises the first refusal, unless its handle has raised it already; each other refused task's handle raises its
        own.
        """
        self._courier.flush()

    def close(self) -> None:
        """Sends what has been submitted and not left yet, and closes the connections.

        A closed client submits nothing more. Its handles can still be asked. Refusals that nobody has heard of are
        logged, by the logger `mpcsfaas`.
        """
        try:
            self._courier.close()
        finally:
            self._wire.close()
            self._session.close()

    def _connect(self) -> None:
        """Begins with no connections. The adapter does not retry: it would not know of deadlines."""
        adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def _forked(self) -> None:
        """Lets go of what belongs to the parent process: connections, locks, and what that will send."""
        self._registering = threading.Lock()
        self._connect()
        self._wire.hang_up()
        self._courier.forked()
        self._collector.forked()

    def register(
        self,
        func: Callable[..., R],
        name: str | None = None,
        timeout_s: float | None = None,
        at_most_once: bool = False,
    ) -> Function[R]:
        """Sends a function as it is now, with the globals it uses; what changes here later is not seen there.

        `timeout_s` bounds each run. A task lost with its worker is run again, unless `at_most_once`: then it fails.
        `submit` and `map` use the latest registration of a function object, and register one that has none.
        """
        self._courier.check_open()
        name = name or str(getattr(func, "__name__", type(func).__name__))
        body: dict[str, Any] = {"name": name, "payload": _pickling.encode(func), "client": _VERSIONS}
        if timeout_s is not None:
            body["timeout_s"] = timeout_s
        if at_most_once:
            body["at_most_once"] = True
        answer = self._call("POST", "/register_function", json=body)
        function: Function[R] = Function(self, answer["function_id"], name)
        try:
            self._registered[func] = function
        except TypeError:
            pass  # Some callables cannot be keys, or cannot be referred to weakly.
        return function

    def submit(self, func: Callable[..., R] | Function[R] | str, /, *args: Any, **kwargs: Any) -> TaskHandle[R]:
        """Submits one task: of a Function, of a function id, or of a function, which is registered when first seen.

        Returns at once. The task leaves at once, too, or together with others while a request is on its way. If the
        platform does not accept it, the handle says so: each of its calls raises `RequestFailed` (such as 404 for an
        unknown function) or `Unavailable`, and so does `flush`.
        """
        self._courier.check_open()
        task_id = _ids.draw()
        payload = _pickling.encode_arguments(args, kwargs)
        item = f'{{"function_id":{self._function(func)._json_id},"payload":"{payload}","task_id":"{task_id}"}}'
        parcel = Parcel(task_id, item.encode())
        self._courier.send(parcel)
        return TaskHandle(self, task_id, parcel)

    def map(
        self, func: Callable[[Any], R] | Function[R] | str, iterable: Iterable[Any], *, timeout: float | None = None
    ) -> Iterator[R]:
        """Submits a task for each item at once, and yields the results in the items' order.

        A task that failed or was not accepted raises where its result would come, and that ends the iteration; the
        other tasks run on. So does `TimeoutError`, when a result is not there `timeout` seconds after this call.
        """
        deadline = _deadline(timeout)
        function: Function[R] = self._function(func)
        return _in_order(deque([self.submit(function, item) for item in iterable]), deadline)

    def get(self, task_id: str) -> TaskHandle[Any]:
        """The handle of a task submitted earlier, perhaps by another process; its first use shows whether it exists."""
        return TaskHandle(self, task_id)

    def _function(self, func: Callable[..., R] | Function[R] | str) -> Function[R]:
        """What is meant by the first argument of submit and map."""
        if isinstance(func, Function):
            return func
        if isinstance(func, str):
            return Function(self, func, func)
        if not callable(func):
            raise TypeError(f"expected a function, a Function or a function id, not {type(func).__name__!r}")
        return self._latest(func) or self._register_once(func)

    def _register_once(self, func: Callable[..., R]) -> Function[R]:
        """Lets one of several threads that submit the same new function register it."""
        with self._registering:
            return self._latest(func) or self.register(func)

    def _latest(self, func: Callable[..., R]) -> Function[R] | None:
        try:
            return self._registered.get(func)
        except TypeError:
            return None

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        answer_s: float = ANSWER_S,
        deadline: float = float("inf"),
    ) -> dict[str, Any]:
        """One call, repeated until it is answered or the time is over; see the top of the module."""
        deadline = min(deadline, time.monotonic() + self.timeout)
        pause = PAUSE_S
        while True:
            asked_pause = 0.0
            try:
                response = self._session.request(
                    method, self.url + path, json=json, params=params, timeout=(_CONNECT_S, answer_s)
                )
                if response.status_code not in RETRIED:
                    return _answer(response)
                reason = f"HTTP {response.status_code}: {_detail(response)}"
                asked_pause = _retry_after(response)
            except requests.exceptions.SSLError:
                raise
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                reason = str(error)
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(f"{method} {self.url}{path}: {reason}")
            time.sleep(min(left, max(asked_pause, pause * random.uniform(0.5, 1.0))))
            pause = min(2 * pause, LONGEST_PAUSE_S)


class Function(Generic[R]):
    """A registered function. Calling it runs it on the platform and waits for the result."""

    def __init__(self, client: Client, id: str, name: str) -> None:
        self._client = client
        self.id = id
        self.name = name
        self._json_id = json.dumps(id)

    def __repr__(self) -> str:
        return f"<Function {self.name} {self.id}>"

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """Submits a task and waits for its result."""
        return self.submit(*args, **kwargs).result()

    def submit(self, *args: Any, **kwargs: Any) -> TaskHandle[R]:
        """As `Client.submit`."""
        return self._client.submit(self, *args, **kwargs)

    def map(self, iterable: Iterable[Any], *, timeout: float | None = None) -> Iterator[R]:
        """As `Client.map`."""
        return self._client.map(self, iterable, timeout=timeout)


class TaskHandle(Generic[R]):
    """A submitted task. Each call asks the platform, and first waits until that has accepted the task.

    If it has not, because it refused the task or was away or full for the client's `timeout`, each call raises that.
    """

    def __init__(self, client: Client, id: str, parcel: Parcel | None = None) -> None:
        self._client = client
        self._id = id
        # Of a task that was submitted here.
        self._parcel = parcel

    def __repr__(self) -> str:
        return f"<TaskHandle {self._id}>"

    @property
    def id(self) -> str:
        """By which the platform knows the task, from now on."""
        if self._parcel is not None:
            self._client._courier.arrive(self._parcel)
        return self._id

    def status(self) -> str:
        """QUEUED, RUNNING, COMPLETED or FAILED."""
        return str(self._client._call("GET", f"/status/{self.id}")["status"])

    def done(self) -> bool:
        """Whether the task has ended, well or not."""
        return self.status() in ("COMPLETED", "FAILED")

    def details(self) -> Details:
        """Everything about the task: attempts and where they ran, what it printed, why it waits or failed."""
        return cast(Details, self._client._call("GET", f"/v1/tasks/{self.id}"))

    def result(self, timeout: float | None = None) -> R:
        """Waits for the result, at most `timeout` seconds; raises `TaskFailed` if the task has none."""
        outcome = self._wait(_deadline(timeout))
        if outcome is None:
            raise TimeoutError(f"task {self._id} has no result after {timeout} s{self._why_not_accepted()}")
        return self._outcome(outcome)

    def _wait(self, deadline: float) -> dict[str, Any] | None:
        """The final answer, or None if there is none by then."""
        if self._parcel is not None:
            return self._client._collector.result(self._parcel, deadline)
        while True:
            left = deadline - time.monotonic()
            answer = self._poll(min(max(left, 0.0), POLL_S), deadline)
            if answer is not None or left <= 0:
                return answer

    def _why_not_accepted(self) -> str:
        if self._parcel is None or self._parcel.accepted:
            return ""
        return f"; it is not accepted yet: {self._client._courier.why_not_yet() or 'it is on its way'}"

    def _poll(self, wait: float, deadline: float) -> dict[str, Any] | None:
        """The final answer, or None if there is none after `wait` seconds."""
        answer = self._client._call(
            "GET",
            f"/result/{self._id}",
            params={"wait": f"{wait:.3f}"},
            answer_s=wait + ANSWER_S,
            deadline=deadline,
        )
        return answer if answer["status"] in ("COMPLETED", "FAILED") else None

    def _outcome(self, answer: dict[str, Any]) -> R:
        """Unpickles a result, or raises the failure."""
        if answer["status"] == "COMPLETED":
            return cast(R, _pickling.decode(answer["result"]))
        if answer["status"] == "UNKNOWN":
            raise RequestFailed(404, f"Task not found: {self._id} was accepted, and the platform has lost it since")
        error = answer["error"] if "error" in answer else self.details()["error"]
        if error is None:
            raise TaskFailed(self._id, "raised", "", str(_pickling.decode(answer["result"])))
        raise _FAILURES.get(error["kind"], TaskFailed)(
            self._id,
            error["kind"],
            error.get("type") or "",
            error["message"],
            error.get("traceback") or "",
            error.get("exit_code"),
            error.get("signal"),
        )


_VERSIONS = {"python": "{}.{}.{}".format(*sys.version_info[:3]), "dill": dill.__version__}

_FAILURES: Mapping[str, type[TaskFailed]] = {"timeout": TaskTimeout, "worker_lost": WorkerLost, "lost": WorkerLost}


def _in_order(handles: deque[TaskHandle[R]], deadline: float) -> Iterator[R]:
    """The results of a map. Those that have been yielded are not kept."""
    while handles:
        handle = handles.popleft()
        outcome = handle._wait(deadline)
        if outcome is None:
            raise TimeoutError(f"the results of a map did not come in time{handle._why_not_accepted()}")
        yield handle._outcome(outcome)


def _deadline(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout


def _answer(response: requests.Response) -> dict[str, Any]:
    """The body of a success; an error that a repetition would not change is raised."""
    if response.status_code >= 400:
        raise RequestFailed(response.status_code, _detail(response))
    return cast("dict[str, Any]", response.json())


def _detail(response: requests.Response) -> str:
    """The platform's {"detail": ...}, or what somebody in between sent instead."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or response.reason


def _retry_after(response: requests.Response) -> float:
    """The seconds that the platform asks to wait; dates, which it does not send, are ignored."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


# All that there are, for the sake of processes that fork.
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _forked() -> None:
    _courier.forked()
    _ids.forked()
    for client in list(_clients):
        client._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
