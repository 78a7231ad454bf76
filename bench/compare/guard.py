"""Leaves no process behind, however a program ends.

Some of the peers start daemons in sessions of their own, which outlive a killed parent and are in no process group of
ours. So a program that starts peers runs as the child of a guard:

    guard ─── program ─── peers, servers, and what these start
      └── adopts whatever loses its parent (it is a "subreaper")

When the program ends, well or badly, or does not end in time after a signal, the guard kills whatever is left below it.
If it is the guard that is killed, the kernel tells the program (PR_SET_PDEATHSIG), which then ends in its ordinary way.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

# How long a program may take to end by itself after a signal.
GRACE_S = 15.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def guarded(program: Callable[[], int]) -> int:
    """Runs `program` in a child under a guard, and answers its exit code.

    SIGTERM and SIGINT reach the program as KeyboardInterrupt. Systems other than Linux have no subreapers: there the
    program runs without a guard, and what a killed peer leaves behind stays.
    """
    if sys.platform != "linux":
        signal.signal(signal.SIGTERM, _interrupt)
        return program()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        # A group of its own: what is done to the guard's, by a terminal or by `kill`, is done to the guard alone.
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGTERM, _interrupt)
        if os.getppid() != guard:
            sys.exit(1)
        return program()
    try:
        return _watch(child)
    finally:
        end_descendants()


def end_descendants() -> None:
    """Kills all processes below this one, and those that they start meanwhile, and returns when they have ended."""
    deadline = time.monotonic() + GRACE_S
    while (below := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _reap()
        time.sleep(0.01)


def descendants(ancestor: int) -> list[int]:
    """The processes below this one, and those of them that have ended and were not reaped yet."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # It has ended since.
        # After the name, in parentheses, which may contain anything: the state, and the parent.
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    below = [ancestor]
    while below:
        own = children.get(below.pop(), [])
        found += own
        below += own
    return found


def _watch(child: int) -> int:
    """Waits until the child has ended, reaps what the guard adopts meanwhile, and passes signals on."""
    told_at = float("inf")

    def tell(*_: object) -> None:
        nonlocal told_at
        told_at = min(told_at, time.monotonic())
        os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    while time.monotonic() < told_at + GRACE_S:
        for pid, code in _reap():
            if pid == child:
                return code if code >= 0 else 128 - code
        time.sleep(0.02)
    return 1


def _reap() -> list[tuple[int, int]]:
    """The children that have ended, with their exit codes (of a signal, its negative number)."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, os.waitstatus_to_exitcode(status)))


def _interrupt(*_: object) -> None:
    # Once is enough: a second one would interrupt the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
