"""Run Python functions on an mpcsfaas platform.

    from mpcsfaas import Client

    with Client("http://127.0.0.1:8000") as client:
        handle = client.submit(pow, 2, 10)
        print(handle.result(timeout=30))
        print(list(client.map(abs, [-1, -2, -3])))

`client` has the calls, `errors` what they raise, `_pickling` how functions and values become text. `_courier` takes
tasks to the platform, `_collector` brings results back, both over the connections of `_wire`.
"""

from mpcsfaas.client import Attempt, Client, Details, ErrorInfo, Function, TaskHandle
from mpcsfaas.errors import MpcsfaasError, RequestFailed, TaskFailed, TaskTimeout, Unavailable, WorkerLost

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "Client",
    "Details",
    "ErrorInfo",
    "Function",
    "MpcsfaasError",
    "RequestFailed",
    "TaskFailed",
    "TaskHandle",
    "TaskTimeout",
    "Unavailable",
    "WorkerLost",
]
