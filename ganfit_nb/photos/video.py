"""Takes frames of a video, spread uniformly over it (Sec. 4.3), and makes photos of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.photos.landmarks import LandmarkDetector
from ganfit_nb.photos.photo import Photo
from ganfit_nb.photos.tone_mapping import sdr

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mjpg", ".mjpeg")
FORMATS = "avi,matroska,webm,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo"  # formats that hold their pictures in the file itself
MAXIMUM_SIDE = 8192  # px
HDR: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}  # numbers of transfer characteristics, ITU-T H.273
FRAMES = 5  # "we uniformly sample only 5 frames from each video regardless of their zoom level"
TRIES = 5  # around each of them at most so many frames are searched for a face


def is_video(path: Path) -> bool:
    """Whether the file's name has the suffix of a video."""
    return path.suffix.lower() in SUFFIXES


def photos_of_video(
    path: Path, detector: LandmarkDetector | None = None, frames: int = FRAMES, size: int = 512
) -> list[Photo]:
    """One photo from each of `frames` equal parts of the video. A photo is named by the number of its frame.

    The middle frame of a part is taken. When it shows no face, the frames around it are tried. A part without a face
    gives no photo. Raises GanfitError when no part shows a face, when the file is no video, and when the decoder is
    missing.
    """
    total = count_frames(path)
    wanted: dict[int, list[int]] = {}
    for part, (low, high) in enumerate(pairwise(round(k * total / frames) for k in range(frames + 1))):
        middle = (low + high) // 2
        wanted[part] = sorted(range(low, high), key=lambda k: abs(k - middle))[:TRIES]
    pictures = read_frames(path, {index for part in wanted.values() for index in part})
    photos = []
    for candidates in wanted.values():
        for index in candidates:
            try:
                photos.append(Photo.from_image(pictures[index], detector, size, f"{path.stem}_{index:05d}"))
                break
            except GanfitError:  # no face in this frame
                continue
    if not photos:
        raise GanfitError(f"No face was found in {path}; use a video in which one is clearly visible.")
    return photos


def count_frames(path: Path) -> int:
    """The number of frames that can be decoded. All are decoded for this, because many formats do not store it."""
    total = sum(1 for _ in _decoded(path))
    if not total:
        raise GanfitError(f"{path} holds no picture; use an intact video.")
    return total


def read_frames(path: Path, indices: set[int]) -> dict[int, UInt8[Tensor, "H W 3"]]:
    """The frames with these numbers, upright and in sRGB."""
    last = max(indices)
    found = {}
    for index, frame in enumerate(_decoded(path)):
        if index in indices:
            found[index] = torch.from_numpy(_picture(frame))
        if index == last:
            break
    return found


def _picture(frame: Any) -> UInt8[ndarray, "H W 3"]:
    transfer = HDR.get(frame.color_trc)
    if transfer:
        signal = frame.to_ndarray(format="rgb48le").astype(np.float32) / 65535
        picture = sdr(signal, transfer)
    else:
        picture = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))  # both count counter-clockwise


def _decoded(path: Path) -> Iterator[Any]:
    """Yields all frames in order, up to the first damaged one."""
    with _opened(path) as (container, errors):
        try:
            yield from container.decode(video=0)
        except errors:  # the file is cut off; the frames before this are good
            return


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, type[Exception]]]:
    try:
        import av
    except ImportError as error:
        raise GanfitError('Videos need PyAV; pip install "ganfit_nb[evaluation]" brings it.') from error
    with reading(path, "is not a video that can be read; convert it to MP4."):
        # A playlist with the suffix of a video must not open other files or connections, nor must a colon in a name.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file", "format_whitelist": FORMATS})
    with container:
        if not container.streams.video:
            raise GanfitError(f"{path} holds no picture; use an intact video.")
        codec = container.streams.video[0].codec_context
        if codec is None:
            raise GanfitError(f"{path} is not a video that can be read; convert it to MP4.")
        if max(codec.width, codec.height) > MAXIMUM_SIDE:
            raise GanfitError(
                f"{path} has {codec.width}×{codec.height} pixels; reduce it to at most {MAXIMUM_SIDE} a side."
            )
        yield container, av.FFmpegError
