"""What the client raises.

Two families: the platform did not take a request or a task (`RequestFailed`, `Unavailable`), or it took a task and the
task failed (`TaskFailed` and its subclasses). A wait that runs over is a plain `TimeoutError`; the task goes on.
"""

from __future__ import annotations


class MpcsfaasError(Exception):
    """The base of all errors of this package."""


class RequestFailed(MpcsfaasError):
    """The platform answered a request with an error that repeating would not change."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail

    def __str__(self) -> str:
        return f"HTTP {self.status_code}: {self.detail}"


class Unavailable(MpcsfaasError, TimeoutError):
    """The platform could not be reached, or was too busy, until the time was over."""


class TaskFailed(MpcsfaasError):
    """A task ended without a result.

    `kind` says how: "raised", "exit" (sys.exit), "exited" (the process ended, see `exit_code`), "killed" (see
    `signal`), "timeout", "cancelled", "worker_lost", "lost", "unpickle_function", "unpickle_params", "not_callable",
    "pickle_result", "result_too_large". `type`, `message` and `remote_traceback` are the exception's, as text.
    """

    def __init__(
        self,
        task_id: str,
        kind: str,
        type: str,
        message: str,
        remote_traceback: str = "",
        exit_code: int | None = None,
        signal: int | None = None,
    ) -> None:
        # All of it, so that the exception can itself be pickled.
        super().__init__(task_id, kind, type, message, remote_traceback, exit_code, signal)
        self.task_id = task_id
        self.kind = kind
        self.type = type
        self.message = message
        self.remote_traceback = remote_traceback
        self.exit_code = exit_code
        self.signal = signal

    def __str__(self) -> str:
        what = f"{self.type}: {self.message}" if self.type else self.message
        text = f"{what} (task {self.task_id}, {self.kind})"
        if self.remote_traceback:
            text += f"\n\nOn the worker:\n{self.remote_traceback.rstrip()}"
        return text


class TaskTimeout(TaskFailed):
    """The task ran longer than its function's `timeout_s` and was ended."""


class WorkerLost(TaskFailed):
    """The task's workers died: too often to try again ("worker_lost"), or it may run at most once ("lost")."""
