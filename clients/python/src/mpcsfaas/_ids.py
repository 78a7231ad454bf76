"""Ids of tasks: random UUIDs (RFC 9562, version 4).

They are drawn many at a time. `uuid.uuid4` asks the system for each, and lets go of the interpreter meanwhile: with
another thread at work, such as the one that sends, that takes longer than all the rest of a submit.
"""

from __future__ import annotations

import os

_DRAWN_AT_ONCE = 128
# The first digit of the fourth group: its two upper bits say which layout the id has.
_VARIANT = dict(zip("0123456789abcdef", 4 * "89ab"))

_drawn: list[str] = []


def draw() -> str:
    """An id that nobody has had. Threads may call it at once."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            _drawn.extend(_fresh(os.urandom(16 * _DRAWN_AT_ONCE).hex()))


def forked() -> None:
    """In a child process: its parent uses those that were drawn."""
    _drawn.clear()


def _fresh(digits: str) -> list[str]:
    return [
        f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"
        for d in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]
