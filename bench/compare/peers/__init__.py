"""The peers by name: the module in this folder and the class in it.

A module imports its system at the top, because the system's workers import the same module. So it is imported only in
a process that measures it, and one that is not installed is an error of that process alone.
"""

from __future__ import annotations

import importlib

from compare.peers.peer import Peer

PEERS: dict[str, tuple[str, str]] = {
    "mpcsfaas": ("mpcsfaas", "OnRedis"),
    "mpcsfaas-embedded": ("mpcsfaas", "Embedded"),
    "mpcsfaas-unsynced": ("mpcsfaas", "Unsynced"),
    "mpcsfaas-pull": ("mpcsfaas", "Pull"),
    "mpcsfaas-local": ("mpcsfaas", "Local"),
    "processpool": ("processpool", "ProcessPool"),
    "huey": ("huey", "Huey"),
    "dramatiq": ("dramatiq", "Dramatiq"),
    "ray": ("ray", "Ray"),
    "parsl": ("parsl", "Parsl"),
    "celery": ("celery", "Celery"),
    "dask": ("dask", "Dask"),
    "rq": ("rq", "Rq"),
    "taskiq": ("taskiq", "Taskiq"),
}

# What stands in a peer's place when the machine itself is measured (`compare.raw`).
RAW = "raw"

# Those that are measured by default: of ours, what is compared.
USUAL = [name for name in PEERS if name not in ("mpcsfaas-pull", "mpcsfaas-local")]


def load(name: str) -> type[Peer]:
    """The class of a peer; raises ImportError if its system is not installed."""
    module, attribute = PEERS[name]
    found: type[Peer] = getattr(importlib.import_module(f"compare.peers.{module}"), attribute)
    return found
