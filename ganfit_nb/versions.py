"""The versions of the packages that a result is made with."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("ganfit_nb", "torch", "numpy", "numba")


def versions() -> dict[str, str]:
    """The versions by package. A checkout of this package that was never installed has none."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
