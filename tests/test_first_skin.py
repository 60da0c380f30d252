"""The first guess of the skin, and the coarse pictures that a fit begins with."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, FreeGroups, LossWeights, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.texture import COARSEST, LocallyLinear, PcaTexture
from ganfit_nb.face.vertex_texture import VertexTexture
from ganfit_nb.fitting.coarse_to_fine import COARSE_STEPS, coarse_side, coarse_to_fine
from ganfit_nb.fitting.first_skin import first_appearance
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.second_view import light_position
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters

LIGHT = torch.cat([light_position(0.5, 0.35), torch.tensor([0.5, 0.45, 0.45, 0.6, 0.6, 0.55])])

MIRROR = torch.tensor([-1.0] + [1.0] * 8)


@pytest.fixture(scope="module")
def portrait() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


def shipped(name: str) -> FaceModel:
    return FaceModel.default("gan" if name == "gan" else "pca")


def someone(model: FaceModel, seed: int) -> FaceParameters:
    """A person of the model's own, lit from the side."""
    texture = 0.8 * torch.randn(model.texture.dim, generator=torch.Generator().manual_seed(seed))
    return model.mean_parameters().replace(texture=texture, light=LIGHT)


def photo_of(model: FaceModel, parameters: FaceParameters, portrait: Photo) -> Photo:
    picture = model.render(parameters, 256).image.detach().clamp(0, 1)
    return Photo(
        image=picture,
        landmarks=portrait.landmarks / 2,
        dense=None,
        original=(picture * 255).to(torch.uint8),
        to_original=torch.eye(3)[:2],
        source="rendering",
        boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        notes=(),
    )


def unlit_error(model: FaceModel, one: FaceParameters, other: FaceParameters) -> float:
    """Mean difference of the two skins on the face, in the frontal light."""
    pictures = [model.render(model.mean_parameters().replace(texture=p.texture), 64) for p in (one, other)]
    face = pictures[0].interpolate(model.morphable.pixel_region[:, None])[..., 0] > 0.5
    return float((pictures[0].image - pictures[1].image)[face].abs().mean())


@pytest.mark.parametrize("name", ["gan", "pca"])
def test_the_skin_of_a_rendered_person_is_found(name: str, portrait: Photo) -> None:
    """Under a known light; a guessed one may be darker where the skin is lighter."""
    model = shipped(name)
    for seed in range(3):
        truth, mean = someone(model, seed), model.mean_parameters().replace(light=LIGHT)
        photo = photo_of(model, truth, portrait)
        (found,) = first_appearance([photo], model, [mean], LossWeights(), FreeGroups(light=False))
        assert unlit_error(model, found, truth) < 0.4 * unlit_error(model, mean, truth)
        assert float(found.texture.square().mean()) < 1


def test_skin_and_light_together_make_the_picture(portrait: Photo) -> None:
    model = shipped("gan")
    truth, mean = someone(model, 0), model.mean_parameters()
    photo = photo_of(model, truth, portrait)
    (lit,) = first_appearance([photo], model, [mean], LossWeights(), FreeGroups(texture=False))
    (found,) = first_appearance([photo], model, [mean], LossWeights(), FreeGroups())
    seen = model.render(mean, 256).interpolate(model.morphable.pixel_region[:, None])[..., 0] > 0.5
    errors = [float((model.render(p, 256).image - photo.image)[seen].abs().mean()) for p in (lit, found)]
    assert errors[1] < 0.65 * errors[0]


def test_photos_of_one_person_share_the_skin_and_have_their_own_lights(portrait: Photo) -> None:
    model = shipped("gan")
    truth, mean = someone(model, 0), model.mean_parameters()
    photos = [photo_of(model, truth.replace(light=light), portrait) for light in (LIGHT, LIGHT * MIRROR)]
    a, b = first_appearance(photos, model, [mean, mean], LossWeights(), FreeGroups())
    assert torch.equal(a.texture, b.texture)
    assert float(a.light[0]) > 0 > float(b.light[0])


def test_only_what_is_free_and_weighed_is_guessed(portrait: Photo) -> None:
    model = shipped("pca")
    mean, photo = model.mean_parameters(), portrait.at(256)

    def guess(weights: LossWeights, **free: bool) -> FaceParameters:
        return first_appearance([photo], model, [mean], weights, FreeGroups(**free))[0]

    moved = {
        "texture": guess(LossWeights(), light=False),
        "light": guess(LossWeights(), texture=False),
        "nothing": guess(LossWeights(), texture=False, light=False),
    }
    for name, face in moved.items():
        for group, value in face.items():
            assert torch.equal(value, getattr(mean, group)) == (group != name), (name, group)
    assert torch.equal(guess(LossWeights(pixel=0.0)).texture, mean.texture)  # an ablation has no pixels to see
    assert bool(guess(LossWeights(texture_prior=0.0)).texture.isfinite().all())


