"""The shipped 3DMM: units, symmetry, modes, landmarks, the marching jaw and the UV layout."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.spatial import cKDTree

from ganfit_nb.assets import asset_path
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.renderer.camera import eye, orbit_camera, project

MODEL = MorphableModel.default()
MARKS = MODEL.landmarks.on(MODEL.mean)
NEUTRAL = torch.zeros(158), torch.zeros(29)


def mirror_index():
    """Mirror image of each vertex, by position on the mean and (for seams) in the UV map."""
    key = torch.cat([MODEL.mean, 100 * MODEL.uv], 1).numpy()
    mirrored = key * [-1, 1, 1, -1, 1] + [0, 0, 0, 100, 0]
    distance, index = cKDTree(key).query(mirrored)
    assert distance.max() < 0.1  # mm; the gums are not quite symmetric
    return torch.from_numpy(index)


def triangle_area_uv(faces):
    corner = MODEL.uv[faces].double()
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return -(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2  # v points down


def islands():
    """Connected component of each face."""
    label = np.arange(len(MODEL.mean))
    faces = MODEL.faces.numpy()
    while True:
        low = label[faces].min(1)
        before = label.copy()
        np.minimum.at(label, faces.ravel(), np.repeat(low, 3))
        if (before == label).all():
            return label[faces[:, 0]]


def test_sizes():
    assert MODEL.identity_basis.shape[0] == 158
    assert MODEL.expression_basis.shape[0] == 29
    assert 10_000 < len(MODEL.mean) < 15_000
    assert 20_000 < len(MODEL.faces) < 30_000
    assert len(MODEL.landmarks) == 68
    assert len(MODEL.dense_landmarks) == len(MODEL.dense_weight) == 478
    torch.testing.assert_close(MODEL.landmarks.bary.sum(1), torch.ones(68))


def test_zero_coefficients_give_the_mean():
    torch.testing.assert_close(MODEL.vertices(*NEUTRAL), MODEL.mean, rtol=0, atol=0)


def test_vertices_are_linear_in_the_modes():
    identity, expression = torch.randn(158), torch.randn(29)
    expected = MODEL.mean + torch.einsum("k,kvc->vc", identity, MODEL.identity_basis)
    expected = expected + torch.einsum("k,kvc->vc", expression, MODEL.expression_basis)
    torch.testing.assert_close(MODEL.vertices(identity, expression), expected, rtol=1e-4, atol=1e-3)


def test_millimetres():
    pupils = MODEL.dense_landmarks.on(MODEL.mean)[[468, 473]]
    assert 55 < float((pupils[0] - pupils[1]).norm()) < 70
    assert 90 < float((MARKS[27] - MARKS[8]).norm()) < 135  # nasion to chin


def test_the_frame_is_the_canonical_meshs():
    canonical = load_file(asset_path("canonical_face_mesh.safetensors"))["vertices"]
    ours = MODEL.dense_landmarks.on(MODEL.mean)[:468]
    assert float((ours.mean(0) - canonical.mean(0)).norm()) < 2.5
    assert float((ours - canonical).norm(dim=1).mean()) < 6


def test_mean_and_modes_are_symmetric():
    mirror, flip = mirror_index(), torch.tensor([-1.0, 1.0, 1.0])
    assert float((MODEL.mean[mirror] * flip - MODEL.mean).abs().max()) < 0.1
    for basis in (MODEL.identity_basis, MODEL.expression_basis):
        mirrored = (basis[:, mirror] * flip).flatten(1)
        cosine = (mirrored * basis.flatten(1)).sum(1) / basis.flatten(1).square().sum(1)
        torch.testing.assert_close(cosine.abs(), torch.ones(len(basis)), rtol=0, atol=2e-2)


@pytest.mark.parametrize(
    "basis",
    [
        MODEL.identity_basis[:100],
        MODEL.identity_basis[100:, MODEL.face_region],  # what fills up the measured ones is told by the face
        MODEL.expression_basis[:26],  # a wink and the gaze come after them
    ],
    ids=["measured", "filled", "expression"],
)
def test_modes_are_orthogonal_and_sorted(basis):
    flat = basis.flatten(1).double()
    length = flat.norm(dim=1)
    cosine = (flat @ flat.T) / length / length[:, None]
    assert float((cosine - torch.eye(len(basis))).abs().max()) < 0.02  # half precision and bytes in the file
    assert bool((length[1:] <= length[:-1] * 1.001).all())


def test_landmarks_lie_in_order():
    x, y, z = MARKS.T
    assert z[30] == z.max()  # the nose tip is foremost
    assert bool((x[36] < x[39]) & (x[39] < 0) & (x[42] > 0) & (x[42] < x[45]))  # eye corners
    assert bool((y[[37, 38]] > y[[41, 40]]).all() & (y[[43, 44]] > y[[47, 46]]).all())  # lids
    assert bool((y[17:27].mean() > y[36:48].mean()) & (y[36:48].min() > y[31:36].max()))  # brows, eyes, nose
    assert bool((y[51] > y[62]) & (y[62] >= y[66] - 0.5) & (y[66] > y[57]) & (y[57] > y[8]))  # lips and chin
    assert bool((x[1:16].diff() > 0).all())  # 0 and 16 are at the temples, above the jaw's widest part
    assert int(y.argmin()) == 8


def test_dense_landmarks_are_symmetric():
    canonical = load_file(asset_path("canonical_face_mesh.safetensors"))["vertices"].numpy()
    mirror = cKDTree(canonical).query(canonical * [-1, 1, 1])[1]
    points = MODEL.dense_landmarks.on(MODEL.mean)[:468]
    assert float((points[mirror] * torch.tensor([-1.0, 1.0, 1.0]) - points).norm(dim=1).median()) < 0.3


def test_the_jaw_is_the_outline_of_the_view():
    """On the far side, the jaw points stick out further than the fixed ones and reach the silhouette."""
    for yaw in (-0.5, 0.5):
        camera = orbit_camera(yaw, 0.0)
        jaw = project(MODEL.jaw(MODEL.mean, eye(camera)).on(MODEL.mean), camera, 512)
        fixed = project(MARKS[:17], camera, 512)
        far = slice(12, 16) if yaw < 0 else slice(1, 5)
        sign = 1 if yaw < 0 else -1
        assert bool((sign * (jaw[far, 0] - fixed[far, 0]) > 1).all())
        near = slice(1, 6) if yaw < 0 else slice(11, 16)
        assert float((jaw[near, :2] - fixed[near, :2]).norm(dim=1).max()) < 25


def test_the_jaw_carries_gradients():
    vertices = MODEL.mean.clone().requires_grad_(True)
    MODEL.landmarks68(vertices, torch.tensor([300.0, 0.0, 900.0])).sum().backward()
    assert float(vertices.grad.sum()) == pytest.approx(68 * 3, rel=1e-4)


def test_uv_is_symmetric_and_inside():
    assert float(MODEL.uv.min()) >= 0
    assert float(MODEL.uv.max()) <= 1
    mirrored = MODEL.uv[mirror_index()] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(mirrored, MODEL.uv, rtol=0, atol=1e-4)


def test_skin_and_eyes_neither_fold_nor_overlap_in_uv():
    label = islands()
    seen = label[(MODEL.pixel_region[MODEL.faces] > 0).any(1).numpy()]  # the skin and the two eyeballs
    chosen = MODEL.faces[torch.from_numpy(np.isin(label, seen))]
    area = triangle_area_uv(chosen)
    assert float(area.min()) > 0
    # without overlap a raster of the triangles, counted with multiplicity, covers each point at most once
    generator = np.random.default_rng(0)
    corner = MODEL.uv[chosen].double().numpy()
    for point in generator.random((400, 2)):
        e1, e2, d = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0], point - corner[:, 0]
        det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
        s = (d[:, 0] * e2[:, 1] - d[:, 1] * e2[:, 0]) / det
        t = (e1[:, 0] * d[:, 1] - e1[:, 1] * d[:, 0]) / det
        assert ((s > 0) & (t > 0) & (s + t < 1)).sum() <= 1


def test_faces_are_sound_and_wound_outwards():
    corner = MODEL.mean[MODEL.faces].double()
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert float(normal.norm(dim=1).min()) > 1e-5
    assert len(torch.unique(MODEL.faces)) == len(MODEL.mean)
    near_tip = (corner.mean(1) - MARKS[30]).norm(dim=1) < 6
    assert bool((normal[near_tip, 2] > 0).all())


def test_regions():
    region = MODEL.face_region
    assert 3000 < int(region.sum()) < 9000
    # everything the landmarks touch above the jaw is face proper or at least seen by the photometric loss
    assert bool((MODEL.pixel_region[MODEL.landmarks.corners[17:]] > 0).all())
    assert float(MODEL.pixel_region.min()) == 0
    assert float(MODEL.pixel_region.max()) == 1


def test_wrong_lengths_and_files_are_refused(tmp_path):
    with pytest.raises(GanfitError, match="158"):
        MODEL.vertices(torch.zeros(10), torch.zeros(29))
    save_file({"mean": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    for name in ("other.safetensors", "text.safetensors"):
        with pytest.raises(GanfitError, match="morphable model"):
            MorphableModel.load(tmp_path / name)


def moved(**actions):
    """How far facial actions move the 68 points, mm."""
    return MODEL.landmarks.on(MODEL.vertices(NEUTRAL[0], MODEL.expression(actions))) - MARKS


def opening(marks, upper, lower):
    return float((marks[upper, 1] - marks[lower, 1]).mean())


def test_actions_move_what_their_names_say():
    assert moved(jawOpen=1.0)[8, 1] < -15  # the chin
    assert moved(browInnerUp=1.0)[[21, 22], 1].min() > 1.5
    assert moved(jawForward=1.0)[8, 2] > 4
    assert moved(jawLeft=1.0)[8, 0] > 4  # to the subject's left
    smile = moved(mouthSmileLeft=1.0)
    assert smile[54, 1] > 4  # the subject's left corner of the mouth
    assert smile[48].norm() < 0.3 * smile[54].norm()


def test_every_point_of_a_lip_goes_with_its_lip():
    """MediaPipe's rows of points from corner to corner, without the corners."""
    upper = (185, 40, 39, 37, 0), (184, 74, 73, 72, 11), (183, 42, 41, 38, 12), (191, 80, 81, 82, 13)
    lower = (146, 91, 181, 84, 17), (77, 90, 180, 85, 16), (96, 89, 179, 86, 15), (95, 88, 178, 87, 14)
    open_mouth = MODEL.vertices(NEUTRAL[0], MODEL.expression({"jawOpen": 0.3}))
    down = -(MODEL.dense_landmarks.on(open_mouth) - MODEL.dense_landmarks.on(MODEL.mean))[:, 1]
    assert float(down[list(sum(upper, ()))].max()) < 3  # mm
    assert float(down[list(sum(lower, ()))].min()) > 5


