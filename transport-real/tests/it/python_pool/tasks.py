"""The tasks of the tests, good and bad, pickled as a client would pickle them.

Prints JSON: for each task its function, its parameters and (if it returns) the expected result, in base64.
Argument 1 is a directory in which tasks may leave files for the test to find.
"""

import base64
import json
import os
import sys

import dill

SCRATCH = sys.argv[1]
TASKS = {}


def task(*args, returns=None, **kwargs):
    """Adds a task that calls the function with these arguments."""

    def add(function):
        TASKS[function.__name__] = (function, (args, kwargs), returns)
        return function

    return add


@task(20, 22, returns=42)
def add(a, b):
    return a + b


@task()
def noop():
    pass


@task()
def whoami():
    import os

    print(os.getpid())


@task()
def speak():
    import os
    import sys

    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr)
    os.system("echo from a program")


@task()
def nap():
    import time

    time.sleep(0.05)


@task(SCRATCH + "/pause")
def await_file(path):
    import os
    import time

    with open(path + ".new", "w") as file:
        print(os.getpid(), file=file)
    os.rename(path + ".new", path + ".begun")
    while not os.path.exists(path):
        time.sleep(0.01)


@task(b"x" * 10_000_000, returns=b"x" * 10_000_000)
def echo(data):
    return data


@task(returns=1)
def count(calls=[]):
    calls.append(None)
    return len(calls)


@task()
def fail():
    print("about to fail")
    raise ValueError("no such luck")


@task()
def return_generator():
    return (number for number in range(3))


@task()
def return_much():
    return bytes(100_000)


@task()
def exit_politely():
    import sys

    sys.exit(3)


@task()
def exit_at_once():
    import os

    print("last words", flush=True)
    os._exit(7)


@task()
def segfault():
    import ctypes

    ctypes.string_at(0)


@task()
def kill_self():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


@task(returns=1)
def print_megabytes():
    import sys

    print("beginning")
    for _ in range(300):
        sys.stdout.write("x" * 99_999 + "\n")
    print("end")
    return 1


@task(SCRATCH + "/left", False, returns=1)
def leave_a_child(path, die):
    import os
    import subprocess

    pids = [subprocess.Popen(["sleep", "1000"], start_new_session=apart).pid for apart in (False, True)]
    with open(path + ".new", "w") as file:
        print(os.getpid(), *pids, file=file)
    os.rename(path + ".new", path)
    if die:
        os._exit(1)
    return 1


@task(SCRATCH + "/waiting")
def wait_with_children(path):
    import os
    import subprocess
    import time

    pids = [subprocess.Popen(["sleep", "1000"], start_new_session=apart).pid for apart in (False, True)]
    with open(path + ".new", "w") as file:
        print(os.getpid(), *pids, file=file)
    os.rename(path + ".new", path)
    time.sleep(1000)


@task(SCRATCH + "/in_c")
def hang_in_c(path):
    import ctypes
    import os

    with open(path + ".new", "w") as file:
        print(os.getpid(), file=file)
    os.rename(path + ".new", path)
    ctypes.PyDLL(None).sleep(1000)  # A PyDLL keeps the interpreter's lock.


@task(SCRATCH + "/stubborn")
def ignore_sigterm(path):
    import os
    import signal
    import time

    signal.signal(signal.SIGTERM, lambda *_: print("not yet", flush=True))
    with open(path + ".new", "w") as file:
        print(os.getpid(), file=file)
    os.rename(path + ".new", path)
    while True:
        time.sleep(1000)


@task(b"junk junk junk")
def write_junk(junk):
    import os
    import time

    for fd in range(3, 20):
        try:
            os.write(fd, junk)
        except OSError:
            pass
    time.sleep(1000)


@task()
def close_everything():
    import os
    import time

    os.closerange(3, 64)
    time.sleep(1000)


def in_base64(data):
    return base64.b64encode(data).decode()


def main():
    extra = {
        "leave_a_child_and_die": (leave_a_child, ((SCRATCH + "/left", True), {}), None),
        "count_too": (count, ((), {}), 1),
        "call_a_number": (7, ((), {}), None),
    }
    out = {
        name: {
            "body": in_base64(dill.dumps(function)),
            "params": in_base64(dill.dumps(params)),
            "result": in_base64(dill.dumps(result, protocol=4)),
        }
        for name, (function, params, result) in {**TASKS, **extra}.items()
    }
    missing = in_base64(b"cno_such_module\nfunction\n.")
    out["import_what_is_missing"] = {**out["noop"], "body": missing}
    out["take_what_is_missing"] = {**out["noop"], "params": missing}
    json.dump(out, sys.stdout)


main()
