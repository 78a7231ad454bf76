"""A peer's process, from its start to its last row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compare.course import trial_rows
from compare.peers.peer import HOME

SIZES = '{"tasks": {"noop": 20}, "sequence": 10, "open": 10, "naps": 2}'


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOME))


def rows_of(peer: str, tests: str, scratch: Path) -> list[dict[str, Any]]:
    arguments = ["--peer", peer, "--tests", tests, "--processes", 2, "--sizes", SIZES]
    arguments += ["--binary", "no-binary", "--scratch", scratch]
    rows = [row for row in trial_rows(arguments, scratch / "trial.log") if "begin" not in row]
    assert rows.pop() == {"ended": True}
    return rows


def test_a_peer_says_what_it_is_and_what_came_out(tmp_path: Path) -> None:
    about, start, noop, seq = rows_of("processpool", "noop,seq", tmp_path)
    assert about["about"].startswith("`ProcessPoolExecutor`")
    assert (start["test"], start["processes"]) == ("start-2", 2)
    assert (noop["test"], noop["n"]) == ("noop", 20)
    assert (seq["test"], seq["n"]) == ("seq", 10)


def test_a_peer_that_does_not_start_has_an_error_in_each_test(tmp_path: Path) -> None:
    # Without a binary ours does not start; where our client is not installed it is not even imported.
    errors = [row for row in rows_of("mpcsfaas", "noop,seq", tmp_path) if "about" not in row]
    assert [row["test"] for row in errors] == ["noop", "seq"]
    assert all("Error" in row["error"] for row in errors)
