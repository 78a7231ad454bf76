"""Brings results back, many in one request when there are many.

Whoever waits for a result asks for it, and for some of those submitted after it, which are likely to be wanted next.
The platform answers when the first of them has ended, with all that have. Whose result another thread is asking for
waits for that thread, and asks itself when that thread has got what it wanted.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from mpcsfaas._courier import Courier, Parcel
from mpcsfaas._wire import ANSWER_S, PAUSE_S, Answer, Request, Trouble, TryAgain, Wire
from mpcsfaas.errors import RequestFailed, Unavailable

# So many results are asked for at once: at first, and at most. Enough to hide a round trip.
_FIRST_ASKED, _MOST_ASKED = 16, 256
# An answer that is larger than this was asked for too much: results are kept here until somebody wants them.
_ANSWER_BYTES = 4 << 20
# A long poll. Shorter than the platform's 60 s, at which many a proxy would cut the connection too.
POLL_S = 30.0
_LONGEST_WAIT_S = 3600.0

Outcome = dict[str, Any]


class Collector:
    """Collects the results of one client's tasks."""

    def __init__(self, wire: Wire, courier: Courier, timeout: float) -> None:
        self._wire = wire
        self._courier = courier
        self._timeout = timeout
        self._asked, self._most_asked = _FIRST_ASKED, _MOST_ASKED
        self.forked()

    def forked(self) -> None:
        """Begins anew in a child process: its parent's threads ask for nothing here."""
        self._lock = threading.RLock()
        # Said whenever a request has come to its end.
        self._news = threading.Condition(self._lock)
        # The requests under way.
        self._polls: set[object] = set()
        self._trouble = Trouble()

    def result(self, parcel: Parcel, deadline: float) -> Outcome | None:
        """How a task ended, or None if it has not by then. Told once: who wants it again asks the platform again."""
        began = time.monotonic()
        if not parcel.arrived:
            self._arrive(parcel, deadline)
        if not self._courier.arrive(parcel, deadline):
            return None
        while True:
            outcome = parcel.outcome
            if outcome is not None:
                parcel.outcome = None
                return outcome
            if self._waits(parcel, began, deadline):
                continue
            try:
                outcome = self._poll(parcel, _wait(deadline))
            except TryAgain as failure:
                with self._lock:
                    self._trouble.came(failure, began, self._timeout)
                continue
            self._trouble.over()
            if outcome is not None:
                parcel.outcome = None
                return outcome
            if time.monotonic() >= deadline:
                return None

    def _arrive(self, parcel: Parcel, deadline: float) -> None:
        """Asks for the result in the same breath as the task is sent, if the caller sends it and nobody else asks."""
        me = object()
        try:
            with self._lock:
                if parcel.poll in self._polls or self._courier.singly:
                    return
                self._polls.add(me)
                parcel.poll = me
            asked = {parcel.task_id: parcel}
            accepted = self._courier.arrive(parcel, deadline, lambda: _question(asked, _wait(deadline)))
            if accepted and parcel.reply is not None:
                answer = parcel.reply()
                if answer.status == 200:
                    _take(answer, asked)
        except TryAgain:
            pass  # It is asked for again, as if it had not been.
        finally:
            parcel.reply = None
            with self._lock:
                self._polls.discard(me)
                self._news.notify_all()

    def _waits(self, parcel: Parcel, began: float, deadline: float) -> bool:
        """Whether there was something to wait for: another's request, or the end of a pause."""
        with self._lock:
            if parcel.outcome is not None:
                return True
            now, trouble = time.monotonic(), self._trouble
            lasted = trouble.lasted(began)
            if lasted >= self._timeout or (lasted >= 0 and now >= deadline):
                raise Unavailable(trouble.reason)
            if now >= deadline:
                return False  # Nobody is told that a task has not ended who has not asked.
            if parcel.poll in self._polls:
                until = deadline
            elif trouble.again_at > now:
                until = min(deadline, trouble.again_at)
            else:
                return False
            self._news.wait(min(until - now, _LONGEST_WAIT_S))
            return True

    def _poll(self, parcel: Parcel, wait: float) -> Outcome | None:
        """Asks once, for so many seconds at most."""
        if self._courier.singly:
            return self._ask_singly(parcel, wait)
        me = object()
        try:
            with self._lock:
                self._polls.add(me)
                asked = self._choose(parcel, me)
            return self._ask(parcel, asked, wait)
        finally:
            with self._lock:
                self._polls.discard(me)
                self._news.notify_all()

    def _choose(self, parcel: Parcel, me: object) -> dict[str, Parcel]:
        """A task and some of the next, but none for which somebody asks already."""
        asked = {parcel.task_id: parcel}
        parcel.poll = me
        first, most = parcel.number + 1, self._asked
        for number in range(first, min(first + 4 * most, self._courier.newest + 1)):
            if len(asked) >= most:
                break
            other = self._courier.still_wanted(number)
            if other is None or not other.accepted or other.ended or other.poll in self._polls:
                continue
            asked[other.task_id] = other
            other.poll = me
        return asked

    def _ask(self, parcel: Parcel, asked: dict[str, Parcel], wait: float) -> Outcome | None:
        began = time.monotonic()
        try:
            answer = self._wire.ask(*_question(asked, wait))
        except TryAgain as failure:
            if failure.status == 429:  # It counts those who wait for each task.
                self._most_asked = self._asked = max(1, len(asked) // 2)
            raise
        if answer.status in (404, 405):
            self._courier.singly = True
            return self._ask_singly(parcel, wait)
        if answer.status != 200:
            raise RequestFailed(answer.status, answer.detail())
        outcomes = _take(answer, asked)
        self._adapt(len(answer.body))
        if not outcomes and time.monotonic() - began < min(PAUSE_S, wait):
            time.sleep(min(PAUSE_S, wait))  # It lets nobody wait now, because it is about to end.
        return outcomes.get(parcel.task_id)

    def _adapt(self, size: int) -> None:
        """Asks for more the next time, or for less, by the size of an answer."""
        if size > _ANSWER_BYTES:
            self._asked = max(1, self._asked * _ANSWER_BYTES // size)
        else:
            self._most_asked = min(self._most_asked + 1, _MOST_ASKED)
            self._asked = min(2 * self._asked, self._most_asked)

    def _ask_singly(self, parcel: Parcel, wait: float) -> Outcome | None:
        answer = self._wire.ask("GET", f"/result/{parcel.task_id}?wait={wait:.3f}", None, wait + ANSWER_S)
        if answer.status != 200:
            raise RequestFailed(answer.status, answer.detail())
        try:
            outcome: Outcome = answer.json()
            return outcome if outcome["status"] in ("COMPLETED", "FAILED") else None
        except (ValueError, KeyError, TypeError):
            raise TryAgain("the answer to GET /result is not the platform's") from None


def _wait(deadline: float) -> float:
    """For how many seconds to ask, rounded up to what the platform's clock can tell apart."""
    return math.ceil(1000 * min(max(deadline - time.monotonic(), 0.0), POLL_S)) / 1000


def _question(asked: Iterable[str], wait: float) -> Request:
    body = json.dumps({"task_ids": list(asked), "wait": wait}, separators=(",", ":")).encode()
    return Request("POST", "/v1/results", body, wait + ANSWER_S)


def _take(answer: Answer, asked: Mapping[str, Parcel]) -> dict[str, Outcome]:
    outcomes = _outcomes(answer)
    for task_id, outcome in outcomes.items():
        if task_id in asked:
            asked[task_id].outcome = outcome
            asked[task_id].ended = True
    return outcomes


def _outcomes(answer: Answer) -> dict[str, Outcome]:
    """How tasks have ended. An error that is not told is none."""
    try:
        outcomes = answer.json()["results"]
        if all(outcome["status"] in ("COMPLETED", "FAILED", "UNKNOWN") for outcome in outcomes):
            return {outcome["task_id"]: {"error": None, **outcome} for outcome in outcomes}
    except (ValueError, KeyError, TypeError):
        pass
    raise TryAgain("the answer to POST /v1/results is not the platform's")
