"""Detail in closed form: what codes place is found, factored, and drawn."""

import pytest
import torch
from torch import Tensor

from ganfit_nb.networks.equalized import finest_octave
from ganfit_nb.networks.progressive_generator import ToRGB
from ganfit_nb.training.texture_gan.placed_detail import octave_regression, placed_detail

SIDE, COUNT, CODES = 128, 200, 12
Corpus = tuple[Tensor, Tensor, Tensor]


def octave(maps: Tensor) -> Tensor:
    """The finest octave of grey maps."""
    return finest_octave(maps[..., None])[..., 0]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Left–right symmetric maps (N, S, S): the first two codes place a pattern each, the third adds noise that lies
    elsewhere in every map, the others mean nothing. Their codes, and the patterns."""
    random = torch.Generator().manual_seed(0)
    codes = torch.randn(COUNT, CODES, generator=random)
    patterns, noise = (0.02 * torch.randn(n, SIDE, SIDE // 2, generator=random) for n in (2, COUNT))
    patterns, noise = (torch.cat([part, part.flip(2)], dim=2) for part in (patterns, noise))
    maps = 0.5 + torch.einsum("nk,krc->nrc", codes[:, :2], patterns) + codes[:, 2, None, None] * noise
    return (255.0 * maps.clamp(0.0, 1.0) + 0.5).byte(), torch.cat([codes, codes]), patterns


def test_the_regression_finds_what_each_code_places(corpus: Corpus) -> None:
    maps, codes, patterns = corpus
    found = octave_regression(maps[..., None].expand(-1, -1, -1, 3).numpy(), codes)
    assert found.shape == (1 + CODES, SIDE, SIDE)
    error = (found[1:3] - octave(patterns)).square().mean()
    assert error < 0.02 * octave(patterns).square().mean()
    assert found[3:].square().mean() < 0.02 * octave(patterns).square().mean()


def test_a_generators_level_draws_what_was_found(corpus: Corpus) -> None:
    maps, codes, patterns = corpus
    placed, gates = placed_detail(maps[..., None].expand(-1, -1, -1, 3).numpy(), codes, 5)
    assert torch.allclose(placed.square().mean(dim=(0, 1)), torch.ones(5), atol=1e-4)
    level = ToRGB(SIDE, 4, CODES, 1, 5)
    level.placed.copy_(placed)
    level.placed_gates.copy_(gates)
    code = torch.tensor([[1.0, -0.5] + [1.0] * (CODES - 2)])
    drawn = level(torch.randn(1, SIDE, SIDE, 4), code, (slice(0, SIDE), slice(0, SIDE)))
    assert torch.equal(drawn[..., 0], drawn[..., 2])  # grey
    expected = octave(patterns[:1] - 0.5 * patterns[1:])[0]
    assert (drawn[0, ..., 0] - expected).square().mean() < 0.05 * expected.square().mean()
