"""The driver of `mpcsfaas run`: runs a function of a file as one task, and reports as JSON lines.

    python -m mpcsfaas._run --url http://127.0.0.1:8000 --kwargs '{"height": 2}' jobs.py area -- 3

Arguments are JSON. What the file prints while it is loaded goes to stderr; stdout has these lines only:

    {"event": "submitted", "task_id"}
    {"event": "completed", "repr", "json", "output"}    "json" is the result as JSON text, or null if it cannot be
    {"event": "failed", "kind", "type", "message", "traceback", "exit_code", "signal", "output"}
    {"event": "unusable", "message"}                    the file or the function; nothing was submitted
    {"event": "refused", "message"}                     by the platform
    {"event": "unavailable", "message"}                 the platform is away
    {"event": "unreadable", "message", "output"}        the task has a result, and it cannot be unpickled here

All but the first are the last line. The exit code is 0 if there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, TextIO, cast

from mpcsfaas.client import Client, Function, TaskHandle
from mpcsfaas.errors import RequestFailed, TaskFailed, Unavailable

# The file is loaded as a module that nobody can import. So its functions and classes travel by value; and it is not
# __main__, so what it does only as a script is not done.
MODULE = "mpcsfaas_run"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the task and reports."""
    parser = argparse.ArgumentParser(prog="mpcsfaas run", description="Runs a function of a file as one task.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--kwargs", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("file")
    parser.add_argument("function")
    parser.add_argument("arguments", nargs="*", type=json.loads, metavar="JSON")
    options = parser.parse_args(argv)
    report = Report(keep_stdout())
    try:
        function = find(load(Path(options.file)), options.function)
    except Unusable as error:
        report.event("unusable", message=str(error))
        return 0
    with Client(options.url) as client:
        run(client, function, options.arguments, options.kwargs, report)
    return 0


class Unusable(Exception):
    """The file or the function; the text says why."""


class Report:
    """Writes the events."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def event(self, event: str, **values: Any) -> None:
        """One line."""
        values = {name: printable(value) if isinstance(value, str) else value for name, value in values.items()}
        self._stream.write(json.dumps({"event": event, **values}) + "\n")
        self._stream.flush()


def keep_stdout() -> TextIO:
    """A stream to stdout as it is now; what is printed from now on goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def load(file: Path) -> types.ModuleType:
    """The file's module, loaded as a script is: with its directory to import from, and nothing written beside it."""
    module = types.ModuleType(MODULE)
    # Absolute, so that a worker on this machine finds the lines for a traceback.
    module.__file__ = os.path.abspath(file)
    sys.argv = [str(file)]
    sys.path.insert(0, str(file.resolve().parent))
    sys.modules[MODULE] = module
    try:
        exec(compile(file.read_bytes(), module.__file__, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        raise Unusable(f"{file} cannot be loaded:\n{own_traceback(error)}") from None
    finally:
        del sys.modules[MODULE]
    return module


def own_traceback(error: BaseException, driver: str = __file__) -> str:
    """The traceback without the frames of a driver, which are the first ones."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == driver:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def find(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """The function of this name, which may have dots in it."""
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Unusable(f"{sys.argv[0]} has no `{name}`; {offer(module)}") from None
    if not callable(found):
        raise Unusable(f"`{name}` in {sys.argv[0]} is no function but {type(found).__name__}; {offer(module)}")
    return cast("Callable[..., Any]", found)


def offer(module: types.ModuleType) -> str:
    """What one could have asked for."""
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == MODULE and not name.startswith("_")
    ]
    return f"it has {', '.join(names)}" if names else "it has no functions of its own"


def run(
    client: Client, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], report: Report
) -> None:
    """Runs the task to its end."""
    try:
        try:
            handle = submit(client, function, args, kwargs)
        except Unusable as error:
            report.event("unusable", message=str(error))
            return
        report.event("submitted", task_id=handle.id)
        wait(handle, report)
    except RequestFailed as error:
        report.event("refused", message=str(error))
    except Unavailable as error:
        report.event("unavailable", message=str(error))


def submit(
    client: Client, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> TaskHandle[Any]:
    """The task, under way."""
    name = str(getattr(function, "__name__", type(function).__name__))
    try:
        registered: Function[Any] = client.register(function, name=name)
    except (RequestFailed, Unavailable):
        raise
    except Exception as error:  # Pickling runs code of the object's own, which may raise anything.
        raise Unusable(f"`{name}` cannot be pickled: {type(error).__name__}: {error}") from None
    return client.submit(registered, *args, **kwargs)


def wait(handle: TaskHandle[Any], report: Report) -> None:
    """Waits for the end and reports it."""
    try:
        result = handle.result()
    except TaskFailed as error:
        report.event(
            "failed",
            kind=error.kind,
            type=error.type,
            message=error.message,
            traceback=error.remote_traceback,
            exit_code=error.exit_code,
            signal=error.signal,
            output=handle.details()["output"],
        )
    except (RequestFailed, Unavailable):
        raise
    except Exception as error:  # Unpickling runs code that the pickle names, which may raise anything.
        report.event("unreadable", message=f"{type(error).__name__}: {error}", output=handle.details()["output"])
    else:
        report.event("completed", repr=repr_of(result), json=json_of(result), output=handle.details()["output"])


def repr_of(result: object) -> str:
    """What the interactive Python would show."""
    try:
        return repr(result)
    except Exception as error:
        return f"<{type(result).__name__} object, whose repr() raises {type(error).__name__}>"


def json_of(result: object) -> str | None:
    """The result as JSON text, if it has such a form."""
    try:
        return json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def printable(text: str) -> str:
    """Half a surrogate pair is no text anywhere else."""
    return text.encode("utf-8", "backslashreplace").decode()


if __name__ == "__main__":
    sys.exit(main())
