"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_platform import FakePlatform

from mpcsfaas import Client


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as platform:
        yield platform


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[Client]:
    with Client(platform.url, timeout=20) as client:
        yield client