def test_the_corners_of_the_lips_stay_together():
    """Also with the mouth open and smiling: the four points of a corner are within 4 mm, half an open mouth's gap."""
    action = MODEL.expression({"jawOpen": 0.3, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5})
    marks = MODEL.dense_landmarks.on(MODEL.vertices(NEUTRAL[0], action))
    for corner in ([61, 76, 62, 78], [291, 306, 292, 308]):
        assert float(torch.pdist(marks[corner]).max()) < 4


def test_one_eye_blinks():
    eyes = {"Left": ([43, 44], [47, 46]), "Right": ([37, 38], [41, 40])}
    for side, other in (("Left", "Right"), ("Right", "Left")):
        marks = MARKS + moved(**{f"eyeBlink{side}": 1.0})
        assert opening(marks, *eyes[side]) < 0.4 * opening(
            MARKS, *eyes[side]
        )  # the points lie beside the lids' margins
        assert opening(marks, *eyes[other]) > 0.9 * opening(MARKS, *eyes[other])


def test_the_eyes_turn_with_the_gaze():
    iris = MODEL.dense_landmarks[torch.tensor([468, 473])]
    at_rest = iris.on(MODEL.mean)
    ways = {"Out": (0, 1.0, "In"), "Up": (1, 1.0, "Up"), "Down": (1, -1.0, "Down")}
    for way, (axis, sign, other) in ways.items():
        look = MODEL.expression({f"eyeLook{way}Left": 1.0, f"eyeLook{other}Right": 1.0})
        moved = iris.on(MODEL.vertices(NEUTRAL[0], look)) - at_rest
        assert bool((sign * moved[:, axis] > 3).all()), way  # mm


