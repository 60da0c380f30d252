"""ArcFace (Deng et al. 2019), the paper's identity network: the recogniser of an insightface model pack.

The code of insightface is under the MIT licence. Its packs are for non-commercial research. A pack is downloaded only
when it is given by its name.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.networks.identity import CropTemplate, IdentityNetwork, five_point_template
from ganfit_nb.networks.onnx_recogniser import SIZE, OnnxRecogniser, load_onnx

LICENCE = "insightface's model packs are for non-commercial research purposes only"
PACKS = ("antelopev2", "buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc")  # insightface's names, the largest first

# Eyes, nose tip and corners of the mouth in the crop (insightface's template, its pixel centres at whole numbers).
FIVE_POINTS = torch.tensor(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

# The embeddings of different people are about orthogonal, because ArcFace is trained with an angular margin.
DIFFERENT_PEOPLE = 1.0
CONTENT_STAGES = (-2, -1)  # 14×14 and 7×7, the resolutions nearest to those that are taken from dlib's network


def packs_folder() -> Path:
    """The folder in which insightface keeps its packs."""
    return Path.home() / ".insightface" / "models"


def load_arcface(name: str = "arcface") -> IdentityNetwork:
    """ArcFace from an .onnx file, a pack's folder, or a pack's name. "arcface" takes the largest pack that is here.

    When a pack is given by its name and is missing, insightface downloads it. Raises GanfitError when there is no
    network.
    """
    network = OnnxRecogniser(find_recogniser(name))
    return IdentityNetwork(network.eval(), template(), DIFFERENT_PEOPLE, CONTENT_STAGES)


def template() -> CropTemplate:
    """The 112×112 crop that insightface's `norm_crop` cuts out."""
    return five_point_template(FIVE_POINTS + 0.5, SIZE)


def find_recogniser(name: str) -> Path:
    """The path of the recognition network's .onnx file."""
    path = Path(name)
    if path.suffix == ".onnx":
        return path
    if path.is_dir():
        return _recogniser_in(path)
    if name == "arcface":
        for pack in PACKS:
            if _is_here(packs_folder() / pack):
                return _recogniser_in(packs_folder() / pack)
        raise GanfitError(
            f"No insightface pack is in {packs_folder()}; give a recognition network's .onnx, or a pack's name to "
            f"download it ({', '.join(PACKS)}; {LICENCE})."
        )
    if name in PACKS:
        return _recogniser_in(_downloaded(name))
    raise GanfitError(f"{name} is no identity network; known are dlib, arcface, {', '.join(PACKS)} and .onnx files.")


def _downloaded(pack: str) -> Path:
    """The folder of a pack, downloaded by insightface itself when it is missing."""
    folder = packs_folder() / pack
    if _is_here(folder):
        return folder
    try:
        from insightface.utils import storage
    except ImportError as error:
        raise GanfitError('Downloading a pack needs insightface; run: pip install "ganfit_nb[arcface]"') from error
    try:
        return Path(storage.download("models", pack, force=True))
    except Exception as error:  # of requests or zipfile, or OSError; this depends on insightface's version
        raise GanfitError(f"insightface could not download {pack}; unpack its zip into {folder} yourself.") from error


def _is_here(folder: Path) -> bool:
    """Whether the folder holds an unpacked pack. After a failed download insightface leaves an empty folder."""
    return any(folder.rglob("*.onnx"))


def _recogniser_in(folder: Path) -> Path:
    """The recogniser of a pack: of its five networks the one that takes a 112×112 picture and gives one vector."""
    for path in sorted(folder.rglob("*.onnx")):
        graph = load_onnx(path).graph
        weights = {tensor.name for tensor in graph.initializer}
        pictures = [value for value in graph.input if value.name not in weights]
        sides = [dimension.dim_value for dimension in pictures[0].type.tensor_type.shape.dim] if pictures else []
        ranks = [len(value.type.tensor_type.shape.dim) for value in graph.output]
        if ranks == [2] and sides[2:] == [SIZE, SIZE]:
            return path
    raise GanfitError(f"{folder} holds no recognition network; unpack the whole pack there.")
