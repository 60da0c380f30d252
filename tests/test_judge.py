"""The independent judge: its network against OpenVINO's, what it says of pictures, and that no fit can use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fake_recipes import tiny_step
from PIL import Image
from test_house import ROOMS, imported
from tolerances import SINGLE

import ganfit_nb
from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.judgements import content_of_judge, judge_named
from ganfit_nb.networks.face_reidentification import DIFFERENT_PEOPLE, SAME_PERSON
from ganfit_nb.networks.identity import aligned_crop
from ganfit_nb.renderer.camera import frontal_camera
from ganfit_nb.results.judge import INDEPENDENT, NOSE_TIP, Judge
from ganfit_nb.results.likeness import Likeness
from ganfit_nb.results.recipe import network_named
from ganfit_nb.results.report import report
from ganfit_nb.results.result import Result

# What OpenVINO 2026.4 makes in single precision of the crop of the astronaut's portrait by our landmarks, at length 1:
# every 32nd number. `tools/convert_face_reidentification.py --check` compares the two on the faces of a folder.
OPENVINO = [-0.04004, 0.07552, 0.04328, 0.04055, -0.0715, -0.04176, 0.12017, -0.05443]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.independent()


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


def test_the_embedding_is_openvinos(judge: Judge, photo: Photo) -> None:
    crop = aligned_crop(photo.image.permute(2, 0, 1), photo.landmarks, judge.template)
    embedding = torch.nn.functional.normalize(judge.network(crop[None])[0], dim=0)
    torch.testing.assert_close(embedding[::32], torch.tensor(OPENVINO), atol=SINGLE, rtol=0)


def test_a_batch_is_judged_as_its_crops_are(judge: Judge) -> None:
    crops = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(judge.network(crops)[1], judge.network(crops[1:])[0], rtol=1e-4, atol=1e-4)


def test_an_embedding_has_length_one_and_no_face_has_none(judge: Judge, photo: Photo) -> None:
    embedding = judge.embedding(photo.image)
    assert embedding is not None
    assert float(embedding.norm()) == pytest.approx(1.0, abs=1e-5)
    assert judge.embedding(torch.full((128, 128, 3), 0.5)) is None


def test_a_photo_is_itself_however_it_is_taken(judge: Judge, photo: Photo) -> None:
    """The face is found anew, so size, place and light of the picture hardly matter, and landmarks that are told do
    not: here they are one point."""
    embedding = judge.embedding(photo.image)
    assert embedding is not None
    one_point = replace(photo, landmarks=photo.landmarks[NOSE_TIP].expand(68, 2))
    for picture in (photo.at(256), photo.image.roll((20, -30), (0, 1)), 0.6 * photo.image, one_point):
        seen = judge.embedding(picture)
        assert seen is not None
        assert float(seen @ embedding) > 0.95


def test_the_chosen_face_of_a_photo_is_judged(judge: Judge, photo: Photo) -> None:
    """Also where a larger one lies beside it in the picture."""
    model, small = FaceModel.default(), photo.at(200)
    canvas = torch.full((512, 512, 3), 0.5)
    canvas[:200, :200] = small.image
    canvas[200:, 200:] = model.render(model.mean_parameters(), 312).image.clamp(0, 1)
    alone, largest = judge.embedding(photo), judge.embedding(canvas)
    chosen = judge.embedding(replace(photo, image=canvas, landmarks=small.landmarks))
    assert alone is not None
    assert largest is not None
    assert chosen is not None
    assert float(chosen @ alone) > SAME_PERSON
    assert float(largest @ alone) < SAME_PERSON / 2


def test_a_fit_comes_nearer_to_its_photo_than_the_average_person(photo: Photo) -> None:
    model, likeness = FaceModel.default(), Likeness(photo)
    config = FitConfig(steps=10, size=128)
    steps = list(fit(photo, model, config))
    result = Result(photo, model, config, steps)
    fitted = result.identity_similarity()
    average = steps[-1].parameters.replace(
        identity=torch.zeros_like(steps[-1].parameters.identity), texture=model.mean_parameters().texture
    )
    stranger = likeness.similarity(model.render(average, photo.size).image)
    assert fitted is not None
    assert stranger is not None
    assert DIFFERENT_PEOPLE < stranger + 0.1 < fitted < SAME_PERSON
    record = result.record() | {"own_skin": {"side": 8, "seen": 0.5, "sharpness": 1.0, "residual_light": 0.0}}
    assert record["identity_similarity"] == fitted
    assert record["identity_similarity_usual"] == {"same_person": SAME_PERSON, "different_people": DIFFERENT_PEOPLE}
    page = report(record, model, steps[-1].parameters, torch.zeros(8, 8, 3), Image.new("RGB", (8, 8)))
    assert f"<td>{fitted:.3g}</td>" in page
    assert f"{fitted:.2f} (photos of one person {SAME_PERSON:.2f}" in result.summary(Path("out"))


def test_a_rendering_without_a_face_has_no_similarity(photo: Photo) -> None:
    model = FaceModel.default()
    looks_past = frontal_camera() + torch.tensor([0.0, 0.0, 0.0, 1000.0, 0.0, 0.0, 0.0])  # its target moves aside
    away = model.mean_parameters().replace(camera=looks_past)
    result = Result(photo, model, FitConfig(), [replace(tiny_step(), parameters=away)])
    record = result.record() | {"own_skin": {"side": 8, "seen": 0.5, "sharpness": 1.0, "residual_light": 0.0}}
    assert record["identity_similarity"] is None
    assert "no face was found" in report(record, model, away, torch.zeros(8, 8, 3), Image.new("RGB", (8, 8)))
    assert "no face was found" in result.summary(Path("out"))


def test_only_the_judge_uses_the_judges_network() -> None:
    """And the judge is in a room above `fitting`, from which a fit cannot import it (`test_house.py`)."""
    root = Path(ganfit_nb.__file__).parent
    users = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.stem != "face_reidentification" and "FaceReidentification" in path.read_text(encoding="utf-8")
    }
    assert users == {"results/judge.py"}
    assert ROOMS.index("results") < ROOMS.index("fitting")
    assert not [p for p in (root / "fitting").glob("*.py") if ["networks", "face_reidentification"] in [*imported(p)]]


def test_no_fit_can_be_optimised_for_the_judge() -> None:
    with pytest.raises(GanfitError, match="is no identity network"):
        network_named(INDEPENDENT)
    with pytest.raises(GanfitError, match="is no identity network"):
        judge_named("facenet")


def test_dlibs_network_can_judge_too(photo: Photo) -> None:
    dlib = judge_named("dlib")
    found = dlib.embedding(photo)
    expected = network_named("dlib").features(dlib.crop(photo)[None]).embedding[0]
    torch.testing.assert_close(found, expected / expected.norm())
    assert content_of_judge("dlib") != content_of_judge(INDEPENDENT)
