"""The fit player and its parts without a browser, on a real, small fit."""

import asyncio
import dataclasses
import io
import json
import re
import zipfile
from base64 import b64decode

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from ganfit_nb import FaceModel, FitConfig, FreeGroups, GanfitError, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_widgets import FitPlayer, FittedPhoto, GroupToggles, LossControls, PhotoView
from ganfit_widgets.fit_player import DISPLACEMENT, GRADIENTS, OWN, OWN_SIDE, SKIN
from ganfit_widgets.photo_view import VIEWS

CONFIG = FitConfig(steps=3, size=96)


@pytest.fixture(scope="module")
def photo():
    return Photo.open(asset_path("astronaut.png")).at(CONFIG.size)


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture
def player(photo, model):
    return FitPlayer(photo, model, CONFIG)


@pytest.fixture(scope="module")
def finished(photo, model):
    player = FitPlayer(photo, model, CONFIG)
    player.run()
    return player


def curves(player):
    return player.chart._view.value.count("<polyline")


def test_it_shows_a_real_fit(finished):
    mean = finished._mean[0]
    assert (finished.steps[-1].stage, finished.steps[-1].index) == ("joint", 3)
    assert (finished.mesh.vertices - mean).abs().max() > 1  # mm
    assert curves(finished) == len(finished.steps[-1].losses)
    count = len(finished.steps)
    assert f"joint</b> step {count} of {count}" in finished.transport.status.value
    assert "left" not in finished.transport.status.value
    assert finished.picture().size[0] <= 1000


def test_scrubbing_shows_the_old_mesh_and_the_newest_again(finished):
    newest = finished.mesh.vertices
    finished.scrub(0)
    assert torch.equal(finished.mesh.vertices, finished._mean[0])
    assert 'stroke-opacity="0.9"' in finished.chart._view.value  # the mark in the curves, which all stay
    assert curves(finished) == len(finished.steps[-1].losses)
    finished.scrub(finished.index)
    assert torch.equal(finished.mesh.vertices, newest)


def test_restart_shows_the_mean_face_and_restores_what_the_player_was_made_with(photo, model):
    weights, free = LossWeights(content=7.0), FreeGroups(light=False)
    player = FitPlayer(photo, model, CONFIG, weights, free)
    player.run(2)
    player.controls.switches["identity"].value = False
    player.groups.switches["camera"].value = False
    player.controls.sliders["content"].value = 9.0
    player.restart()
    assert weights == LossWeights(content=7.0)
    assert free == FreeGroups(light=False)
    assert player.controls.switches["identity"].value
    assert player.groups.switches["camera"].value
    assert player.controls.sliders["content"].value == 7.0
    assert torch.equal(player.mesh.vertices, player._mean[0])
    assert "no step yet" in player.chart._view.value


def test_a_switch_takes_a_term_out_of_the_next_step(player):
    player.run(1)
    assert re.search(r" · about \d+ s left$", player.transport.status.value)  # in the alignment, too
    while player.steps[-1].stage != "joint":
        player.run(1)
    assert "pixel" in player.steps[-1].losses
    player.controls.switches["pixel"].value = False
    player.groups.switches["camera"].value = False
    before = player.steps[-1].parameters.camera
    player.run(1)
    assert "pixel" not in player.steps[-1].losses
    assert torch.equal(player.steps[-1].parameters.camera, before)


def test_a_branch_obeys_the_present_weights_and_keeps_the_old_curves(photo, model):
    player = FitPlayer(photo, model, CONFIG)
    player.run()
    left = player.steps
    joint = len(left) - 4
    player.scrub(joint)
    player.weights.pixel = 0.0
    player.branch()
    player.run(1)
    assert player.steps[: joint + 1] == left[: joint + 1]
    assert "pixel" not in player.steps[-1].losses
    assert "stroke-dasharray" in player.chart._view.value
    assert not player.controls.switches["pixel"].value  # the switch shows what the program did


