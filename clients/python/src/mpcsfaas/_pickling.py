"""Objects to payloads and back: a pickle in base64, as text for JSON.

Functions that the worker cannot import (those of __main__, of a notebook, and nested ones) travel by value, and each
takes along the globals that its code names. dill can do that (`recurse=True`), but the way it finds those globals
follows every function from function to function: mutual recursion, a recursive closure, or a mere
`from copy import deepcopy` makes it recurse until Python stops it. It also swaps sys.stdout for a moment, which two
threads must not do at once. `_named_globals` does neither. It takes dill's place only while this module pickles.
"""

from __future__ import annotations

import binascii
import codecs
import dis
import io
import pickle
import threading
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any, NoReturn

import dill

# Every Python that dill 0.4 runs on reads protocol 4, so a worker may be older than this client.
_PROTOCOL = 4

# Types whose values need no look inside to be known for plain.
_ATOMS = frozenset({bool, bytes, float, int, str, type(None)})

_dill_lock = threading.RLock()


def encode(obj: object) -> str:
    """The payload of an object, in lines as the platform's first clients send it."""
    return codecs.encode(_pickled(obj), "base64").decode()


def encode_line(obj: object) -> str:
    """The payload of an object, in one line."""
    return _line(_pickled(obj))


def encode_arguments(args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    """The payload of a call, in one line."""
    if not kwargs and _ATOMS.issuperset(map(type, args)):
        return _line(pickle.dumps((args, kwargs), _PROTOCOL))  # What `_pickled` would come to, in a tenth of the time.
    return encode_line((args, kwargs))


def _line(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _pickled(obj: object) -> bytes:
    buffer = io.BytesIO()
    try:
        _PlainPickler(buffer, _PROTOCOL).dump(obj)
        return buffer.getvalue()
    except _NotPlain:
        return _by_dill(obj)


def decode(payload: str) -> Any:
    """The object of a payload; this runs code that the pickle names, so the platform must be trusted."""
    data = binascii.a2b_base64(payload)
    # dill reads names of __main__ and of Python 2 in its own way; everything else is read as well, and faster, without.
    if b"__main__" in data or b"__builtin__" in data or b"dill" in data:
        return dill.loads(data)
    return pickle.loads(data)


def _by_dill(obj: object) -> bytes:
    """The pickle of anything; what cannot be imported goes by value."""
    with _dill_lock:
        dills_own, dill.detect.globalvars = dill.detect.globalvars, _named_globals
        try:
            data: bytes = dill.dumps(obj, protocol=_PROTOCOL, recurse=True)
        finally:
            dill.detect.globalvars = dills_own
    return data


class _NotPlain(Exception):
    """The object is not made of plain builtins alone."""


class _PlainPickler(pickle.Pickler):
    """The C pickler for plain builtin values, for which dill writes an equal pickle up to 30 times slower."""

    def reducer_override(self, obj: object) -> NoReturn:
        """Called for everything that is not a plain builtin, before any code of the object's own."""
        raise _NotPlain


def _named_globals(func: object, recurse: bool = True, builtin: bool = False) -> dict[str, Any]:
    """The globals that a function's own code names; dill pickles each of them, and asks again for the functions."""
    if isinstance(func, MethodType):
        func = func.__func__
    if not isinstance(func, FunctionType):
        return {}
    names = set(_global_names(func.__code__))
    return {name: value for name, value in func.__globals__.items() if name in names}


def _global_names(code: CodeType) -> Iterator[str]:
    """The names looked up outside of all functions, also by nested functions and classes (those use LOAD_NAME)."""
    for instruction in dis.get_instructions(code):
        if "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
