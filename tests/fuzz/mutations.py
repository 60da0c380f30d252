"""Changes to valid files that find a reader's weak places: flipped bits, cuts, copies, extreme numbers, splices."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutation = Callable[[bytearray, Sequence[bytes], Random], None]

# What lengths, counts and offsets are set to: signs, overflows, and sizes that a careless reader would allocate.
EXTREMES = tuple(
    (value % 256**width).to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for value in (0, 1, -1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 2 ** (4 * width), 10**9, 255)
    for order in ("little", "big")
)
TOKENS = (
    *(
        b"0",
        b"-1",
        b"1",
        b"1e999",
        b"-1e308",
        b"nan",
        b"inf",
        b"9" * 400,
        b"1.5",
        b"2147483648",
        b"99999999999999999999",
    ),
    *(
        b"",
        b"null",
        b"true",
        b"{}",
        b"[]",
        b"[" * 2000,
        b'"' + b"x" * 2000 + b'"',
        b"\x00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *(b"v", b"f", b"f 1 2 3\n", b"f 0 0 0\n", b"/", b"1/1/1", b"{", b"}", b"\n", b"\r", b"\t", b" ", b"\xd9\xa1"),
)


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`data` after one to four changes; `others` are further valid files to take pieces from."""
    result = bytearray(data)
    choice = TEXT if _is_text(data) and random.random() < 0.7 else BINARY
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        random.choice(choice)(result, others, random)
    return bytes(result)


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and all(byte < 128 for byte in data[:1000])


def _place(data: bytearray, random: Random) -> int:
    """Anywhere, but half of the time near the beginning or the end, where headers and directories are."""
    size = len(data) + 1
    kind = random.random()
    if kind < 0.35:
        return random.randrange(min(size, 256))
    if kind < 0.5:
        return size - 1 - random.randrange(min(size, 256))
    return random.randrange(size)


def _flip(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    for _ in range(random.choice((1, 1, 2, 8))):
        if place := min(_place(data, random), len(data) - 1) + 1:
            data[place - 1] ^= 1 << random.randrange(8)


def _bytes(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place, count = _place(data, random), random.choice((1, 2, 4, 16))
    data[place : place + count] = random.randbytes(count)


def _extreme(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place, value = _place(data, random), random.choice(EXTREMES)
    data[place : place + len(value)] = value


def _truncate(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    del data[_place(data, random) :]


def _remove(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place = _place(data, random)
    del data[place : place + random.choice((1, 2, 4, 8, 64, 1024))]


def _copy(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    start, place = _place(data, random), _place(data, random)
    block = data[start : start + random.choice((1, 4, 8, 32, 256, 4096))] * random.choice((1, 1, 1, 20))
    if random.random() < 0.5:
        data[place:place] = block
    else:
        data[place : place + len(block)] = block


def _splice(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    other = random.choice(others) if others else bytes(data)
    data[_place(data, random) :] = other[_place(bytearray(other), random) :]


def _token(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    """A number or word of a text gives way to another."""
    start = _place(data, random)
    while start < len(data) and data[start : start + 1].isspace():
        start += 1
    end = start
    while end < len(data) and data[end : end + 1] not in (b" ", b"\n", b"\t", b",", b"/", b"]", b"}", b":"):
        end += 1
    data[start:end] = random.choice(TOKENS)


def _line(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    """A line is doubled, dropped, or moved."""
    lines = bytes(data).split(b"\n")
    line = lines.pop(random.randrange(len(lines)))
    for _ in range(random.choice((0, 1, 2))):
        lines.insert(random.randrange(len(lines) + 1), line)
    data[:] = b"\n".join(lines)


def _value(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    """A value of a JSON text gives way to one of another kind; other texts stay as they are."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return
    places: list[tuple[Any, Any]] = [([content], 0)]
    for parent, key in places:
        inner = parent[key]
        keys = range(len(inner)) if isinstance(inner, list) else inner if isinstance(inner, dict) else ()
        places.extend((inner, key) for key in keys)
    parent, key = random.choice(places[:1] + random.choices(places, k=3) + places[1:12])
    value = random.choice((None, True, [], {}, [[]], "x", "", -1, 10**400, 1e308, float("nan"), {"x": 1}, [1, 2, 3]))
    parent[key] = value
    data[:] = json.dumps(content if parent is not places[0][0] else value).encode()


BINARY: tuple[Mutation, ...] = (_flip, _flip, _bytes, _extreme, _extreme, _extreme, _truncate, _remove, _copy, _splice)
TEXT: tuple[Mutation, ...] = (_token, _token, _token, _value, _value, _line, _flip, _truncate, _remove, _copy, _splice)