def test_the_numbers_are_those_of_the_result(finished):
    result = finished.result()
    measures = finished.measures
    assert measures.landmarks == pytest.approx(result.landmark_error(), rel=1e-3)
    assert measures.identity == pytest.approx(result.identity_distance(), abs=0.02)
    # The player's texture is finer than that of so small a fit; with the same one the two are equal.
    assert measures.pixel == pytest.approx(finished.steps[-1].losses["pixel"], rel=0.08)
    assert f"identity distance {measures.identity:.2f}" in finished._numbers.value
    assert f"pixels {measures.pixel:.3f}" in str(measures)


@pytest.fixture
def branched(photo, model):
    player = FitPlayer(photo, model, CONFIG)
    player.run()
    player.scrub(len(player.steps) - 4)
    player.rename("with identity")
    player.controls.switches["identity"].value = False
    player.branch("without")
    player.run()
    return player


def test_every_course_keeps_its_weights(branched):
    assert branched.weights.identity == 0
    assert "identity" not in branched.steps[-1].losses
    branched.course = "with identity"
    assert branched.weights.identity == LossWeights().identity
    assert branched.controls.switches["identity"].value
    assert "identity" in branched.steps[-1].losses
    assert set(branched.courses) == {"with identity", "without"}


def test_two_courses_are_compared_side_by_side(branched):
    branched.course = "with identity"
    branched.scrub(branched.index)
    assert [len(row.children) for row in (branched._meshes, branched._photos)] == [1, 1]
    alone = branched.picture()
    branched.compared = "without"
    assert [len(row.children) for row in (branched._meshes, branched._photos)] == [2, 2]
    assert branched.picture().height > alone.height  # two meshes and two photos fill a row
    first, second = branched.mesh, branched._other.mesh
    assert 0 < (first.vertices - second.vertices).abs().max() < 20  # mm
    branched.view.view = "difference"
    assert branched._other.view.view == "difference"
    assert branched._numbers.value.count("identity distance") == 2
    branched.colours.value = DISPLACEMENT
    assert first._scale.high == second._scale.high
    branched.course = "without"
    assert branched.compared == ""  # nothing is compared with itself
    with pytest.raises(GanfitError, match="nothing to compare"):
        branched.compared = "nobody"


def test_a_deleted_course_is_compared_no_more(branched):
    branched.compared = "with identity"
    branched.delete()
    assert (branched.course, branched.names, branched.compared) == ("with identity", ("with identity",), "")
    with pytest.raises(GanfitError, match="only course"):
        branched.delete()


def test_a_saved_course_goes_on_bit_equal(photo, model, tmp_path):
    whole = FitPlayer(photo, model, CONFIG)
    whole.groups.switches["camera"].value = False  # frozen groups share memory between steps
    whole.run(len("align") + 6)
    part = FitPlayer(photo, model, CONFIG, free=FreeGroups(camera=False))
    part.run(len(whole.steps) - 2)
    part.save(tmp_path / "deep" / "half.safetensors")
    other = FitPlayer(photo, model, CONFIG, free=FreeGroups(camera=False))
    other.load(tmp_path / "deep" / "half.safetensors")
    assert other.names == ("course 1", "half")
    assert len(other.steps) == len(part.steps)
    assert other.steps[0].losses == part.steps[0].losses
    other.free.camera = False
    other.run(2)
    for (name, mine), (_, theirs) in zip(
        other.steps[-1].parameters.items(), whole.steps[-1].parameters.items(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_a_result_of_the_command_line_is_loaded(finished, photo, model, tmp_path):
    finished.result().write(tmp_path / "astronaut")
    player = FitPlayer(photo, model, CONFIG)
    player.load(tmp_path / "astronaut")
    assert player.course == "astronaut"
    assert (player.mesh.vertices - finished.model.vertices(finished.steps[-1].parameters)).abs().max() < 1e-2
    assert player.weights == LossWeights()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "There is no file"), (b"no", "no saved course"), (b"{}", "no saved course"), ("other", "fitted to")],
)
def test_what_is_no_course_is_said(finished, photo, model, tmp_path, content, sentence):
    path = tmp_path / "x.safetensors"
    if content == "other":
        finished.photo, mine = dataclasses.replace(photo, source="somebody.png"), finished.photo
        finished.save(path)
        finished.photo = mine
    elif content:
        path.write_bytes(content)
    player = FitPlayer(photo, model, CONFIG)
    with pytest.raises(GanfitError, match=sentence):
        player.load(path)
    assert player.names == ("course 1",)


