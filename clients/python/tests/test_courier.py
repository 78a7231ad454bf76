"""How tasks travel to the platform: alone at once, together when there are many, and through all kinds of trouble."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakePlatform, Fault, unpack

from mpcsfaas import Client, Function, RequestFailed, TaskFailed, TaskHandle, Unavailable, _courier, _wire

SOURCE = Path(__file__).parents[1] / "src"
ALWAYS = 10_000


def echo(value: Any) -> Any:
    return value


@pytest.fixture
def function(client: Client) -> Function[Any]:
    return client.register(echo)


def hold_back(platform: FakePlatform, function: Function[Any]) -> None:
    """Has a request on its way that is not answered, so that what is submitted now has to wait."""
    platform.change(stalled="/v1/tasks:batch")
    function.submit("first")
    platform.wait(lambda: len(platform.batches()) == 1)


def values(batch: list[dict[str, Any]]) -> list[Any]:
    return [unpack(item["payload"])[0][0] for item in batch]


def start(script: str, platform: FakePlatform, **environment: str) -> subprocess.Popen[str]:
    """Runs a program that has a client and a function."""
    prelude = (
        "import os, sys\nfrom mpcsfaas import Client\nclient = Client(timeout=20)\nfunction = client.register(abs)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + script],
        cwd=SOURCE,
        env={**os.environ, "MPCSFAAS_URL": platform.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestBatches:
    """Which tasks share a request."""

    def test_a_lone_task_leaves_at_once(self, platform: FakePlatform, function: Function[Any]) -> None:
        function.submit(1)
        platform.wait(lambda: len(platform.tasks) == 1)

    def test_a_task_and_its_result_are_two_requests(self, platform: FakePlatform, function: Function[Any]) -> None:
        assert function(1) == 1
        assert [path for _, path, _ in platform.requests[1:]] == ["/v1/tasks:batch", "/v1/results"]

    def test_what_comes_meanwhile_leaves_together(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        hold_back(platform, function)
        for n in range(50):
            function.submit(n)
        platform.change(stalled=None)
        client.flush()
        assert [values(batch) for batch in platform.batches()] == [["first"], list(range(50))]

    def test_no_more_than_the_platform_takes(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        hold_back(platform, function)
        for n in range(2500):
            function.submit(n)
        platform.change(stalled=None)
        client.flush()
        assert [len(batch) for batch in platform.batches()] == [1, 1000, 1000, 500]

    def test_large_ones_travel_alone(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        data = bytes(5 << 20)
        hold_back(platform, function)
        handles = [function.submit(value) for value in ("small", data, data, "small")]
        platform.change(stalled=None)
        assert handles[1].result(20) == data
        client.flush()
        assert [len(batch) for batch in platform.batches()] == [1, 1, 1, 1, 1]

    def test_unsent_tasks_do_not_pile_up(self, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_courier, "_UNSENT_LIMIT", 5)
        platform.faults.extend([Fault("/v1/tasks:batch", 503)] * ALWAYS)
        with Client(platform.url, timeout=0.01) as client:
            function = client.register(echo)
            for n in range(100):
                function.submit(n)
                assert len(client._courier._unsent) <= 6
            monkeypatch.setattr(_courier, "_UNSENT_LIMIT", 10_000)
            monkeypatch.setattr(_courier, "_UNSENT_BYTES", 1000)
            for _ in range(100):
                function.submit(bytes(1000))
                assert len(client._courier._unsent) <= 2

    def test_threads_share(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(function, range(400))) == list(range(400))
        assert sorted(n for batch in platform.batches() for n in values(batch)) == list(range(400))

    def test_dropped_handles_leave_nothing(self, client: Client, function: Function[Any]) -> None:
        for n in range(500):
            function.submit(n)
        client.flush()
        gc.collect()
        assert not [wanted for wanted in client._courier._live.values() if wanted() is not None]
        assert not client._courier._unsent
        assert client._courier._unsent_bytes == 0


class TestRefusals:
    """One task's refusal is its handle's, and no other's."""

    def test_every_call_of_the_handle_raises_it(self, client: Client) -> None:
        handle: TaskHandle[Any] = client.submit(str(uuid.uuid4()), 1)
        for call in (handle.result, handle.status, handle.done, handle.details, lambda: handle.id):
            with pytest.raises(RequestFailed, match="404: Function not found"):
                call()
        assert "TaskHandle" in repr(handle)

    def test_the_others_of_a_batch_are_accepted(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        hold_back(platform, function)
        handles = [function.submit(n) for n in range(20)]
        unknown: TaskHandle[Any] = client.submit(str(uuid.uuid4()), 1)
        malformed: TaskHandle[Any] = client.submit("no-uuid", 1)
        handles += [function.submit(n) for n in range(20, 40)]
        platform.change(stalled=None)
        assert [handle.result(20) for handle in handles] == list(range(40))
        with pytest.raises(RequestFailed, match="404"):
            unknown.result(20)
        with pytest.raises(RequestFailed, match="422"):
            malformed.result(20)
        assert len(platform.tasks) == 41

    def test_too_large(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        hold_back(platform, function)
        platform.body_limit = 100_000
        handles = [function.submit(bytes(size)) for size in [20_000] * 20 + [200_000] + [20_000] * 20]
        platform.change(stalled=None)
        with pytest.raises(RequestFailed, match="413: too large"):
            handles.pop(20).result(20)
        client.flush()
        assert [len(handle.result(20)) for handle in handles] == [20_000] * 40

    def test_flush_raises_what_nobody_has_heard(self, client: Client, function: Function[Any]) -> None:
        function.submit(1)
        client.flush()
        heard: TaskHandle[Any] = client.submit("no-uuid", 1)
        unheard: TaskHandle[Any] = client.submit("no-uuid", 2)
        with pytest.raises(RequestFailed):
            heard.result(20)
        with pytest.raises(RequestFailed, match="422"):
            client.flush()
        client.flush()
        with pytest.raises(RequestFailed, match="422"):
            unheard.result(20)

    def test_flush_waits_until_all_are_accepted(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        hold_back(platform, function)
        for n in range(1500):
            function.submit(n)
        with ThreadPoolExecutor(1) as pool:
            flushing = pool.submit(client.flush)
            assert not flushing.done()
            platform.change(stalled=None)
            flushing.result(20)
        assert len(platform.tasks) == 1501

    def test_status_waits_until_the_task_is_accepted(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        platform.change(stalled="/v1/tasks:batch", hold=True)
        handle = function.submit(1)
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(call) for call in (handle.status, handle.done, handle.details, lambda: handle.id)]
            platform.wait(lambda: len(platform.batches()) == 1)
            assert not any(answer.done() for answer in asked)
            platform.change(stalled=None)
            status, done, _, task_id = (answer.result(20) for answer in asked)
        assert (status, done, [task_id]) == ("QUEUED", False, list(platform.tasks))

    def test_refusals_of_dropped_handles_are_logged(
        self, platform: FakePlatform, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Client(platform.url) as client:
            client.submit("no-uuid", 1)
            client.submit("no-uuid", 2)
        assert "tasks that were not accepted: 2; the first: HTTP 422" in caplog.text


class TestTrouble:
    """Away, full, or not in its right mind."""

    def test_full(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        platform.change(room=2)
        handles = [function.submit(n) for n in range(5)]
        platform.wait(lambda: len(platform.tasks) == 2)
        assert handles[0].result(20) == 0
        platform.change(room=10)
        assert [handle.result(20) for handle in handles] == list(range(5))
        assert [values([vars(task)]) for task in platform.tasks.values()] == [[n] for n in range(5)]

    def test_who_is_full_is_not_sent_everything_over_and_over(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        hold_back(platform, function)
        for n in range(50):
            function.submit(n)
        platform.change(stalled=None, room=3)
        platform.wait(lambda: len(platform.batches()) == 5)
        assert [len(batch) for batch in platform.batches()] == [1, 50, 2, 1, 1]
        platform.change(room=1000)
        client.flush()
        assert len(platform.tasks) == 51
        assert len(platform.batches()) <= 15

    def test_full_until_the_time_is_over(self, platform: FakePlatform) -> None:
        platform.change(room=2)
        with Client(platform.url, timeout=0.1) as client:
            function = client.register(echo)
            handles = [function.submit(n) for n in range(5)]
            assert [handle.result(20) for handle in handles[:2]] == [0, 1]
            for handle in handles[2:]:
                with pytest.raises(Unavailable, match="429: the queue is full"):
                    handle.result(20)
            platform.change(room=10)
            assert function(5) == 5

    def test_without_patience_a_task_is_tried_once(self, platform: FakePlatform) -> None:
        with Client(platform.url, timeout=0) as client:
            function = client.register(echo)
            platform.faults.append(Fault("/v1/tasks:batch", 503, {"Retry-After": "1000"}))
            with pytest.raises(Unavailable, match="503"):
                function(1)
            assert function(2) == 2
        assert len(platform.batches()) == 2

    def test_a_wait_that_runs_over_before_the_task_is_accepted(self, platform: FakePlatform) -> None:
        platform.faults.extend([Fault("/v1/tasks:batch", 503)] * ALWAYS)
        with Client(platform.url, timeout=20) as client:
            handle = client.submit(client.register(echo), 1)
            platform.wait(lambda: len(platform.batches()) == 2)
            with pytest.raises(TimeoutError, match=r"not accepted yet: .*503") as caught:
                handle.result(0)
            platform.faults.clear()
            assert not isinstance(caught.value, Unavailable), "it is still being sent"
            assert handle.result(20) == 1

    @pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"tasks": []}', '{"tasks": [1]}', '{"tasks": 3}'])
    def test_garbage(self, client: Client, platform: FakePlatform, function: Function[Any], text: str) -> None:
        platform.faults.append(Fault("/v1/tasks:batch", text=text, obey=True))
        assert function(1) == 1
        assert len(platform.tasks) == 1

    def test_garbage_for_ever(self, platform: FakePlatform) -> None:
        platform.faults.extend([Fault("/v1/tasks:batch", text="<html>")] * ALWAYS)
        with Client(platform.url, timeout=0.1) as client, pytest.raises(Unavailable, match="not the platform's"):
            client.register(echo)(1)

    def test_a_restart_is_not_noticed(self, platform: FakePlatform) -> None:
        with Client(platform.url, timeout=0) as client:
            function = client.register(echo)
            assert function(1) == 1
            platform.hang_up()
            assert function(2) == 2

    def test_an_error_of_the_client_itself_reaches_the_handle(
        self, client: Client, function: Function[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(client._wire, "_worth", broken)
        with pytest.raises(ZeroDivisionError):
            function(1)

    def test_an_interrupted_sender_loses_nothing(
        self, client: Client, platform: FakePlatform, function: Function[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the client's own thread absent, it is the waiting one that sends."""
        monkeypatch.setattr(client._courier, "_start", lambda: True)
        platform.change(stalled="/v1/tasks:batch")
        handles = [function.submit(n) for n in range(10)]

        def interrupt() -> None:
            platform.wait(lambda: len(platform.batches()) == 1)
            os.kill(os.getpid(), signal.SIGINT)

        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            handles[-1].result()
        interrupting.join()
        platform.change(stalled=None)
        assert [handle.result(20) for handle in handles] == list(range(10))
        assert [len(batch) for batch in platform.batches()] == [10, 10]
        assert len(platform.tasks) == 10


class TestOldGateway:
    """One that takes one task in a request."""

    def test_tasks_travel_singly(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        platform.change(is_old=True)
        assert function(1) == 1
        assert list(function.map(range(20))) == list(range(20))
        assert len(platform.batches()) == 1, "it is remembered"
        assert len(platform.bodies("/execute_function")) == 21
        with pytest.raises(RequestFailed, match="404: Function not found"):
            client.submit(str(uuid.uuid4())).result(20)
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            client.submit(divmod, 1, 0).result(20)

    def test_trouble(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        platform.change(is_old=True)
        assert function(0) == 0
        platform.faults.extend([Fault("/execute_function", 429), Fault("/execute_function", obey=True)])
        assert function(1) == 1
        platform.faults.extend([Fault("/result", 503), Fault("/result", text="<html>"), Fault("/result")])
        assert function(2) == 2
        assert len(platform.tasks) == 3

    def test_a_wait_that_runs_over(self, platform: FakePlatform, function: Function[Any]) -> None:
        platform.change(is_old=True, hold=True)
        handle = function.submit(1)
        for timeout in (0, 0.05):
            with pytest.raises(TimeoutError, match="no result"):
                handle.result(timeout)
        platform.change(hold=False)
        assert handle.result(20) == 1

    def test_a_gateway_that_is_replaced_by_an_old_one(self, platform: FakePlatform, function: Function[Any]) -> None:
        platform.hold = True
        handle = function.submit(1)
        platform.finish(platform.tasks[handle.id], result=5)
        platform.change(is_old=True)
        assert handle.result(0) == 5


class TestTheEnd:
    """Of clients and of programs."""

    def test_close_sends_what_is_left(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        handles = [function.submit(n) for n in range(100)]
        client.close()
        assert len(platform.tasks) == 100
        client.close()
        for call in (lambda: function.submit(1), lambda: client.register(echo), lambda: function.map([1])):
            with pytest.raises(RuntimeError, match="the client is closed"):
                call()
        client.flush()
        assert [handle.result(20) for handle in handles] == list(range(100))
        assert not client._wire._idle

    def test_nothing_is_waited_for_after_an_interrupt(self, platform: FakePlatform) -> None:
        client = Client(platform.url, timeout=3600)
        function = client.register(echo)
        platform.faults.extend([Fault("/v1/tasks:batch", 503, {"Retry-After": "3600"})] * ALWAYS)
        handle = function.submit(1)
        platform.wait(lambda: len(platform.batches()) == 1)
        with pytest.raises(KeyboardInterrupt), client:
            raise KeyboardInterrupt
        with pytest.raises(Unavailable, match="503"):
            handle.result()

    def test_the_thread_of_a_client_that_is_dropped_ends(self, platform: FakePlatform) -> None:
        client = Client(platform.url)
        function = client.register(echo)
        hold_back(platform, function)
        for n in range(10):
            function.submit(n)
        thread = client._courier._thread
        assert thread is not None
        del client, function
        gc.collect()
        platform.change(stalled=None)
        thread.join(20)
        assert not thread.is_alive()
        assert len(platform.tasks) == 11, "and has sent everything"
        assert not [courier for courier in _courier._running if courier._wire._url == platform.url]

    def test_an_exit_sends_what_is_left(self, platform: FakePlatform) -> None:
        ended = start("for n in range(3000): function.submit(n)", platform).communicate(timeout=60)
        assert ended == ("", "")
        assert len(platform.tasks) == 3000

    def test_an_exit_waits_no_longer_than_the_client(self, platform: FakePlatform) -> None:
        platform.faults.extend([Fault("/v1/tasks:batch", 503)] * ALWAYS)
        script = "client = Client(timeout=0.2)\nfor n in range(3): client.submit(function.id, n)"
        out, error = start(script, platform).communicate(timeout=60)
        assert out == ""
        assert "tasks that were not accepted: 3; the first: " in error
        assert "503" in error
        assert not platform.tasks

    def test_an_interrupted_program_ends_though_the_platform_is_away(self, platform: FakePlatform) -> None:
        platform.faults.extend([Fault("/v1/tasks:batch", 503, {"Retry-After": "3600"})] * ALWAYS)
        program = start("client = Client(timeout=3600)\nclient.submit(function.id, 1).result()", platform)
        platform.wait(lambda: len(platform.batches()) == 1)
        program.send_signal(signal.SIGINT)
        error = program.communicate(timeout=60)[1]
        assert "KeyboardInterrupt" in error
        assert "tasks that were not accepted: 1; the first: POST" in error

    def test_tasks_that_are_submitted_at_exit(self, platform: FakePlatform) -> None:
        script = "import atexit\natexit.register(lambda: print(function.submit(-3).result(20)))"
        assert start(script, platform).communicate(timeout=60) == ("3\n", "")


class TestFork:
    """A process may fork while its client is at work."""

    SCRIPT = """
before = function.submit(-1)
assert before.result(20) == 1
{between}
child = os.fork()
mine = [function.submit(n if child else -n) for n in range(50)]
assert [task.result(20) for task in mine] == list(range(50))
{both}
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    client.close()
    os._exit(0)
"""

    def test_both_go_on(self, platform: FakePlatform) -> None:
        script = self.SCRIPT.format(between="", both="assert before.result(20) == 1")
        assert start(script, platform).communicate(timeout=60) == ("", "")
        assert len(platform.tasks) == 101
        assert len(platform.functions) == 1

    def test_a_task_on_its_way_can_be_asked_for_by_both(self, platform: FakePlatform) -> None:
        between = "unsent = function.submit(-7)\nsys.stdin.readline()"
        program = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os, sys\nfrom mpcsfaas import Client\nclient = Client(timeout=20)\n"
                + "function = client.register(abs)\n"
                + self.SCRIPT.format(between=between, both="assert unsent.result(20) == 7"),
            ],
            cwd=SOURCE,
            env={**os.environ, "MPCSFAAS_URL": platform.url},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        platform.wait(lambda: len(platform.asked()) >= 1)
        platform.change(stalled="/v1/tasks:batch")
        platform.wait(lambda: len(platform.batches()) == 2)
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
        platform.wait(lambda: len(platform.batches()) >= 3)  # The child's own; the parent's waits.
        platform.change(stalled=None)
        assert program.communicate(timeout=60)[1] == ""
        assert program.returncode == 0
        assert len(platform.tasks) == 102


class TestWire:
    """The connections."""

    @pytest.mark.parametrize(
        ("url", "environment", "direct"),
        [
            ("http://there:1", {}, True),
            ("https://[::1]", {}, True),
            ("http://there:1", {"NO_PROXY": "elsewhere"}, True),
            ("http://there:1", {"HTTP_PROXY": "http://proxy:1"}, False),
            ("http://there:1", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "there"}, True),
            ("http://there:1", {"HTTPS_PROXY": "http://proxy:1"}, True),
            ("http://user:password@there:1", {}, False),
            ("there:1", {}, False),
        ],
    )
    def test_who_is_asked_directly(
        self, monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], direct: bool
    ) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name.lower(), value)
        assert Client(url)._wire._direct is direct

    def test_requests_serves_who_cannot_be_asked_directly(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        client._wire._direct = False
        platform.faults.extend([Fault("/v1/tasks:batch", 503), Fault("/v1/tasks:batch"), Fault("/v1/results", 502)])
        assert function(1) == 1
        assert not client._wire._idle

    def test_a_redirection_is_followed(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        platform.faults.append(Fault("/v1/tasks:batch", 307, {"Location": platform.url + "/v1/tasks:batch"}))
        assert function(1) == 1

    def test_who_takes_no_more_may_have_said_why(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

            def refuse() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 15\r\n\r\n" + b'{"detail": "x"}')

            refusing = pool.submit(refuse)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            answer = Client(url)._wire.ask("POST", "/v1/tasks:batch", bytes(20 << 20), 20)
            assert (answer.status, answer.detail()) == (413, "x")
            refusing.result(20)

    @pytest.mark.parametrize("text", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"\r\n"])
    def test_what_is_no_http(self, text: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

            def answer() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(text)

            answering = pool.submit(answer)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(_wire.TryAgain, match=url):
                Client(url)._wire.ask("POST", "/v1/results", b"{}", 20)
            answering.result(20)
