import torch

from ganfit_nb import Photo
from ganfit_nb.evaluation.known_face import shape_error
from ganfit_nb.evaluation.known_people import KnownPeople
from ganfit_nb.face.morphable import MorphableModel


def test_a_known_person_is_the_same_in_every_picture_and_no_picture_is():
    people = KnownPeople(MorphableModel.default())
    person, again, other = people[4], KnownPeople(people.model)[4], people[5]
    assert torch.equal(person.identity, again.identity)
    assert torch.equal(person.albedo, again.albedo)
    assert not torch.equal(person.albedo, other.albedo)
    shots = [people.photograph(person, shot, 250) for shot in (0, 1, 0)]
    assert torch.equal(shots[0], shots[2])
    assert (shots[0] - shots[1]).abs().mean() > 0.02
    assert all(Photo.from_image(shot).faces_found == 1 for shot in shots[:2])


def test_shape_errors_are_zero_for_the_truth_and_grow_with_the_distance_from_it():
    model = MorphableModel.default()
    truth = KnownPeople(model).identity(4)
    assert shape_error(model, truth, truth) < 1e-3
    near, far = (shape_error(model, scale * truth, truth) for scale in (0.8, 0.0))
    assert 0.1 < near < far < 5
