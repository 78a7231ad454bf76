"""Takes tasks to the platform and brings results back, many in one request when there are many.

A task that is submitted while nothing is on its way leaves at once; what is submitted while a request is on its way
leaves with the next. So nobody waits for company, and who submits a thousand tasks pays for a few requests. Whoever
waits for a result asks for the results of others too, and lets those know that wait meanwhile.
"""

from __future__ import annotations

import atexit
import json
import queue
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, Optional

from mpcsfaas._wire import Answer, Broken, Wire
from mpcsfaas.errors import RequestFailed, Unavailable

# What the platform takes in one request.
_BATCH = 1_000
_BATCH_BYTES = 4 << 20
# Who has submitted so many that have not left sends the next batch before going on.
_UNSENT_LIMIT = 10_000
# So many results are asked for at once: enough to hide a round trip.
_ASKED = 256
# A long poll. Shorter than the platform's 60 s, at which many a proxy would cut the connection too.
_POLL_S = 30.0
# How much longer than it may take by contract an answer is waited for.
_ANSWER_S = 15.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
# Busy (429), away (503), and a proxy's ways to say the same.
RETRIED = frozenset({429, 502, 503, 504})

Outcome = dict[str, Any]


class Parcel:
    """A task on its way, and what has become of it."""

    __slots__ = ("__weakref__", "accepted", "item", "outcome", "refusal", "task_id")

    def __init__(self, task_id: str, item: bytes) -> None:
        self.task_id = task_id
        # What is sent, until it is accepted.
        self.item = item
        self.accepted = False
        self.refusal: Optional[Exception] = None
        self.outcome: Optional[Outcome] = None

    @property
    def arrived(self) -> bool:
        """Whether the platform has said yes or no."""
        return self.accepted or self.refusal is not None


