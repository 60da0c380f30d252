"""Amounts of detail: what counts, and what latents let one expect."""

import numpy as np
import pytest
import torch

from ganfit_nb.networks.progressive_generator import COARSE, Window
from ganfit_nb.training.texture_gan.detail_amounts import CELL, PUSH, ExpectedDetail, detail_loss, placement_loss

SIDE, COUNT = 64, 48
HALF = SIDE // 2


def hairs(strength: torch.Tensor | float, random: torch.Generator) -> torch.Tensor:
    """Dark hairs on a bare map, (N or 1, SIDE, SIDE, 3)."""
    sown = (torch.rand(1, SIDE, SIDE, 1, generator=random) < 0.1).float().expand(-1, -1, -1, 3)
    return 0.6 - 0.1 * torch.as_tensor(strength).view(-1, 1, 1, 1) * sown


@pytest.fixture(scope="module")
def expected() -> ExpectedDetail:
    """Of maps whose upper half grows hairs with the first latent, from −1.5 up; the second latent means nothing."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(COUNT, 2, generator=random)
    maps = torch.cat([hairs((one[0] + 1.5).clamp_min(0.0), random) for one in z])
    maps[:, HALF:] = 0.6
    return ExpectedDetail.of((255.0 * maps + 0.5).byte().numpy().astype(np.uint8), torch.cat([z, z]))


def test_detail_counts_by_place_strength_and_sign_but_not_texel_by_texel() -> None:
    random = torch.Generator().manual_seed(0)
    ours, elsewhere = hairs(1.0, random), hairs(1.0, random)
    weight = torch.ones(SIDE, SIDE, 1)
    assert detail_loss(ours, ours, weight) == 0
    moved = detail_loss(elsewhere, ours, weight)
    for other in (torch.full_like(ours, 0.6), 1.2 - ours, 0.6 + 3.0 * (ours - 0.6)):
        assert detail_loss(other, ours, weight) > 1.5 * moved
    assert detail_loss(elsewhere, ours, 0.0 * weight) == 0


def test_placement_counts_texel_by_texel_but_not_by_strength() -> None:
    random = torch.Generator().manual_seed(0)
    ours, elsewhere = hairs(1.0, random), hairs(1.0, random)
    weight = torch.ones(SIDE, SIDE, 1)
    same, fainter, moved, turned = (
        placement_loss(other, ours, weight).item() for other in (ours, 0.6 + 0.3 * (ours - 0.6), elsewhere, 1.2 - ours)
    )
    assert same == pytest.approx(0.0, abs=1e-3)
    assert fainter < 0.1  # of two octaves, each from 0 to 2
    assert moved == pytest.approx(2.0, abs=0.3)
    assert turned == pytest.approx(4.0, abs=1e-2)
    assert placement_loss(elsewhere, ours, 0.0 * weight) == 0


def test_latents_say_how_much_detail_to_expect_even_where_no_map_is(expected: ExpectedDetail) -> None:
    random = torch.Generator().manual_seed(1)
    weight = torch.ones(SIDE, SIDE, 1)
    bare, hairy = torch.full((1, SIDE, SIDE, 3), 0.6), hairs(2.5, random)
    hairy[:, HALF:] = 0.6
    shaved, bearded = torch.tensor([[-4.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert expected.loss(bare, shaved, weight) < 0.02 < expected.loss(hairy, shaved, weight)
    assert expected.loss(hairy, bearded, weight) < 0.5 * expected.loss(bare, bearded, weight)
    assert expected.loss(hairy, shaved, 0.0 * weight) == 0


def test_latents_are_pushed_along_what_detail_grows_with(expected: ExpectedDetail) -> None:
    z = torch.zeros(64, 2)
    moved = expected.pushed(z, torch.Generator().manual_seed(2))
    assert moved[:, 0].abs().max() > 0.8 * PUSH
    assert moved[:, 0].abs().mean() > 4.0 * moved[:, 1].abs().mean()
    assert moved.norm(dim=1).max() <= PUSH + 1e-4


def test_a_window_of_what_is_expected_lies_where_the_pictures_window_does() -> None:
    side = 512 // CELL
    places = torch.arange(side * side, dtype=torch.float32).view(side, side, 1).expand(-1, -1, 4)
    whole = ExpectedDetail(places, places[None], places, places, places)
    window = Window(11, 20)
    part = whole.within(window)
    assert part.mean.shape == (16, 16, 4)
    assert part.slopes.shape == (1, 16, 16, 4)
    rows, columns = window.box(512)
    assert part.mean[0, 0, 0] == (rows.start // CELL) * side + columns.start // CELL
    assert whole.within(None) is whole
    assert side == COARSE  # a window's steps are cells
