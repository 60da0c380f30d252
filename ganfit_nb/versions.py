"""Which versions a result was made with."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("ganfit_nb", "torch", "numpy", "numba")


def versions() -> dict[str, str]:
    """Those of this package and of what it computes with; a checkout that was never installed has none of its own."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
