"""Walking the latent space of the shipped generator, at its coarsest output."""

import pytest
import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.latents import interpolate, invert, sefa_directions, truncate


@pytest.fixture(scope="module")
def texture() -> GanTexture:
    return GanTexture.default().at(64)


def draw(texture: GanTexture, seed: int) -> torch.Tensor:
    return torch.randn(texture.dim, generator=torch.Generator().manual_seed(seed))


def test_an_inversion_finds_the_map_of_a_known_latent(texture: GanTexture) -> None:
    truth = draw(texture, 3)
    steps = list(invert(texture(truth), texture, steps=100))
    assert [step.index for step in steps] == list(range(101))
    assert torch.equal(steps[0].p_t, torch.zeros(texture.dim))
    assert steps[-1].error < 0.1 * steps[0].error
    assert torch.nn.functional.cosine_similarity(steps[-1].p_t[:20], truth[:20], dim=0) > 0.95


def test_an_inversion_weighs_texels_and_starts_where_it_is_told(texture: GanTexture) -> None:
    truth, weight = draw(texture, 4), torch.zeros(64, 64)
    weight[20:40, 20:40] = 1.0
    *_, last = invert(texture(truth), texture, steps=30, weight=weight, start=truth)
    assert last.error < 0.01
    *_, last = invert(texture(truth), texture, steps=60, weight=weight)
    error = (texture(last.p_t) - texture(truth)).abs().mean(dim=2)
    assert error[20:40, 20:40].mean() < 0.5 * error[weight == 0].mean()


def test_an_inversion_says_when_sizes_differ(texture: GanTexture) -> None:
    with pytest.raises(GanfitError, match="32"):
        next(invert(torch.rand(32, 32, 3), texture))


def test_interpolation_keeps_the_length_of_the_latents(texture: GanTexture) -> None:
    a, b = draw(texture, 1), draw(texture, 2)
    assert torch.allclose(interpolate(a, b, 0.0), a, atol=1e-5)
    assert torch.allclose(interpolate(a, b, 1.0), b, atol=1e-5)
    assert interpolate(a, b, 0.5).norm() == pytest.approx(0.5 * float(a.norm() + b.norm()), rel=1e-4)
    assert torch.allclose(interpolate(a, a, 0.3), a, atol=1e-5)
    assert torch.allclose(interpolate(torch.zeros_like(a), b, 0.25), 0.25 * b)


def test_truncation_leads_to_the_average_person(texture: GanTexture) -> None:
    z = draw(texture, 5)
    mean = texture(torch.zeros(texture.dim))
    away = [(texture(truncate(z, psi)) - mean).abs().mean() for psi in (0.0, 0.3, 0.7, 1.0)]
    assert away == sorted(away)
    assert away[0] == 0


def test_directions_are_orthonormal_stable_and_lighten(texture: GanTexture) -> None:
    directions = sefa_directions(texture, 5)
    assert torch.allclose(directions @ directions.T, torch.eye(5), atol=1e-5)
    assert torch.equal(directions, sefa_directions(texture, 5))
    mean = texture(torch.zeros(texture.dim)).mean()
    assert texture(3.0 * directions[0]).mean() > mean
    random = torch.nn.functional.normalize(draw(texture, 6), dim=0)
    first, second, other = (
        (texture(4.0 * way) - texture(-4.0 * way)).abs().mean() for way in (directions[0], directions[1], random)
    )
    assert first > second > 2.0 * other
