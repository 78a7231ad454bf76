"""Writes pickles.tsv: pickles made by Python, one a line as name, shape of the result, hex.

Run it with dill installed: `python - < generate.py > pickles.tsv`, from standard input so that no
path gets in. The shape is found by loading the pickle: the scanner is held against Python's reader.
"""

import collections
import datetime
import decimal
import functools
import io
import pickle
import pickletools
import sys

import dill


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def norm(self):
        return (self.x**2 + self.y**2) ** 0.5


class ByNewArgs(Point):
    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __getnewargs_ex__(self):
        return (self.x, self.y), {}


class Persistent(pickle.Pickler):
    def persistent_id(self, obj):
        return "one" if isinstance(obj, Point) else None


def double(x):
    return 2 * x


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def counter():
    count = 0

    def step(by=1, *, scale=1.5):
        nonlocal count
        count += by * scale
        return count

    return step


def recursive_list():
    items = [1]
    items.append(items)
    return items


def recursive_tuple():
    items = []
    pair = (items, 2)
    items.append(pair)
    return pair


def persistent(protocol):
    out = io.BytesIO()
    Persistent(out, protocol).dump(Point(1, 2))
    return out.getvalue()


PLAIN = {
    "none": None,
    "true": True,
    "false": False,
    "int-zero": 0,
    "int-byte": 255,
    "int-short": 65535,
    "int-negative": -70000,
    "int-big": 1 << 80,
    "int-huge": -(1 << 2100),
    "float": 1.5,
    "float-inf": float("-inf"),
    "str-empty": "",
    "str": "caf\u00e9",
    "str-lines": "a\nb\\u0041\r\x00\x1a\U0001f600\\",
    "str-long": "x" * 300,
    "str-surrogate": "\ud800",
    "bytes": b"\x00\xff",
    "bytes-long": b"y" * 300,
    "bytearray": bytearray(b"abc"),
    "complex": 1j,
    "tuple-0": (),
    "tuple-1": (1,),
    "tuple-3": (1, "b", None),
    "tuple-4": (1, 2, 3, 4),
    "tuple-300": (0,) * 300,
    "list": [1, [2, [3]]],
    "list-1000": [None] * 1001,
    "dict": {"a": 1, "b": {"c": (1, 2)}},
    "set": {1, 2},
    "frozenset": frozenset([1]),
    "recursive-list": recursive_list(),
    "recursive-tuple": recursive_tuple(),
    "params": ((1, "a"), {"key": [1]}),
    "params-empty": ((), {}),
    "point": Point(1, 2),
    "point-class": Point,
    "by-new-args": ByNewArgs(1, 2),
    "builtin": len,
    "method": Point(3, 4).norm,
    "partial": functools.partial(int, base=2),
    "ordered-dict": collections.OrderedDict(a=1),
    "date": datetime.date(2024, 2, 29),
    "decimal": decimal.Decimal("1.1"),
    "exception": ValueError("no"),
    "double-by-reference": double,
}

DILL = {
    "lambda": lambda x: x + 1,
    "double": double,
    "factorial": factorial,
    "closure": counter(),
    "class": Point,
    "instance": Point(1, 2),
    "builtin": len,
    "params": (([1, 2], lambda y: y), {"f": double}),
}

HAND_MADE = {
    "protocol-0-python-2-str": b"S'abc'\np0\n.",
    "binstring": b"T\x03\x00\x00\x00abc.",
    "short-binstring": b"U\x03abc.",
    "inst": b"(icollections\nOrderedDict\n.",
    "obj": b"(ccollections\nOrderedDict\no.",
    "dup": b"K\x012\x86.",
    "pop-mark": b"K\x01(K\x02K\x031.",
    "pop-a-mark": b"K\x01(0.",
    "marked-list": b"(K\x01K\x02l.",
    "marked-dict": b"(K\x01K\x02d.",
    "long-put-get": b"K\x01r\x05\x00\x00\x000j\x05\x00\x00\x00.",
}

CONTAINERS = {list: "List", dict: "Dict", set: "Set", frozenset: "Set"}
LITERALS = {type(None): "None", bool: "Bool", int: "Int", float: "Float", str: "Str", bytes: "Bytes"}


def shape(data, value):
    """The shape of a value, as the scanner names it."""
    kind = type(value)
    # What is pickled as a call of its type looks like any other object.
    call = any(op.name in ("REDUCE", "BUILD") for op, _, _ in last_opcodes(data))
    if call:
        return "Object"
    if kind in LITERALS:
        return f"Literal({LITERALS[kind]})"
    if kind is bytearray:
        return "Literal(Bytes)"
    if kind is tuple:
        return f"Container(Tuple({min(len(value), 255)}))"
    return f"Container({CONTAINERS[kind]})" if kind in CONTAINERS else "Object"


def last_opcodes(data):
    """The instruction that made the result: the last one that is neither memo nor STOP."""
    skipped = ("STOP", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "FRAME")
    return [op for op in pickletools.genops(data) if op[0].name not in skipped][-1:]


class Loader(dill.Unpickler):
    def persistent_load(self, _):
        return Point(1, 2)


def main():
    rows = []
    for protocol in range(6):
        for name, value in PLAIN.items():
            rows.append((f"{name}-p{protocol}", pickle.dumps(value, protocol)))
        for name, value in DILL.items():
            rows.append((f"dill-{name}-p{protocol}", dill.dumps(value, protocol)))
            if protocol in (0, 4):
                rows.append((f"dill-recurse-{name}-p{protocol}", dill.dumps(value, protocol, recurse=True)))
        rows.append((f"persistent-p{protocol}", persistent(protocol)))
    rows += HAND_MADE.items()
    seen = set()
    for name, data in rows:
        if data in seen:
            continue
        seen.add(data)
        value = Loader(io.BytesIO(data)).load()
        sys.stdout.write(f"{name}\t{shape(data, value)}\t{data.hex()}\n")


if __name__ == "__main__":
    main()
