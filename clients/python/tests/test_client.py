"""The client against a fake platform: the contract, repetition, waiting, and failures."""

from __future__ import annotations

import gc
import pickle
import socket
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dill
import pytest
import requests
from fake_platform import FakePlatform, Fault, unpack

from mpcsfaas import Client, RequestFailed, TaskFailed, TaskTimeout, Unavailable, WorkerLost


def add(a: int, b: int = 0) -> int:
    return a + b


class TestContract:
    """What goes over the wire."""

    def test_register(self, client: Client, platform: FakePlatform) -> None:
        function = client.register(add, timeout_s=1.5, at_most_once=True)
        (body,) = platform.bodies("/register_function")
        payload = body.pop("payload")
        assert unpack(payload)(1, 2) == 3
        assert all(len(line) <= 76 for line in payload.splitlines())
        assert body == {
            "name": "add",
            "timeout_s": 1.5,
            "at_most_once": True,
            "client": {"python": "{}.{}.{}".format(*sys.version_info[:3]), "dill": dill.__version__},
        }
        assert function.id in platform.functions
        assert function.name == "add"

    def test_register_sends_only_the_options_that_are_set(self, client: Client, platform: FakePlatform) -> None:
        client.register(add, name="sum")
        (body,) = platform.bodies("/register_function")
        assert sorted(body) == ["client", "name", "payload"]
        assert body["name"] == "sum"

    def test_submit(self, client: Client, platform: FakePlatform) -> None:
        handle = client.submit(add, 1, b=2)
        assert handle.result(20) == 3
        ((item,),) = platform.batches()
        assert unpack(item["payload"]) == ((1,), {"b": 2})
        assert handle.id == item["task_id"] == str(uuid.UUID(item["task_id"]))
        assert handle.status() == "COMPLETED"
        assert handle.done()
        assert handle.details()["error"] is None

    def test_submit_by_function_and_by_id(self, client: Client) -> None:
        function = client.register(add)
        assert client.submit(function, 1).result(20) == 1
        assert client.submit(function.id, 2).result(20) == 2
        assert function.submit(3).result(20) == 3
        assert function(4, b=1) == 5

    def test_no_keyword_is_taken_from_the_function(self, client: Client) -> None:
        def echo(**kwargs: Any) -> dict[str, Any]:
            return kwargs

        names = {"func": 1, "timeout": 2, "self": 3, "client": 4}
        assert client.submit(echo, **names).result(20) == names

    def test_what_is_not_a_function(self, client: Client) -> None:
        with pytest.raises(TypeError, match="not 'int'"):
            client.submit(5)  # type: ignore[call-overload, unused-ignore, arg-type]

    def test_get(self, client: Client) -> None:
        assert client.get(client.submit(add, 1).id).result(20) == 1

    def test_url_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Client().url == "http://127.0.0.1:8000"
        monkeypatch.setenv("MPCSFAAS_URL", "http://there:1/")
        assert Client().url == "http://there:1"
        assert Client("http://here:2").url == "http://here:2"


class TestRegistering:
    """A function object is registered once, and forgotten with the object."""

    def test_once_for_many_submits(self, client: Client, platform: FakePlatform) -> None:
        with ThreadPoolExecutor(8) as pool:
            for handle in list(pool.map(lambda n: client.submit(add, n), range(40))):
                handle.result(20)
        assert len(platform.functions) == 1

    def test_again_when_told_to(self, client: Client, platform: FakePlatform) -> None:
        latest = [client.register(add) for _ in range(2)][-1]
        client.submit(add, 1).result(20)
        assert len(platform.functions) == 2
        assert platform.batches()[0][0]["function_id"] == latest.id

    def test_not_kept_alive(self, client: Client) -> None:
        client.submit(lambda: 1)
        gc.collect()
        assert len(client._registered) == 0

    def test_callables_that_cannot_be_keys(self, client: Client, platform: FakePlatform) -> None:
        class Unhashable:
            __hash__ = None  # type: ignore[assignment]

            def __call__(self) -> str:
                return "called"

        assert client.submit(Unhashable()).result(20) == "called"