def test_a_texture_of_unknown_derivative_stays_at_its_mean(portrait: Photo) -> None:
    class Plain:
        dim = 3

        def __call__(self, p_t: torch.Tensor) -> torch.Tensor:
            return torch.full((32, 32, 3), 0.5) + p_t.mean()

        def at(self, size: int) -> object:
            return self

    model = replace(shipped("pca"), texture=Plain())
    mean = model.mean_parameters()
    (found,) = first_appearance([portrait], model, [mean], LossWeights(), FreeGroups())
    assert torch.equal(found.texture, mean.texture)
    assert not torch.equal(found.light, mean.light)


def vertex_texture(model: MorphableModel) -> VertexTexture:
    count = len(model.mean)
    smooth = (model.mean / 300.0).clamp(-0.3, 0.3)
    return VertexTexture(torch.full((count, 3), 0.5), torch.stack([smooth, smooth.flip(1)]), model.faces, model.uv, 256)


@pytest.mark.parametrize("make", [lambda m: GanTexture.default(), lambda m: PcaTexture.default(), vertex_texture])
def test_modes_are_the_derivative_of_the_map(make: Callable[[MorphableModel], LocallyLinear]) -> None:
    """Along a random direction, seen coarsely; the refinement that the GAN adds to its linear picture is small."""
    texture = make(MorphableModel.default())
    assert isinstance(texture, LocallyLinear)
    p_t, direction = 0.3 * torch.randn(texture.dim), torch.randn(texture.dim)
    modes = texture.modes(p_t)
    assert modes.shape == (texture.dim, COARSEST, COARSEST, 3)
    maps = [texture(p_t + step * direction) for step in (0.05, -0.05)]
    change = torch.nn.functional.interpolate(((maps[0] - maps[1]) / 0.1).permute(2, 0, 1)[None], COARSEST, mode="area")
    expected = torch.einsum("t,thwc->chw", direction, modes)[None]
    middle = slice(8, 52)  # above the painted mouth
    seen, foreseen = change[..., middle, middle], expected[..., middle, middle]
    assert float((seen - foreseen).norm() / seen.norm()) < 0.35


@pytest.fixture(scope="module")
def objective(portrait: Photo) -> Objective:
    return Objective.of([[portrait]], shipped("gan"), IdentityNetwork.default(), size=256)


def test_a_fit_begins_coarse_and_ends_fine(objective: Objective) -> None:
    at = coarse_to_fine(objective, 100)
    sizes = [at(index).size for index in range(101)]
    assert sizes == [128] * COARSE_STEPS + [256] * (101 - COARSE_STEPS)
    short = coarse_to_fine(objective, 5)
    assert [short(index).size for index in range(6)] == [128, 128, 256, 256, 256, 256]
    assert coarse_to_fine(objective, 0)(0) is objective
    assert coarse_to_fine(objective, 10_000)(COARSE_STEPS) is objective


def test_a_fit_resumes_bit_equal_where_the_pictures_grow(portrait: Photo) -> None:
    model, config = shipped("gan"), FitConfig(steps=3, size=160, image_every=1)
    joint = [step for step in fit(portrait, model, config) if step.stage == "joint"]
    assert [len(step.image) for step in joint if step.image is not None] == [128, 160, 160, 160]
    for a, b in zip(joint[1:], fit(portrait, model, config, start=joint[0]), strict=True):
        assert a.losses == b.losses
        assert all(torch.equal(value, getattr(b.parameters, name)) for name, value in a.parameters.items())


def test_small_pictures_stay_as_they_are() -> None:
    assert [coarse_side(size) for size in (64, 128, 192, 256, 512)] == [64, 128, 128, 128, 256]


def test_the_objective_at_another_size_is_that_of_the_size(objective: Objective) -> None:
    coarse = objective.at(128)
    assert objective.at(256) is objective
    assert (coarse.size, coarse.model.texture.resolution, coarse.seed) == (128, 128, objective.seed)
    assert coarse.shape_priors is objective.shape_priors
    face = objective.views.together([objective.model.mean_parameters()])
    terms, fine = (o.evaluate(face, LossWeights(), 0).terms for o in (coarse, objective))
    assert not torch.equal(terms["pixel"], fine["pixel"])
    for name, term in fine.items():  # units do not depend on the size
        assert float(terms[name]) == pytest.approx(float(term), rel=0.15, abs=1e-3), name
