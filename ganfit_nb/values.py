"""Checks values that callers give, so that a wrong value is an error at once, and not a hundred steps later."""

from __future__ import annotations

import math
from dataclasses import fields
from operator import index
from typing import Any

from ganfit_nb.errors import GanfitError


def require_field(record: Any, name: str) -> None:
    """Raises GanfitError when a dataclass has no field of this name."""
    names = [field.name for field in fields(record)]
    if name not in names:
        raise GanfitError(f"{type(record).__name__} has no {name}; it has {', '.join(names)}.")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """The value as an int. Raises GanfitError unless it is a whole number from `low` to `high`."""
    try:
        number = index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise GanfitError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return number


def number(name: str, value: Any) -> float:
    """The value as a float. Raises GanfitError unless it is a finite number that is not negative."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, str) or not 0 <= found < math.inf:
        raise GanfitError(f"{name} must be a finite number that is not negative, not {value!r}.")
    return found
