"""What a guard leaves behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compare.peers.peer import HOME

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no subreapers")

# A program that starts a daemon out of everybody's reach, says who is who, and then does what it is told to.
PROGRAM = """
import os, subprocess, sys, time
from compare.guard import guarded

def program():
    daemon = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
    print(os.getpid(), daemon.pid, flush=True)
    {ending}

sys.exit(guarded(program))
"""

WAITS = "time.sleep(600)"


class Guarded:
    """A guard with its program and the daemon of that."""

    def __init__(self, ending: str) -> None:
        self.guard = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(ending=ending)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HOME)},
        )
        assert self.guard.stdout is not None
        self._output = self.guard.stdout
        self.program, self.daemon = map(int, self._output.readline().split())

    def says(self) -> str:
        """What else it writes, until both it and the program have ended."""
        with self._output as output:
            return output.read()

    def code(self) -> int:
        """The guard's exit code, once it has ended; nothing that it had may be left."""
        code = self.guard.wait(60)
        self._output.close()
        assert not Path(f"/proc/{self.program}").exists()
        assert not Path(f"/proc/{self.daemon}").exists()
        return code


def test_a_program_that_ends_takes_all_with_it_and_its_exit_code_is_the_guards() -> None:
    assert Guarded("return 7").code() == 7


def test_a_program_that_fails_takes_all_with_it() -> None:
    assert Guarded("raise ValueError").code() == 1


def test_a_program_that_is_killed_takes_all_with_it() -> None:
    guarded = Guarded(WAITS)
    os.kill(guarded.program, signal.SIGKILL)
    assert guarded.code() == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_interrupts_the_program(number: signal.Signals) -> None:
    guarded = Guarded("""
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        return 130
    """)
    guarded.guard.send_signal(number)
    assert guarded.code() == 130


def test_a_program_whose_guard_is_killed_is_interrupted() -> None:
    guarded = Guarded("""
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        daemon.kill()
        print("interrupted", flush=True)
    return 0
    """)
    guarded.guard.kill()
    guarded.guard.wait()
    assert guarded.says() == "interrupted\n"
