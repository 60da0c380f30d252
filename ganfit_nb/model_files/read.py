"""Recognises the format of a morphable model's file by its first bytes, and reads the model."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.bfm2009 import KIND as BFM_2009
from ganfit_nb.model_files.bfm2009 import read_bfm2009
from ganfit_nb.model_files.bfm2017 import KIND as BFM_2017
from ganfit_nb.model_files.bfm2017 import read_bfm2017
from ganfit_nb.model_files.eos import KIND as EOS
from ganfit_nb.model_files.eos import VERSIONS, read_eos
from ganfit_nb.model_files.flame import KIND as FLAME
from ganfit_nb.model_files.flame import read_flame
from ganfit_nb.model_files.ict_facekit import NEUTRAL, read_ict_facekit
from ganfit_nb.model_files.lsfm import read_lsfm
from ganfit_nb.model_files.mat_file import load_mat
from ganfit_nb.model_files.model_file import MAXIMUM_BYTES, ModelFile, damaged

KNOWN = (
    "BFM 2009 (01_MorphableModel.mat), BFM 2017 (.h5), LSFM (.mat), FLAME (.pkl, .npz), ICT-FaceKit (its folder of "
    "OBJ files) and eos (.bin)"
)


def read_model_file(path: Path) -> ModelFile:
    """The model in a file or folder of any known format. Raises GanfitError when it is none, or damaged."""
    if find_spec("scipy") is None:
        raise GanfitError('Models from files need scipy; run: pip install "ganfit_nb[models]"')
    if path.is_dir():
        for folder in (path, path / "FaceXModel"):
            if (folder / NEUTRAL).is_file():
                return read_ict_facekit(folder).checked(path)
        raise GanfitError(f"{path} holds no {NEUTRAL}; give the folder FaceXModel of ICT-FaceKit, or a model's file.")
    with reading(path, "cannot be read; give a morphable model's file.", MAXIMUM_BYTES), path.open("rb") as file:
        start = file.read(16)
    read: Callable[[Path], ModelFile]
    if start.startswith(b"\x89HDF"):
        kind, read = BFM_2017, read_bfm2017
    elif start.startswith(b"MATLAB "):
        content = load_mat(path)
        if "trilist" in content:
            kind, read = "Large Scale Facial Model", lambda _: read_lsfm(content)
        else:
            kind, read = BFM_2009, lambda _: read_bfm2009(path, content)
    elif start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"):
        kind, read = FLAME, read_flame
    elif len(start) == 16 and int.from_bytes(start[:4], "little") in VERSIONS:
        kind, read = EOS, read_eos
    else:
        raise GanfitError(f"{path} is no morphable model of a known format; known are {KNOWN}.")
    with reading(path, f"looks like {kind}, but its arrays do not fit together; download it again."):
        try:
            return read(path).checked(path)
        except KeyError as error:
            raise damaged(path, kind, f"it has no {error.args[0]}") from error
