"""The boundary at which foreign files come in. Every failure of a reader becomes one GanfitError.

Libraries for images, meshes and models fail on damaged or hostile files in more ways than a list of exception types can
name. So every reader works within `reading`, which turns any exception into the sentence that the reader gives.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganfit_nb.errors import GanfitError


@contextmanager
def reading(path: Path, otherwise: str, at_most: int | None = None) -> Iterator[None]:
    """Reads the foreign file `path` within the block.

    A GanfitError that the block raises passes. Every other exception becomes a GanfitError that consists of the path
    and the words `otherwise`. When `path` is no regular file, or has more than `at_most` bytes, a GanfitError is raised
    before the block begins.
    """
    try:
        require_file(path, at_most)
        yield
    except GanfitError:
        raise
    except MemoryError as error:
        raise GanfitError(f"{path} needs more memory than there is; use a smaller file.") from error
    except OSError as error:
        if error.errno is None:  # it comes from a decoder, about the content, and not from the operating system
            raise GanfitError(f"{path} {otherwise}") from error
        raise GanfitError(f"{path} cannot be read ({error.strerror}); check the file and its permissions.") from error
    except Exception as error:
        raise GanfitError(f"{path} {otherwise}") from error


def require_file(path: Path, at_most: int | None = None) -> None:
    """Raises GanfitError when `path` is absent, no regular file, or larger than `at_most` bytes.

    Named pipes and devices are refused, because reading from them could wait forever.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError comes from a null character in the name
        reason = "" if isinstance(error, FileNotFoundError) else f" that can be read ({error})"
        raise GanfitError(f"There is no file {path}{reason}.") from error
    if stat.S_ISDIR(found.st_mode):
        raise GanfitError(f"{path} is a directory; name a file.")
    if not stat.S_ISREG(found.st_mode):
        raise GanfitError(f"{path} is a pipe or a device; name a file.")
    if at_most is not None and found.st_size > at_most:
        raise GanfitError(f"{path} is too large ({found.st_size >> 20} MB); at most {at_most >> 20} MB are read.")
