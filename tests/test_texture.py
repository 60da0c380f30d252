"""The PCA texture model: Eq. 1, its coefficients, its gradient, its file, and what it reconstructs."""

import numpy as np
import pytest
import torch
from jaxtyping import Float

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.mouth import with_mouth
from ganfit_nb.face.texture import PcaTexture, pack_nibbles, unpack_nibbles
from ganfit_nb.renderer.sample_uv import sample_uv
from ganfit_nb.training.skin.map_file import open_maps
from ganfit_nb.training.skin.pca_texture import TexturePca, build_pca, face_weight, project, stored_sides
from ganfit_nb.training.skin.uv_corpus import UvCorpus

SIZE = 64


@pytest.fixture(scope="module")
def corpus() -> UvCorpus:
    return UvCorpus.build(SIZE)


@pytest.fixture(scope="module")
def maps(corpus: UvCorpus) -> np.ndarray:
    return np.stack([corpus[k] for k in range(140)])


@pytest.fixture(scope="module")
def pca(corpus: UvCorpus, maps: np.ndarray) -> TexturePca:
    return build_pca(maps[:120], 60, face_weight(corpus.face), maps[:120])


@pytest.fixture(scope="module")
def exact(pca: TexturePca) -> PcaTexture:
    return PcaTexture(pca.mean, pca.luma, pca.chroma)


@pytest.fixture(scope="module")
def model(pca: TexturePca, tmp_path_factory) -> PcaTexture:
    path = tmp_path_factory.mktemp("pca") / "texture.safetensors"
    pca.save(path)
    return PcaTexture.load(path)


@pytest.fixture(scope="module")
def shipped() -> PcaTexture:
    return PcaTexture.default()


def test_coefficients_are_standard_deviations(corpus: UvCorpus, maps: np.ndarray, exact: PcaTexture) -> None:
    weight = face_weight(corpus.face)
    images = torch.from_numpy(maps[:120]).float() / 255.0
    coefficients = torch.stack([project(exact, image, weight) for image in images])[:, :30]
    assert torch.allclose(coefficients.mean(dim=0), torch.zeros(30), atol=0.05)
    assert torch.allclose(coefficients.std(dim=0), torch.ones(30), atol=0.05)
    correlation = torch.corrcoef(coefficients.T) - torch.eye(30)
    assert correlation.abs().max() < 0.05


def test_held_out_maps_are_reconstructed_far_better_than_by_the_mean(
    corpus: UvCorpus, maps: np.ndarray, model: PcaTexture
) -> None:
    weight = face_weight(corpus.face)
    error, spread = 0.0, 0.0
    for image in torch.from_numpy(maps[120:]).float() / 255.0:
        fitted = model(project(model, image, weight))
        error += float(((fitted - image).square().sum(dim=2) * weight).sum())
        spread += float(((model.mean - image).square().sum(dim=2) * weight).sum())
    assert error < 0.1 * spread


def skin(size: int) -> Float[torch.Tensor, "H H"]:
    """1 where the model speaks for itself, 0 where the inside of the mouth is painted."""
    one, nothing = (with_mouth(torch.full((size, size, 3), value)) for value in (1.0, 0.0))
    return (one - nothing)[..., 0]


def test_projection_inverts_the_model(corpus: UvCorpus, model: PcaTexture) -> None:
    p_t = 0.1 * torch.randn(model.dim, generator=torch.Generator().manual_seed(0))
    assert (model.luma.shape[-1], model.chroma.shape[-1]) == stored_sides(SIZE)
    found = project(model, model(p_t), face_weight(corpus.face) * skin(SIZE))
    assert (found - p_t)[:10].norm() < 0.2 * p_t[:10].norm()


def test_gradient_agrees_with_finite_differences(model: PcaTexture) -> None:
    double = PcaTexture(model.mean.double(), model.luma.double(), model.chroma.double())
    generator = torch.Generator().manual_seed(1)
    p_t = (0.1 * torch.randn(model.dim, generator=generator, dtype=torch.float64)).requires_grad_(True)
    target = torch.rand(SIZE, SIZE, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: (double(p) * target).sum(), p_t, eps=1e-6, atol=1e-5)


