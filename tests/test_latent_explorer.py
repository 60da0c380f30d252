"""The latent space by hand: traits, sliders, buttons and the inversion, without a browser."""

import numpy as np
import pytest
import torch

from ganfit_nb import FaceModel, GanfitError
from ganfit_nb.face.latents import interpolate, truncate
from ganfit_nb.face.texture import PcaTexture
from ganfit_widgets import InversionPlayer, LatentExplorer

MODEL = FaceModel.default()
PCA = PcaTexture.default()


@pytest.fixture(scope="module")
def shared():
    return LatentExplorer(MODEL, PCA)


@pytest.fixture
def explorer(shared):
    shared.reset()
    shared.seed, shared.start, shared.end = 0, 0, 1
    return shared


def pixels(view):
    return np.asarray(view._shown).astype(int)


def test_the_walk_and_truncation(explorer):
    a, b = explorer._latents[0], explorer._latents[1]
    torch.testing.assert_close(explorer.p_t, a)
    before = pixels(explorer._heads["GAN"])
    explorer._walk.children[0].value = 0.5
    torch.testing.assert_close(explorer.p_t, interpolate(a, b, 0.5))
    explorer.truncation = 0.5
    assert explorer._psi.children[0].value == 0.5
    torch.testing.assert_close(explorer.p_t, truncate(interpolate(a, b, 0.5), 0.5))
    assert np.abs(pixels(explorer._heads["GAN"]) - before).mean() > 1


def test_both_models_draw_the_same_numbers(explorer):
    explorer.position = 1.0
    for name, texture in (("GAN", explorer.gan), ("PCA", explorer.linear)):
        with torch.no_grad():
            expected = (texture(explorer.p_t) * 255 + 0.5).to(torch.uint8).numpy().astype(int)
        assert np.abs(pixels(explorer._maps[name]) - expected).max() <= 1


def test_directions_are_added_and_lighten(explorer):
    before = pixels(explorer._maps["GAN"]).mean()
    explorer._ways.children[0].value = 3.0
    assert explorer.directions[0] == 3.0
    torch.testing.assert_close(explorer.p_t, explorer._latents[0] + 3 * explorer._sefa[0])
    assert pixels(explorer._maps["GAN"]).mean() > before


def test_people_are_seeded_and_chosen_by_buttons(explorer):
    begins, ends = explorer._ends[4]
    begins.click()
    ends.click()
    assert (explorer.start, explorer.end) == (4, 4)
    assert begins.button_style == "primary"
    assert explorer._ends[0][0].button_style == ""
    torch.testing.assert_close(explorer.p_t, explorer._latents[4])
    first, sheet = explorer._latents, pixels(explorer._sheet[0])
    explorer.new_people()
    assert not torch.equal(first, explorer._latents)
    assert np.abs(pixels(explorer._sheet[0]) - sheet).mean() > 1
    explorer.seed = 0
    assert torch.equal(first, explorer._latents)


def test_a_texture_without_a_generator_is_refused():
    with pytest.raises(GanfitError, match="texture GAN"):
        LatentExplorer(FaceModel(MODEL.morphable, PCA))


def test_an_inversion_plays_both_models():
    gan, linear = MODEL.texture.at(64), PCA.at(64)
    with torch.no_grad():
        target = gan(torch.randn(gan.dim))
    player = InversionPlayer(target, {"GAN": gan, "linear": linear}, count=25)
    start = pixels(player._answers["GAN"])
    player.run()
    assert player.index == 25
    first, last = player.steps[0], player.steps[-1]
    for name in ("GAN", "linear"):
        assert last[name].error < 0.5 * first[name].error
    assert np.abs(pixels(player._answers["GAN"]) - start).mean() > 1
    assert f"GAN {last['GAN'].error:.4f}" in player.transport.status.value
    assert player._chart._view.value.count("<polyline") == 2
    player.restart()
    assert (pixels(player._answers["GAN"]) == start).all()


def test_the_explorer_inverts_a_target():
    with torch.no_grad():
        target = MODEL.texture.at(64)(torch.randn(512))
    explorer = LatentExplorer(MODEL, PCA, target)
    explorer.inversion.run(2)
    assert explorer.inversion.index == 1
    assert explorer.picture().width > 500
