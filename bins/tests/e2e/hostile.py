"""Hostile peers at a dispatcher's port, as a program: `hostile.py PORT [IDENTITY ...]`.

It says "attacking" when all are at it, "thrown out: KIND" when the first of a kind has been, and goes on until it is
ended. Its pace is bounded: what is tried is the dispatcher, not who has more of the processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import resource
import sys
from collections.abc import Awaitable, Callable

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
THIRTY_GIGABYTES = b"\x02" + (30_000_000_000).to_bytes(8, "big")
# As a REQ peer's: it is answered, though it says nothing.
QUESTIONS = b"\x01\x00\x00\x00" * 4_000

CONNECTIONS = 2_000
LIARS, DEAF, THIEVES = 4, 10, 4
PAUSE_S = 0.1
# Of one of the many that was thrown out, until it comes again.
LOITER_PAUSE_S = 2.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

thrown_out: set[str] = set()
numbers = itertools.count()


async def connected(port: int, opening: bytes) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening)
    return reader, writer


def ready(identity: str) -> bytes:
    properties = {b"Socket-Type": b"DEALER", b"Identity": identity.encode()}
    body = b"\x05READY"
    for name, value in properties.items():
        body += bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value
    return bytes([4, len(body)]) + body


async def until_thrown_out(stream: Stream) -> None:
    reader, writer = stream
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass
    writer.close()


async def loiter(port: int) -> None:
    """A handshake that does not end."""
    opening = GREETING if next(numbers) % 2 else b""
    await until_thrown_out(await connected(port, opening))


async def lie_at_once(port: int) -> None:
    await until_thrown_out(await connected(port, GREETING + THIRTY_GIGABYTES))


async def lie_later(port: int) -> None:
    opening = GREETING + ready(f"liar-{next(numbers)}") + b"\x00\x01?" + THIRTY_GIGABYTES
    await until_thrown_out(await connected(port, opening))


async def ask_and_never_read(port: int) -> None:
    reader, writer = await connected(port, GREETING + ready(f"deaf-{next(numbers)}"))
    await reader.readexactly(66)
    # Bytes pile up here before the other side is told to stop.
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):
        while True:
            writer.write(QUESTIONS)
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
    writer.close()


def steal(identity: str) -> Callable[[int], Awaitable[None]]:
    async def once(port: int) -> None:
        await until_thrown_out(await connected(port, GREETING + ready(identity)))

    return once


async def again_and_again(kind: str, port: int, once: Callable[[int], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await once(port)
            if kind not in thrown_out:
                thrown_out.add(kind)
                print(f"thrown out: {kind}", flush=True)
        await asyncio.sleep(LOITER_PAUSE_S if once is loiter else PAUSE_S)


async def attack(port: int, identities: list[str]) -> None:
    kinds: list[tuple[str, Callable[[int], Awaitable[None]], int]] = [
        ("lie at once", lie_at_once, LIARS),
        ("lie later", lie_later, LIARS),
        ("never read", ask_and_never_read, DEAF),
        *(("steal", steal(identity), THIEVES) for identity in identities),
    ]
    tasks = [asyncio.create_task(again_and_again(kind, port, once)) for kind, once, n in kinds for _ in range(n)]
    # Twenty at a time, as the listener's backlog is not what is tried.
    for _ in range(0, CONNECTIONS, 20):
        tasks += [asyncio.create_task(again_and_again("loiter", port, loiter)) for _ in range(20)]
        await asyncio.sleep(PAUSE_S / 10)
    print("attacking", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(attack(int(sys.argv[1]), sys.argv[2:]))
