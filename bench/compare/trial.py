"""One peer in one round, in a process of its own: started for the tests that have two processes, then for the others.

    python -m compare.trial --peer huey --tests noop,seq --report-fd 3 ...

Rows go to the file descriptor as JSON lines, because systems print what they like to stdout:

    {"about", "version"}                          what the peer is
    {"begin": TEST}                               what it does now
    {"test": TEST, "processes", FIGURES...}       what came out
    {"test": TEST, "error"}                       or why nothing did; without a test, why the peer has none
    {"ended": true}                               the last row
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from compare import measure, raw
from compare.guard import guarded
from compare.peers import load
from compare.peers.peer import Peer, Setting


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, under a guard. The exit code is 0 also if tests failed: their rows say so."""
    parser = argparse.ArgumentParser(prog="compare.trial")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--tests", required=True)
    parser.add_argument("--sizes", type=json.loads, required=True)
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    options = parser.parse_args(argv)
    return guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    trial = _Trial(options)
    # Not for what the peer starts: the reader waits for the end of the last process that has it.
    os.set_inheritable(options.report_fd, False)
    try:
        if options.peer == raw.NAME:
            trial.raw_limits()
        else:
            trial.peer()
    except Exception as error:
        traceback.print_exc()
        trial.row(error=_words(error))
    trial.row(ended=True)
    # Some clients leave threads that do not end; the guard ends the processes.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Trial:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._tests: list[str] = options.tests.split(",")
        self._sizes = measure.Sizes(**options.sizes)

    def row(self, **fields: Any) -> None:
        os.write(self._options.report_fd, (json.dumps(fields) + "\n").encode())

    def peer(self) -> None:
        kind = load(self._options.peer)
        version = metadata.version(kind.package) if kind.package else "{}.{}.{}".format(*sys.version_info[:3])
        self.row(about=inspect.getdoc(kind) or "", version=version)
        for processes in sorted({measure.processes(test) for test in self._tests}):
            tests = [test for test in self._tests if measure.processes(test) == processes]
            try:
                self._started(kind, processes, tests)
            except Exception as error:
                traceback.print_exc()
                for test in tests:
                    self.row(test=test, processes=processes, error=_words(error))

    def _started(self, kind: type[Peer], processes: int, tests: list[str]) -> None:
        """Measures with so many processes."""
        self.row(begin="start")
        options = self._options
        peer = kind(
            Setting(
                processes=processes,
                one_each=processes > 2,
                programs=Path(sys.executable).parent,
                binary=options.binary,
                scratch=options.scratch,
            )
        )
        begun = time.perf_counter()
        try:
            peer.start()
            measure.warm_up(peer, processes)
            self.row(test=f"start-{processes}", processes=processes, seconds=round(time.perf_counter() - begun, 2))
            while tests:
                self._test(peer, processes, tests[0])
                del tests[0]
        finally:
            try:
                peer.stop()
            except Exception:
                # What it could not start it cannot stop; the guard ends the rest.
                traceback.print_exc()

    def _test(self, peer: Peer, processes: int, test: str) -> None:
        """One test that fails does not lose the others."""
        self.row(begin=test)
        try:
            outcome: dict[str, Any] = measure.TESTS[test](peer, self._sizes)
        except Exception as error:
            traceback.print_exc()
            outcome = {"error": _words(error)}
        self.row(test=test, processes=processes, **outcome, load=round(os.getloadavg()[0], 2))

    def raw_limits(self) -> None:
        for name, limit in raw.LIMITS.items():
            self.row(begin=name)
            try:
                outcome: dict[str, Any] = limit()
            except Exception as error:
                traceback.print_exc()
                outcome = {"error": _words(error)}
            self.row(test=name, **outcome)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


if __name__ == "__main__":
    sys.exit(main())