class TestRepeating:
    """A call is repeated while that can help, and never runs a task twice."""

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_busy_and_away(self, client: Client, platform: FakePlatform, status: int) -> None:
        function = client.register(add)
        platform.faults.extend([Fault("/v1/tasks:batch", status)] * 2 + [Fault("/v1/results", status)] * 2)
        assert function.submit(1).result(20) == 1
        assert len(platform.batches()) == 3
        # One more may have left together with the first try; the next left when the task had been accepted.
        assert len(platform.asked()) - 3 in (0, 1)

    def test_retry_after_is_waited_for(self, client: Client, platform: FakePlatform) -> None:
        platform.faults.append(Fault("/register_function", 503, {"Retry-After": "0.3"}))
        began = time.monotonic()
        client.register(add)
        assert time.monotonic() - began >= 0.3

    @pytest.mark.parametrize("obey", [False, True])
    @pytest.mark.parametrize("cut_short", [False, True])
    def test_a_connection_that_breaks_in_the_middle(
        self, client: Client, platform: FakePlatform, obey: bool, cut_short: bool
    ) -> None:
        """Also when the platform took the task before: the second submit names the same one."""
        function = client.register(add)
        platform.faults.append(Fault("/v1/tasks:batch", obey=obey, cut_short=cut_short))
        handle = function.submit(1)
        assert handle.result(20) == 1
        (first,), (second,) = platform.batches()
        assert first["task_id"] == second["task_id"] == handle.id
        assert list(platform.tasks) == [handle.id]

    @pytest.mark.parametrize("status", [400, 404, 413, 422, 500])
    def test_errors_that_stay(self, client: Client, platform: FakePlatform, status: int) -> None:
        platform.faults.append(Fault("/register_function", status))
        with pytest.raises(RequestFailed, match=f"HTTP {status}: no") as caught:
            client.register(add)
        assert (caught.value.status_code, caught.value.detail) == (status, "no")
        assert len(platform.bodies("/register_function")) == 1

    def test_unknown_ids(self, client: Client) -> None:
        with pytest.raises(RequestFailed, match="404: Function not found"):
            client.submit(str(uuid.uuid4())).result(20)
        with pytest.raises(RequestFailed, match="404: Task not found"):
            client.get(str(uuid.uuid4())).result()

    def test_gives_up_when_the_time_is_over(self, platform: FakePlatform) -> None:
        platform.faults.extend([Fault("/register_function", 503, {"Retry-After": "1000"})] * 100)
        with Client(platform.url, timeout=0.2) as client, pytest.raises(Unavailable, match="HTTP 503: no"):
            client.register(add)

    def test_nobody_there(self) -> None:
        with Client(f"http://127.0.0.1:{unused_port()}", timeout=0.2) as client:
            with pytest.raises(Unavailable, match="refused"):
                client.register(add)
            with pytest.raises(TimeoutError):
                client.get(str(uuid.uuid4())).result(timeout=0.1)

    def test_a_platform_that_comes_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        port = unused_port()
        tried = threading.Event()
        with Client(f"http://127.0.0.1:{port}", timeout=20) as client, ThreadPoolExecutor(1) as pool:
            request = client._session.request

            def trying(*args: Any, **kwargs: Any) -> requests.Response:
                try:
                    return request(*args, **kwargs)
                finally:
                    tried.set()

            monkeypatch.setattr(client._session, "request", trying)
            registered = pool.submit(client.register, add)
            assert tried.wait(20)
            with FakePlatform(port) as platform:
                assert registered.result(20).id in platform.functions


