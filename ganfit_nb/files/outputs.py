"""Writes all output. It decides before the work what may be replaced, and replaces a file or folder as a whole.

What we did not write is never deleted or overwritten. A folder is ours when it holds nothing but the files of a result,
with a fit.json of ours. A file is ours when its content shows it. All else stays, and an error names what is in the
way. New content is written beside its place and then renamed. So after a kill or on a full disk a reader finds the old
content or the new content, never half of either.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.interrupts import interrupts_held
from ganfit_nb.files.reading import reading

RESULT = "fit.json"  # a folder with this file is a result
MESHES = ("mesh.obj", "mesh.mtl", "mesh.glb", "mesh_photo.glb", "neutral.obj")
PICTURES = ("texture.png", "texture_photo.png", "overlay.png", "faces.png")
RESULT_FILES = frozenset({RESULT, "report.html", *MESHES, *PICTURES})
LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db"})  # file managers leave these in folders that they have shown
RECORD = ("interrupted", "parameters", "identity_distance")  # keys of every fit.json
SIGNATURE = "ganfit_nb"  # stands as "Software" in our PNG files
PREFIX = ".ganfit-"  # names of folders and files that are being written begin so
LOCK = ".ganfit-lock"
STALE = 600.0  # s; writing takes a few, so older work was left by a process that was killed
NAME_BYTES = 255  # longest name on common file systems
RECORD_BYTES = 2**26  # largest JSON file of ours; a fit of 10,000 steps has 3 MB
Ours = Callable[[Path], bool]


# Is it ours? --------------------------------------------------------------------------------------------------------


def is_result(folder: Path) -> bool:
    """Whether a folder holds a result of ours and nothing else."""
    return _holds_only(folder, RESULT_FILES | LEFT_BY_SYSTEMS) and has_keys(*RECORD)(folder / RESULT)


def _holds_only(folder: Path, names: Set[str]) -> bool:
    with os.scandir(folder) as entries:
        return all(entry.name in names and entry.is_file(follow_symlinks=False) for entry in entries)


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a result whose fit came to its end."""
    record = read_record(folder / RESULT)
    return record.keys() >= set(RECORD) and not record["interrupted"]


def has_keys(*keys: str) -> Ours:
    """A test that recognises JSON files of ours by the keys of their object."""
    return lambda path: set(keys) <= read_record(path).keys()


def has_header(header: Sequence[str]) -> Ours:
    """A test that recognises CSV files of ours by their first row."""

    def ours(path: Path) -> bool:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            return next(csv.reader([file.readline(10_000)]), None) == list(header)

    return ours


def starts_with(text: str) -> Ours:
    """A test that recognises text files of ours by their first characters."""

    def ours(path: Path) -> bool:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(len(text)) == text

    return ours


def is_signed(path: Path) -> bool:
    """Whether a PNG file bears our SIGNATURE."""
    return _png_texts(path).get("Software") == SIGNATURE


def signed_words(path: Path) -> str:
    """The words that `save_png` stored with the picture."""
    return _png_texts(path).get("Description", "")


def _png_texts(path: Path) -> dict[str, str]:
    """The texts in a PNG file by name; empty for any other file."""
    try:
        with reading(path, "is no PNG file."), Image.open(path, formats=["PNG"]) as picture:
            return {str(name): str(value) for name, value in picture.info.items()}
    except GanfitError:
        return {}


def never(path: Path) -> bool:
    """A test for places where nothing is ever replaced: no file is ours."""
    return False


def read_record(path: Path) -> dict:
    """The object in a JSON file. It is empty when the file is missing, damaged, or holds something else."""
    try:
        with reading(path, "holds no record.", RECORD_BYTES):
            content = json.loads(path.read_text(encoding="utf-8"))
    except GanfitError:
        return {}
    return content if isinstance(content, dict) else {}


# Before the work -----------------------------------------------------------------------------------------------------


def claim_results(out: Path, names: Iterable[str], reserved: Iterable[str] = ()) -> None:
    """Raises GanfitError unless a result can be written to every out/name. Nothing is changed on the disk.

    The names are checked together. None may be a `reserved` name or lie inside another. None may differ from another
    only in a way that some file systems overlook. None may mean `out` itself or a place outside.
    """
    taken = {_folded(name): name for name in reserved}
    names = list(names)
    for name in names:
        parts = PurePosixPath(name).parts
        if not parts or not all(part.strip(". ") for part in parts) or name.startswith((PREFIX, "/")):
            raise GanfitError(f"A result cannot be called {name!r}; rename its photo.")
        if max(len(os.fsencode(part)) for part in parts) > NAME_BYTES:
            raise GanfitError(f"The result {name} would have a longer name than file systems take; rename its photo.")
        if _folded(name) in taken:
            raise GanfitError(
                f"The results {name} and {taken[_folded(name)]} would both be written to {out / name}; rename a photo."
            )
        taken[_folded(name)] = name
    for name in names:
        for parent in PurePosixPath(name).parents:
            if _folded(str(parent)) in taken:
                raise GanfitError(f"The result {name} would lie inside the result {parent} in {out}; rename a photo.")
        for folder in (out / parent for parent in PurePosixPath(name).parents[:-1]):
            if (folder / RESULT).exists():
                raise GanfitError(f"{folder} is a result, and {name} would lie inside it; choose another folder.")
        claim_folder(out / name, is_result)


def claim_folder(target: Path, ours: Ours) -> None:
    """Raises GanfitError unless `target` is absent, empty, or a folder that is `ours`."""
    with _told(target):
        restore(target)
        if not _exists(target / max(RESULT_FILES, key=len)) and not _exists(target):
            return
        if target.is_symlink() or os.path.ismount(target):
            raise GanfitError(f"{target} is a link or a mount point; choose another folder.")
        if not target.is_dir():
            raise GanfitError(f"{target} is a file; move it away, or choose another folder.")
        if any(target.iterdir()) and not ours(target):
            what = "is not empty" if ours is never else "holds more than a result of ganfit"
            raise GanfitError(f"{target} {what}; move it away, or choose another folder.")


