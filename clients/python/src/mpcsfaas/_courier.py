"""Takes tasks to the platform, many in one request when there are many.

A task that is submitted while nothing is on its way leaves at once; what is submitted while a request is on its way
leaves with the next. So nobody waits for company, and who submits a thousand tasks pays for a few requests.

Whoever needs a task to arrive may send it: there is one sender at a time, and a thread that sends what nobody waits
for. A task stays in the queue until the platform has said yes or no to it. So nothing is lost when a sender is
interrupted, and the next one sends it again, which is safe, because each task carries its id.
"""

from __future__ import annotations

import atexit
import copy
import itertools
import logging
import queue
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any, Callable

from mpcsfaas._wire import ANSWER_S, RETRIED, Answer, Request, Trouble, TryAgain, Wire
from mpcsfaas.errors import RequestFailed, Unavailable

# What the platform takes in one request, and less than its limit for the body of one large task.
_BATCH = 1_000
_BATCH_BYTES = 4 << 20
# Who has submitted so much that has not arrived sends before going on.
_UNSENT_LIMIT = 10_000
_UNSENT_BYTES = 64 << 20
# The request as a whole was refused, perhaps for one task's sake: its body's size or shape, or what it brings about.
_DIVIDED = frozenset({400, 408, 413, 422, 500})
# So many tasks are remembered before those that nobody refers to are looked for.
_SWEPT = 10_000
# So many refusals of which nobody has heard are remembered.
_UNHEARD = 1_000
# A wait is looked at again so often at least; longer ones are more than a lock can take.
_LONGEST_WAIT_S = 3600.0

# What to ask about a task, made when it is asked.
Question = Callable[[], Request]

_log = logging.getLogger("mpcsfaas")


class Parcel:
    """A task on its way, and what has become of it."""

    __slots__ = (
        "__weakref__",
        "accepted",
        "ended",
        "heard",
        "item",
        "number",
        "outcome",
        "poll",
        "process",
        "refusal",
        "reply",
        "since",
        "task_id",
    )

    def __init__(self, task_id: str, item: bytes) -> None:
        self.task_id = task_id
        # What is sent, until it has arrived.
        self.item = item
        self.since = time.monotonic()
        # Its place in the order of submission, and which process queued it; see `Courier.forked`.
        self.number = self.process = -1
        self.accepted = False
        self.refusal: Exception | None = None
        self.heard = False
        # For whoever waits for its result: the request that asks for it, whether it has ended, and how, until told.
        self.poll: object | None = None
        # If that request left together with the task: what brings its answer.
        self.reply: Callable[[], Answer] | None = None
        self.ended = False
        self.outcome: dict[str, Any] | None = None

    @property
    def arrived(self) -> bool:
        """Whether the platform has said yes or no."""
        return self.accepted or self.refusal is not None


