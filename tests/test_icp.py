"""ICP and the distances between meshes: against known answers, and against trimesh and Open3D."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from ganfit_nb import GanfitError
from ganfit_nb.evaluation.croppers import within
from ganfit_nb.evaluation.distances import point_to_plane, point_to_point, symmetric_distance
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.aligners import onto_planes, onto_points
from ganfit_nb.geometry.closest_points import closest_points
from ganfit_nb.geometry.correspondences import closest_on_surface, closest_vertex
from ganfit_nb.geometry.icp import icp
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface

TURN = Rotation.from_euler("xyz", [6, 5, 4], degrees=True).as_matrix()
RIGID, SCALED = (Similarity(scale, TURN, np.array([4.0, -3.0, 6.0])) for scale in (1.0, 1.05))


@pytest.fixture(scope="module")
def head() -> Surface:
    model = MorphableModel.default()
    return Surface(model.mean.double().numpy(), model.faces.numpy())


@pytest.fixture(scope="module")
def face(head) -> Surface:
    return head.kept(within(head.vertices, nose(head)))


def nose(surface):
    return surface.vertices[surface.vertices[:, 2].argmax()]


def moved(surface, motion):
    return Surface(motion(surface.vertices), surface.faces)


def sheet(height=0.0, shift=0.0) -> Surface:
    x, y = (a.ravel() for a in np.meshgrid(np.arange(40.0), np.arange(40.0)))
    corner = (np.arange(39)[:, None] * 40 + np.arange(39)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 41], 1), np.stack([corner, corner + 41, corner + 40], 1)]
    )
    return Surface(np.stack([x + shift, y, np.full_like(x, height)], 1), faces)


def ball(radius) -> Surface:
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Surface(np.array(sphere.vertices), np.array(sphere.faces))


def off(step, truth):
    """Mean distance of the moved source's vertices from where they came from, mm."""
    return np.linalg.norm(step.vertices - truth.vertices, axis=1).mean()


@pytest.mark.parametrize(("motion", "scaled"), [(RIGID, False), (SCALED, True)])
def test_a_moved_scan_comes_back_onto_itself(head, face, motion, scaled):
    steps = list(icp(moved(face, motion), head, scaled=scaled, align=onto_planes))
    assert off(steps[0], face) > 5
    assert off(steps[-1], face) < 0.01
    assert steps[-1].transform.scale == pytest.approx(1 / motion.scale, abs=1e-4)
    whole = steps[-1].transform.after(motion)  # there and back again
    np.testing.assert_allclose(whole.rotation, np.eye(3), atol=1e-4)


def test_the_papers_icp_arrives_too_only_slower(head, face):
    steps = list(icp(moved(face, RIGID), head, scaled=False))
    assert [step.index for step in steps] == list(range(len(steps)))
    assert off(steps[-1], face) < 0.15
    assert symmetric_distance(moved(face, steps[-1].transform.after(RIGID)), head).mean < 0.05


def test_without_scale_a_larger_face_stays_larger(head, face):
    *_, last = icp(moved(face, SCALED), head, scaled=False, align=onto_planes)
    assert last.transform.scale == 1
    assert off(last, face) > 2


def test_noise_moves_the_answer_by_much_less_than_itself(head, face):
    noise = np.random.default_rng(0).normal(0, 0.5, face.vertices.shape)
    *_, last = icp(moved(Surface(face.vertices + noise, face.faces), RIGID), head, scaled=False, align=onto_planes)
    back = last.transform.after(RIGID)(face.vertices)
    assert np.linalg.norm(back - face.vertices, axis=1).mean() < 0.1  # mm, of noise of 0.5
    assert 0.3 < last.rms < 0.5  # the part of the noise across the surface


def test_half_a_scan_with_holes_is_enough(head, face):
    rng = np.random.default_rng(1)
    keep = face.vertices[:, 0] > -5
    for centre in face.vertices[rng.integers(0, len(face.vertices), 8)]:
        keep &= np.linalg.norm(face.vertices - centre, axis=1) > 8
    scan = face.kept(keep)
    *_, last = icp(moved(face, RIGID), scan, scaled=False, align=onto_planes)
    assert off(last, face) < 0.01
    assert last.used.mean() < 0.6


def test_planes_apart():
    ground, above = sheet(), sheet(height=3.0, shift=0.25)
    assert symmetric_distance(ground, above).mean == pytest.approx(3)
    assert symmetric_distance(ground, above, distance=point_to_point).mean == pytest.approx(3)
    assert symmetric_distance(ground, above).covered < 1  # where one sheet goes beyond the other