def claim_file(path: Path, ours: Ours) -> None:
    """Raises GanfitError unless `path` is absent or a file that is `ours`."""
    with _told(path):
        if _exists(path) and (path.is_symlink() or not path.is_file() or not ours(path)):
            raise GanfitError(f"{path} was not written by ganfit; move it away, or choose another folder.")


def writable_directory(directory: Path) -> Path:
    """Makes the folder. Raises GanfitError when it cannot be made or written, before a fit is computed in vain."""
    with _told(directory):
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    return directory


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes the folder `out` and keeps other processes out of it within the block.

    Raises GanfitError when another process holds it. The operating system ends the lock when the process ends, in
    whatever way.
    """
    path = writable_directory(out) / LOCK
    lock = FileLock(path, timeout=0)
    with _told(out):
        try:
            lock.acquire()
            while not path.exists():  # the last owner has just removed the file; another process could lock a new one
                lock.release()
                lock.acquire()
        except Timeout as error:
            raise GanfitError(
                f"Another ganfit works on {out}; wait until it ends, or choose another folder."
            ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does not remove an open file, so an empty file stays
            path.unlink()
        lock.release()


# Writing -------------------------------------------------------------------------------------------------------------


@contextmanager
def complete_directory(target: Path, ours: Ours) -> Iterator[Path]:
    """A new folder that becomes `target` when the block ends well, and is removed when it fails.

    Raises GanfitError when `target` cannot be written, or holds something that is not `ours`.
    """
    claim_folder(target, ours)
    remove_leftovers(target, STALE)
    work = Path(tempfile.mkdtemp(prefix=f"{_prefix(target)}new-", dir=writable_directory(target.parent)))
    try:
        with _told(target):
            yield work
        with interrupts_held(), _told(target):
            claim_folder(target, ours)  # files may have been put there in the meantime
            work.chmod(0o755)
            _flush(work)
            _exchange(work, target)
    finally:
        with interrupts_held():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def complete_result(target: Path, interrupted: bool) -> Iterator[Path]:
    """A folder for the files of a result. A finished result is never replaced by one that was interrupted."""
    kept = f"{target} holds a finished result, which stays; the interrupted fit was not written."

    def ours(folder: Path) -> bool:
        if interrupted and is_finished(folder):
            raise GanfitError(kept)
        return is_result(folder)

    with complete_directory(target, ours) as work:
        yield work


def _exchange(work: Path, target: Path) -> None:
    """Puts `work` in the place of `target`. After a kill between the two renames, `restore` repairs the place."""
    former = _former(target)
    if target.is_dir():
        shutil.rmtree(former, ignore_errors=True)
        target.replace(former)
    try:
        work.replace(target)
    except OSError:
        if former.is_dir():
            former.replace(target)
        raise
    shutil.rmtree(former, ignore_errors=True)


def restore(target: Path) -> None:
    """Brings back the former `target` after a process was killed in the middle of an exchange."""
    former = _former(target)
    if former.is_dir() and not os.path.lexists(target):
        former.replace(target)


def remove_leftovers(target: Path, seconds: float = 0.0) -> None:
    """Removes unfinished work on `target` that killed processes left beside it, if it is at least `seconds` old."""
    restore(target)
    for folder in target.parent.glob(f"{_prefix(target)}*"):
        with suppress(OSError):  # another process may remove it at the same time
            old = time.time() - folder.stat().st_mtime >= seconds
            if old and _holds_only(folder, RESULT_FILES | {path.name for path in folder.glob(f"{PREFIX}*")}):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path beside `path`, with the same suffix. The file written there replaces `path` when the block ends well."""
    work = writable_directory(path.parent) / f"{_prefix(path)}part{path.suffix}"
    try:
        with _told(path):
            yield work
            _flush(work)
            work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file."""
    with replaced(path) as work:
        work.write_text(text, encoding="utf-8")


def write_json(path: Path, record: dict) -> None:
    """JSON with numbers only: a NaN or infinity is an error, never a file other programs refuse."""
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def save_png(picture: Image.Image, path: Path, words: str = "") -> None:
    """Writes a PNG file with our signature, and with words about the picture."""
    texts = PngInfo()
    texts.add_text("Software", SIGNATURE)
    texts.add_text("Description", words)
    with replaced(path) as work:
        picture.save(work, pnginfo=texts)


def _flush(place: Path) -> None:
    """Has the system write a file, or all files of a folder, to the disk.

    Without this a rename may reach the disk before the content does. Then the content is lost when the power fails.
    """
    for file in place.iterdir() if place.is_dir() else (place,):
        if file.is_file():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


def _former(target: Path) -> Path:
    return target.parent / f"{_prefix(target)}former"


def _prefix(target: Path) -> str:
    """The beginning of the names of unfinished work on `target`.

    It has a hash in place of target's name, which may already be as long as a name can be.
    """
    return f"{PREFIX}{hashlib.sha1(os.fsencode(target.name)).hexdigest()[:12]}-"


def _exists(path: Path) -> bool:
    """Whether there is anything at the path, even a dangling link.

    Raises OSError for a name that the file system does not accept.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _folded(name: str) -> str:
    """The name in the form in which some file systems compare names."""
    return unicodedata.normalize("NFC", name).casefold()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns an error of the operating system within the block into a GanfitError of one sentence."""
    try:
        yield
    except OSError as error:
        raise GanfitError(f"Cannot write to {path} ({error.strerror or error}); choose another folder.") from error