def test_zero_is_the_mean_and_the_map_is_linear(model: PcaTexture) -> None:
    zero = torch.zeros(model.dim)
    assert torch.equal(model(zero), with_mouth(model.mean.clamp(0, 1)))
    step = zero.clone()
    step[2] = 0.05
    inside = (model.mean > 0.1) & (model.mean < 0.9) & skin(SIZE).bool()[..., None]
    assert torch.allclose((model(2 * step) - model.mean)[inside], 2 * (model(step) - model.mean)[inside], atol=1e-5)


def test_nibbles_survive_their_packing() -> None:
    values = torch.randint(-8, 8, (3, 10), dtype=torch.int8)
    packed = pack_nibbles(values)
    assert packed.shape == (3, 5)
    assert torch.equal(unpack_nibbles(packed), values)


def test_the_file_loses_little(exact: PcaTexture, model: PcaTexture) -> None:
    z = torch.randn(60)
    assert (exact(z) - model(z)).abs().mean() < 0.002


def test_modes_of_any_side_share_their_coefficients(corpus: UvCorpus, maps: np.ndarray, pca: TexturePca) -> None:
    fine = build_pca(maps[:120], 60, face_weight(corpus.face), maps[:120], sides=(SIZE, SIZE // 4))
    assert fine.luma.shape == (60, SIZE, SIZE)
    smaller = torch.nn.functional.adaptive_avg_pool2d(fine.luma, pca.luma.shape[-1])
    same = torch.nn.functional.cosine_similarity(smaller.flatten(1), pca.luma.flatten(1))
    assert same.abs().min() > 0.99  # up to a sign, which an even mode may take either way


def test_more_modes_than_maps_is_refused(corpus: UvCorpus, maps: np.ndarray) -> None:
    with pytest.raises(GanfitError, match="larger corpus"):
        build_pca(maps[:10], 10, face_weight(corpus.face), maps[:1])


def test_wrong_length_and_wrong_file_are_refused(model: PcaTexture, tmp_path) -> None:
    with pytest.raises(GanfitError, match="60 coefficients"):
        model(torch.zeros(3))
    with pytest.raises(GanfitError, match="no file"):
        PcaTexture.load(tmp_path / "none.safetensors")
    with pytest.raises(GanfitError, match="ganfit train corpus"):
        open_maps(tmp_path / "maps.npy")


def test_shipped_model_draws_people(shipped: PcaTexture) -> None:
    """Random maps stay in range, differ in tone, are brown to pink (R > G > B on the cheek) and keep dark pupils."""
    assert shipped.mean.shape == (512, 512, 3)
    assert shipped.dim >= 150
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([shipped(torch.randn(shipped.dim, generator=generator)) for _ in range(24)])
    assert draws.min() >= 0.0
    assert draws.max() <= 1.0
    cheeks = draws[:, 280:310, 330:360].mean(dim=(1, 2))
    assert (cheeks[:, 0] > cheeks[:, 1]).float().mean() > 0.9
    assert (cheeks[:, 1] > cheeks[:, 2]).float().mean() > 0.9
    assert cheeks.mean(dim=1).std() > 0.08


def test_sample_uv_reads_texel_centres_and_blends_between() -> None:
    texture = torch.rand(4, 8, 3, generator=torch.Generator().manual_seed(0))
    first = torch.zeros(3, dtype=int)
    centres = torch.tensor([[0.5 / 8, 0.5 / 4], [7.5 / 8, 3.5 / 4], [3.5 / 8, 1.5 / 4]])
    assert torch.allclose(
        sample_uv(texture[None], centres, first), torch.stack([texture[0, 0], texture[3, 7], texture[1, 3]])
    )
    middle = sample_uv(texture[None], torch.tensor([[4.0 / 8, 1.5 / 4]]), first[:1])[0]
    assert torch.allclose(middle, 0.5 * (texture[1, 3] + texture[1, 4]), atol=1e-6)
