"""The simulated world from the command line: seeds, failures found again and shrunk, the original's, mistakes."""

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


def test_a_failure_becomes_small_for_a_machine_too(tmp_path: Path) -> None:
    setting = ("--mode", "lite", "--bug", "lost-registration")
    _, (failure, _) = lines_of_json("run", "--seeds", "300", *setting)
    seed = str(failure["seed"])
    code, (shrunk,) = lines_of_json("shrink", "--seed", seed, *setting, "--out", str(tmp_path))
    assert code == 0
    assert (shrunk["violation"], shrunk["knobs"]) == (failure["violation"], failure["knobs"])
    assert shrunk["shrunk_violation"]["promise"] == failure["violation"]["promise"]
    assert shrunk["units_after"] <= shrunk["units_before"]
    assert (tmp_path / f"seed-{seed}.toml").read_text() == shrunk["scenario"]
    # The hash is that of the smallest run, which is the file's.
    code, (replayed,) = lines_of_json(*shlex.split(shrunk["replay"])[2:])
    assert (code, replayed["hash"]) == (0, shrunk["hash"])


@pytest.mark.parametrize("command", [["run", "--seeds", "1", "--first-seed", "7"], ["replay", "--seed", "7"]])
def test_one_run_begins_with_what_it_depends_on_and_ends_with_its_hash(command: list[str]) -> None:
    code, printed = sim(*command, "--mode", "lite")
    first, second, *_, last = printed.splitlines()
    assert (code, first) == (0, "seed 7, lite")
    assert re.match(r"1 dispatcher\(s\), .*; faults: \S", second)
    assert re.fullmatch(r"hash=[0-9a-f]{16} events/s=\d+ seeds/s=[\d.]+ virtual:wall=\d+", last)
    _, (end,) = lines_of_json(*command, "--mode", "lite")
    assert end["knobs"] == second
    assert last.startswith(f"hash={end['hash']} ")


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


def test_a_task_is_called_the_same_when_only_it_is_told_of() -> None:
    told = ["replay", "--seed", "3", "--mode", "lite", "--trace"]
    _, printed = sim(*told)
    whole = {line.strip() for line in printed.splitlines()}
    name, uuid = max(re.findall(r"^(t\d+) = (.*)$", printed, re.MULTILINE), key=lambda entry: int(entry[0][1:]))
    assert name != "t1"
    for task in (name, uuid):
        _, printed = sim(*told, "--task", task, "--last", "30")
        about = [line for line in printed.splitlines() if re.search(rf" {name}(\.\d+)? ", line)]
        assert about
        assert not re.search(r"^t1 = ", printed, re.MULTILINE)
        # Columns are as wide as they must be, so only what is in them is the same.
        assert {tuple(line.split()) for line in about} <= {tuple(line.split()) for line in whole}


def test_a_planted_bug_is_found_from_every_base_and_the_same_seeds_are_clean_without_it() -> None:
    command = ["catalogue", "--bug", "credit-counted-twice", "--bases", "5", "--limit", "50"]
    code, (row, end) = lines_of_json(*command)
    assert code == 0
    assert row.items() >= {"bug": "credit-counted-twice", "bases": 5, "found": 5, "checker": "P4"}.items()
    assert 1 <= row["median_seeds"] <= row["p95_seeds"] <= 50
    assert (end["bugs"], end["found"], end["control_breaks"]) == (1, 1, [])
    code, printed = sim(*command)
    assert re.search(r"^credit-counted-twice +5/5 +\d+ +\d+  P4", printed, re.MULTILINE), printed
    assert f"the same {end['control_seeds']} seeds without a bug keep every promise" in printed


def test_a_bug_that_hides_is_named_with_what_would_find_it() -> None:
    code, printed = sim("catalogue", "--bug", "reap-without-owner", "--bases", "1", "--limit", "3")
    assert code == 1
    assert re.search(r"^not so reap-without-owner: .*; wanted: ", printed, re.MULTILINE), printed


def test_a_bug_escapes_without_the_trouble_that_it_needs_and_not_without_another() -> None:
    command = ["ablation", "--bug", "child-end-unnoticed", "--limit", "100"]
    for without, escaped in (("bad-ends", ["child-end-unnoticed"]), ("cut", [])):
        code, (row, end) = lines_of_json(*command, "--without", without)
        assert (code, row) == (0, {"without": without, "family": False, "escaped": escaped})
        assert end["seeds_with_all_trouble"]["child-end-unnoticed"] <= 100
    _, printed = sim(*command, "--without", "cut")
    assert "find nothing alone: cut" in printed


def test_every_scenario_is_a_failure_of_the_original_and_not_of_ours() -> None:
    code, verdicts = lines_of_json("scenarios")
    assert code == 0
    assert len(verdicts) > 30
    for verdict in verdicts:
        assert verdict["complaints"] == []
        assert (verdict["original"] is not None, verdict["ours"], verdict["violation"]) == (True, None, None)


def test_the_page_of_scenarios_is_the_one_in_the_documentation() -> None:
    code, page = sim("scenarios", "--markdown")
    documented = Path(__file__).parents[3] / "docs" / "SCENARIOS.md"
    assert (code, page) == (0, documented.read_text())


