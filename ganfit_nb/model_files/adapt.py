"""Makes a FaceModel of a user's model: mm, our frame, landmarks, regions and our UV map."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ganfit_nb.closest_points import ClosestPoints, closest_points
from ganfit_nb.errors import GanfitError
from ganfit_nb.face_model import FaceModel
from ganfit_nb.landmarks import IBUG_68
from ganfit_nb.model_files.model_file import ModelFile
from ganfit_nb.model_files.registration import Registration, SeenPoints, register, see_points
from ganfit_nb.morphable import MorphableModel, SurfacePoints
from ganfit_nb.photo import default_detector
from ganfit_nb.rigid import rigid_transform
from ganfit_nb.texture import PcaTexture, TextureModel
from ganfit_nb.vertex_texture import VertexTexture

HEAD = 250.0  # mm, extent to which a mesh of unknown unit is brought to be looked at
SAME_UNIT = 1.33  # faces differ in size by less
COVER = 10.0  # mm from our surface; what lies farther (back of the head, shoulders) has no place in the UV map
ON_FACE = 5.0  # mm from our face region
POINT_REACH = 3.0  # mm; a landmark this far from the surface is trusted a third
REGISTERED = 0.6  # share of our face region that must find the other surface within ON_FACE


def adapt(file: ModelFile) -> tuple[FaceModel, float]:
    """(model, mm per unit of the file). The coefficients stay the file's own, so p_s and p_e can go back to it.

    Vertex k is vertex k of the file; copies for the UV map's seams come after them. Triangles far from the face are
    left out. GanfitError when no face is found on the mean.
    """
    known = MorphableModel.default()
    faces = outward(file.mean, file.faces)
    unit, seen = measured(file.mean, faces, known)
    registration = register(known, seen, _tensor(file.mean * unit), torch.from_numpy(faces))
    _require_face(registration, known)
    rotation, _ = rigid_transform(torch.from_numpy(file.mean * unit).double(), torch.from_numpy(registration.other))
    turn = (unit * rotation.T).numpy().astype(np.float32)

    layout = Layout.of(registration, known, faces)
    vertices = registration.other[layout.source]
    dense, weight = _dense_landmarks(registration, known, layout, vertices)
    morphable = MorphableModel(
        mean=_tensor(vertices),
        identity_basis=_tensor((file.identity @ turn)[:, layout.source]),
        expression_basis=_tensor((file.expression @ turn)[:, layout.source]),
        faces=torch.from_numpy(layout.faces),
        uv=_tensor(layout.uv),
        landmarks=dense[torch.as_tensor(IBUG_68)],
        dense_landmarks=dense,
        dense_weight=weight,
        contour=_contour(registration, known, layout, vertices),
        contour_direction=known.contour_direction,
        face_region=torch.from_numpy(layout.face_region),
        pixel_region=_tensor(layout.pixel_region),
    )
    texture: TextureModel = PcaTexture.default()
    if file.colour:
        source = layout.source
        mean, basis = _tensor(file.colour.mean[source]), _tensor(file.colour.basis[:, source])
        texture = VertexTexture(mean, basis, morphable.faces, morphable.uv)
    return FaceModel(morphable, texture), unit


def outward(vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]) -> Int[Array, "F 3"]:
    """The triangles counter-clockwise seen from outside: the volume between a surface and a point inside is positive,
    for a closed head and for a mask alike."""
    corner = vertices[faces].astype(np.float64)
    a, b, c = np.moveaxis(corner - (vertices.min(0) + vertices.max(0)) / 2, 1, 0)
    volume = (a * np.cross(b, c)).sum()
    return np.ascontiguousarray(faces if volume > 0 else faces[:, ::-1])


def measured(vertices: Array, faces: Int[Array, "F 3"], known: MorphableModel) -> tuple[float, SeenPoints]:
    """Millimetres per unit of the vertices, and the face's points in mm.

    The unit is a power of ten if that makes the face as large as faces are; else the file has a scale of its own, and
    the face is given the size of our mean.
    """
    guess = HEAD / float(np.ptp(vertices, axis=0).max())
    seen = see_points(_tensor(vertices * guess), torch.from_numpy(faces), default_detector(), known.dense_weight)
    sizes = [_spread(x, seen.weight) for x in (known.dense_landmarks.on(known.mean), seen.positions)]
    exact = guess * sizes[0] / sizes[1]
    unit = 10.0 ** round(np.log10(exact))
    if not 1 / SAME_UNIT < unit / exact < SAME_UNIT:
        unit = exact
    return unit, SeenPoints(seen.positions * (unit / guess), seen.weight)


def _spread(points: torch.Tensor, weight: torch.Tensor) -> float:
    good = points[weight > 0.3 * weight.max()]
    return float((good - good.mean(0)).norm())


def _require_face(registration: Registration, known: MorphableModel) -> None:
    distance, _ = cKDTree(registration.other).query(registration.ours[known.face_region.numpy()])
    if (distance < ON_FACE).mean() < REGISTERED:
        raise GanfitError("The model's mean does not have the shape of a face; is it another kind of model?")


class Layout:
    """The mesh cut as our UV map needs it.

    source  (N,) vertex of the file; the first V are 0..V-1, copies for seams follow
    faces   (G, 3) of these vertices; part (G,) the island each lies on: skin, an eyeball or the mouth of our model
    uv, face_region, pixel_region: as in MorphableModel
    """

    def __init__(self, source: Array, faces: Array, part: Array) -> None:
        self.source, self.faces, self.part = source, faces, part
        self.uv = np.zeros((len(source), 2))
        self.face_region = np.zeros(len(source), dtype=bool)
        self.pixel_region = np.zeros(len(source))

    @classmethod
    def of(cls, registration: Registration, known: MorphableModel, faces: Int[Array, "F 3"]) -> Layout:
        """Every triangle goes to the island that it is nearest to; a vertex on several islands is copied."""
        other, our_faces, label = registration.other, known.faces.numpy(), islands(known)
        centre = closest_points(other[faces].mean(1), registration.ours, our_faces)
        kept = centre.distance < COVER
        faces, part = faces[kept], label[centre.corners[kept, 0]]
        pairs, corner = np.unique(
            np.stack([faces, np.broadcast_to(part[:, None], faces.shape)], -1).reshape(-1, 2),
            axis=0,
            return_inverse=True,
        )
        first = np.r_[True, pairs[1:, 0] != pairs[:-1, 0]]
        copies = len(other) + np.cumsum(~first) - 1
        place = np.where(first, pairs[:, 0], copies)
        layout = cls(np.r_[np.arange(len(other)), pairs[~first, 0]], place[corner.reshape(-1, 3)], part)
        for island in np.unique(part):
            here = pairs[:, 1] == island
            found = closest_points(
                other[pairs[here, 0]], registration.ours, our_faces[label[our_faces[:, 0]] == island]
            )
            layout._copy(place[here], found, known)
        return layout

    def _copy(self, index: Int[Array, " n"], found: ClosestPoints, known: MorphableModel) -> None:
        """UV and regions of our surface at the points found."""
        near = found.distance < ON_FACE
        self.uv[index] = found.on(known.uv.numpy())
        self.face_region[index] = near & (found.on(known.face_region[:, None].numpy().astype(float))[:, 0] > 0.5)
        self.pixel_region[index] = near * found.on(known.pixel_region[:, None].numpy())[:, 0]

    def faces_of(self, island: int) -> Int[Array, "H 3"]:
        """The triangles on an island; all of them when the mesh has none there."""
        chosen = self.faces[self.part == island]
        return chosen if len(chosen) else self.faces


def islands(model: MorphableModel) -> Int[Array, " V"]:
    """A number for each vertex: the connected piece of the mesh that it belongs to."""
    edges = model.faces.numpy()[:, [0, 1, 1, 2]].reshape(-1, 2).T
    size = len(model.mean)
    return connected_components(coo_matrix((np.ones(edges.shape[1]), edges), shape=(size, size)), directed=False)[1]


def _dense_landmarks(
    registration: Registration, known: MorphableModel, layout: Layout, vertices: Float[Array, "N 3"]
) -> tuple[SurfacePoints, torch.Tensor]:
    """MediaPipe's points on the new mesh, each on the island it has on ours, and how far to trust them."""
    points = known.dense_landmarks.on(torch.from_numpy(registration.ours)).numpy()
    home = islands(known)[known.dense_landmarks.corners[:, 0].numpy()]
    corners, bary, distance = np.zeros((len(points), 3), int), np.zeros((len(points), 3)), np.zeros(len(points))
    for island in np.unique(home):
        here = home == island
        corners[here], bary[here], distance[here] = closest_points(points[here], vertices, layout.faces_of(int(island)))
    trust = _tensor(np.exp(-((distance / POINT_REACH) ** 2)))
    return SurfacePoints(torch.from_numpy(corners), _tensor(bary)), known.dense_weight * trust


def _contour(
    registration: Registration, known: MorphableModel, layout: Layout, vertices: Float[Array, "N 3"]
) -> Int[torch.Tensor, "17 C"]:
    """The nearest vertices to our lines of candidates for the jaw."""
    skin = np.unique(layout.faces_of(int(islands(known)[known.contour[0, 0]])))
    nearest = cKDTree(vertices[skin]).query(registration.ours[known.contour.numpy()])[1]
    return torch.from_numpy(skin[nearest])


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
