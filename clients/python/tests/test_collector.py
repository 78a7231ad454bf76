"""How results come back: many in one answer, to whoever waits, and to nobody later than necessary."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from fake_platform import FakePlatform, Fault

from mpcsfaas import Client, Function, RequestFailed, TaskFailed, TaskHandle, Unavailable

ALWAYS = 10_000


def echo(value: Any) -> Any:
    return value


@pytest.fixture
def function(client: Client) -> Function[Any]:
    return client.register(echo)


@pytest.fixture
def held(platform: FakePlatform, client: Client, function: Function[Any]) -> list[TaskHandle[Any]]:
    """Three tasks that run until they are told to end."""
    platform.hold = True
    handles = [function.submit(n) for n in range(3)]
    client.flush()
    return handles


def finish(platform: FakePlatform, handle: TaskHandle[Any], result: object = None) -> None:
    platform.finish(platform.tasks[handle.id], result=result)


def wait_for_requests(platform: FakePlatform, count: int) -> None:
    platform.wait(lambda: len(platform.asked()) >= count)


class TestTogether:
    """Results of several tasks in one answer."""

    def test_one_answer_brings_what_is_wanted_next(
        self, client: Client, platform: FakePlatform, held: list[TaskHandle[Any]]
    ) -> None:
        for n, handle in enumerate(held):
            finish(platform, handle, n)
        assert [handle.result(20) for handle in held] == [0, 1, 2]
        assert platform.asked() == [[handle.id for handle in held]]

    def test_a_lone_task_is_asked_for_alone(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        """However many others there are that were submitted before."""
        finish(platform, held[-1], 5)
        assert held[-1].result(20) == 5
        assert platform.asked() == [[held[-1].id]]

    def test_a_burst_needs_few_requests(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        handles = [function.submit(n) for n in range(1000)]
        client.flush()
        platform.wait(lambda: all(task.status == "COMPLETED" for task in platform.tasks.values()))
        assert [handle.result(20) for handle in handles] == list(range(1000))
        assert len(platform.asked()) <= 10

    def test_large_results_are_not_hoarded(
        self, client: Client, platform: FakePlatform, function: Function[Any]
    ) -> None:
        large = bytes(1 << 20)
        handles = [client.submit(bytes, 1 << 20) for _ in range(40)]
        client.flush()
        platform.wait(lambda: all(task.status == "COMPLETED" for task in platform.tasks.values()))
        assert all(handle.result(20) == large for handle in handles)
        assert max(len(asked) for asked in platform.asked()[1:]) <= 8
        assert all(handle._parcel is not None and handle._parcel.outcome is None for handle in handles)

    def test_a_result_can_be_had_again(self, platform: FakePlatform, function: Function[Any]) -> None:
        handle = function.submit(1)
        assert [handle.result(20), handle.result(20)] == [1, 1]
        assert len(platform.asked()) == 2

    def test_asks_for_fewer_when_too_many_are_waited_for(
        self, client: Client, platform: FakePlatform, held: list[TaskHandle[Any]]
    ) -> None:
        platform.faults.append(Fault("/v1/results", 429))
        for n, handle in enumerate(held):
            finish(platform, handle, n)
        assert [handle.result(20) for handle in held] == [0, 1, 2]
        assert [len(asked) for asked in platform.asked()[:2]] == [3, 1]


class TestThreads:
    """Some wait while others ask."""

    def test_who_waits_takes_over(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(held[0].result, 60)
            wait_for_requests(platform, 1)
            others = [pool.submit(handle.result, 60) for handle in held[1:]]
            finish(platform, held[0], "a")
            assert first.result(20) == "a"
            wait_for_requests(platform, 2)
            finish(platform, held[2], "c")
            assert others[1].result(20) == "c"
            finish(platform, held[1], "b")
            assert others[0].result(20) == "b"

    def test_a_later_task_does_not_wait_for_a_long_poll(
        self, platform: FakePlatform, function: Function[Any], held: list[TaskHandle[Any]]
    ) -> None:
        with ThreadPoolExecutor(1) as pool:
            long = pool.submit(held[0].result, 60)
            wait_for_requests(platform, 1)
            quick = function.submit("quick")
            finish(platform, quick, "quick")
            assert quick.result(20) == "quick"
            assert not long.done()
            finish(platform, held[0], "long")
            assert long.result(20) == "long"

    def test_a_deadline_nearer_than_the_others(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        with ThreadPoolExecutor(1) as pool:
            long = pool.submit(held[0].result, 60)
            wait_for_requests(platform, 1)
            for timeout in (0, 0.05):
                with pytest.raises(TimeoutError, match="no result"):
                    held[1].result(timeout)
            assert not long.done()
            for handle in held:
                finish(platform, handle, 1)
            assert held[2].result(0) == 1, "what has ended is told even without time, whoever asks"
            assert long.result(20) == 1

    def test_the_same_handle_in_many_threads(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(held[0].result, 60) for _ in range(8)]
            wait_for_requests(platform, 1)
            finish(platform, held[0], "same")
            assert [result.result(20) for result in waiting] == ["same"] * 8

    def test_many_at_once(self, client: Client, platform: FakePlatform, function: Function[Any]) -> None:
        platform.hold = True
        handles = [function.submit(n) for n in range(100)]
        client.flush()
        with ThreadPoolExecutor(100) as pool:
            waiting = [pool.submit(handle.result, 60) for handle in handles]
            wait_for_requests(platform, 1)
            for n in reversed(range(100)):
                finish(platform, handles[n], n)
            assert [result.result(20) for result in waiting] == list(range(100))
        assert len(platform.asked()) <= 400, "nobody asks in vain over and over"

    def test_an_interrupted_wait(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        with ThreadPoolExecutor(1) as pool:
            other: list[Future[Any]] = []

            def interrupt() -> None:
                wait_for_requests(platform, 1)
                other.append(pool.submit(held[1].result, 60))
                os.kill(os.getpid(), signal.SIGINT)

            interrupting = threading.Thread(target=interrupt)
            interrupting.start()
            with pytest.raises(KeyboardInterrupt):
                held[0].result()
            interrupting.join()
            finish(platform, held[1], "other")
            assert other[0].result(20) == "other"
            finish(platform, held[0], "after all")
            assert held[0].result(20) == "after all"


class TestTrouble:
    """Away, full, or not in its right mind."""

    @pytest.mark.parametrize(
        "text", ["<html>", "[]", "{}", '{"results": [1]}', '{"results": [{"task_id": "x"}]}', '{"results": null}']
    )
    def test_garbage(self, platform: FakePlatform, function: Function[Any], text: str) -> None:
        platform.faults.append(Fault("/v1/results", text=text))
        assert function(1) == 1

    def test_an_answer_that_breaks_off(self, platform: FakePlatform, function: Function[Any]) -> None:
        platform.faults.extend([Fault("/v1/results", cut_short=True), Fault("/v1/results")])
        assert function(1) == 1

    def test_results_of_others_are_ignored(self, platform: FakePlatform, function: Function[Any]) -> None:
        text = '{"results": [{"task_id": "x", "status": "COMPLETED", "result": ""}]}'
        platform.faults.append(Fault("/v1/results", text=text))
        assert function(1) == 1

    def test_empty_answers_before_the_time(self, platform: FakePlatform, function: Function[Any]) -> None:
        """As of a gateway that is about to end."""
        platform.faults.extend([Fault("/v1/results", text='{"results": []}')] * 3)
        assert function(1) == 1
        assert len(platform.asked()) == 4

    def test_everyone_who_waits_hears_of_it(self, platform: FakePlatform) -> None:
        platform.hold = True
        with Client(platform.url, timeout=0.2) as client, ThreadPoolExecutor(20) as pool:
            function = client.register(echo)
            handles = [function.submit(n) for n in range(20)]
            client.flush()
            platform.faults.extend([Fault("/v1/results", 503)] * ALWAYS)
            waiting = [pool.submit(handle.result) for handle in handles]
            for result in waiting:
                with pytest.raises(Unavailable, match="503"):
                    result.result(20)
            platform.faults.clear()
            platform.change(hold=False)
            assert [handle.result(20) for handle in handles] == list(range(20))

    def test_away_until_the_wait_runs_over(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        platform.faults.extend([Fault("/v1/results", 503, {"Retry-After": "1000"})] * ALWAYS)
        with pytest.raises(Unavailable, match="503"):
            held[0].result(0.05)
        with pytest.raises(Unavailable, match="503"):
            held[0].result(0)

    def test_an_error_that_stays(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        platform.faults.append(Fault("/v1/results", 500))
        with pytest.raises(RequestFailed, match="HTTP 500: no"):
            held[0].result(20)
        finish(platform, held[0], 1)
        assert held[0].result(20) == 1


class TestEndings:
    """What a task may come to."""

    def test_lost_by_the_platform(self, platform: FakePlatform, held: list[TaskHandle[Any]]) -> None:
        platform.tasks.clear()
        with pytest.raises(RequestFailed, match=r"404: Task not found: .* was accepted, and the platform has lost it"):
            held[0].result(20)

    def test_a_failure_of_which_no_more_is_known(
        self, client: Client, platform: FakePlatform, held: list[TaskHandle[Any]]
    ) -> None:
        task = platform.tasks[held[0].id]
        platform.finish(task, error={"message": "just a text"})
        task.error = None
        with pytest.raises(TaskFailed) as caught:
            held[0].result(20)
        assert (caught.value.kind, caught.value.message) == ("raised", "just a text")
        assert not platform.bodies(f"/v1/tasks/{task.id}")