def test_one_scenario_is_told_as_the_original_and_as_ours_play_it() -> None:
    name = sim("scenarios")[1].splitlines()[1].split()[1]
    code, printed = sim("scenarios", name, "--trace")
    assert code == 0
    assert printed.startswith("What happens: ")
    for who in ("the original", "ours"):
        assert re.search(rf"^## {name}, \w+, played by {who}$", printed, re.MULTILINE)
    code, printed = sim("scenarios", name, "--mermaid", "--task", "t1")
    assert (code, printed.count("```mermaid\nsequenceDiagram\n") > 1) == (0, True)


def test_the_original_sends_to_dead_workers_and_ours_does_not() -> None:
    code, (original, ours) = lines_of_json(
        *("stall", "--dead", "4", "--live", "8", "--batch", "5", "--gap", "0", "--timeout", "3", "--seeds", "2")
    )
    assert code == 0
    given = {"dead": 4, "live": 8, "batch": 5, "gap_s": 0.0, "goodbye": False, "timeout_s": 3.0}
    for row, machine in ((original, "original"), (ours, "ours")):
        assert row.items() >= {"machine": machine, **given}.items()
    assert (original["stuck"], ours["stuck"]) == (4, 0)
    assert original["completion_s"] >= original["completion_min_s"] > 3
    assert ours["worst_wait_s"] < 1
    assert ours["broken"] == 0


def test_the_table_of_stalls_has_what_was_measured_beside_both_machines() -> None:
    code, printed = sim("stall", "--seeds", "1")
    assert code == 0
    assert "measured: 3 stuck, 4.13 s" in printed
    assert "its report: 9.13 s" in printed
    code, rows = lines_of_json("stall", "--seeds", "1")
    assert (code, len(rows)) == (0, 44)


def test_the_shared_socket_stalls_only_where_threads_share_it() -> None:
    code, rows = lines_of_json("stall", "--shared-socket", "--seeds", "20")
    assert code == 0
    stalls = {row["sockets"]: row["stalls"] > 0 for row in rows}
    assert stalls == {
        "shared (the original)": True,
        "shared, poll of 50 ms": True,
        "one socket a thread": False,
        "one owner (ours)": False,
    }


def test_a_study_is_what_its_seeds_say_and_ends_with_all_tasks_done() -> None:
    condition = ("--latency", "1ms", "--workloads", "noop,cpu", "--modes", "push")
    small = ("study", "--workers", "4,1,4", *condition, "--seeds", "2")
    first, again = (sim(*small, "--no-processor-time") for _ in range(2))
    assert first == again
    code, printed = first
    assert code == 0
    assert "The dispatcher's steps take no world time" in printed
    assert re.search(r"^noop push 1ms, 5 a worker: 95 % or more up to ", printed, re.MULTILINE), printed
    code, rows = lines_of_json(*small)
    assert code == 0
    assert [(row["workload"], row["workers"], row["tasks"]) for row in rows] == [
        *(("noop", 1, 5), ("noop", 4, 20)),
        *(("cpu", 1, 5), ("cpu", 4, 20)),
    ]
    for row in rows:
        assert (row["unfinished"], row["disturbed"]) == (0, 0)
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["dispatcher"]["processor_us"] > 0
    code, printed = sim(*small, "--step-cost", "50us", "--no-processor-time")
    assert (code, "The dispatcher takes 50us for each step" in printed) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--seeds", "0"], "invalid value '0' for '--seeds <N>'"),
        (["run", "--seeds", "many"], "invalid value 'many' for '--seeds <N>'"),
        (["run", "--mode", "wild"], "[possible values: lite, swarm, performance, large]"),
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
        (["catalogue", "--bases", "0"], "invalid value '0' for '--bases <N>'"),
        (["catalogue", "--limit", "1000001"], "invalid value '1000001' for '--limit <N>'"),
        (["ablation", "--without", "luck"], "possible values: connections"),
        (["scenarios", "no-such"], "invalid value 'no-such' for '[NAME]'"),
        (["scenarios", "--trace"], "required arguments were not provided"),
        (["scenarios", "--markdown", "--json"], "cannot be used with"),
        (["stall", "--live", "0"], "0 is not in 1..=1000"),
        (["stall", "--batch", "0"], "0 is not in 1..=1000"),
        (["stall", "--seeds", "0"], "0 is not in 1.."),
        (["stall", "--gap=-1"], "a time is 0 or more"),
        (["stall", "--gap", "soon"], "not a number of seconds"),
        (["stall", "--timeout", "1"], "workers beat once a second"),
        (["stall", "--goodbye", "--vanish"], "cannot be used with"),
        (["stall", "--shared-socket", "--dead", "4"], "cannot be used with"),
        (["stall", "--live", "1000", "--dead", "1000", "--seeds", "10000"], "too much to compute"),
        (["study", "--workers", "0"], "0 is not in 1..=4096"),
        (["study", "--workers", "1,many"], "invalid value 'many' for '--workers <LIST>'"),
        (["study", "--tasks-per-worker", "0"], "0 is not in 1..="),
        (["study", "--latency", "1"], "`1` has no unit"),
        (["study", "--latency", "0ms"], "it must be more than 0"),
        (["study", "--latency", "1s"], "at most 200ms"),
        (["study", "--modes", "local"], "[possible values: pull, push]"),
        (["study", "--workloads", "io"], "[possible values: noop, sleep, cpu]"),
        (["study", "--step-cost", "2ms"], "at most 1ms"),
        (["study", "--step-cost", "1ms"], "would have more than half of its time taken by beats"),
        (["study", "--workers", "4096", "--tasks-per-worker", "10000"], "too many tasks"),
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
