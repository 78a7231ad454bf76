"""One peer in one round, in a process of its own: started once, warmed up, and measured.

    python -m compare.trial --peer huey --tests noop,seq --processes 2 --report-fd 3 ...

Rows go to the file descriptor as JSON lines, because systems print what they like to stdout:

    {"about", "version"}                          what the peer is
    {"begin": TEST}                               what it does now
    {"test": TEST, "processes", FIGURES...}       what came out
    {"test": TEST, "processes", "error"}          or why nothing did
    {"ended": true}                               the last row
"""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from compare import measure
from compare.guard import guarded
from compare.peers import RAW, load
from compare.peers.peer import Peer, Setting


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, under a guard. The exit code is 0 also if tests failed: their rows say so."""
    parser = argparse.ArgumentParser(prog="compare.trial")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--tests", required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--sizes", type=json.loads, required=True)
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    options = parser.parse_args(argv)
    return guarded(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    # Not for what the peer starts: the reader waits for the end of the last process that has it.
    os.set_inheritable(options.report_fd, False)
    trial = _Trial(options)
    if options.peer == RAW:
        # Imported here, as it needs packages that no peer may fail for want of.
        from compare import raw

        for name, limit in raw.LIMITS.items():
            trial.test(name, limit)
    else:
        trial.peer()
    trial.row(ended=True)
    # Some clients leave threads that do not end, and some exit handlers that wait; the guard ends what is left.
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
        """Measures the peer. If it does not start, each test has that error."""
        peer = None
        begun = time.perf_counter()
        self.row(begin="start")
        try:
            peer = self._make()
            peer.start()
            measure.warm_up(peer, self._options.processes)
        except Exception as error:
            traceback.print_exc()
            for test in self._tests:
                self._result(test, error=_words(error))
        else:
            self._result(f"start-{self._options.processes}", seconds=round(time.perf_counter() - begun, 2))
            for test in self._tests:
                self.test(test, functools.partial(measure.TESTS[test], peer, self._sizes))
        try:
            if peer is not None:
                peer.stop()
        except Exception:
            # What was not started cannot be stopped; the guard ends the rest.
            traceback.print_exc()

    def _make(self) -> Peer:
        kind = load(self._options.peer)
        version = metadata.version(kind.package) if kind.package else "{}.{}.{}".format(*sys.version_info[:3])
        self.row(about=" ".join((inspect.getdoc(kind) or "").split()), version=version)
        options = self._options
        return kind(
            Setting(
                processes=options.processes,
                one_each=options.processes > 2,
                programs=Path(sys.executable).parent,
                binary=options.binary,
                scratch=options.scratch,
            )
        )

    def test(self, name: str, measured: Callable[[], measure.Figures]) -> None:
        """One test. If it fails, that does not lose the others."""
        self.row(begin=name)
        try:
            self._result(name, **measured())
        except Exception as error:
            traceback.print_exc()
            self._result(name, error=_words(error))

    def _result(self, test: str, **fields: Any) -> None:
        self.row(test=test, processes=self._options.processes, **fields, load=round(os.getloadavg()[0], 2))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


if __name__ == "__main__":
    sys.exit(main())
