"""Reads a pickle of arrays without running anything in it.

A pickle is a program for a stack machine. It names functions and has them called. The machine here calls nothing. It
refuses a file with a name that is not in its list. Where the pickle calls a function, the machine makes a `Stored`: it
records the function's name and its arguments. `as_array` knows the functions of numpy, chumpy and scipy that make
arrays, and builds the array from its bytes itself. No object of numpy is ever given a state from the file, because a
dtype with a forged state makes numpy follow arbitrary pointers.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import MAXIMUM_BYTES

MAXIMUM_STEPS = 100_000  # of the machine; FLAME's files need a few hundred
PLAIN = re.compile(r"b1|[iu][1248]|f[248]")  # numbers of fixed size
NUMPY = re.compile(r"numpy\.(_core|core)\.(multiarray\._reconstruct|multiarray\.scalar|numeric\._frombuffer)")
BYTES = ("_codecs.encode", "builtins.bytearray", "__builtin__.bytearray")
NAMES = {
    *("numpy.ndarray", "numpy.dtype", "_codecs.encode", "copyreg._reconstructor", "copy_reg._reconstructor"),
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("object", "set", "bytearray")),
}


@dataclass(frozen=True)
class Name:
    """A function or class that a pickle names, as `module.name`."""

    text: str


@dataclass(eq=False)
class Stored:
    """An object that a pickle describes, but that is not made.

    maker      the function or class that would make it, as `module.name`
    arguments  what the maker would be called with
    state      what the object would be given afterwards
    """

    maker: str
    arguments: tuple[Any, ...]
    state: Any = None

    @property
    def attributes(self) -> dict[Any, Any]:
        """The attributes of an ordinary object by name: its state, if that is a dictionary."""
        return self.state if isinstance(self.state, dict) else {}


def as_array(value: Any) -> Array:
    """A numpy array from a pickle's description of an array or of a chumpy object.

    Raises TypeError or ValueError for anything else.
    """
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, Stored):
        raise TypeError("not an array")
    if value.maker.endswith("multiarray._reconstruct"):
        _, shape, dtype, by_columns, data = value.state
        return _array(data, dtype, shape, "F" if by_columns else "C")
    if value.maker.endswith("numeric._frombuffer"):
        data, dtype, shape, order, *axes = value.arguments
        values = _array(data, dtype, shape, "F" if order == "F" else "C")
        return values.transpose(axes[0]) if order == "K" and axes else values
    if value.maker.startswith("chumpy."):
        return _chumpy_array(value.attributes)
    raise TypeError("not an array")


def _chumpy_array(attributes: dict[Any, Any]) -> Array:
    """The array of a chumpy object: its value `x`, or the elements of `a` with the flat indices `idxs`."""
    if "x" in attributes:
        return as_array(attributes["x"])
    selected = as_array(attributes.get("a")).ravel()[as_array(attributes.get("idxs"))]
    shape = attributes.get("preferred_shape")
    return selected if shape is None else selected.reshape(shape)


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    values = np.frombuffer(_bytes(data), _dtype(dtype))
    if not all(type(side) is int and side >= 0 for side in shape) or math.prod(shape) != len(values):
        raise ValueError("an array's bytes do not fill its shape")
    return values.reshape(shape, order=order)


def _dtype(value: Any) -> np.dtype:
    """The dtype that is described. Raises TypeError unless it is one of plain numbers."""
    if not isinstance(value, Stored) or value.maker != "numpy.dtype":
        raise TypeError("not a dtype")
    code, order = value.arguments[0], "="
    if value.state is not None:
        _, order, *structure = value.state
        if structure[:3] != [None, None, None]:
            raise TypeError("a dtype with parts")
    if not PLAIN.fullmatch(code) or order not in ("<", ">", "=", "|"):
        raise TypeError("not a dtype of numbers")
    return np.dtype(order + code)


def _bytes(value: Any) -> bytes | bytearray:
    """The bytes that a value stands for.

    Bytes of Python 2 arrive as text. Python 3 writes bytes into a pickle for Python 2 as text with a call that encodes
    it.
    """
    if isinstance(value, Stored):
        if value.maker not in BYTES or value.arguments[1:] not in ((), ("latin1",)):
            raise TypeError("not bytes")
        value = value.arguments[0]
    if isinstance(value, str):
        return value.encode("latin1")
    if not isinstance(value, bytes | bytearray):
        raise TypeError("not bytes")
    return value


def load_pickle(path: Path) -> Any:
    """The content of a pickle of protocol 2 or later: numbers, texts, lists, tuples, dictionaries and `Stored`.

    Raises GanfitError when it names anything but arrays, chumpy and scipy objects, or is no complete pickle.
    """
    with reading(path, "is no complete pickle of arrays; download it again.", MAXIMUM_BYTES):
        machine = _Machine()
        try:
            for number, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(path.read_bytes()))):
                if number == MAXIMUM_STEPS:
                    raise _RefusedError("has far more parts than a face model")
                if opcode.name == "STOP":
                    return machine.stack[-1]
                machine.step(opcode.name, argument)
        except _RefusedError as error:
            raise GanfitError(f"{path} was refused: this pickle {error}; download the model from its owner.") from None
        raise ValueError("the pickle has no end")


class _RefusedError(Exception):
    pass


def _refuse_call(name: str) -> _RefusedError:
    return _RefusedError(f"wants to call {name[:80]!r}, which no face model needs")


@dataclass
class _Machine:
    """The stack machine.

    stack  the values since the last mark
    below  for each open mark, the values before it
    memo   values that the pickle has stored under a number
    """

    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        """Runs one opcode."""
        if name in VALUES:
            self.stack.append(VALUES[name](argument))
        elif name in STEPS:
            STEPS[name](self, argument)
        else:
            raise _RefusedError(f"uses {name}, which no face model needs")

    def push(self, value: Any) -> None:
        """Puts a value on the stack."""
        self.stack.append(value)

    def top(self, count: int) -> list[Any]:
        """Takes the last `count` values from the stack."""
        if count > len(self.stack):
            raise ValueError("the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def marked(self) -> list[Any]:
        """Takes everything since the last mark from the stack."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def mark(self) -> None:
        """Sets a mark: the values from here on are taken together by `marked`."""
        self.below.append(self.stack)
        self.stack = []

    def name(self, module: Any, name: Any) -> None:
        """Puts a name on the stack. Refuses a name that no face model needs."""
        text = f"{module}.{name}"
        if text not in NAMES and not NUMPY.fullmatch(text) and not text.startswith(("chumpy.", "scipy.sparse.")):
            raise _refuse_call(text)
        self.stack.append(Name(text))

    def make(self, maker: Any, arguments: Any) -> None:
        """Puts a `Stored` on the stack, where a pickle would call `maker` with the arguments."""
        if not isinstance(maker, Name) or not isinstance(arguments, tuple):
            raise _refuse_call("something without a name")
        made = arguments[0].text if maker.text.endswith("._reconstructor") else maker.text
        self.stack.append(Stored(made, arguments))

    def build(self) -> None:
        """Records the state that an object would be given."""
        made, state = self.top(2)
        made.state = state
        self.stack.append(made)

    def extend(self, values: list[Any]) -> None:
        """Adds values to the list on top of the stack."""
        if not isinstance(self.stack[-1], list):
            raise TypeError("not a list")
        self.stack[-1].extend(values)

    def update(self, pairs: list[Any]) -> None:
        """Adds entries to the dictionary on top of the stack. Only keys that are texts or whole numbers are kept."""
        if not isinstance(self.stack[-1], dict):
            raise TypeError("not a dictionary")
        entries = zip(pairs[::2], pairs[1::2], strict=True)
        self.stack[-1].update((key, value) for key, value in entries if isinstance(key, str | int))


Step = Callable[[_Machine, Any], Any]
# Opcodes that put their argument, or an empty value, on the stack.
VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"), lambda value: value),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"), lambda value: value),
    **dict.fromkeys(("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), lambda value: value),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "EMPTY_SET": lambda _: Stored("builtins.set", ()),
}
# Opcodes that work on the stack.
STEPS: dict[str, Step] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.top(1),
    "POP_MARK": lambda machine, _: machine.marked(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.top(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.top(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.top(3))),
    "APPEND": lambda machine, _: machine.extend(machine.top(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.marked()),
    "SETITEM": lambda machine, _: machine.update(machine.top(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.marked()),
    "FROZENSET": lambda machine, _: machine.push(Stored("builtins.frozenset", (machine.marked(),))),
    "ADDITEMS": lambda machine, _: machine.marked(),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, key: machine.push(machine.memo[key])),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda machine, key: machine.memo.update({key: machine.stack[-1]})),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "GLOBAL": lambda machine, words: machine.name(*words.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.top(2)),
    "REDUCE": lambda machine, _: machine.make(*machine.top(2)),
    "NEWOBJ": lambda machine, _: machine.make(*machine.top(2)),
    "BUILD": lambda machine, _: machine.build(),
}
