"""`mpcsfaas bench study`, small: what it writes, what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, GONE_S, PYTHON, Platform, Process, eventually

PNG = b"\x89PNG\r\n\x1a\n"
PLOTS = ["throughput", "latency", "distribution", "weak-scaling"]
JOBS = """
def good():
    return 1

def bad():
    raise ValueError("no more")
"""


class Studies:
    """Starts studies whose temporary files are the test's own."""

    def __init__(self, platform: Platform, temporary: Path) -> None:
        self.platform = platform
        self.temporary = temporary
        self.out = platform.home / "out"

    def start(self, *arguments: str) -> Process:
        places = ["--python", PYTHON, "--data", str(self.platform.home / "data"), "--out", str(self.out)]
        return self.platform.start("study", BINARY, "bench", "study", "--log", "warn", *places, *arguments)

    def ends(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        return process.exit_code(), process.log()

    def found(self) -> dict[str, Any]:
        study: dict[str, Any] = json.loads((self.out / "study.json").read_text())
        return study

    def others(self, servers: list[int]) -> list[int]:
        return [process.pid for process in self.platform.all_alive() if process.pid not in servers]

    def nothing_is_left(self) -> None:
        assert not self.platform.all_alive()
        assert not list(self.temporary.iterdir())


@pytest.fixture
def studies(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studies:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return Studies(platform, temporary)


TINY = ["--modes", "push", "--workers", "1,2", "--processes", "1", "--tasks-per-worker", "3"]


@pytest.mark.parametrize("pacing", ["original", "burst", "open"])
def test_a_tiny_study_is_whole(studies: Studies, pacing: str) -> None:
    code, printed = studies.ends(*TINY, "--rounds", "2", "--workloads", "noop", "--pacing", pacing)
    assert code == 0, printed
    study = studies.found()
    assert study["complete"] is True
    assert study["setting"]["pacing"] == pacing
    assert study["versions"]["python"]
    runs = [(run["scaling"], run["workers"], run["round"], run["tasks"], run["completed"]) for run in study["runs"]]
    weak_and_strong = [("weak", 3), ("strong", 6)], [("weak", 6), ("strong", 6)]
    assert runs == [
        (scaling, workers, number, tasks, tasks)
        for workers, kinds in zip((1, 2), weak_and_strong)
        for number in (1, 2)
        for scaling, tasks in kinds
    ]
    for cell in study["cells"]:
        assert cell["success_percent"] == 100
        assert 0 < cell["latency"]["min"]["min"] <= cell["latency"]["p50"]["median"] <= cell["latency"]["max"]["max"]
        assert (cell["inside"] is not None) == (pacing == "original")
        assert (cell["efficiency_percent"] is not None) == (cell["workers"] == 2)
    for run in study["runs"]:
        assert len(run["latencies_ms"]) == run["tasks"]
        assert run["completion_s"] * 1e3 >= max(run["latencies_ms"]) - 1

    report = (studies.out / "study.md").read_text()
    for section in ["Per mode", "Anomalies", "Latency distribution", "Workloads", "Scaling", "Cost"]:
        assert f"\n## {section}\n" in report
    assert "\n## Recommendations\n" in report
    assert "\n## Limitations\n" in report
    assert ("Beside the original's figures" in report) == (pacing == "original")
    for name in PLOTS:
        assert f"({name}.svg)" in report
        svg = (studies.out / f"{name}.svg").read_text()
        assert svg.startswith("<svg ")
        assert all(word in svg for word in (">push<", "noop"))
        assert (studies.out / f"{name}.png").read_bytes().startswith(PNG)
    # There is no local mode to compare with.
    assert not (studies.out / "overhead.svg").exists()
    studies.nothing_is_left()


def test_redis_is_left_as_it_was(studies: Studies) -> None:
    server = studies.platform.store()
    url = f"redis://127.0.0.1:{studies.platform.redis_port}/0"
    with studies.platform.store_client() as redis:
        redis.set("mpcsfaas:{q0}:seq", "7")
        redis.set("function:mine", "1")
        code, printed = studies.ends(
            *TINY, "--modes", "local,pull", "--rounds", "1", "--workloads", "noop", "--store", url
        )
        assert code == 0, printed
        assert sorted(redis.keys()) == [b"function:mine", b"mpcsfaas:{q0}:seq"]
        assert redis.get("mpcsfaas:{q0}:seq") == b"7"
    study = studies.found()
    assert study["setting"]["store"] == url
    assert study["versions"]["redis"]
    assert {cell["latency_over_local_ms"] is None for cell in study["cells"] if cell["mode"] == "pull"} == {False}
    assert (studies.out / "overhead.png").read_bytes().startswith(PNG)
    assert not studies.others(servers=[server.pid])
    assert not list(studies.temporary.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--modes", "pushy"], 2, "invalid value 'pushy'"),
        (["--pacing", "slow"], 2, "invalid value 'slow'"),
        (["--workloads", "nop"], 2, "expected noop, cpu, sleep or FILE.py:FUNCTION"),
        (["--workloads", "nowhere.py:f"], 2, "cannot read nowhere.py: No such file"),
        (["--workloads", "jobs.py:ugly"], 2, "has no `ugly`; it has good, bad"),
        (["--workloads", "jobs.py:bad"], 2, "ValueError: no more"),
        (["--rate", "3"], 2, "--rate is for --pacing open"),
        (["--workers", "0"], 2, "0 is not in 1..=256"),
        (["--store", "redis://127.0.0.1:1/0"], 1, "no Redis answers at redis://127.0.0.1:1/0"),
        (["--store", "here"], 1, "`here` is no Redis URL"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    studies: Studies, arguments: list[str], code: int, message: str
) -> None:
    (studies.platform.home / "jobs.py").write_text(JOBS)
    ended, printed = studies.ends(*arguments)
    assert message in printed
    assert ended == code
    assert "trying" not in printed
    studies.nothing_is_left()


def test_a_study_is_not_overwritten(studies: Studies) -> None:
    studies.out.mkdir()
    (studies.out / "study.json").write_text("{}")
    code, printed = studies.ends(*TINY)
    assert (code, "there is a study in" in printed) == (2, True)
    assert (studies.out / "study.json").read_text() == "{}"


def test_a_function_that_fails_on_workers_is_told(studies: Studies) -> None:
    mark = studies.platform.home / "fail-from-now-on"
    (studies.platform.home / "jobs.py").write_text(
        f"import os\ndef fragile():\n    if os.path.exists({str(mark)!r}):\n        raise RuntimeError('not here')\n"
    )
    study = studies.start(*TINY, "--workloads", "jobs.py:fragile")
    # By then it has been tried without a platform.
    eventually("the trial begins", lambda: "trying" in study.log() or not study.running())
    mark.touch()
    assert study.exit_code() == 1
    assert "RuntimeError: not here (raised)" in study.log()
    studies.nothing_is_left()


def test_what_was_measured_before_ctrl_c_is_kept(studies: Studies) -> None:
    study = studies.start(*TINY, "--workloads", "sleep", "--pacing", "burst", "--rounds", "4")
    eventually("it has measured something", lambda: "measuring 2 workers" in study.log())
    study.send(signal.SIGINT)
    assert study.exit_code() == 130
    found = studies.found()
    assert (found["complete"], "interrupted" in found["stopped_by"]) == (False, True)
    assert len([run for run in found["runs"] if run["workers"] == 1]) == 2 * 4
    assert "**Incomplete**: interrupted" in (studies.out / "study.md").read_text()
    assert (studies.out / "throughput.png").read_bytes().startswith(PNG)
    studies.nothing_is_left()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("store", ["embedded", "redis"])
def test_a_study_that_is_ended_leaves_nothing(studies: Studies, end: signal.Signals, store: str) -> None:
    options = ["--modes", "push", "--workers", "1,2", "--processes", "1", "--workloads", "sleep", "--rounds", "200"]
    servers: list[int] = []
    if store == "redis":
        servers = [studies.platform.store().pid]
        options += ["--store", f"redis://127.0.0.1:{studies.platform.redis_port}/0"]
    study = studies.start(*options)
    eventually("it measures", lambda: "measuring 1 worker" in study.log())
    study.send(end)
    if end == signal.SIGKILL:
        study.exit_code()
        eventually("nothing is left", lambda: not studies.others(servers), within=GONE_S)
        return
    assert study.exit_code() == 130
    assert "the platform has been stopped" in study.log()
    assert not studies.others(servers)
    assert not list(studies.temporary.iterdir())
    if servers:
        with studies.platform.store_client() as redis:
            assert redis.keys() == []
