"""The texture GAN: windows, growing, a training from scratch at toy size, and going on from a checkpoint."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.networks.equalized import EqualizedLinear, pixel_norm, upsample
from ganfit_nb.networks.marginals import Marginals, corpus_marginals
from ganfit_nb.networks.progressive_generator import COARSE, Generator, Window, lightness_and_tint
from ganfit_nb.training.skin.uv_corpus import UvCorpus, write_corpus
from ganfit_nb.training.texture_gan import train_texture as train_texture_module
from ganfit_nb.training.texture_gan.detail_amounts import detail_loss, placement_loss
from ganfit_nb.training.texture_gan.discriminator import Discriminator, minibatch_stddev
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.map_pyramid import pyramid
from ganfit_nb.training.texture_gan.progressive_gan import GanTraining
from ganfit_nb.training.texture_gan.train_texture import train_texture
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

SIZE, LATENT, WIDTH, COUNT = 128, 12, 512, 24
# Eight steps: they must be long, and the discriminator, which has not learnt to judge yet, must not lead.
CONFIG = GanConfig(
    schedule={64: 8, 128: 56}, latent=LATENT, width=WIDTH, lr=2e-2, adversarial_weight=0.03, detail_weight=1.0
)


@pytest.fixture(scope="module")
def corpus() -> UvCorpus:
    return UvCorpus.build(SIZE)


@pytest.fixture(scope="module")
def maps(corpus: UvCorpus, tmp_path_factory) -> TrainingMaps:
    path = write_corpus(corpus, COUNT, tmp_path_factory.mktemp("corpus"))
    return TrainingMaps.of(path, LATENT, corpus.face)


@pytest.fixture(scope="module")
def trained(maps: TrainingMaps) -> GanTraining:
    training = GanTraining(maps, CONFIG)
    for _ in training.steps():
        pass
    return training


def with_all_levels(generator: Generator) -> Generator:
    """The generator with every level adding to the image, as after training."""
    for level in generator.pictures.values():
        for weight in (level.rgb.weight, level.detail_rgb.weight, level.placed, level.placed_gates):
            torch.nn.init.normal_(weight)
    return generator


@pytest.mark.parametrize("window", [Window(0, 0), Window(11, 20), Window(0, 48), Window(48, 48)])
def test_a_window_is_what_the_whole_picture_holds_there(window: Window) -> None:
    generator = with_all_levels(Generator(512, LATENT, WIDTH))
    z = torch.randn(2, LATENT)
    whole, part = generator(z), generator(z, window=window)
    rows, columns = window.box(512)
    assert part.shape == (2, 128, 128, 3)
    assert torch.allclose(part, whole[:, rows, columns], atol=1e-5)


def test_a_level_fades_in_from_the_enlarged_one_before() -> None:
    generator = with_all_levels(Generator(128, LATENT, WIDTH))
    z = torch.randn(1, LATENT)
    coarse = torch.nn.functional.interpolate(
        generator(z, COARSE).permute(0, 3, 1, 2), scale_factor=2.0, mode="bilinear"
    )
    assert torch.allclose(generator(z, 128, alpha=0.0), coarse.permute(0, 2, 3, 1), atol=1e-6)
    half = 0.5 * (generator(z, 128, alpha=0.0) + generator(z, 128))
    assert torch.allclose(generator(z, 128, alpha=0.5), half, atol=1e-5)


def test_no_texel_is_drawn_in_a_colour_that_the_corpus_lacks_there(maps: TrainingMaps) -> None:
    generator = with_all_levels(Generator(128, LATENT, WIDTH))
    z = torch.randn(2, LATENT)
    lightness, free = lightness_and_tint(generator(z, COARSE))
    generator.tints.copy_(maps.tints)
    unchanged, bound = lightness_and_tint(generator(z, COARSE))
    assert torch.allclose(unchanged, lightness, atol=1e-4)
    low, high = maps.tints.permute(0, 2, 3, 1)
    assert ((free < low) | (free > high)).any()
    assert ((bound > low - 1e-2) & (bound < high + 1e-2)).all()
    assert 0.01 < (high > 1e3).float().mean() < 0.1  # the eyes


def test_equalised_layers_and_pixel_norm_keep_unit_scale() -> None:
    x = torch.randn(256, 400)
    assert EqualizedLinear(400, 300, gain=1.0)(x).std().item() == pytest.approx(1.0, abs=0.1)
    normed = pixel_norm(37.0 * torch.randn(1, 4, 4, 9))
    assert torch.allclose(normed.square().mean(dim=-1), torch.ones(1, 4, 4), atol=1e-4)


def test_minibatch_deviation_betrays_a_generator_that_repeats_itself() -> None:
    same = torch.randn(1, 4, 4, 8).expand(4, -1, -1, -1)
    assert minibatch_stddev(same)[..., -1].max() < 1e-3
    assert minibatch_stddev(torch.randn(4, 4, 4, 8))[..., -1].min() > 0.5


def test_the_discriminator_has_a_logit_for_whole_maps_and_windows() -> None:
    discriminator = Discriminator(512, WIDTH)
    for side, resolution in ((64, 64), (128, 128), (128, 256), (128, 512)):
        images, mean = torch.rand(4, side, side, 3), torch.rand(side, side, 3)
        assert discriminator(images, mean, resolution, 0.5).shape == (4,)


def test_codes_are_white_and_stand_for_their_maps(maps: TrainingMaps) -> None:
    assert len(maps) == 2 * COUNT
    assert torch.allclose(maps.codes.T @ maps.codes / len(maps), torch.eye(LATENT), atol=1e-3)
    generator = GanTraining(maps, CONFIG).generator
    pictures = maps.images(torch.arange(len(maps)), COARSE)
    error = (generator.linear(maps.codes) - pictures).square().mean()
    assert error < 0.2 * (maps.coarse_mean - pictures).square().mean()


def test_latents_are_gaussian_and_lead_back_to_their_codes() -> None:
    codes = torch.stack([torch.rand(4000), torch.randn(4000).exp(), torch.randn(4000)], dim=1)
    marginals = corpus_marginals(codes)
    z = marginals.inverse(codes)
    assert torch.allclose(marginals(z), codes, atol=1e-4)
    assert torch.allclose(z.mean(dim=0), torch.zeros(3), atol=0.05)
    assert torch.allclose(z.std(dim=0), torch.ones(3), atol=0.05)
    drawn = marginals(torch.randn(4000, 3))
    assert drawn[:, 0].min() > -0.1  # no Gaussian tails where the corpus has none
    assert drawn[:, 0].max() < 1.1
    assert torch.equal(Marginals(3)(torch.ones(1, 3)), torch.ones(1, 3))


def test_the_second_half_of_the_maps_are_mirror_images(maps: TrainingMaps) -> None:
    pictures = maps.images(torch.tensor([3, 3 + COUNT]), 128)
    assert torch.equal(pictures[0], pictures[1].flip(1))
    window = Window(0, 0)
    assert torch.equal(maps.images(torch.tensor([3]), 128, window)[0], pictures[0])


def test_smaller_levels_are_area_averages(corpus: UvCorpus, tmp_path) -> None:
    path = write_corpus(corpus, 2, tmp_path)
    levels = pyramid(path)
    assert sorted(levels) == [64, 128]
    mean = levels[128].reshape(2, 64, 2, 64, 2, 3).astype(float).mean(axis=(2, 4))
    assert np.abs(levels[64] - mean).max() <= 0.5


def test_codes_place_detail_before_the_first_step(maps: TrainingMaps) -> None:
    index = torch.arange(COUNT)
    target, generator = maps.images(index, 128), GanTraining(maps, CONFIG).generator
    linear = upsample(generator.linear(maps.codes[index]), "bilinear")
    begun, smooth = (placement_loss(x, target, maps.weight) for x in (generator(maps.latents[index]), linear))
    assert begun < 0.7 * smooth


def test_training_brings_the_detail_that_codes_cannot_place(maps: TrainingMaps, trained: GanTraining) -> None:
    index = torch.arange(COUNT)
    target, z = maps.images(index, 128), maps.latents[index]
    with torch.no_grad():
        before, after = (
            detail_loss(generator(z), target, maps.weight)
            for generator in (GanTraining(maps, CONFIG).generator, trained.generator)
        )
    assert after < 0.85 * before


def test_stages_follow_the_schedule(maps: TrainingMaps) -> None:
    steps = list(GanTraining(maps, replace(CONFIG, batch_size=4, schedule={64: 8, 128: 32})).steps())
    assert [step.resolution for step in steps] == [64] * 2 + [128] * 8
    assert [step.alpha for step in steps] == [1.0, 1.0, 0.0, 0.5] + [1.0] * 6
    assert [step.images for step in steps] == list(range(4, 44, 4))
    assert all(np.isfinite(list(step.losses.values())).all() for step in steps)


def test_a_resumed_training_is_the_straight_one(maps: TrainingMaps, tmp_path) -> None:
    config = replace(CONFIG, batch_size=4, schedule={64: 4, 128: 8})
    straight, first = GanTraining(maps, config), GanTraining(maps, config)
    losses = [step.losses for step in straight.steps()]
    list(islice(first.steps(), 2))
    first.save(tmp_path / "checkpoint.pt")
    second = GanTraining.resume(tmp_path / "checkpoint.pt", maps, config)
    assert [step.losses for step in second.steps()] == losses[2:]
    for name, value in straight.generator_ema.state_dict().items():
        assert torch.equal(value, second.generator_ema.state_dict()[name]), name


def test_sittings_follow_each_other_and_leave_their_records(corpus: UvCorpus, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(train_texture_module, "SAMPLES", 16)
    path = write_corpus(corpus, COUNT // 2, tmp_path / "corpus")
    config, out = replace(CONFIG, batch_size=4, schedule={64: 4, 128: 8}), tmp_path / "gan"
    first = list(train_texture(path, out, config, minutes=0.0))
    second = list(train_texture(path, out, config))
    assert [step.images for step in first + second] == [4, 8, 12]
    assert list(train_texture(path, out, config)) == []
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [4, 12]
    assert set(lines[1]["swd"]) == {"128", "64", "32", "16"}
    assert GanTexture.load(out / "texture_gan.safetensors").resolution == 128
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.size == (1024, 1024)


def test_more_effort_shows_more_maps_in_whole_steps() -> None:
    config = GanConfig().scaled(0.0001)
    assert config.schedule == {64: 16, 128: 16, 256: 16, 512: 16}
    assert GanConfig().scaled(1.0) == GanConfig()


def test_what_is_no_checkpoint_and_what_is_no_corpus_is_said(maps: TrainingMaps, tmp_path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"hello")
    with pytest.raises(GanfitError, match="no checkpoint"):
        GanTraining.resume(tmp_path / "checkpoint.pt", maps, CONFIG)
    GanTraining(maps, CONFIG).save(tmp_path / "checkpoint.pt")
    with pytest.raises(GanfitError, match="other settings"):
        GanTraining.resume(tmp_path / "checkpoint.pt", maps, replace(CONFIG, seed=1))
    with pytest.raises(GanfitError, match="ganfit train corpus"):
        pyramid(tmp_path / "maps.npy")


def test_a_generator_survives_its_file(trained: GanTraining, tmp_path) -> None:
    GanTexture(trained.generator_ema).save(tmp_path / "gan.safetensors")
    texture = GanTexture.load(tmp_path / "gan.safetensors")
    z = torch.randn(LATENT)
    assert (texture(z) - GanTexture(trained.generator_ema)(z)).abs().max() < 0.01  # half precision
    assert texture.at(64)(z).shape == (64, 64, 3)
    with pytest.raises(GanfitError, match="12 coefficients"):
        texture(torch.zeros(3))
    assert texture.at(100)(z).shape == (128, 128, 3)
    (tmp_path / "other.safetensors").write_bytes(b"no")
    with pytest.raises(GanfitError, match="no texture GAN"):
        GanTexture.load(tmp_path / "other.safetensors")
