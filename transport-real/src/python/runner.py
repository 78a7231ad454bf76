"""Runs Python tasks inside one child process of a worker.

The worker (the parent) starts this script, sends it functions and runs over a pipe, and reads the replies:

    parent --- fd 0 ---> F D R frames          a frame: u32 little-endian length, then that many bytes
    parent <-- fd 1 ---- H X C E frames
    parent <-- fd 2 ---- everything the user's code prints, from Python, C or its subprocesses

The user's code must never reach the protocol, so the first thing that happens here is that fd 0 and fd 1 are moved
away: fd 0 becomes /dev/null, and fd 1 becomes the capture pipe that the parent made as fd 2.

    F  function id (16), u16 length, JSON {"name", "python", "dill"}, pickled function    keep this function
    D  function id (16)                                                                   forget it
    R  task id (16), attempt (u32), function id (16), pickled (args, kwargs)              run it

    H  JSON {"python", "dill", "pid"}                                     ready; sent once, first
    X  JSON {"message"}                                                   cannot work here; followed by exit code 3
    C  task id (16), attempt (u32), pickled result                        the run returned
    E  task id (16), attempt (u32), u32 length, pickled str(exception), JSON with kind, type, message, traceback,
       exit_code                                                          the run failed

All a task printed is in the capture pipe, and all its processes are gone, before its reply is written. So the parent
can cut the output into tasks by draining the pipe when a reply arrives.

Argument 1 is the largest pickled result, in bytes, that may be sent.
"""

from __future__ import annotations

import ctypes
import faulthandler
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

# Every Python that dill 0.4 runs on reads protocol 4, so the client may be older than this worker.
PICKLE_PROTOCOL = 4

# Messages and tracebacks are for people; beyond this many characters the middle is cut.
TEXT_LIMIT = 16 * 1024

PYTHON_VERSION = "{}.{}.{}".format(*sys.version_info[:3])


def main() -> None:
    """Sets the process up, says hello and serves until the parent closes the pipe."""
    result_limit = int(sys.argv[1])
    parent = os.getppid()
    requests, replies, capture = move_descriptors()
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in a terminal reaches the whole group; the parent decides.
    os.register_at_fork(after_in_child=lambda: close_all(requests, replies))

    # Functions pickled by reference import from the directory the worker was started in. The path is absolute
    # because a task may change the directory, and later tasks must import the same modules all the same.
    sys.path.insert(0, os.getcwd())

    # dill resolves a function's globals in whatever __main__ is when dill is imported. User code gets an empty one,
    # so that it can neither see nor overwrite the names of this script; the script goes by another name.
    sys.modules["mpcsfaas_runner"] = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        import dill
    except Exception as error:
        advice = f"{sys.executable} cannot import dill ({text_of(error)}); try: {sys.executable} -m pip install dill"
        write_frame(replies, b"X" + as_json({"message": advice}))
        sys.exit(3)

    write_frame(replies, b"H" + as_json({"python": PYTHON_VERSION, "dill": dill.__version__, "pid": os.getpid()}))
    try:
        Runner(dill, result_limit, capture).serve(os.fdopen(requests, "rb", buffering=1 << 16), replies)
    except BrokenPipeError:
        pass  # The parent is gone; nobody is left to tell.
    # Not sys.exit(): that would wait for threads which tasks have left behind.
    os._exit(0)


class Function:
    """A function as it arrived. It is unpickled when it first runs, and again at each run until that works."""

    __slots__ = ("body", "call", "pickled_with")

    def __init__(self, meta: dict[str, str | None], body: bytes) -> None:
        """Keeps the pickle; nothing of it is executed yet."""
        self.body = body
        self.pickled_with = f"Python {meta.get('python') or 'unknown'}/dill {meta.get('dill') or 'unknown'}"
        self.call: Callable[..., Any] | None = None