def test_filled_modes_lie_beyond_the_measured_ones():
    """On the face the two are orthogonal."""
    flat = MODEL.identity_basis[:, MODEL.face_region].flatten(1)
    flat = flat / flat.norm(dim=1, keepdim=True)
    assert float((flat[:100] @ flat[100:].T).abs().max()) < 0.02


def test_actions_of_one_side_mirror_those_of_the_other():
    mirror, flip = mirror_index(), torch.tensor([-1.0, 1.0, 1.0])
    pairs = [name for name in FACIAL_ACTIONS if name.endswith("Left")]
    assert len(pairs) == 20
    for name in pairs:
        left = torch.einsum("e,evc->vc", MODEL.expression({name: 1.0}), MODEL.expression_basis)
        right = torch.einsum(
            "e,evc->vc", MODEL.expression({name.removesuffix("Left") + "Right": 1.0}), MODEL.expression_basis
        )
        assert float((left[mirror] * flip - right).norm()) < 0.05 * float(right.norm()), name


def test_actions_add_up_and_only_the_tongue_moves_nothing():
    both = MODEL.expression({"jawOpen": 0.5, "eyeBlinkLeft": 1.0})
    torch.testing.assert_close(both, 0.5 * MODEL.expression({"jawOpen": 1.0}) + MODEL.expression({"eyeBlinkLeft": 1.0}))
    assert (MODEL.expression({}) == 0).all()
    idle = [name for name in FACIAL_ACTIONS if not MODEL.expression({name: 1.0}).any()]
    assert idle == ["tongueOut"]
    assert len(set(FACIAL_ACTIONS)) == len(MODEL.actions) == 52


def test_unknown_actions_are_refused():
    with pytest.raises(GanfitError, match="eyesShut"):
        MODEL.expression({"eyesShut": 1.0})
    with pytest.raises(GanfitError, match="modes of its own"):
        replace(MODEL, actions=torch.zeros(0, 29)).expression({"jawOpen": 1.0})


def test_random_faces_keep_the_order_of_their_features():
    """Plausibility: eyes over nose over mouth over chin, in 20 random heads with random expressions."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        vertices = MODEL.vertices(torch.randn(158, generator=generator), 0.7 * torch.randn(29, generator=generator))
        y = MODEL.landmarks68(vertices, torch.tensor([0.0, 0.0, 1000.0]))[:, 1]
        assert y[36:48].mean() > y[30] > y[51] > y[57] > y[8]
        assert math.isfinite(float(vertices.abs().max()))
        assert float(vertices.abs().max()) < 250
