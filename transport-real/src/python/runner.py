"""Runs Python tasks inside one child process of a worker.

The worker (the parent) starts this script, sends it functions and runs over a pipe, and reads the replies:

    parent --- fd 0 ---> F D R G frames        a frame: u32 little-endian length, then that many bytes
    parent <-- fd 1 ---- H X C E K frames
    parent <-- fd 2 ---- everything the user's code prints, from Python, C or its subprocesses
    parent <-- quiet --- C E K frames that need not be read at once
    parent <-> ledger -- memory that both see

The user's code must never reach the protocol, so the first thing that happens here is that fd 0 and fd 1 are moved
away: fd 0 becomes /dev/null, and fd 1 becomes the capture pipe that the parent made as fd 2.

    F  function id (16), u16 length, JSON {"name", "python", "dill"}, pickled function    keep this function
    D  function id (16)                                                                   forget it
    R  task id (16), attempt (u32), number (u8), heard (u8), function id (16), pickled (args, kwargs)     run it
    G                                                                     all that was printed is heard: go on

    H  JSON {"python", "dill", "pid", "reads_ahead"}                      ready; sent once, first
    X  JSON {"message"}                                                   cannot work here; followed by exit code 3
    C  task id (16), attempt (u32), took (u32), printed (u8), pickled result      the run returned
    E  task id (16), attempt (u32), took (u32), printed (u8), u32 length, pickled str(exception), JSON with kind, type,
       message, traceback, exit_code                                      the run failed
    K  task id (16), attempt (u32)                                        taken back, and not begun

R frames are numbered by the parent, modulo 256, and answered in order; `heard` is the number of the last one whose
answer the parent had read. `took` is in microseconds. `printed` is 0 if it is certain that nothing of the run is in the
capture pipe.

Reading ahead: the parent may send R frames before the earlier ones are answered, if the child has said `reads_ahead`.
While more is there to run, an answer goes to the quiet pipe, which wakes nobody; one on fd 1 follows soon. What is in a
pipe survives this process. The ledger is 512 bytes:

    0          the number of the R frame that was begun last. Written here before a run begins, so that the parent knows
               which runs have begun if this process dies
    4 to 7     counts the times that the parent has read the capture pipe while something ran
    256 + n    1: the R frame of number n is not to be begun (K). Written by the parent

All a task printed is in the capture pipe, and all its processes are gone, before its reply is written. So the parent
can cut the output into tasks: it drains the pipe when a reply arrives that says `printed`, and nothing is begun before.

Argument 1 is the largest pickled result, in bytes, that may be sent. Arguments 2 and 3 are files: the ledger and the
quiet pipe, or "" if there are none.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import io
import json
import mmap
import os
import pickle
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import traceback
import types
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

# Every Python that dill 0.4 runs on reads protocol 4, so the client may be older than this worker.
PICKLE_PROTOCOL = 4

# Messages and tracebacks are for people; beyond this many characters the middle is cut.
TEXT_LIMIT = 16 * 1024

# A write of so many bytes to a pipe is all or nothing, by POSIX.
PIPE_BUF = 512 if sys.platform != "linux" else 4096

# What is read of requests at a time.
READ_SIZE = 1 << 14

# How long answers may stay in the quiet pipe while there is more to run.
QUIET_LIMIT = 0.001

# The parts of the ledger.
BEGUN, TAKEN_BACK = 0, 256
CAPTURE_READS = slice(4, 8)
LEDGER_SIZE = 512

# The head of an R frame: its tag, task id and attempt, number, heard, function id.
RUN_HEAD = struct.Struct("<c20sBB16s")
LENGTH = struct.Struct("<I")
UNREAD, NOTHING = bytearray(4), bytes(4)
STREAMS = (("stdout", 1), ("stderr", 2))

# The head of a C or E frame: its length, tag, task id and attempt, took, printed.
ANSWER_HEAD = struct.Struct("<Ic20sIB")

LIBC = ctypes.CDLL(None)

PYTHON_VERSION = "{}.{}.{}".format(*sys.version_info[:3])


def main() -> None:
    """Sets the process up, says hello and serves until the parent closes the pipe."""
    result_limit = int(sys.argv[1])
    ahead = Ahead.opened(*sys.argv[2:4])
    parent = os.getppid()
    requests, replies, capture = move_descriptors()
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in a terminal reaches the whole group; the parent decides.
    os.register_at_fork(after_in_child=lambda: close_all(requests, replies))
    if ahead is not None and not ahead.counts(capture):
        ahead = None

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

    hello = {"python": PYTHON_VERSION, "dill": dill.__version__, "pid": os.getpid(), "reads_ahead": ahead is not None}
    write_frame(replies, b"H" + as_json(hello))
    try:
        Runner(dill, result_limit, capture).serve(Requests(requests), Replies(replies, capture, ahead))
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


class Ahead:
    """What it takes to be given runs ahead of time: the ledger, and the quiet pipe."""

    __slots__ = ("ledger", "quiet")

    def __init__(self, ledger: mmap.mmap, quiet: int) -> None:
        """Both are open."""
        self.ledger = ledger
        self.quiet = quiet

    @classmethod
    def opened(cls, ledger: str, quiet: str) -> Ahead | None:
        """None if that is not possible here."""
        if not ledger or not quiet:
            return None
        try:
            file = os.open(ledger, os.O_RDWR | os.O_CLOEXEC)
            memory = mmap.mmap(file, LEDGER_SIZE)
            os.close(file)
            return cls(memory, os.open(quiet, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except (OSError, ValueError):
            return None

    def counts(self, capture: int) -> bool:
        """Whether the system can tell how much is in the capture pipe."""
        try:
            holds_something(capture)
        except OSError:
            return False
        return True


class Requests:
    """The frames of the parent, read ahead as far as they are there."""

    def __init__(self, fd: int) -> None:
        """Nothing is read yet."""
        self.fd = fd
        self.frames: deque[bytes] = deque()
        self.part = b""
        self.may_go_on = False
        self.half = -1
        self.since = 0.0

    def next(self) -> bytes | None:
        """The next frame, or None at the end of the pipe."""
        while not self.frames:
            if not self.read():
                return None
        return self.frames.popleft()

    def is_more(self) -> bool:
        """Whether another frame is there, without waiting for one to begin."""
        return bool(self.frames) or (holds_something(self.fd) and self.read() and bool(self.frames))

    def await_go(self) -> bool:
        """Waits for a G frame; whether there was one before the pipe's end."""
        while not self.may_go_on:
            if not self.read():
                return False
        self.may_go_on = False
        return True

    def read(self) -> bool:
        """Waits for bytes and takes them in; whether there were any before the pipe's end."""
        data = os.read(self.fd, READ_SIZE)
        if not data:
            return False
        if self.part:
            data = self.part + data
        start, end = 0, len(data)
        if end > 5 and int.from_bytes(data[:4], "little") == end - 4:
            # The usual case when there is little to do: one frame, and all of it.
            self.part = b""
            self.frames.append(data[4:])
            return True
        while end - start >= 4:
            size = int.from_bytes(data[start : start + 4], "little")
            start += 4
            if end - start < size:
                # A long one: to read it by pieces would copy it again and again.
                frame = data[start:] + self.exactly(size - (end - start))
                start, end = 0, 0
            else:
                frame = data[start : start + size]
                start += size
            if len(frame) < size:
                return False
            if frame == b"G":
                self.may_go_on = True
            else:
                self.frames.append(frame)
        self.part = data[start:end]
        count = len(self.frames)
        self.half = count // 2 if count >= 4 else -1
        self.since = time.perf_counter()
        return True

    def exactly(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the pipe."""
        parts = []
        while size > 0 and (part := os.read(self.fd, min(size, 1 << 16))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class Replies:
    """The ways for answers, and what the parent knows of runs before it reads them."""

    def __init__(self, fd: int, capture: int, ahead: Ahead | None) -> None:
        """Without `ahead` every answer wakes the parent, and says that something may have been printed."""
        self.fd = fd
        self.capture = capture
        self.ledger = None if ahead is None else ahead.ledger
        self.quiet = -1 if ahead is None else ahead.quiet
        self.capture_reads = b""
        self.woken = 0.0

    def begins(self, number: int) -> bool:
        """Notes that a run begins; whether it may."""
        ledger = self.ledger
        if ledger is None:
            return True
        ledger[BEGUN] = number
        self.capture_reads = ledger[CAPTURE_READS]
        return not ledger[TAKEN_BACK + number]

    def printed(self) -> bool:
        """Whether something of this run is, or was, in the capture pipe.

        The parent counts before it reads, so what is not in the pipe any more has been counted.
        """
        ledger = self.ledger
        return ledger is None or holds_something(self.capture) or ledger[CAPTURE_READS] != self.capture_reads

    def send(self, frame: bytes, now: float) -> None:
        """Sends an answer that wakes the parent."""
        self.woken = now
        write_all(self.fd, frame)

    def send_in_time(self, frame: bytes, requests: Requests, now: float) -> None:
        """Sends an answer: quietly, if there is more to run and the parent was woken shortly before.

        It is woken when half of what was here is left, so that more is here before that has ended.
        """
        if (
            len(frame) <= PIPE_BUF
            and requests.is_more()
            and now - max(self.woken, requests.since) < QUIET_LIMIT
            and len(requests.frames) != requests.half
        ):
            try:
                os.write(self.quiet, frame)
                return
            except OSError:
                pass  # It is full, or the parent has ended.
        self.send(frame, now)


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

    def serve(self, requests: Requests, replies: Replies) -> None:
        """Answers frames until the pipe ends."""
        answered = 0  # The number of the last R frame.
        unheard = -1  # The same, if the parent has to hear what it printed before another begins.
        while (frame := requests.next()) is not None:
            tag = frame[:1]
            if tag == b"R":
                _, run, number, heard, function_id = RUN_HEAD.unpack_from(frame)
                if unheard not in (-1, heard) and not requests.await_go():
                    return
                unheard = -1
                began = time.perf_counter()
                if not replies.begins(number):
                    answered = number
                    replies.send_in_time(framed(b"K" + run), requests, began)
                    continue
                kind, rest = self.attempt(function_id, frame[RUN_HEAD.size :])
                self.restore_streams()
                if killed := kill_children():
                    note = f"mpcsfaas: killed {killed} process(es) that the task left running\n"
                    write_all(self.capture, note.encode())
                # If nothing else was on its way when this run was sent, it is as good as certain that nothing is now.
                # Then the parent may as well look itself whether something was printed.
                printed = (heard == answered and not requests.frames) or replies.printed()
                answered = number
                unheard = number if printed else -1
                now = time.perf_counter()
                took = min(int((now - began) * 1e6), 0xFFFF_FFFF)
                size = ANSWER_HEAD.size - 4 + len(rest)
                reply = ANSWER_HEAD.pack(size, kind, run, took, printed) + rest
                if printed:
                    replies.send(reply, now)
                else:
                    replies.send_in_time(reply, requests, now)
            elif tag == b"F":
                body_at = 19 + int.from_bytes(frame[17:19], "little")
                self.functions[frame[1:17]] = Function(json.loads(frame[19:body_at]), frame[body_at:])
            elif tag == b"D":
                self.functions.pop(frame[1:17], None)
            else:
                raise ValueError(f"unknown frame {tag!r}")

    def attempt(self, function_id: bytes, params: bytes) -> tuple[bytes, bytes]:
        """Runs a task and returns the kind of the reply, and the result or what it says of the failure."""
        function = self.functions.get(function_id)
        if function is None:
            unknown = LookupError(f"function {function_id.hex()} was not sent to this process")
            return failure("unpickle_function", unknown)
        try:
            call = self.dill.loads(function.body) if function.call is None else function.call
        except BaseException as error:
            return failure("unpickle_function", error, self.cannot_unpickle("function", error, function))
        if not callable(call):
            return failure("not_callable", TypeError(f"{type(call).__name__!r} object is not callable"))
        function.call = call

        try:
            args, kwargs = self.unpickled(params)
        except BaseException as error:
            return failure("unpickle_params", error, self.cannot_unpickle("parameters", error, function))
        try:
            result = self.call_here(call, args, kwargs)
        except SystemExit as error:
            return failure("exit", error)
        except BaseException as error:
            return failure("raised", error)

        try:
            data = self.pickled(result)
        except BaseException as error:
            return failure("pickle_result", error)
        if len(data) > self.result_limit:
            size = ValueError(f"result too large: {len(data)} bytes, limit {self.result_limit}")
            return failure("result_too_large", size)
        return b"C", data

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
        if type(result) in SIMPLE:
            return pickle.dumps(result, PICKLE_PROTOCOL)
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
        for name, fd in STREAMS:
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


# What a pickler needs no code of its own for, and no one else's can change.
SIMPLE = frozenset((type(None), bool, int, float, str, bytes))


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


def failure(kind: str, error: BaseException, message: str | None = None) -> tuple[bytes, bytes]:
    """The kind of the reply for a failed run, and what it says."""
    message = text_of(error) if message is None else message
    about = {
        "kind": kind,
        "type": type_name(error),
        "message": printable(message),
        "traceback": traceback_of(error),
        "exit_code": exit_code(error) if kind == "exit" else None,
    }
    text = pickle.dumps(clipped(message), protocol=PICKLE_PROTOCOL)
    return b"E", LENGTH.pack(len(text)) + text + as_json(about)


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
        prctl = LIBC.prctl
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
        # Not os.waitpid: after nearly every task there are no children, and an exception costs more than the call.
        reaped = LIBC.waitpid(-1, None, os.WNOHANG)
        if reaped < 0:
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
    write_all(fd, framed(payload))


def framed(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return LENGTH.pack(len(payload)) + payload


def holds_something(fd: int) -> bool:
    """Whether there are bytes in a pipe, asked at either end."""
    fcntl.ioctl(fd, termios.FIONREAD, UNREAD)
    return UNREAD != NOTHING


def write_all(fd: int, data: bytes) -> None:
    """os.write may stop early, at a signal."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


if __name__ == "__main__":
    main()