def test_curves_and_colours_can_be_chosen(finished):
    finished.curves.value = GRADIENTS
    assert "gradient norm" in finished.chart._view.value
    assert curves(finished) == 5
    assert "● shape" in finished.chart._view.value  # identity is a loss
    finished.colours.value = DISPLACEMENT
    assert "mm" in finished.mesh._bar.value
    assert finished.mesh.values.max() > 1
    finished.colours.value = SKIN
    assert finished.mesh.values is None


def test_the_photos_own_skin_can_be_shown_on_the_mesh(finished):
    fitted = finished.mesh.picture()
    finished.colours.value = OWN
    assert finished.mesh._texture.shape == (OWN_SIDE, OWN_SIDE, 3)
    assert np.abs(np.asarray(finished.mesh.picture(), float) - np.asarray(fitted)).mean() > 0.5
    finished.scrub(0)  # every step has its own
    finished.scrub(len(finished.steps) - 1)
    assert finished.mesh._texture.shape == (OWN_SIDE, OWN_SIDE, 3)
    finished.colours.value = SKIN
    assert finished.mesh.picture().tobytes() == fitted.tobytes()


def test_export_offers_files_that_open(finished):
    finished.export_panel.export()
    links = dict(re.findall(r'download="(.*?)" href="data:.*?;base64,(.*?)"', finished.export_panel.links.value))
    mesh = trimesh.load(io.BytesIO(b64decode(links["mesh.glb"])), file_type="glb", force="mesh")
    assert len(mesh.faces) == len(finished.model.morphable.faces)
    with zipfile.ZipFile(io.BytesIO(b64decode(links["mesh.zip"]))) as archive:
        assert set(archive.namelist()) == {"mesh.obj", "mesh.mtl", "texture.png", "neutral.obj"}
    assert json.loads(b64decode(links["fit.json"]))["steps"] == 3
    animation = Image.open(io.BytesIO(b64decode(links["fit.gif"])))
    assert animation.n_frames == len(finished.steps)
    assert animation.size[0] == 192


