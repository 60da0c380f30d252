"""A photo is unwrapped: known maps come back where they are seen, and nothing is read where they are not."""

from dataclasses import replace

import pytest
import torch
from meshes import smooth_texture, two_eggs

from ganfit_nb import FaceModel, GanfitError, Photo
from ganfit_nb.own_skin import own_skin
from ganfit_nb.own_skin.focus import sharpness
from ganfit_nb.own_skin.prefiltered import prefiltered
from ganfit_nb.own_skin.skin import side_for
from ganfit_nb.own_skin.texels import Texels
from ganfit_nb.own_skin.unwrap import unwrap
from ganfit_nb.own_skin.visibility import seen
from ganfit_nb.renderer import vertex_normals
from ganfit_nb.renderer.camera import frontal_camera, orbit_camera, project

SIDE = 256
AMBIENT = torch.tensor([0.0, 300.0, 1000.0, 0, 0, 0, 1.0, 1.0, 1.0])
FROM_THE_SIDE = torch.tensor([700.0, 150.0, 500.0, 0.8, 0.75, 0.7, 0.35, 0.35, 0.38])


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


def photograph(model, parameters, albedo, size=512):
    """Its rendering as a photo, with the landmarks where they are."""
    vertices = model.vertices(parameters)
    picture = model.render_parts(vertices, albedo, parameters, size).image.clamp(0, 1)
    return Photo(
        image=picture,
        landmarks=model.landmarks(vertices, parameters.camera, size),
        dense=None,
        original=(picture * 255 + 0.5).to(torch.uint8),
        to_original=torch.eye(3)[:2],
        source="rendering",
        boxes=torch.zeros(1, 4),
        notes=(),
    )


@pytest.fixture(scope="module")
def texels(model):
    return Texels.of(model.morphable, SIDE)


def test_every_texel_is_the_point_of_the_surface_with_its_place_in_the_map(model, texels):
    place = texels.on(model.morphable.uv) * SIDE
    row, column = texels.fragments.pixels // SIDE, texels.fragments.pixels % SIDE
    torch.testing.assert_close(place, torch.stack([column, row], 1) + 0.5, atol=1e-2, rtol=0)
    eyes = texels.covered & ~texels.skin(model.morphable)
    assert bool(eyes[: SIDE // 8, : SIDE // 8].any())
    assert not bool(eyes[SIDE // 4 : 3 * SIDE // 4].any())


@torch.no_grad()
def test_a_known_map_comes_back_where_it_is_seen(model, texels):
    face = model.mean_parameters().replace(camera=orbit_camera(0.3, 0.1, 900.0), light=AMBIENT)
    truth = smooth_texture(SIDE)
    found = unwrap(photograph(model, face, truth), model, face, texels)
    # The photo shows no skin that the model would explain, so only the certain half of the weights can be asked for.
    certain = found.weight > 0.2 * found.weight.max()
    assert int(certain.sum()) > 3000
    assert float((found.colour - texels.read(truth))[certain].abs().mean()) < 0.01


@torch.no_grad()
def test_nothing_is_read_where_a_nearer_part_hides_it_or_might():
    vertices, faces, _ = two_eggs()
    normals = torch.nn.functional.normalize(vertex_normals(vertices, faces), dim=1)
    weight = seen(vertices, faces, vertices, normals, frontal_camera())
    half = len(vertices) // 2
    place = project(vertices, frontal_camera(), 1024)[:, :2]  # px, 3.7 a mm
    beside = torch.cdist(place[:half], place[half:]).amin(1)
    front = normals[:half, 2] > 0.7
    assert int((front & (beside < 3)).sum()) > 50
    assert float(weight[:half][front & (beside < 3)].max()) < 0.1  # behind the small egg or at its outline
    assert float(weight[:half][front & (beside > 15)].min()) > 0.999
    assert float(weight[:half][normals[:half, 2] < 0].max()) == 0.0


def test_many_pixels_in_a_texel_are_averaged_and_few_are_interpolated():
    board = torch.zeros(64, 64, 3, dtype=torch.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    places = 16 + 32 * torch.rand(100, 2)
    assert float((prefiltered(board, places, torch.full((100,), 4.0)) - 0.5).abs().max()) < 0.02
    ramp = (torch.arange(64)[None, :, None] * 4).expand(64, 64, 3).to(torch.uint8)
    values = prefiltered(ramp, places, torch.full((100,), 0.3))[:, 0] * 255
    torch.testing.assert_close(values, 4 * (places[:, 0] - 0.5), atol=0.3, rtol=0)


def test_what_is_out_of_focus_is_less_sharp():
    picture = torch.rand(128, 128)
    for _ in range(4):  # a scene with as much contrast in every octave
        picture = picture + torch.nn.functional.avg_pool2d(picture[None], 9, 1, 4)[0]
    blurred = torch.nn.functional.avg_pool2d(picture[None], 7, 1, 3)[0]
    both = torch.cat([picture[:, :64], blurred[:, 64:]], 1)
    found = sharpness(both)
    assert float(found[:, 80:110].median()) < 0.4 * float(found[:, 20:50].median())


@torch.no_grad()
def test_a_known_skin_under_hard_light_is_found_and_its_detail_is_the_photos(model):
    generator = torch.Generator().manual_seed(3)
    latent = torch.randn(512, generator=generator)
    face = model.mean_parameters().replace(texture=latent, light=FROM_THE_SIDE)
    truth = model.texture(latent)
    marked = truth.clone()
    marked[290:296, 345:352] *= 0.5  # a mole of 4 mm on the lit cheek, which no texture model has
    skin = own_skin([photograph(model, face, marked)], model, [face], 512)
    known = skin.weight > 0.5
    assert 0.1 < skin.seen < 0.8
    assert float((skin.albedo - marked)[known].abs().mean()) < 0.02
    mole = slice(291, 295), slice(347, 350)
    assert float((truth - skin.albedo)[mole].mean()) > 0.7 * float((truth - marked)[mole].mean())


@torch.no_grad()
def test_two_photos_show_more_than_one(model):
    faces = [model.mean_parameters().replace(camera=orbit_camera(yaw, 0.0)) for yaw in (-0.7, 0.7)]
    photos = [photograph(model, face, model.texture(face.texture)) for face in faces]
    one, both = own_skin(photos[:1], model, faces[:1], SIDE), own_skin(photos, model, faces, SIDE)
    assert both.seen > 1.2 * one.seen
    assert bool((both.weight >= one.weight - 1e-6).all())
    assert both.record()["side"] == SIDE


def test_a_large_face_gets_a_large_map(model):
    face = model.mean_parameters()
    with torch.no_grad():
        photo = photograph(model, face, model.texture(face.texture))
    assert side_for([photo]) == 1024
    assert side_for([photo, replace(photo, to_original=4 * photo.to_original)]) == 2048


def test_a_side_that_cannot_be_and_missing_parameters_are_told(model):
    face = model.mean_parameters()
    with torch.no_grad():
        photo = photograph(model, face, model.texture(face.texture))
    with pytest.raises(GanfitError, match="power of two"):
        own_skin([photo], model, [face], 1000)
    with pytest.raises(GanfitError, match="each photo its own"):
        own_skin([photo], model, [], SIDE)