def test_a_point_off_the_normal_is_nearer_to_the_plane_than_to_the_point():
    partners = closest_vertex(np.array([[10.4, 10.0, 3.0]]), sheet())
    point = np.array([[10.4, 10.0, 3.0]])
    assert point_to_plane(point, partners)[0] == pytest.approx(3)
    assert point_to_point(point, partners)[0] == pytest.approx(np.hypot(3, 0.4))


def test_balls_one_inside_the_other():
    found = symmetric_distance(ball(50.0), ball(52.0))
    assert found.forward == pytest.approx(2, abs=0.03)
    assert found.backward == pytest.approx(2, abs=0.03)
    *_, last = icp(ball(50.0), ball(52.0), scaled=True)
    assert last.transform.scale == pytest.approx(1.04, abs=1e-3)


def test_the_closest_points_are_those_of_brute_force(face):
    points = nose(face) + np.random.default_rng(2).normal(0, 30, (50, 3))
    found = closest_points(points, face.vertices, face.faces)
    corners = face.vertices[face.faces]
    for point, distance in zip(points, found.distance, strict=True):
        nearest = trimesh.triangles.closest_point(corners, np.broadcast_to(point, (len(corners), 3)))
        assert distance <= np.linalg.norm(nearest - point, axis=1).min() + 0.2  # the sixteen nearest centres decide
    on_mesh = (face.vertices[found.corners] * found.bary[..., None]).sum(1)
    np.testing.assert_allclose(np.linalg.norm(on_mesh - points, axis=1), found.distance, atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
def test_trimesh_finds_the_same_motion(face, scaled):
    start = moved(inner_part(face), SCALED if scaled else RIGID)
    options = {"reflection": False, "scale": scaled}
    theirs = trimesh.registration.icp(start.vertices, face.vertices, max_iterations=60, threshold=0, **options)[1]
    transform = Similarity.identity()
    for _ in range(60):
        points = transform(start.vertices)
        partners = closest_vertex(points, face)
        transform = onto_points(points, partners.points, partners.normals, scaled).after(transform)
    np.testing.assert_allclose(transform(start.vertices), theirs, atol=1e-3)


def inner_part(face) -> Surface:
    """The inner part of the face, so that every partner lies inside the other mesh."""
    return face.kept(within(face.vertices, nose(face), 70.0))


def test_open3d_finds_the_same_motion_and_distances(head, face):
    o3d = pytest.importorskip("open3d")
    start = moved(inner_part(face), RIGID)
    source, target = o3d.geometry.PointCloud(), o3d.geometry.PointCloud()
    source.points, target.points = (o3d.utility.Vector3dVector(s.vertices) for s in (start, head))
    target.normals = o3d.utility.Vector3dVector(head.normals)
    method = o3d.pipelines.registration.TransformationEstimationPointToPlane()
    theirs = o3d.pipelines.registration.registration_icp(source, target, 30.0, np.eye(4), method).transformation
    *_, last = icp(start, head, scaled=False, align=onto_planes)
    back = start.vertices @ theirs[:3, :3].T + theirs[:3, 3]
    assert np.linalg.norm(back - last.vertices, axis=1).mean() < 0.05
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(head.vertices.astype(np.float32), head.faces.astype(np.uint32))
    points = face.vertices + np.random.default_rng(3).normal(0, 1.5, face.vertices.shape)
    theirs = scene.compute_distance(points.astype(np.float32)).numpy()
    off = closest_on_surface(points, head).distance - theirs
    assert off.min() > -1e-4  # a point of the mesh is never nearer than the nearest
    assert (off > 0.01).mean() < 0.006  # among the sixteen nearest centres the nearest triangle is rarely missing


def test_meshes_that_do_not_meet_are_refused(face):
    with pytest.raises(GanfitError, match="overlap"):
        list(icp(moved(face, Similarity(1.0, np.eye(3), np.array([900.0, 0, 0]))), face, scaled=False))


def test_a_broken_mesh_file_is_explained(tmp_path):
    (tmp_path / "scan.obj").write_bytes(b"v 1 2\nf 1 2 99999\n\x00\xff")
    with pytest.raises(GanfitError, match="cannot be read"):
        Surface.read(tmp_path / "scan.obj")