class Runner:
    """The loop: one frame in, at most one frame out."""

    def __init__(self, dill: Any, result_limit: int, capture: int) -> None:
        """Opens the standard streams; `capture` is a private copy of the capture pipe to restore them from."""
        self.dill = dill
        self.result_limit = result_limit
        self.capture = capture
        self.pid = os.getpid()
        self.functions: dict[bytes, Function] = {}
        self.streams = {"stdout": text_stream(1), "stderr": text_stream(2)}
        sys.stdout = sys.__stdout__ = self.streams["stdout"]  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = self.streams["stderr"]  # type: ignore[misc]
        faulthandler.enable(file=capture)  # A segmentation fault leaves a Python traceback in the output.

    def serve(self, requests: BinaryIO, replies: int) -> None:
        """Answers frames until the pipe ends."""
        while True:
            header = requests.read(4)
            size = int.from_bytes(header, "little")
            frame = requests.read(size)
            if len(header) < 4 or len(frame) < size:
                return
            tag = frame[:1]
            if tag == b"R":
                reply = self.attempt(frame[1:21], frame[21:37], frame[37:])
                self.restore_streams()
                if killed := kill_children():
                    note = f"mpcsfaas: killed {killed} process(es) that the task left running\n"
                    write_all(self.capture, note.encode())
                write_frame(replies, reply)
            elif tag == b"F":
                body_at = 19 + int.from_bytes(frame[17:19], "little")
                self.functions[frame[1:17]] = Function(json.loads(frame[19:body_at]), frame[body_at:])
            elif tag == b"D":
                self.functions.pop(frame[1:17], None)
            else:
                raise ValueError(f"unknown frame {tag!r}")

    def attempt(self, run: bytes, function_id: bytes, params: bytes) -> bytes:
        """Runs a task and returns the reply; `run` is task id and attempt, echoed as they came."""
        function = self.functions.get(function_id)
        if function is None:
            unknown = LookupError(f"function {function_id.hex()} was not sent to this process")
            return failure(run, "unpickle_function", unknown)
        try:
            call = self.dill.loads(function.body) if function.call is None else function.call
        except BaseException as error:
            return failure(run, "unpickle_function", error, self.cannot_unpickle("function", error, function))
        if not callable(call):
            return failure(run, "not_callable", TypeError(f"{type(call).__name__!r} object is not callable"))
        function.call = call

        try:
            args, kwargs = self.unpickled(params)
        except BaseException as error:
            return failure(run, "unpickle_params", error, self.cannot_unpickle("parameters", error, function))
        try:
            result = self.call_here(call, args, kwargs)
        except SystemExit as error:
            return failure(run, "exit", error)
        except BaseException as error:
            return failure(run, "raised", error)

        try:
            data = self.pickled(result)
        except BaseException as error:
            return failure(run, "pickle_result", error)
        if len(data) > self.result_limit:
            size = ValueError(f"result too large: {len(data)} bytes, limit {self.result_limit}")
            return failure(run, "result_too_large", size)
        return b"C" + run + data

    def call_here(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls the function, and lets only this process return.

        A function may fork, and then a copy of this process comes back here too. The copy ends as a script of its own
        would have ended, and the reply is left to the original.
        """
        try:
            result = call(*args, **kwargs)
        except BaseException as error:
            self.end_if_copy(error)
            raise
        self.end_if_copy(None)
        return result

    def end_if_copy(self, error: BaseException | None) -> None:
        """Does not return in a forked copy of the process."""
        if os.getpid() == self.pid:
            return
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(type(error), error, user_frames(error))
        self.restore_streams()
        os._exit(exit_code(error))

    def unpickled(self, data: bytes) -> Any:
        """By dill only what names a module that dill reads in its own way; the C unpickler is several times faster."""
        if b"__main__" in data or b"__builtin__" in data or b"dill" in data:
            return self.dill.loads(data)
        return pickle.loads(data)

    def pickled(self, result: Any) -> bytes:
        """The result for dill.loads: by the C pickler when it is made of plain builtins, else by dill."""
        buffer = io.BytesIO()
        try:
            PlainPickler(buffer, PICKLE_PROTOCOL).dump(result)
        except NotPlain:
            data: bytes = self.dill.dumps(result, protocol=PICKLE_PROTOCOL)
            return data
        return buffer.getvalue()

    def cannot_unpickle(self, what: str, error: BaseException, function: Function) -> str:
        """Names both sides' versions, because a difference between them is the usual reason."""
        here = f"Python {PYTHON_VERSION}/dill {self.dill.__version__}"
        reason = f"{type_name(error)}: {text_of(error)}"
        return f"cannot unpickle the {what}: {reason} (pickled with {function.pickled_with}; this worker has {here})"

    def restore_streams(self) -> None:
        """Flushes what the task printed, and undoes whatever it did to stdout and stderr."""
        for name, fd in (("stdout", 1), ("stderr", 2)):
            own = self.streams[name]
            used = getattr(sys, name, None)
            intact = flush(own)
            if used is not own:
                flush(used)
                setattr(sys, name, own)
            os.dup2(self.capture, fd)
            if not intact:
                self.streams[name] = text_stream(fd)
                setattr(sys, name, self.streams[name])


class NotPlain(Exception):
    """The object is not made of plain builtins alone."""


class PlainPickler(pickle.Pickler):
    """The C pickler, refusing everything that is not a plain builtin value.

    None, numbers, strings and the builtin containers never reach `reducer_override`, and for them dill writes an equal
    pickle, 6 (an int) to 30 times (a list) slower. All else is pickled differently by dill (classes of __main__ by
    value, for one).
    """

    def reducer_override(self, obj: object) -> NoReturn:
        """Called before any code of the object's own, so giving up here has no side effects."""
        raise NotPlain


def failure(run: bytes, kind: str, error: BaseException, message: str | None = None) -> bytes:
    """The reply for a failed run."""
    message = text_of(error) if message is None else message
    about = {
        "kind": kind,
        "type": type_name(error),
        "message": printable(message),
        "traceback": traceback_of(error),
        "exit_code": exit_code(error) if kind == "exit" else None,
    }
    text = pickle.dumps(clipped(message), protocol=PICKLE_PROTOCOL)
    return b"E" + run + struct.pack("<I", len(text)) + text + as_json(about)


def text_of(error: BaseException) -> str:
    """str(error), which is the user's code and may do anything."""
    try:
        return str.__str__(str(error))  # An exact str, not a subclass that the client could not unpickle.
    except BaseException as broken:
        return f"<str() of {type_name(error)} raised {type_name(broken)}>"


def type_name(error: BaseException) -> str:
    """The name of the exception's type, with its module unless it is a builtin."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, from the first frame that is the user's."""
    try:
        lines = traceback.format_exception(type(error), error, user_frames(error))
    except BaseException:  # It formats the user's objects.
        lines = traceback.format_tb(user_frames(error))
    return printable("".join(lines))


def user_frames(error: BaseException) -> types.TracebackType | None:
    """The traceback without the leading frames of this script and of the picklers."""
    frames = error.__traceback__
    while frames is not None:
        names = frames.tb_frame.f_globals
        module = str(names.get("__name__")).partition(".")[0]
        if names is not globals() and module not in ("dill", "pickle"):
            break
        frames = frames.tb_next
    return frames


def exit_code(error: BaseException | None) -> int:
    """The code with which a script that ended like this would exit, as the shell sees it."""
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def printable(text: str) -> str:
    """Text that UTF-8 and JSON can carry: a lone surrogate becomes its escape."""
    return clipped(text).encode("utf-8", "backslashreplace").decode()


def clipped(text: str) -> str:
    """Cuts the middle out of a text that is too long; both ends usually say more."""
    if len(text) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters cut ...\n{text[-half:]}"


def move_descriptors() -> tuple[int, int, int]:
    """Takes the protocol's pipes away from fd 0 and fd 1; returns them and a copy of the capture pipe.

    os.dup makes copies that no program started by a task inherits.
    """
    requests, replies, capture = os.dup(0), os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies, capture


def flush(stream: Any) -> bool:
    """Flushes a stream, which may be closed, detached, without a descriptor, or anything the user put in its place."""
    try:
        stream.flush()
    except BaseException:
        return False
    return True


def text_stream(fd: int) -> io.TextIOWrapper:
    """A line-buffered stream that can print any str; closing it leaves the descriptor open."""
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def end_with_parent(parent: int) -> None:
    """Makes this process die with its parent even in the middle of a task, when it cannot see the pipe end.

    A parent that was gone before this script asked for its id is noticed too: the first read finds the pipe closed.
    So nothing here compares with 1, which is the parent's rightful id in a container.
    """
    if sys.platform == "linux":
        set_parent_death_signal, set_child_subreaper = 1, 36
        prctl = ctypes.CDLL(None).prctl
        prctl(set_parent_death_signal, signal.SIGKILL)
        prctl(set_child_subreaper, 1)  # Orphans of a task's processes become ours, so kill_children finds them.
        if os.getppid() != parent:
            os._exit(1)
    else:
        threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()


def watch_parent(parent: int) -> None:
    """Ends the process soon after its parent has changed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def kill_children() -> int:
    """Kills and reaps every process that a task left behind; returns how many were still running.

    Only direct children are signalled, because their ids cannot be reused before they are reaped here. Killing one
    makes its own children ours (on Linux), so the next turn finds them. What may not be killed (a setuid program) is
    left alone.
    """
    killed: set[int] = set()
    while True:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # No children: after nearly every task, and at the cost of one system call.
            return len(killed)
        if reaped:
            if helper := multiprocessing_helpers().get(reaped):
                helper.__init__()  # It died by itself, and multiprocessing would complain in the next task.
            continue
        helpers = multiprocessing_helpers()
        signalled = [child for child in children() if child not in helpers and signal_kill(child)]
        if signalled:
            killed.update(signalled)
            os.waitpid(-1, 0)
        elif helpers:
            stop_helper(*next(iter(helpers.items())))
        else:
            return len(killed)


def multiprocessing_helpers() -> dict[int, Any]:
    """The processes that multiprocessing keeps for its next use, by their ids; no task has to answer for them.

    The fork server comes first, because its children turn up here, to be killed, when it has ended.
    """
    found = {}
    for module, name, pid_name in (
        ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
        ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ):
        helper = getattr(sys.modules.get(module), name, None)
        pid = getattr(helper, pid_name, None)
        if pid is not None:
            found[pid] = helper
    return found


def stop_helper(pid: int, helper: Any) -> None:
    """Stops a helper by multiprocessing's own means, so that the next task which needs one gets a new one.

    That waits until nobody holds the helper's pipe. The fork server's own children do, so it is killed first; the
    resource tracker is not, because it cleans up at its end. If a helper has died already, multiprocessing is made to
    forget it.
    """
    if type(helper).__name__ == "ForkServer":
        signal_kill(pid)
    try:
        helper._stop()
    except Exception:
        helper.__init__()


def signal_kill(pid: int) -> bool:
    """Sends SIGKILL; whether that was possible."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def children() -> list[int]:
    """The ids of this process's children, of all its threads, zombies included."""
    if not os.path.isdir("/proc/self"):
        table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, check=True).stdout
        rows = [line.split() for line in table.splitlines()]
        return [int(pid) for pid, parent in rows if int(parent) == os.getpid()]
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(name) == os.getpid()]


def parent_of(pid: str) -> int | None:
    """The parent of a process, or None if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # "pid (name) state parent ...", where the name may hold spaces and brackets.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return None


def close_all(*descriptors: int) -> None:
    """Runs in each copy that os.fork makes: one that lives on must not keep the parent waiting for the pipe's end."""
    for descriptor in descriptors:
        os.close(descriptor)


def as_json(value: object) -> bytes:
    """UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def write_frame(fd: int, payload: bytes) -> None:
    """One frame in one write."""
    write_all(fd, struct.pack("<I", len(payload)) + payload)


def write_all(fd: int, data: bytes) -> None:
    """os.write may stop early, at a signal."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main()
