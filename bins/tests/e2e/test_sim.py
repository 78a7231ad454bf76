"""The simulated world from the command line: seeds, failures that are found again, shrunk and confirmed; mistakes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, PATIENCE_S

BUG = "commit-without-fence"
SCENARIO = """
version = 1
name = "late-result"

[world]
dispatchers = 1
workers = 1
heal_at = "2s"

[[submit]]
at = "100ms"
runs = "1s"
"""


def sim(*arguments: str) -> tuple[int, str]:
    """Exit code, and all that it printed."""
    command = [BINARY, "sim", *arguments]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False
    )
    return ended.returncode, ended.stdout


def lines_of_json(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code, printed = sim(*arguments, "--json")
    return code, [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The first failure of a planted bug."""
    code, lines = lines_of_json("run", "--seeds", "300", "--bug", BUG)
    assert code == 1
    failure, end = lines
    assert end["failures"] == 1
    return failure


def test_the_same_seeds_are_the_same_runs_with_any_number_of_threads() -> None:
    runs = [sim("run", "--seeds", "50", "--keep-going", "--threads", threads) for threads in ("1", "2", "5")]
    # The last line has rates, which differ, after the hash.
    kept = {(code, printed.rpartition(" events/s=")[0]) for code, printed in runs}
    assert len(kept) == 1
    assert re.search(r"\nhash=[0-9a-f]{16}$", kept.pop()[1])


def test_a_planted_bug_is_found_and_its_command_shows_it_again(found: dict[str, Any]) -> None:
    command = shlex.split(found["replay"])
    assert command[:4] == ["mpcsfaas", "sim", "replay", "--seed"]
    code, printed = sim(*command[2:])
    violation = found["violation"]
    assert code == 1
    assert printed.startswith(f"seed {found['seed']}, swarm, with a bug: {BUG} (")
    assert found["knobs"] in printed
    assert f"{violation['promise']} broken at" in printed
    assert violation["what"] in printed

    _, (replayed,) = lines_of_json(*command[2:])
    assert replayed["violation"] == violation


def test_a_failure_becomes_small_and_its_file_confirms_it(found: dict[str, Any], tmp_path: Path) -> None:
    seed = str(found["seed"])
    code, printed = sim("shrink", "--seed", seed, "--bug", BUG, "--out", str(tmp_path))
    assert code == 0, printed
    shrunk = re.search(r"^shrunk from (\d+) to (\d+) events", printed, re.MULTILINE)
    assert shrunk, printed
    assert int(shrunk[2]) <= min(20, int(shrunk[1]))
    file, test = tmp_path / f"seed-{seed}.toml", tmp_path / f"seed_{seed}.rs"
    for written in (file, test):
        assert written.read_text() in printed

    code, replayed = sim("replay", str(file), "--bug", BUG)
    assert (code, "\nas expected\n" in replayed) == (0, True)
    # Without the bug the promise is kept, and that is not what the file expects.
    code, replayed = sim("replay", str(file))
    assert (code, f"{found['violation']['promise']} should have been broken" in replayed) == (1, True)


def test_a_run_is_told_as_text_and_as_a_diagram(tmp_path: Path) -> None:
    file = tmp_path / "late.toml"
    file.write_text(SCENARIO)
    code, printed = sim("replay", str(file), "--trace")
    assert code == 0
    assert re.search(r"^ *\d+ .* S<-C .* t1 .*Submit", printed, re.MULTILINE), printed
    code, diagram = sim("replay", str(file), "--mermaid", "--task", "t1")
    assert code == 0
    assert next(line for line in diagram.splitlines() if not line.startswith("%%")) == "sequenceDiagram"
    assert "every promise was kept" in diagram


def test_the_shared_socket_stalls_only_where_threads_share_it() -> None:
    code, rows = lines_of_json("stall", "--shared-socket")
    assert code == 0
    stalls = {row["sockets"]: row["stalls"] > 0 for row in rows}
    assert stalls == {
        "shared (the original)": True,
        "shared, poll of 50 ms": True,
        "one socket a thread": False,
        "one owner (ours)": False,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--seeds", "0"], "invalid value '0' for '--seeds <N>'"),
        (["run", "--seeds", "many"], "invalid value 'many' for '--seeds <N>'"),
        (["run", "--mode", "wild"], "[possible values: lite, swarm, performance]"),
        (["run", "--bug", "none"], "possible values: commit-without-fence"),
        (["run", "--first-seed", str(2**64 - 1), "--seeds", "2"], "no 2 seeds from"),
        (["replay"], "<--seed <N>|FILE.toml>"),
        (["replay", "--seed", "x"], "invalid value 'x' for '--seed <N>'"),
        (["replay", "nowhere.toml"], "cannot read nowhere.toml: No such file"),
        (["replay", "late.toml", "--mode", "lite"], "cannot be used with"),
        (["replay", "late.toml", "--task", "t1"], "required arguments were not provided"),
        (["replay", "late.toml", "--trace", "--task", "t9"], "the run has no task `t9`"),
        (["replay", "broken.toml"], "broken.toml:13:1: "),
        (["shrink"], "required arguments were not provided"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("late.toml").write_text(SCENARIO)
    Path("broken.toml").write_text(f'{SCENARIO}sort = "late"\n')
    code, printed = sim(*arguments)
    assert message in printed
    assert code == 2


def test_what_does_not_fail_is_not_shrunk() -> None:
    code, printed = sim("shrink", "--seed", "1", "--mode", "lite")
    assert (code, "keeps every promise" in printed) == (1, True)