class TestWaiting:
    """Results by long poll."""

    def test_one_request_waits(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        handle = client.submit(add, 1)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(handle.result, 20)
            platform.wait(lambda: len(platform.asked()) == 1)
            assert not handle.done()
            platform.finish(platform.tasks[handle.id], result=99)
            assert waiting.result(20) == 99
        assert platform.asked() == [[handle.id]]

    def test_a_task_that_was_submitted_elsewhere(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        handle = client.get(client.submit(add, 1).id)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(handle.result, 20)
            platform.wait(lambda: len(platform.bodies(f"/result/{handle.id}")) == 1)
            platform.finish(platform.tasks[handle.id], result=99)
            assert waiting.result(20) == 99
        assert len(platform.bodies(f"/result/{handle.id}")) == 1

    def test_a_wait_that_runs_over(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        handle = client.submit(add, 1)
        for timeout in (0, 0.1):
            with pytest.raises(TimeoutError, match=handle.id):
                handle.result(timeout)
        platform.finish(platform.tasks[handle.id], result=5)
        assert handle.result(0) == 5

    def test_connections_are_kept(self, client: Client, platform: FakePlatform) -> None:
        for n in range(20):
            assert client.submit(add, n).result(20) == n
        assert len(platform.connections) <= 3  # For registering, for the sending thread, and for this one.


class TestMap:
    """Many tasks, results in order."""

    def test_order_is_the_items(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        results = client.map(add, range(50))
        platform.wait(lambda: len(platform.tasks) == 50)
        for task in sorted(platform.tasks.values(), key=lambda task: unpack(task.payload)[0], reverse=True):
            platform.finish(task, result=unpack(task.payload)[0][0])
        assert list(results) == list(range(50))
        assert len(platform.functions) == 1

    def test_iterables_and_functions(self, client: Client) -> None:
        assert list(client.register(add).map(iter([1, 2]))) == [1, 2]
        assert list(client.map(add, [])) == []

    def test_connections_are_bounded_and_kept(self, client: Client, platform: FakePlatform) -> None:
        assert list(client.map(add, range(200))) == list(range(200))
        assert list(client.map(add, range(200))) == list(range(200))
        assert len(platform.connections) <= 32

    def test_a_failure_comes_at_its_place(self, client: Client) -> None:
        def reciprocal(n: int) -> float:
            return 1 / n

        results = client.map(reciprocal, [1, 2, 0, 4])
        assert [next(results), next(results)] == [1, 0.5]
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            next(results)

    def test_items_are_submitted_at_once(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        client.map(add, range(30))
        platform.wait(lambda: len(platform.tasks) == 30)
        assert len(platform.batches()) < 30

    def test_an_abandoned_map_leaves_nothing(self, client: Client, platform: FakePlatform) -> None:
        before = threading.active_count()
        results = client.map(add, range(100))
        assert next(results) == 0
        del results
        client.flush()
        gc.collect()
        assert not [wanted for wanted in client._courier._live.values() if wanted() is not None]
        assert threading.active_count() <= before + 1 + len(platform.connections)

    def test_timeout(self, client: Client, platform: FakePlatform) -> None:
        platform.hold = True
        with pytest.raises(TimeoutError):
            list(client.map(add, range(3), timeout=0.1))

    def test_unavailable_is_not_mistaken_for_a_wait(self, platform: FakePlatform) -> None:
        with Client(platform.url, timeout=0.1) as client:
            function = client.register(add)
            platform.faults.extend([Fault("/v1/tasks:batch", 503)] * 1000)
            with pytest.raises(Unavailable, match="503"):
                list(function.map([1]))


class TestFailures:
    """TaskFailed and its subclasses."""

    def test_raised(self, client: Client, platform: FakePlatform) -> None:
        def fail() -> None:
            raise ValueError("no such luck")

        handle = client.submit(fail)
        with pytest.raises(TaskFailed) as caught:
            handle.result(20)
        error = caught.value
        assert type(error) is TaskFailed
        assert (error.kind, error.type, error.message) == ("raised", "ValueError", "no such luck")
        assert error.task_id == handle.id
        assert not platform.bodies(f"/v1/tasks/{handle.id}"), "the answer that brought the failure has it all"
        assert "in fail" in error.remote_traceback
        assert str(error).startswith(
            f"ValueError: no such luck (task {handle.id}, raised)\n\nOn the worker:\nTraceback"
        )

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("timeout", TaskTimeout), ("worker_lost", WorkerLost), ("lost", WorkerLost), ("killed", TaskFailed)],
    )
    def test_kinds(self, client: Client, platform: FakePlatform, kind: str, expected: type[TaskFailed]) -> None:
        platform.hold = True
        handle = client.submit(add, 1)
        error = {"kind": kind, "type": None, "message": "m", "traceback": None, "exit_code": None, "signal": 9}
        platform.finish(platform.tasks[handle.id], error=error)
        with pytest.raises(TaskFailed) as caught:
            handle.result(20)
        assert type(caught.value) is expected
        assert (caught.value.signal, caught.value.exit_code) == (9, None)
        assert str(caught.value) == f"m (task {handle.id}, {kind})"
        with pytest.raises(expected):
            client.get(handle.id).result(20)

    def test_exit_code(self, client: Client) -> None:
        with pytest.raises(TaskFailed) as caught:
            client.submit(sys.exit, 3).result(20)
        assert (caught.value.kind, caught.value.exit_code) == ("exit", 3)

    def test_they_can_be_pickled(self) -> None:
        error = WorkerLost("id", "lost", "", "gone", "", None, 9)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is WorkerLost
        assert vars(again) == vars(error)
        assert vars(pickle.loads(pickle.dumps(RequestFailed(404, "x")))) == {"status_code": 404, "detail": "x"}


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
