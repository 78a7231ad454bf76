"""A running platform, at MPCSFAAS_TEST_URL: the client, and a client of plain requests and dill.

Chosen by `pytest -m live`. All functions are nested, so that they travel by value: a worker cannot import this file.
"""

from __future__ import annotations

import codecs
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any, Callable

import dill
import pytest
import requests

from mpcsfaas import Client, Details, RequestFailed, TaskFailed, TaskTimeout

pytestmark = pytest.mark.live

PATIENCE_S = 60.0


@pytest.fixture
def url() -> str:
    return os.environ["MPCSFAAS_TEST_URL"].rstrip("/")


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def failure_of(client: Client, function: Callable[..., Any], *args: Any, **options: Any) -> TaskFailed:
    """Runs a task that must fail."""
    with pytest.raises(TaskFailed) as caught:
        client.register(function, **options).submit(*args).result(PATIENCE_S)
    return caught.value


class TestClient:
    """The package's client."""

    def test_no_op(self, client: Client) -> None:
        handle = client.submit(lambda: None)
        assert handle.result(PATIENCE_S) is None
        assert handle.status() == "COMPLETED"

    def test_arguments(self, client: Client) -> None:
        def echo(*args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        value = {"text": "ä€😀", "bytes": bytes(range(256)), "nested": [(1, {2.5})]}
        assert client.submit(echo, 1, value, key=value).result(PATIENCE_S) == ((1, value), {"key": value})

    def test_a_megabyte_each_way(self, client: Client) -> None:
        data = os.urandom(1 << 20)
        assert client.submit(lambda x: x[::-1], data).result(PATIENCE_S) == data[::-1]

    def test_map(self, client: Client) -> None:
        assert list(client.map(lambda n: n * n, range(200), timeout=PATIENCE_S)) == [n * n for n in range(200)]

    def test_raise(self, client: Client) -> None:
        def planned() -> None:
            raise ValueError("no such luck")

        error = failure_of(client, planned)
        assert (error.kind, error.type, error.message) == ("raised", "ValueError", "no such luck")
        assert "in planned" in error.remote_traceback
        assert "runner" not in error.remote_traceback

    def test_details(self, client: Client) -> None:
        def speak() -> None:
            import os

            print("from Python")
            os.system("echo from a program")

        handle = client.submit(speak)
        handle.result(PATIENCE_S)
        details = handle.details()
        assert set(details) >= set(Details.__annotations__)
        assert (details["task_id"], details["status"], details["error"]) == (handle.id, "COMPLETED", None)
        assert details["output"] == "from Python\nfrom a program\n"
        assert details["losses"] == 0
        (attempt,) = details["attempts"]
        assert attempt["attempt"] == 1
        assert attempt["worker"]

    def test_output_of_a_task_is_its_own(self, client: Client) -> None:
        function = client.register(lambda n: print(f"task {n}"))
        handles = [function.submit(n) for n in range(50)]
        for n, handle in enumerate(handles):
            handle.result(PATIENCE_S)
            assert handle.details()["output"] == f"task {n}\n"

    def test_sys_exit(self, client: Client) -> None:
        def leave() -> None:
            import sys

            sys.exit(3)

        error = failure_of(client, leave)
        assert (error.kind, error.exit_code) == ("exit", 3)

    def test_os_exit(self, client: Client) -> None:
        def leave() -> None:
            import os

            print("last words", flush=True)
            os._exit(4)

        error = failure_of(client, leave)
        assert (error.kind, error.exit_code) == ("exited", 4)
        assert client.get(error.task_id).details()["output"] == "last words\n"

    def test_killed(self, client: Client) -> None:
        def kill() -> None:
            import os

            os.kill(os.getpid(), 9)

        error = failure_of(client, kill)
        assert (error.kind, error.signal) == ("killed", 9)

    def test_timeout(self, client: Client) -> None:
        def hang() -> None:
            import time

            time.sleep(600)

        began = time.monotonic()
        error = failure_of(client, hang, timeout_s=0.5)
        assert isinstance(error, TaskTimeout)
        assert error.kind == "timeout"
        assert 0.5 <= time.monotonic() - began < 20

    def test_a_result_that_cannot_be_pickled(self, client: Client) -> None:
        error = failure_of(client, lambda: (n for n in range(3)))
        assert error.kind == "pickle_result"
        assert "generator" in error.message

    def test_a_function_the_worker_cannot_import(self, client: Client) -> None:
        error = failure_of(client, failure_of)
        assert error.kind == "unpickle_function"
        assert f"dill {dill.__version__}" in error.message

    def test_the_worker_goes_on_after_all_that(self, client: Client) -> None:
        def fork() -> int:
            import os

            return os.fork() and 1

        assert client.submit(fork).result(PATIENCE_S) == 1
        assert list(client.map(lambda n: n, range(20), timeout=PATIENCE_S)) == list(range(20))

    def test_the_same_submit_again_is_the_same_task(self, client: Client, url: str) -> None:
        function = client.register(lambda: None)
        body = {"function_id": function.id, "payload": packed(((), {})), "task_id": str(uuid.uuid4())}
        answers = [requests.post(f"{url}/execute_function", json=body, timeout=10).json() for _ in range(2)]
        assert answers == [{"task_id": body["task_id"]}] * 2
        handle = client.get(body["task_id"])
        assert handle.result(PATIENCE_S) is None
        assert len(handle.details()["attempts"]) == 1

    def test_unknown_task(self, client: Client) -> None:
        with pytest.raises(RequestFailed) as caught:
            client.get(str(uuid.uuid4())).result(PATIENCE_S)
        assert caught.value.status_code == 404


def packed(obj: object) -> str:
    """Functions are sent with the globals that they name, because a worker cannot import this file."""
    return codecs.encode(dill.dumps(obj, recurse=True), "base64").decode()


class TestUnchangedOriginalClient:
    """What programs written for the original do: requests, dill, and polling each 10 ms."""

    def post(self, url: str, path: str, body: dict[str, Any]) -> requests.Response:
        return requests.post(url + path, json=body, timeout=10)

    def submit(self, url: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        registered = self.post(url, "/register_function", {"name": "f", "payload": packed(function)})
        assert registered.status_code == 200
        assert list(registered.json()) == ["function_id"]
        body = {"function_id": registered.json()["function_id"], "payload": packed((args, kwargs))}
        executed = self.post(url, "/execute_function", body)
        assert executed.status_code == 200
        assert list(executed.json()) == ["task_id"]
        return str(uuid.UUID(executed.json()["task_id"]))

    def poll(self, url: str, task_id: str) -> tuple[str, Any]:
        """Polls both calls as the original's clients do, checks each answer, returns the final status and result."""
        deadline = time.monotonic() + PATIENCE_S
        with requests.Session() as session:
            while time.monotonic() < deadline:
                status = session.get(f"{url}/status/{task_id}", timeout=10).json()
                assert set(status) == {"task_id", "status"}
                assert status["task_id"] == task_id
                result = session.get(f"{url}/result/{task_id}", timeout=10).json()
                assert set(result) == {"task_id", "status", "result"}
                assert result["task_id"] == task_id
                if status["status"] in ("COMPLETED", "FAILED"):
                    assert result["status"] == status["status"]
                    return status["status"], dill.loads(codecs.decode(result["result"].encode(), "base64"))
                assert status["status"] in ("QUEUED", "RUNNING")
                assert result["result"] == "" or result["status"] in ("COMPLETED", "FAILED")
                time.sleep(0.01)
        raise AssertionError(f"task {task_id} has no result")

    def test_completed(self, url: str) -> None:
        def double(x: int, plus: int = 0) -> int:
            import time

            time.sleep(0.1)  # Long enough to be seen QUEUED or RUNNING.
            return 2 * x + plus

        assert self.poll(url, self.submit(url, double, 20, plus=2)) == ("COMPLETED", 42)

    def test_failed_is_the_exceptions_text(self, url: str) -> None:
        def fail() -> None:
            raise ValueError("no such luck")

        assert self.poll(url, self.submit(url, fail)) == ("FAILED", "no such luck")

    def test_root(self, url: str) -> None:
        answer = requests.get(f"{url}/", timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"message": "MPCSFaaS Platform is running"})

    def test_errors(self, url: str) -> None:
        unknown, payload = str(uuid.uuid4()), packed(((), {}))
        answers = [
            (400, self.post(url, "/register_function", {"name": "f", "payload": "not_a_function"})),
            (404, self.post(url, "/execute_function", {"function_id": unknown, "payload": payload})),
            (404, requests.get(f"{url}/status/{unknown}", timeout=10)),
            (404, requests.get(f"{url}/result/{unknown}", timeout=10)),
            (422, self.post(url, "/register_function", {"name": "f"})),
            (422, self.post(url, "/execute_function", {"function_id": "no-uuid", "payload": payload})),
            (422, requests.get(f"{url}/status/no-uuid", timeout=10)),
        ]
        for status, answer in answers:
            assert answer.status_code == status, answer.url
            assert "detail" in answer.json()
