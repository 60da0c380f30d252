"""Files of the package itself that are damaged: one sentence, whatever is wrong with them and whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ganfit_nb import GanfitError
from ganfit_nb.assets import asset_path
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.mouth import mouth_albedo
from ganfit_nb.face.shape_prior import ShapeFromIdentity
from ganfit_nb.face.texture import PcaTexture
from ganfit_nb.networks.hair_segmentation import HairSegmentation
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.networks.mediapipe import FaceDetection, FaceMesh
from ganfit_nb.training.skin.uv_resample import skin_coordinates

LOADERS: dict[str, Callable[[], object]] = {
    "morphable_model": MorphableModel.default,
    "texture_gan": GanTexture.default,
    "texture_pca": PcaTexture.default,
    "dlib_resnet": IdentityNetwork.default.__wrapped__,  # past its cache
    "face_detection": FaceDetection,
    "face_mesh": FaceMesh,
    "hair_segmentation": HairSegmentation,
    "skin_uv": skin_coordinates,
    "mouth_albedo": mouth_albedo.__wrapped__,
    "shape_from_identity": ShapeFromIdentity.default.__wrapped__,
}


def truncated(path: Path, damaged: Path) -> None:
    damaged.write_bytes(path.read_bytes()[:-1000])


def without_metadata(path: Path, damaged: Path) -> None:
    """And with another tensor in the place of one."""
    tensors = load_file(path)
    del tensors[min(tensors)]
    save_file({**tensors, "other": torch.zeros(1)}, damaged)


@pytest.mark.parametrize("damage", [truncated, without_metadata])
@pytest.mark.parametrize("name", LOADERS)
def test_a_damaged_file_of_ours_is_one_sentence(tmp_path, monkeypatch, name, damage):
    file = f"{name}.safetensors"
    damage(asset_path(file), tmp_path / file)
    monkeypatch.setattr("ganfit_nb.assets.asset_path", lambda name: tmp_path / name)
    with pytest.raises(GanfitError) as error:
        LOADERS[name]()
    assert str(error.value) == f"The shipped file {file} is damaged; reinstall ganfit_nb."


def test_a_missing_file_of_ours_is_one_sentence():
    with pytest.raises(GanfitError, match="is missing; reinstall"):
        asset_path("absent.safetensors")
