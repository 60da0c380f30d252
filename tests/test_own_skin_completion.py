"""The gradient domain: the solver beside dense algebra, and maps without seams."""

import pytest
import torch

import ganfit_nb.own_skin.complete
from ganfit_nb.own_skin.complete import SeenMap, complete
from ganfit_nb.own_skin.multigrid import Grid, Levels
from ganfit_nb.own_skin.poisson import minimum

SIDE = 16


@pytest.fixture(scope="module")
def grid():
    """Two islands, one of them without any screen but at a corner, and texels outside of both."""
    generator = torch.Generator().manual_seed(0)
    covered = torch.ones(SIDE, SIDE)
    covered[:, 7] = covered[:4, 10:13] = 0
    screen = torch.rand(SIDE, SIDE, generator=generator) * covered
    screen[:, 8:] = 0
    screen[-1, -1] = 0.1
    right, down = torch.zeros(2, SIDE, SIDE)
    right[:, :-1], down[:-1] = covered[:, 1:] * covered[:, :-1], covered[1:] * covered[:-1]
    return Grid(screen, right, down)


def dense(grid):
    """The matrix of the equations."""
    n = SIDE * SIDE
    matrix = grid.screen.flatten().diag().double()
    for links, step in ((grid.right, 1), (grid.down, SIDE)):
        for i in links.flatten().nonzero()[:, 0].tolist():
            c = float(links.flatten()[i])
            matrix[[i, i + step], [i, i + step]] += c
            matrix[[i, i + step], [i + step, i]] -= c
    assert matrix.shape == (n, n)
    return matrix


def test_the_minimum_is_that_of_dense_algebra(grid):
    target, to_right, down = torch.randn(3, SIDE, SIDE, 3)
    found = minimum(grid, target, (to_right, down))
    right_side = (grid.screen[..., None] * target).double()
    for flow, axis in ((grid.right[..., None] * to_right, 1), (grid.down[..., None] * down, 0)):
        right_side += flow.roll(1, axis) - flow
    wanted = torch.linalg.lstsq(dense(grid), right_side.flatten(0, 1), driver="gelsd").solution.view(SIDE, SIDE, 3)
    torch.testing.assert_close(found.double(), wanted, atol=2e-3, rtol=0)


def test_a_cycle_is_symmetric_as_conjugate_gradients_need(grid):
    levels = Levels(grid)
    a, b = torch.randn(2, SIDE, SIDE, 3)
    torch.testing.assert_close((a * levels.cycle(b)).sum(), (b * levels.cycle(a)).sum(), rtol=1e-4, atol=1e-4)


def flat(colour):
    return torch.tensor(colour).expand(64, 64, 3).clone()


def columns(values):
    """The largest step between neighbours in a row."""
    return float((values[:, 1:] - values[:, :-1]).abs().max())


def test_another_tone_joins_without_a_seam_and_reaches_only_so_far():
    weight = torch.zeros(64, 64)
    weight[:, 24:40] = 1.0  # the middle is seen
    fitted, photo = flat([0.5, 0.4, 0.3]), flat([0.6, 0.5, 0.4])
    everywhere = torch.ones(64, 64, dtype=torch.bool)
    skin = complete([SeenMap(photo, weight)], fitted, everywhere, everywhere)
    torch.testing.assert_close(skin[:, 30:34], photo[:, 30:34], atol=0.015, rtol=0)
    assert columns(skin) < 0.02  # pasted, the step is 0.1
    assert float((skin[:, 0] - fitted[:, 0]).abs().max()) < 0.04


def test_what_only_the_other_half_shows_is_its_mirror_image_but_not_in_eyes():
    weight = torch.zeros(64, 64)
    weight[:, :28] = 1.0
    photo = flat([0.5, 0.4, 0.3])
    photo[20:24, 10:14] -= 0.2  # a mole, in whose mirror image nothing is seen
    photo[50:54, 10:14] -= 0.2  # the same in an eye
    skin = torch.ones(64, 64, dtype=torch.bool)
    skin[40:] = False
    found = complete([SeenMap(photo, weight)], flat([0.5, 0.4, 0.3]), torch.ones_like(skin), skin)
    assert float(found[21:23, 51:53].mean() - found[30:34, 51:53].mean()) == pytest.approx(-0.2, abs=0.03)
    assert float((found[50:54, 50:54] - found[60:62, 50:54].mean((0, 1))).abs().max()) < 0.01


def test_islands_do_not_colour_each_other_and_texels_beside_them_continue_them():
    covered = torch.ones(64, 64, dtype=torch.bool)
    covered[:, 30:34] = False
    weight = torch.zeros(64, 64)
    weight[:, :30] = 1.0
    photo, fitted = flat([0.9, 0.9, 0.9]), flat([0.5, 0.4, 0.3])
    found = complete([SeenMap(photo, weight)], fitted, covered, torch.zeros_like(covered))
    torch.testing.assert_close(found[:, 34:], fitted[:, 34:], atol=1e-3, rtol=0)
    torch.testing.assert_close(found[:, 30], photo[:, 30], atol=0.15, rtol=0)


def test_of_two_photos_the_better_one_gives_the_detail():
    sharp, plain = flat([0.5, 0.5, 0.5]), flat([0.5, 0.5, 0.5])
    sharp[:, ::2] += 0.1
    good, poor = torch.full((64, 64), 1.0), torch.full((64, 64), 0.2)
    everywhere = torch.ones(64, 64, dtype=torch.bool)
    for maps in ([SeenMap(sharp, good), SeenMap(plain, poor)], [SeenMap(plain, poor), SeenMap(sharp, good)]):
        found = complete(maps, plain, everywhere, everywhere)
        step = (found[:, 1:] - found[:, :-1]).abs().mean()
        assert float(step) == pytest.approx(0.1, abs=0.01)  # averaged, it would be 0.083


def test_the_finest_octave_of_a_large_map_is_that_of_the_photo_and_its_mirror_image(monkeypatch):
    monkeypatch.setattr(ganfit_nb.own_skin.complete, "SOLVED", 32)
    photo = flat([0.5, 0.4, 0.3])
    photo[::2] += 0.1
    weight = torch.zeros(64, 64)
    weight[:, :30] = 1.0
    everywhere = torch.ones(64, 64, dtype=torch.bool)
    found = complete([SeenMap(photo, weight)], flat([0.5, 0.4, 0.3]), everywhere, everywhere)
    stripes = (found[1:] - found[:-1]).abs().mean((0, 2))
    assert float((stripes[:28] - 0.1).abs().max()) < 0.01
    assert float((stripes[36:] - 0.1).abs().max()) < 0.01
    eye = complete([SeenMap(photo, weight)], flat([0.5, 0.4, 0.3]), everywhere, ~everywhere)
    assert float((eye[1:] - eye[:-1])[:, 36:].abs().max()) < 0.01
