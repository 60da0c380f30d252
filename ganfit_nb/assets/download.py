"""Downloads files. A broken download is resumed, its SHA-256 is checked, and the file is put in place as a whole."""

from __future__ import annotations

import bz2
import http.client
import itertools
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.fingerprint import sha256_of

CHUNK = 2**20
TIMEOUT = 30.0  # s to wait for an answer


def download(url: str, target: Path, sha256: str) -> None:
    """Downloads `url` to `target`, whose content must have this SHA-256. A .bz2 file is unpacked first.

    The bytes that have arrived stay in `target`.part until they are complete, and the next call continues from there.
    An older file of target's name is renamed and kept. Raises GanfitError when the server cannot be reached or sends
    something else; then `target` stays as it was.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part)
        if url.endswith(".bz2"):
            part = _unpacked(part)
    except (OSError, http.client.HTTPException, EOFError) as error:
        reason = getattr(error, "reason", None) or error
        raise GanfitError(
            f"{url} could not be downloaded ({reason}); try again, or put the file into {target.parent} yourself."
        ) from error
    if sha256_of(part) != sha256:
        part.unlink()
        raise GanfitError(f"{url} sent another file than the known one, which was deleted; try again later.")
    if target.exists():
        target.replace(_free_name(target))
    part.replace(target)


def _free_name(path: Path) -> Path:
    """A path beside `path` that is not in use."""
    names = (path.with_name(f"{path.name}.former{number or ''}") for number in itertools.count())
    return next(name for name in names if not name.exists())


def _fetch(url: str, part: Path) -> None:
    """Downloads the missing bytes to the end of `part`. A server that ignores the range sends the whole file again."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # there are no further bytes: the file is complete
            return
        raise
    with response:
        resumed = response.status == 206
        length = int(response.headers.get("Content-Length") or 0)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                total=have * resumed + length, initial=have * resumed, unit="B", unit_scale=True, desc=part.stem
            ) as bar,
        ):
            while block := response.read(CHUNK):
                file.write(block)
                bar.update(len(block))
            if length and bar.n < bar.total:
                raise http.client.IncompleteRead(b"", int(bar.total - bar.n))


def _unpacked(part: Path) -> Path:
    """Unpacks a complete .bz2 to a file beside it and deletes the archive. When it is damaged, both are deleted."""
    whole = part.with_suffix(".unpacked")
    try:
        with bz2.open(part) as packed, whole.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (OSError, EOFError):
        whole.unlink(missing_ok=True)
        raise
    finally:
        part.unlink()
    return whole