def test_export_without_a_step_says_so(player, tmp_path):
    player.export_panel.export()
    assert "take a step first" in player.export_panel.links.value
    with pytest.raises(GanfitError):
        player.export(tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_export_does_not_block_the_event_loop(finished):
    async def scenario():
        finished._loop = finished.export_panel._loop = asyncio.get_running_loop()
        try:
            finished.export_panel.prepare.click()
            assert finished.export_panel.prepare.disabled
            while finished.export_panel.prepare.disabled:
                await asyncio.wait_for(asyncio.sleep(0.01), 0.2)
        finally:
            finished._loop = finished.export_panel._loop = None

    asyncio.run(scenario())
    assert "mesh.glb" in finished.export_panel.links.value


def test_weights_follow_switches_and_sliders():
    weights = LossWeights(content=0.0)
    controls = LossControls(weights)
    assert not controls.switches["content"].value
    controls.switches["content"].value = True
    assert weights.content == LossWeights().content
    controls.sliders["pixel"].value = 5.0
    assert weights.pixel == 5.0
    controls.switches["pixel"].value = False
    assert weights.pixel == 0
    assert controls.sliders["pixel"].disabled
    controls.sliders["pixel"].value = 7.0  # while off, it only says what will be
    assert weights.pixel == 0
    controls.switches["pixel"].value = True
    assert weights.pixel == 7.0


def test_switches_and_sliders_follow_weights_wherever_they_go():
    weights = LossWeights()
    controls = LossControls(weights)
    weights.pixel, weights.identity = 1e5, 0.0
    controls.refresh()
    assert weights.pixel == 1e5  # beyond the slider's usual end
    assert controls.sliders["pixel"].value == pytest.approx(1e5)
    assert not controls.switches["identity"].value
    assert controls.sliders["identity"].value == 2.0


def test_groups_follow_their_switches():
    free = FreeGroups(light=False)
    groups = GroupToggles(free)
    assert not groups.switches["light"].value
    groups.switches["identity"].value = False
    assert free.names() == {"expression", "texture", "camera"}
    free.light = True
    groups.refresh()
    assert groups.switches["light"].value


def test_every_control_says_what_it_is(player):
    controls = [*player.controls.switches.values(), *player.controls.sliders.values(), *player.groups.switches.values()]
    transport = player.transport
    controls += [transport.play, transport.pause, transport.step, transport.restart, transport.branch, transport.speed]
    controls += [player.colours, player.curves, player.export_panel.prepare]
    assert all(control.tooltip for control in controls)


@pytest.fixture(scope="module")
def fitted(photo, model, finished):
    return FittedPhoto.of(photo, model, finished.steps[-1].parameters)


def pixels(view):
    return np.asarray(view.picture()).astype(int)


def test_views_of_a_photo(photo, fitted):
    view = PhotoView(photo, size=96)
    alone = pixels(view)
    view.show(fitted)
    pictures = {}
    for view.view in VIEWS:
        pictures[view.view] = pixels(view)
    assert (pictures["photo"] == alone).all()
    assert (pictures["overlay"][:5] == alone[:5]).all()  # above the head
    assert abs(pictures["overlay"] - alone)[40:60, 40:60].mean() > 3
    assert pictures["difference"][:5].max() == 0
    view.view = "difference"
    assert "0.3" in view._bar.value
    view.view = "overlay"
    assert view._bar.value == ""
    assert pictures["texture"].std() > 10


def test_what_does_not_count_is_tinted(photo, fitted):
    """The fringe is hair and not skin, the cheek is skin, and the background belongs to no face."""
    view = PhotoView(photo, size=256)
    alone = pixels(view)
    view.show(fitted)
    view.view = "weight"
    tinted, scale = pixels(view) - alone, 256 / 512
    fringe, cheek, wall = ((round(scale * y), round(scale * x)) for x, y in ((250, 120), (190, 265), (20, 20)))
    assert tinted[fringe].tolist()[0] > 40 > 10 > tinted[fringe].tolist()[1]  # towards magenta
    assert abs(tinted[cheek]).max() < 10
    assert abs(tinted[wall]).max() == 0
    assert "counts for nothing" in view._bar.value


def test_a_fit_without_occlusion_counts_all_of_its_face(photo, model, finished):
    all_counts = FittedPhoto.of(photo, model, finished.steps[-1].parameters, occlusion=False)
    torch.testing.assert_close(all_counts.weight, all_counts.region[..., 0] * photo.inside)


def test_the_wipe_uncovers_the_photo_from_the_left(photo, fitted):
    view = PhotoView(photo, size=96)
    alone = pixels(view)
    view.show(fitted)
    over = pixels(view)
    view.wipe = 0.5
    half = pixels(view)
    assert (half[:, :48] == alone[:, :48]).all()
    assert (half[:, 50:] == over[:, 50:]).all()
    view.wipe = 1.0
    assert (pixels(view)[:, :95] == alone[:, :95]).all()


def test_landmarks_are_drawn_where_they_are(photo, fitted):
    view = PhotoView(photo, size=96)
    view.show(fitted)
    view._dots.value = True
    nose = photo.landmarks[30].round().int().tolist()
    red, _, blue = pixels(view)[nose[1] - 1, nose[0] - 1]
    assert red > 200 > blue
    assert "projected" in view._legend.value
