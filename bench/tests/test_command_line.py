"""What the command line takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from compare.__main__ import main, parse
from compare.course import order
from compare.peers import PEERS, USUAL

PATHS = ["--binary", "b", "--redis-server", "r", "--out", "o"]


def test_lists_are_read_and_repetitions_dropped() -> None:
    options = parse([*PATHS, "--peers", "huey,mpcsfaas,huey", "--tests", "seq"])
    assert (options.peers, options.tests, options.rounds) == (["huey", "mpcsfaas"], ["seq"], 3)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--peers", "huey,hui"], "'hui' is none of mpcsfaas, "),
        (["--tests", "nop"], "'nop' is none of noop, cpu, "),
        (["--peers", ""], "'' is none of"),
        (["--rounds", "0"], "invalid"),
        (["--round", "1"], "unrecognized"),
    ],
)
def test_what_is_unknown_is_refused(wrong: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["--check", *wrong])
    assert refusal.value.code == 2
    assert says in capsys.readouterr().err


def test_a_check_measures_nothing() -> None:
    assert main(["--check", "--peers", "huey", "--quick"]) == 0


def test_a_run_can_be_rendered_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"peer": "huey", "round": 1, "test": "noop", "per_s": 4000.0, "n": 5000}\n')
    assert main(["--render", str(rows)]) == 0
    assert "| huey | 4,000 | 5,000 |" in capsys.readouterr().out


def test_each_round_begins_with_another_peer() -> None:
    assert [order(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_every_peer_has_a_module_with_its_class() -> None:
    assert set(USUAL) < set(PEERS)
    for module, name in PEERS.values():
        text = (Path(__file__).parents[1] / "compare" / "peers" / f"{module}.py").read_text()
        assert f"\nclass {name}(" in text
