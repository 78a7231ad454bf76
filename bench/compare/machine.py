"""On what, and with what, it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def describe(binary: Path, redis_server: Path) -> dict[str, str]:
    """What a reader needs to know to compare figures, in the order of the report."""
    return {
        "CPU": f"{_field('/proc/cpuinfo', 'model name') or platform.processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Redis": _output(redis_server, "--version"),
        "mpcsfaas": " ".join(filter(None, (_output(binary, "--version"), _commit()))),
    }


def _memory() -> str:
    kibibytes = (_field("/proc/meminfo", "MemTotal") or "").split()
    return f"{int(kibibytes[0]) / 2**20:.1f} GiB" if kibibytes else "unknown"


def _field(path: str, name: str) -> str | None:
    """The value after `name:` in a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _commit() -> str:
    words = ("git", "-C", Path(__file__).parent)
    commit = _output(*words, "rev-parse", "--short", "HEAD")
    if not commit:
        return ""
    return f"({commit}, changed)" if _output(*words, "status", "--porcelain") else f"({commit})"


def _output(*command: object) -> str:
    """What a command prints in its first line; nothing if it cannot."""
    try:
        ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.partition("\n")[0]
