"""Functions of a script travel to another Python: pickled in one process as __main__, run in a second one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dill
import pytest

from mpcsfaas import _pickling

SOURCE = Path(__file__).parents[1] / "src"

# A user's script. Each `try_` function is sent, with all that it needs, and nothing else of the script is there.
SCRIPT = """
import json, math
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from mpcsfaas import _pickling

FACTOR = 3

def helper(x):
    return FACTOR * math.floor(x)

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

class Base:
    def name(self):
        return "base"

class Derived(Base):
    def name(self):
        return super().name() + Derived.__name__ + str(FACTOR)

@dataclass
class Point:
    x: int

@lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

def try_helper():
    return helper(2.5)

def try_mutual_recursion():
    return even(10)

def try_imported_recursion():
    return deepcopy([1, [2]])

def try_class():
    return Derived().name()

def try_dataclass():
    return Point(5).x

def try_decorated():
    return fibonacci(30)

def try_generator():
    return sum(FACTOR * n for n in range(4))

def try_nested_class():
    class Inner:
        factor = FACTOR
        many = [FACTOR for _ in range(2)]
    return [Inner.factor, *Inner.many]

def try_writing_a_global():
    global FACTOR
    FACTOR += 1
    return FACTOR

def outer():
    def countdown(n):
        return FACTOR if n == 0 else countdown(n - 1)
    return countdown

try_recursive_closure = lambda: outer()(5)
closure = outer()
try_closure = lambda: closure(5)

unsendable = __import__("threading").Lock()  # Must not be taken along by those who do not name it.

names = [name for name in dir() if name.startswith("try_")]
payloads = {name: _pickling.encode(globals()[name]) for name in names}
print(json.dumps({name: [payloads[name], globals()[name]()] for name in names}))
"""

WORKER = """
import codecs, json, sys, dill
for name, (payload, expected) in json.load(sys.stdin).items():
    got = dill.loads(codecs.decode(payload.encode(), "base64"))()
    assert got == expected, (name, got, expected)
    print(name)
"""


def python(script: str, stdin: str = "") -> str:
    """Runs a script in a Python of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin,
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_functions_of_main_take_along_what_they_use() -> None:
    payloads = python(SCRIPT)
    assert python(WORKER, payloads).split() == list(json.loads(payloads))


def test_dill_is_left_as_it_was() -> None:
    own = dill.detect.globalvars
    with pytest.raises(TypeError):
        _pickling.encode(sys._getframe())
    assert dill.detect.globalvars is own


@pytest.mark.parametrize("value", [None, 5, "ä", [1, {"a": (2, 3)}], {1, 2}, ((), {})])
def test_plain_values_need_no_dill(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_pickling, "_by_dill")
    assert _pickling.decode(_pickling.encode(value)) == value