class Courier:
    """Carries the tasks of one client. Its thread starts with the first task and ends with the client."""

    def __init__(self, wire: Wire, timeout: float) -> None:
        self._wire = wire
        self._timeout = timeout
        self._unsent: queue.SimpleQueue[Optional[Parcel]] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        # Said whenever something has become of a parcel.
        self._news = threading.Condition()
        self._thread: Optional[threading.Thread] = None
        self._closed = False
        self._open: weakref.WeakValueDictionary[str, Parcel] = weakref.WeakValueDictionary()
        # The same in the order of submission.
        self._order: deque[weakref.ref[Parcel]] = deque()

    def send(self, parcel: Parcel) -> None:
        """Sends a task soon, and returns at once unless very many wait."""
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._thread is None:
            self._start()
        self._open[parcel.task_id] = parcel
        self._order.append(weakref.ref(parcel))
        self._unsent.put(parcel)
        if self._unsent.qsize() > _UNSENT_LIMIT:
            self._send_some()

    def flush(self) -> None:
        """Returns when nothing waits to be sent."""
        while not self._unsent.empty():
            self._send_some()
        with self._sending:
            pass

    def close(self) -> None:
        """Sends what waits, and ends."""
        self.flush()
        self._closed = True
        if self._thread is not None:
            self._unsent.put(None)
            self._thread.join()
            atexit.unregister(self._at_exit)

    def arrive(self, parcel: Parcel) -> None:
        """Returns when the platform has accepted a task; raises why it has not."""
        while not parcel.arrived:
            self._send_some()
        if parcel.refusal is not None:
            raise parcel.refusal

    def result(self, parcel: Parcel, deadline: float) -> Optional[Outcome]:
        """How a task ended, or None if it has not by then."""
        while parcel.outcome is None:
            self.arrive(parcel)
            if self._asking.acquire(blocking=False):
                try:
                    asked_once = self._ask(parcel, deadline)
                finally:
                    self._asking.release()
                    with self._news:
                        self._news.notify_all()
                if parcel.outcome is None and asked_once and time.monotonic() >= deadline:
                    return None
            else:
                with self._news:
                    if parcel.outcome is None and self._asking.locked():
                        left = deadline - time.monotonic()
                        if left <= 0:
                            return None
                        self._news.wait(min(left, 1.0))
        return parcel.outcome

    # Submitting.

    def _start(self) -> None:
        with self._sending:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mpcsfaas-courier", daemon=True)
                self._thread.start()
                # What was submitted is sent, even if nobody asks what became of it.
                atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        try:
            self.flush()
        except Exception:
            pass

    def _run(self) -> None:
        while True:
            parcel = self._unsent.get()
            if parcel is None:
                return
            with self._sending:
                self._send_batch(self._batch(parcel))

    def _send_some(self) -> None:
        """Sends the next batch, after the one that is on its way."""
        with self._sending:
            try:
                parcel = self._unsent.get_nowait()
            except queue.Empty:
                return
            if parcel is None:
                self._unsent.put(None)
                return
            self._send_batch(self._batch(parcel))

    def _batch(self, first: Parcel) -> list[Parcel]:
        batch, size = [first], len(first.item)
        try:
            while len(batch) < _BATCH and size < _BATCH_BYTES:
                parcel = self._unsent.get_nowait()
                if parcel is None:
                    self._unsent.put(None)
                    break
                batch.append(parcel)
                size += len(parcel.item)
        except queue.Empty:
            pass
        return batch

    def _send_batch(self, batch: list[Parcel]) -> None:
        try:
            self._send_until_answered(batch)
        except Exception as error:
            _refuse(batch, error)
        with self._news:
            self._news.notify_all()

    def _send_until_answered(self, batch: list[Parcel]) -> None:
        """Repeats what was not answered, and what the platform has no room for, until the time is over."""
        path, patience = "/v1/tasks:batch", _Patience(self._timeout)
        while batch:
            body = b'{"tasks":[' + b",".join([parcel.item for parcel in batch]) + b"]}"
            answer = self._ask_platform(path, body, _ANSWER_S, patience)
            again, reason = [], ""
            for parcel, verdict in zip(batch, answer.json()["tasks"]):
                status = verdict.get("status")
                if status is None:
                    parcel.accepted = True
                    parcel.item = b""
                elif status in RETRIED:
                    again.append(parcel)
                    reason = f"HTTP {status}: {verdict['detail']}"
                else:
                    parcel.refusal = RequestFailed(status, verdict["detail"])
            batch = again
            if batch:
                try:
                    patience.wait(0.0, f"POST {path}: {reason}")
                except Unavailable as unavailable:
                    _refuse(batch, unavailable)
                    return

    # Asking for results.

    def _ask(self, parcel: Parcel, deadline: float) -> bool:
        """Asks for this result and for some of the next. Says whether the platform has answered."""
        asked = {parcel.task_id: None}
        while self._order and _is_over(self._order[0]()):
            self._order.popleft()
        for reference in islice(self._order, _ASKED):
            other = reference()
            if other is not None and other.accepted and other.outcome is None:
                asked[other.task_id] = None
        wait = min(max(deadline - time.monotonic(), 0.0), _POLL_S)
        body = json.dumps({"task_ids": list(asked), "wait": round(wait, 3)}, separators=(",", ":"))
        answer = self._ask_platform("/v1/results", body.encode(), wait + _ANSWER_S, _Patience(self._timeout, deadline))
        for outcome in answer.json()["results"]:
            task_id = outcome["task_id"]
            told = parcel if task_id == parcel.task_id else self._open.get(task_id)
            self._open.pop(task_id, None)
            if told is not None:
                told.outcome = outcome
        return True

    def _ask_platform(self, path: str, body: bytes, answer_s: float, patience: _Patience) -> Answer:
        """One request, repeated until it is answered or the time is over."""
        while True:
            retry_after = 0.0
            try:
                answer = self._wire.post(path, body, answer_s)
                if answer.status == 200:
                    return answer
                reason = f"HTTP {answer.status}: {_detail(answer)}"
                if answer.status not in RETRIED:
                    raise RequestFailed(answer.status, _detail(answer))
                retry_after = _seconds(answer.retry_after)
            except Broken as broken:
                reason = str(broken)
            patience.wait(retry_after, f"POST {path}: {reason}")


class _Patience:
    """How long is still tried, with growing, jittered pauses."""

    def __init__(self, timeout: float, deadline: float = float("inf")) -> None:
        self._deadline = min(deadline, time.monotonic() + timeout)
        self._pause = _PAUSE_S

    def wait(self, asked: float, reason: str) -> None:
        """Pauses before the next try, or raises if there is none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Unavailable(reason)
        time.sleep(min(left, max(asked, self._pause * random.uniform(0.5, 1.0))))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)


def _is_over(parcel: Optional[Parcel]) -> bool:
    return parcel is None or parcel.outcome is not None or parcel.refusal is not None


def _refuse(batch: Iterable[Parcel], error: Exception) -> None:
    for parcel in batch:
        if not parcel.arrived:
            parcel.refusal = error


def _detail(answer: Answer) -> str:
    """The platform's {"detail": ...}, or what somebody in between sent instead."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.body[:200].decode(errors="replace")


def _seconds(text: str) -> float:
    """The seconds that the platform asks to wait; dates, which it does not send, are ignored."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
