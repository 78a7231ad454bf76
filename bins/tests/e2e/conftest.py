"""Fixtures of the end-to-end tests. `cargo xtask test end-to-end` sets the environment that they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import Ledger
from processes import PATIENCE_S, Platform

from mpcsfaas import Client

_NEEDED = {
    "MPCSFAAS_BIN": "the mpcsfaas binary",
    "MPCSFAAS_REDIS_SERVER": "redis-server or valkey-server",
    "MPCSFAAS_TEST_PYTHON": "a Python with dill",
}
_LOG_TAIL = 4_000


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is skipped for want of something: without its surroundings the suite fails."""
    for name, what in _NEEDED.items():
        if not os.access(os.environ.get(name, ""), os.X_OK):
            raise pytest.UsageError(f"{name} must name {what}; `cargo xtask test end-to-end` sets it")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path)
    yield from closing(platform)


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    with Client(platform.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "executions")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands of a test put what they need for a while."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def closing(platform: Platform) -> Iterator[Platform]:
    """Ends a platform after its tests, and shows its logs: pytest prints them if one has failed."""
    try:
        yield platform
    finally:
        for process in platform.processes:
            print(f"--- {process.name} (pid {process.pid}) ---\n{process.log()[-_LOG_TAIL:]}")
        platform.close()