class Courier:
    """Carries the tasks of one client. Its thread starts with the first task, and ends with the client."""

    def __init__(self, wire: Wire, timeout: float) -> None:
        self._wire = wire
        self._timeout = timeout
        self._numbers = itertools.count()
        self._process = -1
        # Submitted here and perhaps still referred to, by number. A plain dictionary, swept when it has doubled, costs
        # a submit a fraction of what a WeakValueDictionary does.
        self._live: dict[int, weakref.ref[Parcel]] = {}
        self._swept_at = _SWEPT
        self.newest = -1
        # An older gateway, which takes and tells one task in a request.
        self.singly = False
        self._limit, self._limit_bytes = _BATCH, _BATCH_BYTES
        self._closed = self._ending = False
        self.forked()

    def forked(self) -> None:
        """Begins anew in a child process: its parent sends what is unsent, and has the thread and the locks."""
        self._process += 1
        # One that a finalizer or a signal handler may take again.
        self._lock = threading.RLock()
        # Said whenever a sender is done.
        self._news = threading.Condition(self._lock)
        self._sender: object | None = None
        # Not yet arrived, in order. Only the sender takes away; who adds holds the lock.
        self._unsent: deque[Parcel] = deque()
        self._unsent_bytes = 0
        self._refused: deque[Parcel] = deque(maxlen=_UNHEARD)
        self._trouble = Trouble()
        self._thread: threading.Thread | None = None
        # Wakes the thread. Ringing it takes no lock, so a finalizer may.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def check_open(self) -> None:
        """Raises if the client is closed."""
        if self._closed:
            raise RuntimeError("the client is closed")

    def send(self, parcel: Parcel) -> None:
        """Sends a task soon, and returns at once unless very many have not arrived."""
        with self._lock:
            self.check_open()
            parcel.number = self.newest = next(self._numbers)
            if len(self._live) >= self._swept_at:
                self._sweep()
            self._live[parcel.number] = weakref.ref(parcel)
            self._queue(parcel)
        if self._thread is None and not self._start():
            self.arrive(parcel)
        while self._is_overfull() and not parcel.arrived:
            self._step(parcel)

    def still_wanted(self, number: int) -> Parcel | None:
        """The task of this number, unless nobody refers to it any more."""
        wanted = self._live.get(number)
        return None if wanted is None else wanted()

    def arrive(self, parcel: Parcel, deadline: float = float("inf"), question: Question | None = None) -> bool:
        """Whether the platform has accepted a task by then; raises why it has not, if it said so.

        A question about it is asked in the same breath, if it leaves alone: the parcel then has a `reply`.
        """
        if parcel.process != self._process and not parcel.arrived:
            with self._lock:
                if parcel.process != self._process:
                    self._queue(parcel)
        while not parcel.arrived:
            if not self._step(parcel, deadline, question):
                return parcel.accepted
        if parcel.refusal is not None:
            parcel.heard = True
            raise copy.copy(parcel.refusal)
        return True

    def why_not_yet(self) -> str:
        """What keeps the platform from accepting tasks now, or nothing."""
        return self._trouble.reason

    def flush(self) -> None:
        """Returns when all that was submitted has arrived; raises the first refusal that nobody has heard of."""
        self._empty(float("inf"))
        unheard = self._unheard()
        if unheard:
            raise copy.copy(unheard[0].refusal or Unavailable())

    def hurry(self) -> None:
        """From now on, gives up as soon as the platform is found to be away or full."""
        with self._lock:
            self._timeout = 0.0
            self._trouble = Trouble()
            self._news.notify_all()

    def close(self) -> None:
        """Sends what waits, and ends."""
        with self._lock:
            self._closed = True
        try:
            self._empty(float("inf"))
        except BaseException:
            self._give_up("the client was closed before the task was accepted")
            raise
        finally:
            self.abandon()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._tell_unheard()

    def abandon(self) -> None:
        """Lets the thread end when it has sent what waits. Takes no lock."""
        self._ending = True
        self._ring()

    def finish(self, began: float) -> None:
        """Sends what waits before the process ends, for no longer than the client tries."""
        try:
            self._empty(began + self._timeout + ANSWER_S)
            self._give_up("the program ended before the task was accepted")
        except (Exception, KeyboardInterrupt):
            return
        self._tell_unheard()

    # Who sends.

    def _sweep(self) -> None:
        """Forgets what nobody refers to any more. Replaces the dictionary, because others read it meanwhile."""
        self._live = {number: wanted for number, wanted in self._live.copy().items() if wanted() is not None}
        self._swept_at = max(_SWEPT, 2 * len(self._live))

    def _queue(self, parcel: Parcel) -> None:
        parcel.process = self._process
        self._unsent.append(parcel)
        self._unsent_bytes += len(parcel.item)
        self._ring()

    def _is_overfull(self) -> bool:
        return len(self._unsent) > _UNSENT_LIMIT or self._unsent_bytes > _UNSENT_BYTES

    def _start(self) -> bool:
        """Starts the thread; says no if there can be none, because the interpreter is ending."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="mpcsfaas-courier", daemon=True)
                _running.add(self)
                try:
                    thread.start()
                except RuntimeError:
                    _running.discard(self)
                    return False
                self._thread = thread
        return True

    def _ring(self) -> None:
        """Wakes the thread. It looks at everything after it was woken, so one call that it has not heard is enough."""
        if self._bell.empty():
            self._bell.put(None)

    def _let_sleep(self) -> None:
        """Takes back a call that the thread has not heard, so that it does not get in the way of who sends instead."""
        if not self._bell.empty():
            try:
                self._bell.get_nowait()
            except queue.Empty:
                pass

    def _run(self) -> None:
        """The thread: sends what nobody waits for."""
        while True:
            try:
                self._bell.get(timeout=self._until_next())
            except queue.Empty:
                pass
            if self._unsent:
                self._step(None, 0.0)
            if self._ending and not self._unsent:
                break
        _running.discard(self)
        if not self._closed:
            # Nobody has the client any more.
            self._tell_unheard()
            self._wire.close()

    def _until_next(self) -> float | None:
        """How long the thread may sleep if nobody rings."""
        if not self._unsent or self._sender is not None:
            return None  # Who submits rings, and so does a sender who leaves something.
        return max(0.0, self._trouble.again_at - time.monotonic())

    def _empty(self, deadline: float) -> None:
        """Returns when all that waits now has arrived, or the time is over."""
        with self._lock:
            waiting = list(self._unsent)
        for parcel in waiting:
            while not parcel.arrived:
                if not self._step(parcel, deadline):
                    return

    def _step(self, parcel: Parcel | None, deadline: float = float("inf"), question: Question | None = None) -> bool:
        """Sends the next batch, when the one on its way has arrived, or waits until this parcel has with that.

        Says no if nothing could be done by then. Nobody but the sender of the moment resets `_sender`, so it is set
        inside of the `try`: then ^C finds no moment in which it would stay set.
        """
        me = object()
        try:
            with self._lock:
                while parcel is None or not parcel.arrived:
                    now = time.monotonic()
                    again_at = self._trouble.again_at
                    if self._sender is None and again_at <= now:
                        self._sender = me
                        break
                    if deadline <= now:
                        return False
                    until = deadline if self._sender is not None else min(deadline, again_at)
                    self._news.wait(min(until - now, _LONGEST_WAIT_S))
            if self._sender is me:
                self._let_sleep()
                self._send_next(parcel, question)
        finally:
            if self._sender is me:
                with self._lock:
                    self._sender = None
                    self._news.notify_all()
                if self._unsent or self._ending:
                    self._ring()
        return True

    # Sending, by one at a time.

    def _send_next(self, parcel: Parcel | None, question: Question | None) -> None:
        batch = self._batch()
        began = time.monotonic()
        failure = None
        try:
            # Who is away or full is not asked anything else.
            self._deliver(batch, question if batch == [parcel] and self._trouble.since is None else None)
        except TryAgain as again:
            failure = again
        except Exception as error:  # Such as a certificate that is not to be trusted.
            self._refuse(batch, error)
        with self._lock:
            if any(parcel.arrived for parcel in batch):
                self._trouble.over()
            if failure is not None:
                self._wait_or_refuse(failure, began)
            while self._unsent and self._unsent[0].arrived:
                parcel = self._unsent.popleft()
                self._unsent_bytes -= len(parcel.item)
                parcel.item = b""

    def _batch(self) -> list[Parcel]:
        batch: list[Parcel] = []
        size = 0
        for index in range(len(self._unsent)):
            parcel = self._unsent[index]
            if parcel.arrived:
                continue
            size += len(parcel.item)
            if batch and (len(batch) == self._limit or size > self._limit_bytes):
                break
            batch.append(parcel)
        return batch

    def _deliver(self, batch: list[Parcel], question: Question | None = None) -> None:
        """Lets a batch arrive; raises `TryAgain` if some of it is to be sent again."""
        if not batch:
            return
        if self.singly:
            self._deliver_singly(batch[0])
            return
        body = b'{"tasks":[' + b",".join([parcel.item for parcel in batch]) + b"]}"
        if question is None:
            answer = self._wire.ask("POST", "/v1/tasks:batch", body, ANSWER_S)
        else:
            request = Request("POST", "/v1/tasks:batch", body, ANSWER_S)
            answer, batch[0].reply = self._wire.ask_both(request, question())
        if answer.status == 200:
            self._take(answer, batch)
        elif answer.status in (404, 405):
            self.singly, self._limit = True, 1
            self._deliver_singly(batch[0])
        elif answer.status in _DIVIDED and len(batch) > 1:
            if answer.status == 413:
                self._limit_bytes = max(1, len(body) // 2)
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
        else:
            self._refuse(batch, RequestFailed(answer.status, answer.detail()))

    def _take(self, answer: Answer, batch: list[Parcel]) -> None:
        again: TryAgain | None = None
        accepted = 0
        for parcel, (status, detail) in zip(batch, _verdicts(answer, batch)):
            if status is None:
                parcel.accepted = True
                accepted += 1
            elif status in RETRIED:
                again = again or TryAgain(f"HTTP {status}: {detail}")
            else:
                self._refuse([parcel], RequestFailed(status, detail))
        if again is not None:
            # Who is full is not sent everything over and over.
            self._limit = max(1, accepted)
            raise again
        self._limit = min(2 * self._limit, _BATCH)

    def _deliver_singly(self, parcel: Parcel) -> None:
        answer = self._wire.ask("POST", "/execute_function", parcel.item, ANSWER_S)
        if answer.status == 200:
            parcel.accepted = True
        else:
            self._refuse([parcel], RequestFailed(answer.status, answer.detail()))

    def _wait_or_refuse(self, failure: TryAgain, began: float) -> None:
        """Sets the time of the next try, and refuses what has waited for long enough. Holds the lock."""
        waiting = [parcel for parcel in self._unsent if not parcel.arrived]
        self._trouble.came(failure, waiting[0].since if waiting else 0.0, self._timeout)
        known = [parcel for parcel in waiting if parcel.since <= began]
        over = [parcel for parcel in known if self._trouble.lasted(parcel.since) >= self._timeout]
        self._refuse(over, Unavailable(failure.reason))
        if len(over) == len(waiting):
            self._trouble.over()  # Who comes next is not made to wait.

    # Refusals.

    def _refuse(self, batch: Iterable[Parcel], error: Exception) -> None:
        for parcel in batch:
            if not parcel.arrived:
                parcel.refusal = error
                self._refused.append(parcel)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            if self._unsent:
                trouble = self._trouble.reason
                self._refuse(self._unsent, Unavailable(f"{reason}: {trouble}" if trouble else reason))
                self._unsent.clear()
                self._unsent_bytes = 0
                self._news.notify_all()

    def _unheard(self) -> list[Parcel]:
        """The refusals that nobody has heard of; from now on, they have been."""
        refused = []
        while self._refused:
            refused.append(self._refused.popleft())
        unheard = [parcel for parcel in refused if not parcel.heard]
        for parcel in unheard:
            parcel.heard = True
        return unheard

    def _tell_unheard(self) -> None:
        unheard = self._unheard()
        if unheard:
            _log.warning("tasks that were not accepted: %d; the first: %s", len(unheard), unheard[0].refusal)


# Those with a thread. What was submitted is sent at exit, even if nobody asks what became of it.
_running: set[Courier] = set()


def forked() -> None:
    """In a child process: its parent ends what it began."""
    _running.clear()


@atexit.register
def _at_exit() -> None:
    began = time.monotonic()
    # Whoever has pressed ^C does not want to wait for a platform that is away.
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    for courier in list(_running):
        if interrupted:
            courier.hurry()
        courier.finish(began)


def _verdicts(answer: Answer, batch: list[Parcel]) -> list[tuple[int | None, str]]:
    """What the platform says to each task: nothing, or a status and why."""
    try:
        verdicts = answer.json()["tasks"]
        if [verdict["task_id"] for verdict in verdicts] == [parcel.task_id for parcel in batch]:
            return [
                (None, "") if verdict.get("status") is None else (int(verdict["status"]), str(verdict.get("detail")))
                for verdict in verdicts
            ]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise TryAgain("the answer to POST /v1/tasks:batch is not the platform's")
