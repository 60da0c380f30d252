"""What an embedding tells of the shape: the regression, its covariance, and its place in a fit."""

from dataclasses import replace

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.shape_prior import ShapeFromIdentity, ShapePrior
from ganfit_nb.files.tensor_files import save_tensors
from ganfit_nb.fitting.known_shape import known_shape
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.training.shape.drawn_people import VIEWS, DrawnPerson, drawn_people
from ganfit_nb.training.shape.shape_from_identity import regressed

S, D = 6, 8


@pytest.fixture(scope="module")
def truth():
    """A world in which everything is Gaussian and known; real photos are like the drawn ones."""
    generator = torch.Generator().manual_seed(0)
    by_shape = torch.randn(D, S, generator=generator)
    people = []
    for _ in range(4000):
        identity = torch.randn(S, generator=generator)
        person = 3.0 + by_shape @ identity + 0.5 * torch.randn(D, generator=generator)
        people.append(DrawnPerson(identity, person + 0.8 * torch.randn(VIEWS, D, generator=generator)))
    return by_shape, people


@pytest.fixture(scope="module")
def learnt(truth):
    _, people = truth
    real = torch.stack([person.embeddings[0] for person in people[:300]])
    found = regressed(people[300:], real)
    return replace(found, domain=torch.zeros_like(found.domain))


def test_the_regression_finds_what_the_world_was_made_of(truth, learnt):
    by_shape, _ = truth
    torch.testing.assert_close(learnt.by_shape, by_shape, rtol=0, atol=0.1)
    torch.testing.assert_close(learnt.persons, 0.25 * torch.eye(D), rtol=0, atol=0.08)
    torch.testing.assert_close(learnt.photos, 0.64 * torch.eye(D), rtol=0, atol=0.08)
    torch.testing.assert_close(learnt.mean, torch.full((D,), 3.0), rtol=0, atol=0.2)


@pytest.mark.parametrize("count", [1, VIEWS])
def test_the_prior_is_nearer_to_people_and_says_how_near(truth, learnt, count):
    _, people = truth
    priors = [learnt.prior(person.embeddings[:count]) for person in people[:300]]
    off = torch.stack([person.identity - prior.mean for person, prior in zip(people[:300], priors, strict=True)])
    assert float(off.square().mean()) < 0.5  # of the mean face it is 1
    squares = [p.deviations(person.identity).square().mean() for person, p in zip(people[:300], priors, strict=True)]
    assert float(torch.stack(squares).mean()) == pytest.approx(1.0, abs=0.15)


def test_two_photos_tell_more_than_one(truth, learnt):
    embeddings = truth[1][0].embeddings
    one, two = (learnt.prior(embeddings[:count]).whitening.diagonal().log().sum() for count in (1, 2))
    assert two > one


def test_a_photo_unlike_all_others_tells_little(learnt):
    wide = replace(learnt, domain=0.1 * torch.eye(D))
    near, far = (wide.prior(wide.mean + offset * torch.ones(1, D)) for offset in (0.5, 500.0))
    volume = [float(prior.whitening.diagonal().log().sum()) for prior in (near, far)]
    assert volume[1] < 0.6 * volume[0]


def test_the_paper_s_prior_is_standard():
    prior = ShapePrior.standard(4)
    torch.testing.assert_close(prior.deviations(torch.arange(4.0)), torch.arange(4.0))


def test_it_moves_a_fit_and_can_be_switched_off():
    photo, model = Photo.open(asset_path("astronaut.png")), FaceModel.default()
    informed = known_shape([photo.at(96)], model, IdentityNetwork.default(), True)
    assert 0.1 < float(informed.mean.norm()) < 10
    shapes = []
    for wanted in (True, False):
        *_, last = fit(photo, model, FitConfig(steps=0, size=96, informed_prior=wanted))
        shapes.append(last.parameters.identity)
    expected = informed.mean / informed.mean.norm()
    assert float(shapes[0] @ expected) > float(shapes[1] @ expected) + 0.1


def test_nothing_is_told_of_other_models_or_by_other_networks():
    photo, model = Photo.open(asset_path("astronaut.png")).at(96), FaceModel.default()
    own = replace(IdentityNetwork.default(), different_people=0.3)
    for face_model, network in ((replace(model, shape_from_identity=None), IdentityNetwork.default()), (model, own)):
        assert not known_shape([photo], face_model, network, True).mean.any()


def test_drawn_people_depend_on_their_number_alone():
    model, network = FaceModel.default(), IdentityNetwork.default()
    (one,) = drawn_people(model, network, range(3, 4))
    again = list(drawn_people(model, network, range(2, 4)))[-1]
    torch.testing.assert_close(one.identity, again.identity, rtol=0, atol=0)
    torch.testing.assert_close(one.embeddings, again.embeddings, rtol=0, atol=0)
    assert 0.01 < float((one.embeddings[0] - one.embeddings[1]).norm()) < 0.6  # two photos of one person


def test_another_file_is_refused(tmp_path):
    save_tensors(tmp_path / "other.safetensors", {"mean": torch.zeros(3)})
    with pytest.raises(GanfitError, match="regression of shape"):
        ShapeFromIdentity.load(tmp_path / "other.safetensors")
