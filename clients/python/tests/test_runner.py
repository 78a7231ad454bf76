"""The script that a worker's Python child runs, driven over real pipes as a worker would.

What is checked is the protocol, not the code: frames in, frames out, and what arrives in the capture pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import dill
import pytest

RUNNER = Path(__file__).parents[3] / "transport-real" / "src" / "python" / "runner.py"
PATIENCE_S = 20.0
LIMIT = 1 << 20


@dataclass
class Reply:
    """A C or an E frame, taken apart."""

    run: bytes
    result: Any = None
    text: str = ""
    error: dict[str, Any] | None = None


class Child:
    """A runner process and the parent's ends of its pipes."""

    def __init__(self, *, limit: int = LIMIT, python: tuple[str, ...] = (sys.executable, "-u"), cwd: str | None = None):
        self.process = subprocess.Popen(
            [*python, "-c", RUNNER.read_text(encoding="utf-8"), str(limit), "", ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.requests, self.replies, self.capture = (
            pipe.fileno() for pipe in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        self.output = b""
        self.received = bytearray()
        self.attempts = self.heard = 0

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        # The group, because a test may leave processes that have outlived the child.
        with self.process, contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def send(self, payload: bytes) -> None:
        """Writes one frame, reading meanwhile what the child says: a parent that does not read would deadlock."""
        rest = memoryview(struct.pack("<I", len(payload)) + payload)
        os.set_blocking(self.requests, False)
        while rest:
            _, writable, _ = select.select([], [self.requests], [], PATIENCE_S)
            assert writable, "the child does not read"
            rest = rest[os.write(self.requests, rest) :]

    def frame(self) -> bytes | None:
        """The next frame, or None if the child has closed the pipe."""
        size = None
        while True:
            if size is None and len(self.received) >= 4:
                size = struct.unpack("<I", self.received[:4])[0] + 4
            if size is not None and len(self.received) >= size:
                frame = bytes(self.received[4:size])
                del self.received[:size]
                return frame
            readable, _, _ = select.select([self.replies, self.capture], [], [], PATIENCE_S)
            assert readable, "the child says nothing"
            if self.capture in readable:
                self.output += os.read(self.capture, 1 << 16)
            if self.replies in readable:
                data = os.read(self.replies, 1 << 20)
                if not data:
                    return None
                self.received += data

    def printed(self) -> str:
        """What has arrived in the capture pipe by now, and not been asked for before."""
        while select.select([self.capture], [], [], 0)[0]:
            data = os.read(self.capture, 1 << 16)
            if not data:
                break
            self.output += data
        text, self.output = self.output.decode(), b""
        return text

    def hello(self) -> dict[str, Any]:
        """The first frame."""
        frame = self.frame()
        assert frame is not None
        assert frame[:1] == b"H"
        return dict(json.loads(frame[1:]))

    def put(self, body: bytes, function_id: bytes = b"f" * 16, **meta: str) -> None:
        """Sends a pickled function."""
        about = json.dumps({"name": None, "python": None, "dill": None, **meta}).encode()
        self.send(b"F" + function_id + struct.pack("<H", len(about)) + about + body)

    def start(self, params: bytes, function_id: bytes = b"f" * 16) -> bytes:
        """Sends a run; returns the bytes by which the reply names it."""
        self.attempts += 1
        run = os.urandom(16) + struct.pack("<I", self.attempts)
        self.send(b"R" + run + bytes([self.attempts % 256, self.heard % 256]) + function_id + params)
        return run

    def reply(self) -> Reply:
        """The next C or E."""
        frame = self.frame()
        assert frame is not None, f"the child ended: {self.printed()}"
        self.heard += 1
        if frame[25] and self.heard < self.attempts:
            self.send(b"G")  # The next was sent before this answer had been read, and waits for that.
        tag, run, rest = frame[:1], frame[1:21], frame[26:]
        if tag == b"C":
            return Reply(run, result=dill.loads(rest))
        assert tag == b"E"
        at = 4 + struct.unpack("<I", rest[:4])[0]
        return Reply(run, text=pickle.loads(rest[4:at]), error=json.loads(rest[at:].decode("utf-8")))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Reply:
        """Sends a function by value, runs it once and waits."""
        self.put(dill.dumps(function, byref=False, recurse=True))
        run = self.start(dill.dumps((args, kwargs)))
        reply = self.reply()
        assert reply.run == run
        return reply

    def error(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """The error of a run that must fail."""
        error = self.call(function, *args).error
        assert error is not None
        return error


@pytest.fixture
def child() -> Iterator[Child]:
    """A runner that has said hello."""
    with Child() as child:
        child.hello()
        yield child


def eventually(condition: Callable[[], bool]) -> None:
    """Waits for something that has no event to wait on."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class TestHello:
    """The first frame, and the ways not to get that far."""

    def test_names_versions_and_pid(self) -> None:
        with Child() as child:
            assert child.hello() == {
                "python": "{}.{}.{}".format(*sys.version_info[:3]),
                "dill": dill.__version__,
                "pid": child.process.pid,
                "reads_ahead": False,
            }

    def test_without_dill_it_says_so_and_exits_3(self) -> None:
        with Child(python=(sys.executable, "-S", "-E")) as child:
            frame = child.frame()
            assert frame is not None
            assert frame[:1] == b"X"
            assert "pip install dill" in json.loads(frame[1:])["message"]
            assert child.process.wait(PATIENCE_S) == 3

    def test_ends_quietly_with_the_pipe(self, child: Child) -> None:
        assert child.process.stdin
        child.process.stdin.close()
        assert child.process.wait(PATIENCE_S) == 0
        assert child.printed() == ""

    def test_ends_with_the_pipe_although_a_thread_runs(self, child: Child) -> None:
        def leave_thread() -> None:
            import threading

            threading.Thread(target=threading.Event().wait).start()

        assert child.call(leave_thread).error is None
        assert child.process.stdin
        child.process.stdin.close()
        assert child.process.wait(PATIENCE_S) == 0

    @pytest.mark.skipif(sys.platform != "linux", reason="the parent death signal is Linux's")
    def test_dies_with_its_parent_in_the_middle_of_a_task(self, tmp_path: Path) -> None:
        """A process between the test and the runner is killed; the pipes stay open, so only the signal can tell."""
        between = (
            "import subprocess, sys, time\n"
            "p = subprocess.Popen([sys.executable, '-u', '-c', *sys.argv[2:]])\n"
            "time.sleep(1000)\n"
        )
        with Child(python=(sys.executable, "-c", between)) as child:
            # The middle process passes its own pipes on, so this talks to the runner.
            pid = child.hello()["pid"]
            assert pid != child.process.pid

            def hang(path: str) -> None:
                open(path, "w").close()
                time.sleep(1000)

            child.put(dill.dumps(hang, recurse=True))
            child.start(dill.dumps(((str(tmp_path / "started"),), {})))
            eventually((tmp_path / "started").exists)
            child.process.kill()
            eventually(lambda: not alive(pid))


class TestResults:
    """C frames."""

    def test_arguments_arrive(self, child: Child) -> None:
        assert child.call(lambda *a, **k: (a, k), 1, "x", z=[2]).result == ((1, "x"), {"z": [2]})

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            7,
            1.5,
            "ä€😀\ud800",
            b"\0\xff",
            [1, [2]],
            {"a": {1, 2}},
            (),
            frozenset("x"),
            bytearray(b"x"),
            3j,
        ],
        ids=repr,
    )
    def test_plain_values(self, child: Child, value: Any) -> None:
        result = child.call(lambda x: x, value).result
        assert result == value
        assert type(result) is type(value)

    def test_what_only_dill_can_pickle(self, child: Child) -> None:
        assert child.call(lambda: lambda x: x + 1).result(2) == 3

    def test_shared_references_stay_shared(self, child: Child) -> None:
        def shared() -> list[list[int]]:
            one: list[int] = []
            return [one, one]

        result = child.call(shared).result
        assert result[0] is result[1]

    def test_big_frames(self) -> None:
        big = os.urandom(20 << 20)
        with Child(limit=64 << 20) as child:
            child.hello()
            assert child.call(lambda x: x, big).result == big

    def test_a_window_of_runs_is_answered_in_order(self, child: Child) -> None:
        child.put(dill.dumps(lambda x: x * x, recurse=True))
        runs = [child.start(dill.dumps(((n,), {}))) for n in range(100)]
        replies = [child.reply() for _ in runs]
        assert [(r.run, r.result) for r in replies] == [(run, n * n) for n, run in enumerate(runs)]

    def test_functions_are_kept_apart_and_forgotten(self, child: Child) -> None:
        none = dill.dumps(((), {}))
        child.put(dill.dumps(lambda: "one", recurse=True), b"1" * 16)
        child.put(dill.dumps(lambda: "two", recurse=True), b"2" * 16)
        child.start(none, b"1" * 16)
        child.start(none, b"2" * 16)
        child.send(b"D" + b"1" * 16)
        child.start(none, b"1" * 16)
        replies = [child.reply() for _ in range(3)]
        assert [r.result for r in replies[:2]] == ["one", "two"]
        assert replies[2].error
        assert replies[2].error["kind"] == "unpickle_function"

    def test_the_callable_is_unpickled_once(self, child: Child) -> None:
        def count(calls: list[int] = []) -> int:  # noqa: B006  (the shared default is the point)
            calls.append(1)
            return len(calls)

        child.put(dill.dumps(count, recurse=True))
        none = dill.dumps(((), {}))
        for _ in range(3):
            child.start(none)
        assert [child.reply().result for _ in range(3)] == [1, 2, 3]

    def test_functions_by_reference_import_from_the_directory_it_started_in(self, tmp_path: Path) -> None:
        (tmp_path / "only_here.py").write_text("def twice(x):\n    return 2 * x\n")
        by_reference = pickle.dumps(PickledGlobal("only_here", "twice"))
        with Child(cwd=str(tmp_path)) as child:
            child.hello()
            assert child.call(os.chdir, "/").error is None
            child.put(by_reference, b"r" * 16)
            child.start(dill.dumps(((21,), {})), b"r" * 16)
            assert child.reply().result == 42

    def test_user_code_cannot_touch_the_runner(self, child: Child) -> None:
        def scribble() -> list[str]:
            import __main__

            names = [name for name in vars(__main__) if not name.startswith("__")]
            __main__.write_frame = None
            return names

        assert child.call(scribble).result == []
        assert child.call(scribble).result == ["write_frame"]


class PickledGlobal:
    """Pickles as a reference to module.name without importing it here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (PickledImport(self.module), self.name)


class PickledImport:
    """Pickles as the module of that name."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        import importlib

        return importlib.import_module, (self.module,)


class TestErrors:
    """E frames: one test for each kind, and the exceptions that try to break the reporting."""

    def test_raised(self, child: Child) -> None:
        def outer() -> None:
            def inner() -> None:
                raise ValueError("no such luck")

            inner()

        reply = child.call(outer)
        assert reply.text == "no such luck"
        error = reply.error
        assert error is not None
        trace = error.pop("traceback")
        assert error == {"kind": "raised", "type": "ValueError", "message": "no such luck", "exit_code": None}
        assert trace.startswith("Traceback (most recent call last):\n")
        assert trace.endswith("ValueError: no such luck\n")
        frames = [line.split(", in ")[1] for line in trace.splitlines() if line.startswith("  File")]
        assert frames == ["outer", "inner"]

    def test_chained_exceptions_are_shown(self, child: Child) -> None:
        def chained() -> None:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise RuntimeError("second") from error

        trace = child.error(chained)["traceback"]
        assert "KeyError: 'first'" in trace
        assert "direct cause" in trace

    def test_types_are_qualified_unless_builtin(self, child: Child) -> None:
        def own() -> None:
            import json

            json.loads("{")

        assert child.error(own)["type"] == "json.decoder.JSONDecodeError"

    @pytest.mark.parametrize(
        ("argument", "message", "code"),
        [(3, "3", 3), (0, "0", 0), (None, "", 0), ("bad", "bad", 1), (-1, "-1", 255), (1 << 70, str(1 << 70), 0)],
    )
    def test_exit(self, child: Child, argument: Any, message: str, code: int) -> None:
        error = child.error(sys.exit, argument)
        assert (error["kind"], error["type"]) == ("exit", "SystemExit")
        assert (error["message"], error["exit_code"]) == (message, code)

    def test_unpickle_function_is_reported_for_each_run(self, child: Child) -> None:
        child.put(b"\x80\x04cno_such_module\nf\n.", python="3.12.1")
        for _ in range(2):
            child.start(dill.dumps(((), {})))
            reply = child.reply()
            error = reply.error
            assert error is not None
            assert (error["kind"], error["type"]) == ("unpickle_function", "ModuleNotFoundError")
            here = "{}.{}.{}".format(*sys.version_info[:3])
            assert error["message"] == (
                "cannot unpickle the function: ModuleNotFoundError: No module named 'no_such_module' (pickled with "
                f"Python 3.12.1/dill unknown; this worker has Python {here}/dill {dill.__version__})"
            )
            assert reply.text == error["message"]

    @pytest.mark.parametrize("params", [b"junk", b"", pickle.dumps(5), pickle.dumps((1, 2, 3))])
    def test_unpickle_params(self, child: Child, params: bytes) -> None:
        child.put(dill.dumps(len))
        child.start(params)
        error = child.reply().error
        assert error is not None
        assert error["kind"] == "unpickle_params"
        assert "this worker has Python" in error["message"]

    def test_not_callable(self, child: Child) -> None:
        child.put(pickle.dumps("a string"))
        child.start(dill.dumps(((), {})))
        error = child.reply().error
        assert error is not None
        assert (error["kind"], error["message"]) == ("not_callable", "'str' object is not callable")

    def test_a_callable_that_is_false_is_still_called(self, child: Child) -> None:
        class Empty:
            def __len__(self) -> int:
                return 0

            def __call__(self) -> str:
                return "called"

        assert child.call(Empty()).result == "called"

    def test_pickle_result(self, child: Child) -> None:
        error = child.error(lambda: (n for n in range(3)))
        assert (error["kind"], error["type"]) == ("pickle_result", "TypeError")
        assert "generator" in error["message"]

    def test_result_too_large(self, child: Child) -> None:
        error = child.error(lambda: b"x" * (1 << 20))
        size = len(pickle.dumps(b"x" * (1 << 20), protocol=4))
        assert error["kind"] == "result_too_large"
        assert error["message"] == f"result too large: {size} bytes, limit {LIMIT}"

    def test_unicode_and_surrogates(self, child: Child) -> None:
        def say() -> None:
            print("druck ä€😀 \ud800")
            raise ValueError("schlecht ä€😀 \ud800 \0")

        reply = child.call(say)
        assert reply.text == "schlecht ä€😀 \ud800 \0"
        assert reply.error
        assert reply.error["message"] == "schlecht ä€😀 \\ud800 \0"
        assert child.printed() == "druck ä€😀 \\ud800\n"

    def test_str_of_the_exception_raises(self, child: Child) -> None:
        def nasty() -> None:
            class Nasty(Exception):
                def __str__(self) -> str:
                    raise KeyError("in str")

            raise Nasty

        reply = child.call(nasty)
        assert "raised KeyError" in reply.text
        assert reply.error
        assert reply.error["type"].endswith("Nasty")

    def test_long_messages_lose_their_middle(self, child: Child) -> None:
        def shout() -> None:
            raise ValueError("a" * 5_000_000 + "the end")

        reply = child.call(shout)
        assert len(reply.text) < 20_000
        assert reply.text.endswith("the end")

    def test_any_base_exception(self, child: Child) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        assert child.error(interrupted)["type"] == "KeyboardInterrupt"

    def test_recursion_and_memory(self, child: Child) -> None:
        def deep() -> None:
            def down() -> None:
                down()

            down()

        def huge() -> None:
            bytearray(1 << 62)

        def nested() -> list[Any]:
            value: list[Any] = []
            for _ in range(100_000):
                value = [value]
            return value

        assert child.error(deep)["type"] == "RecursionError"
        assert child.error(huge)["type"] == "MemoryError"
        assert child.error(nested)["kind"] == "pickle_result"
        assert child.call(lambda: "fine").result == "fine"

    def test_os_exit_closes_the_pipe(self, child: Child) -> None:
        child.put(dill.dumps(os._exit))
        child.start(dill.dumps(((7,), {})))
        assert child.frame() is None
        assert child.process.wait(PATIENCE_S) == 7

    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    def test_a_crash_leaves_a_traceback(self, child: Child) -> None:
        def crash() -> None:
            os.kill(os.getpid(), signal.SIGSEGV)

        child.put(dill.dumps(crash, recurse=True))
        child.start(dill.dumps(((), {})))
        assert child.frame() is None
        assert child.process.wait(PATIENCE_S) == -signal.SIGSEGV
        assert "in crash" in child.printed()


class TestOutput:
    """The capture pipe: everything printed, before the reply, whatever the task did to its streams."""

    def test_prints_of_python_and_of_programs(self, child: Child) -> None:
        def chatter() -> None:
            print("one")
            os.system("echo two")
            print("three", file=sys.stderr)
            subprocess.run(["echo", "four"], check=True)
            os.write(1, b"five\n")
            print("six", end="")

        assert child.call(chatter).error is None
        assert child.printed() == "one\ntwo\nthree\nfour\nfive\nsix"

    def test_stdin_is_empty(self, child: Child) -> None:
        assert child.call(lambda: sys.stdin.read()).result == ""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda: sys.stdout.close(),
            lambda: sys.stdout.detach() and None,  # type: ignore[union-attr]
            lambda: setattr(sys, "stdout", None),
            lambda: setattr(sys, "stdout", __import__("io").StringIO()),
            lambda: delattr(sys, "stderr"),
            lambda: os.close(1),
            lambda: [print("lost", end=""), os.close(1), os.close(2)],  # type: ignore[func-returns-value]
            lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2) and None,
        ],
        ids=["closed", "detached", "none", "replaced", "deleted", "fd closed", "all closed", "redirected"],
    )
    def test_streams_are_put_back(self, child: Child, damage: Callable[[], Any]) -> None:
        def speak() -> None:
            print("out")
            print("err", file=sys.stderr)

        assert child.call(damage).error is None
        child.printed()
        assert child.call(speak).error is None
        assert child.printed() == "out\nerr\n"

    def test_output_larger_than_the_pipe(self, child: Child) -> None:
        assert child.call(lambda: print("x" * (1 << 20))).error is None
        assert len(child.printed()) == (1 << 20) + 1


@pytest.mark.skipif(sys.platform != "linux", reason="uses /proc")
class TestProcesses:
    """What a task leaves running, and copies of the runner itself."""

    def test_a_forked_copy_does_not_answer(self, child: Child) -> None:
        def fork() -> int:
            return os.fork()

        reply = child.call(fork)
        assert reply.result > 0
        eventually(lambda: not alive(reply.result))
        assert child.call(lambda: "one reply each").result == "one reply each"

    @pytest.mark.parametrize(("ending", "code"), [("None", 0), ("__import__('sys').exit(3)", 3), ("1 / 0", 1)])
    def test_a_forked_copy_ends_like_a_script(self, child: Child, ending: str, code: int) -> None:
        def fork(ending: str) -> object:
            pid = os.fork()
            if pid == 0:
                return eval(ending)
            return os.WEXITSTATUS(os.waitpid(pid, 0)[1])

        assert child.call(fork, ending).result == code
        assert ("ZeroDivisionError" in child.printed()) == (code == 1)

    def test_a_forked_copy_does_not_hold_the_pipe(self, child: Child) -> None:
        def fork_and_die() -> None:
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(9)

        child.put(dill.dumps(fork_and_die, recurse=True))
        child.start(dill.dumps(((), {})))
        assert child.frame() is None

    def test_processes_left_behind_are_killed(self, child: Child) -> None:
        def leave() -> int:
            return subprocess.Popen(["sleep", "1000"]).pid

        pid = child.call(leave).result
        assert not alive(pid)
        assert child.printed() == "mpcsfaas: killed 1 process(es) that the task left running\n"

    def test_also_their_descendants_and_daemons(self, child: Child) -> None:
        def leave() -> list[int]:
            script = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; echo done; wait"
            shell = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
            assert shell.stdout
            pids = [int(line) for line in iter(shell.stdout.readline, "done\n")]
            orphan = subprocess.run(["sh", "-c", "sleep 1000 >/dev/null & echo $!"], stdout=subprocess.PIPE, check=True)
            return [*pids, shell.pid, int(orphan.stdout)]

        pids = child.call(leave).result
        assert [alive(pid) for pid in pids] == [False] * 4
        assert child.printed() == "mpcsfaas: killed 4 process(es) that the task left running\n"

    def test_finished_children_are_reaped_without_a_word(self, child: Child) -> None:
        def leave_zombie() -> None:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # Waits for the end, and leaves the zombie.

        assert child.call(leave_zombie).error is None
        assert child.call(lambda: subprocess.run(["true"], check=True).returncode).result == 0
        assert "killed" not in child.printed()

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_multiprocessing_works_again_and_again(self, child: Child, method: str) -> None:
        def pool(method: str) -> list[int]:
            import multiprocessing

            with multiprocessing.get_context(method).Pool(2) as workers:
                return workers.map(abs, [-1, -2, -3])

        for _ in range(2):
            assert child.call(pool, method).result == [1, 2, 3]
        assert child.printed() == ""

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_multiprocessing_left_behind_is_killed(self, child: Child, method: str) -> None:
        def leave(method: str) -> object:
            import multiprocessing

            context: Any = multiprocessing.get_context(method)
            process = context.Process(target=time.sleep, args=(1000,))
            process.start()
            return process.pid

        for _ in range(2):
            assert not alive(child.call(leave, method).result)
            assert child.printed() == "mpcsfaas: killed 1 process(es) that the task left running\n"

    def test_a_helper_of_multiprocessing_that_was_killed(self, child: Child) -> None:
        def kill_helper() -> None:
            from multiprocessing import resource_tracker

            resource_tracker.ensure_running()
            os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)  # type: ignore[attr-defined]

        for _ in range(2):
            assert child.call(kill_helper).error is None
        assert child.printed() == ""
