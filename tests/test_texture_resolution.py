"""Every texture model is read at one resolution: what `TextureModel.at` promises, of all that there are."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ganfit_nb import FaceModel, GanfitError
from ganfit_nb.face import GanTexture, PcaTexture, TextureModel
from ganfit_nb.face.texture import map_side
from ganfit_nb.face.vertex_texture import VertexTexture
from ganfit_nb.networks.progressive_generator import Generator

MODEL = FaceModel.default()
TEXTURES = ("gan", "pca", "vertex")


def vertex_texture() -> VertexTexture:
    """Albedo that varies smoothly over the face, and three modes of it."""
    morphable = MODEL.morphable
    place = morphable.mean / morphable.mean.abs().amax(0)
    return VertexTexture(
        0.5 + 0.2 * place, 0.1 * torch.stack([place, place.flip(1), place**2]), morphable.faces, morphable.uv
    )


@pytest.fixture(scope="module")
def textures() -> dict[str, TextureModel]:
    return {"gan": MODEL.texture, "pca": PcaTexture.default(), "vertex": vertex_texture()}


def some(texture: TextureModel) -> torch.Tensor:
    return 0.5 * torch.randn(texture.dim, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("size", "side"), [(1, 64), (64, 64), (65, 128), (100, 128), (256, 256), (300, 512), (512, 512), (2048, 512)]
)
def test_all_models_draw_the_same_side_for_the_same_size(textures, size, side):
    for texture in textures.values():
        coarse = texture.at(size)
        assert isinstance(coarse, TextureModel)
        assert coarse.dim == texture.dim
        assert coarse(some(texture)).shape == (side, side, 3)


def test_a_small_model_gives_its_finest_maps():
    assert map_side(256, 8) == 8
    assert PcaTexture(torch.rand(8, 8, 3), torch.rand(2, 4, 4), torch.rand(2, 2, 2, 2)).at(256).resolution == 8
    small = Generator(128, latent=64)
    assert GanTexture(small).at(512).resolution == 128
    with pytest.raises(GanfitError, match="64, 128 texels"):
        GanTexture(small, 100)


@pytest.mark.parametrize("name", TEXTURES)
def test_a_coarse_map_shows_the_same_skin(textures, name):
    texture = textures[name]
    p_t = some(texture)
    fine = F.interpolate(texture(p_t).permute(2, 0, 1)[None], (128, 128), mode="area")[0].permute(1, 2, 0)
    assert (texture.at(128)(p_t) - fine).abs().mean() < 0.01


@pytest.mark.parametrize("name", TEXTURES)
def test_a_coarse_model_is_as_fine_as_its_source_when_asked(textures, name):
    texture = textures[name]
    p_t = some(texture)
    for size in (128, 512):
        assert torch.equal(texture.at(64).at(size)(p_t), texture.at(size)(p_t))


def test_modes_no_finer_than_the_maps_are_shared(textures):
    pca = textures["pca"]
    assert pca.at(256).luma.data_ptr() == pca.luma.data_ptr()
    assert pca.at(512) is pca


@pytest.mark.parametrize("name", TEXTURES)
def test_a_face_is_seen_with_a_texture_as_fine_as_its_picture(textures, name):
    seen = replace(MODEL, texture=textures[name]).seen_at(100)
    assert seen.morphable is MODEL.morphable
    assert seen.texture.resolution == 128
