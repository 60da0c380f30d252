"""Makes a FaceModel of a user's model: in mm and in our frame, with our landmarks, regions and UV map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel, shipped_texture
from ganfit_nb.face.morphable import MorphableModel, SurfacePoints
from ganfit_nb.face.texture import TextureModel
from ganfit_nb.face.vertex_texture import VertexTexture
from ganfit_nb.geometry.closest_points import closest_points
from ganfit_nb.geometry.islands import islands
from ganfit_nb.geometry.rigid import rigid_transform
from ganfit_nb.model_files.model_file import ModelFile
from ganfit_nb.model_files.registration import Registration, SeenPoints, register, see_points
from ganfit_nb.photos.landmarks import IBUG_68
from ganfit_nb.photos.photo import default_detector

HEAD = 250.0  # mm; a mesh of unknown unit is scaled to this extent before the detector sees it
SAME_UNIT = 1.33  # faces differ in size by a smaller factor
COVER = 10.0  # mm from our surface; farther parts (back of the head, shoulders) have no place in the UV map
ON_FACE = 5.0  # mm from our surface; nearer points are on the face
POINT_REACH = 3.0  # mm; a landmark this far from the surface gets a third of its weight
STANDS_OUT = 0.1  # a nose stands out by at least this share of the way from mouth to eyes; most by 0.4
REGISTERED = 0.6  # share of our face region that must find the other surface within ON_FACE
UNLIKE = 5.0  # mean square of our coefficients; mean faces of other makers have 3, a ball has 8


def adapt(file: ModelFile) -> tuple[FaceModel, float]:
    """(model, mm per unit of the file). The model keeps the file's coefficients, so p_s and p_e mean the same there.

    Vertex k of the model is vertex k of the file. Copies for the UV map's seams come after all of these. Triangles far
    from the face are left out. A model without expressions gets ours. Raises GanfitError when no face is found on the
    mean, or when the mean cannot be registered to ours.
    """
    name = file.source or "The model"
    try:
        return _adapted(file)
    except GanfitError:
        raise
    except MemoryError as error:
        raise GanfitError(f"{name} needs more memory than there is; use a smaller model.") from error
    except Exception as error:  # arrays that could be read may still be no face
        raise GanfitError(f"{name} has no mean face that a photo can be fitted with; export it again.") from error


def _adapted(file: ModelFile) -> tuple[FaceModel, float]:
    known = MorphableModel.default()
    faces = outward(file.mean, file.faces)
    unit, seen = measured(file.mean, faces, known)
    registration = register(known, seen, float_tensor(file.mean * unit), torch.from_numpy(faces))
    _require_face(registration, known)
    rotation, _ = rigid_transform(torch.from_numpy(file.mean * unit).double(), torch.from_numpy(registration.other))
    turn = (unit * rotation.T).numpy().astype(np.float32)

    layout = Layout.of(registration, known, faces)
    vertices = registration.other[layout.source]
    dense, weight = _dense_landmarks(registration, known, layout, vertices)
    expression = float_tensor((file.expression @ turn)[:, layout.source])
    actions = torch.zeros(0, len(expression))
    if len(expression) == 0:  # it gets our expressions, because photos of neutral faces are rare
        expression, actions = layout.taken_from(known.expression_basis), known.actions
    morphable = MorphableModel(
        mean=float_tensor(vertices),
        identity_basis=float_tensor((file.identity @ turn)[:, layout.source]),
        expression_basis=expression,
        faces=torch.from_numpy(layout.faces),
        uv=layout.taken_from(known.uv),
        landmarks=dense[torch.as_tensor(IBUG_68)],
        dense_landmarks=dense,
        dense_weight=weight,
        contour=_contour(registration, known, layout, vertices),
        contour_direction=known.contour_direction,
        face_region=layout.near(known.face_region.float()) > 0.5,
        pixel_region=layout.near(known.pixel_region),
        actions=actions,
    )
    return FaceModel(morphable, _texture(file, layout, morphable)), unit


def _texture(file: ModelFile, layout: Layout, morphable: MorphableModel) -> TextureModel:
    """The file's own albedo. Without one, the shipped texture model: it fits, because the UV map is ours."""
    if file.colour is None:
        return shipped_texture("gan")
    mean, basis = float_tensor(file.colour.mean[layout.source]), float_tensor(file.colour.basis[:, layout.source])
    return VertexTexture(mean, basis, morphable.faces, morphable.uv)


def outward(vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]) -> Int[Array, "F 3"]:
    """The triangles in the order of corners that is counter-clockwise seen from outside.

    In this order the volume between the surface and a point inside is positive. This holds for a closed head and for
    an open mask.
    """
    corner = vertices[faces].astype(np.float64)
    a, b, c = np.moveaxis(corner - (vertices.min(0) + vertices.max(0)) / 2, 1, 0)
    volume = (a * np.cross(b, c)).sum()
    return np.ascontiguousarray(faces if volume > 0 else faces[:, ::-1])


def measured(vertices: Array, faces: Int[Array, "F 3"], known: MorphableModel) -> tuple[float, SeenPoints]:
    """The number of mm in a unit of the vertices, and the face's points in mm.

    The number is a power of ten if that makes the face as large as faces are. Otherwise the file has a scale of its
    own, and the number is chosen so that the face gets the size of our mean.
    """
    guess = HEAD / float(np.ptp(vertices, axis=0).max())
    seen = see_points(float_tensor(vertices * guess), torch.from_numpy(faces), default_detector(), known.dense_weight)
    _require_upright(seen)
    ours, theirs = (_spread(x[seen.reliable]) for x in (known.dense_landmarks.on(known.mean), seen.positions))
    exact = guess * ours / theirs
    unit = 10.0 ** round(np.log10(exact))
    if not 1 / SAME_UNIT < unit / exact < SAME_UNIT:
        unit = exact
    return unit, SeenPoints(seen.positions * (unit / guess), seen.weight)


def _require_upright(seen: SeenPoints) -> None:
    """Raises GanfitError when the eyes are not above the mouth, or when the nose does not stand out.

    The check is needed because the detector also finds upside-down faces and masks that are seen from behind.
    """
    marks = seen.positions[torch.as_tensor(IBUG_68)]
    eyes, mouth, nose = marks[36:48].mean(0), marks[48:].mean(0), marks[30]
    up, out = eyes - mouth, nose - (eyes + mouth) / 2
    if up[1] < up[0].abs() or out[2] < STANDS_OUT * up.norm():
        raise GanfitError(
            "The model's mean is not upright or is inside out; turn it so that +y is up and +z out of the face."
        )


def _spread(points: Float[Tensor, "N 3"]) -> float:
    return float((points - points.mean(0)).norm())


def _require_face(registration: Registration, known: MorphableModel) -> None:
    distance, _ = cKDTree(registration.other).query(registration.ours[known.face_region.numpy()])
    if (distance < ON_FACE).mean() < REGISTERED or (registration.coefficients**2).mean() > UNLIKE:
        raise GanfitError("The model's mean does not have the shape of a face; is it another kind of model?")


@dataclass(frozen=True)
class Layout:
    """The file's mesh, cut as our UV map needs it. Each vertex has its nearest point (corners, bary) on our surface.

    source    (N,) vertex of the file that each vertex is; the first V are 0..V-1, copies for seams follow
    faces     (G, 3) indices of these vertices
    part      (G,) the island each triangle lies on: skin, an eyeball or the mouth of our model
    distance  (N,) mm from our surface; infinite for vertices in no triangle, whose bary is 0
    """

    source: Int[Array, " N"]
    faces: Int[Array, "G 3"]
    part: Int[Array, " G"]
    corners: Int[Array, "N 3"]
    bary: Float[Array, "N 3"]
    distance: Float[Array, " N"]

    @classmethod
    def of(cls, registration: Registration, known: MorphableModel, faces: Int[Array, "F 3"]) -> Layout:
        """Puts every triangle on the island that it is nearest to. A vertex on several islands is copied."""
        ours, other, our_faces = registration.ours, registration.other, known.faces.numpy()
        label = islands(our_faces, len(ours))
        centre = closest_points(other[faces].mean(1), ours, our_faces)
        kept = centre.distance < COVER
        faces, part = faces[kept], label[centre.corners[kept, 0]]
        placed = np.stack([faces, np.broadcast_to(part[:, None], faces.shape)], -1).reshape(-1, 2)
        pairs, corner = np.unique(placed, axis=0, return_inverse=True)  # rows (vertex, island)
        first = np.r_[True, pairs[1:, 0] != pairs[:-1, 0]]
        place = np.where(first, pairs[:, 0], len(other) + np.cumsum(~first) - 1)
        source = np.r_[np.arange(len(other)), pairs[~first, 0]]
        corners, bary = np.zeros((len(source), 3), dtype=int), np.zeros((len(source), 3))
        distance = np.full(len(source), np.inf)
        for island in np.unique(part):
            here = pairs[:, 1] == island
            found = closest_points(other[pairs[here, 0]], ours, our_faces[label[our_faces[:, 0]] == island])
            corners[place[here]], bary[place[here]], distance[place[here]] = found
        return cls(source, place[corner.reshape(-1, 3)], part, corners, bary, distance)

    def taken_from(self, ours: Float[Tensor, "*b W d"]) -> Float[Tensor, "*b N d"]:
        """Carries values of our vertices over to the vertices of this mesh."""
        return SurfacePoints(torch.from_numpy(self.corners), float_tensor(self.bary)).on(ours)

    def near(self, ours: Float[Tensor, " W"]) -> Float[Tensor, " N"]:
        """The same for one number a vertex. It is 0 where our surface is farther than ON_FACE."""
        return self.taken_from(ours[:, None])[:, 0] * torch.from_numpy(self.distance < ON_FACE)

    def faces_of(self, island: int) -> Int[Array, "H 3"]:
        """The triangles on an island, or all triangles when the mesh has none there."""
        chosen = self.faces[self.part == island]
        return chosen if len(chosen) else self.faces


def _dense_landmarks(
    registration: Registration, known: MorphableModel, layout: Layout, vertices: Float[Array, "N 3"]
) -> tuple[SurfacePoints, Tensor]:
    """MediaPipe's points on the new mesh, each on the same island as on ours, and the weight of each."""
    points = known.dense_landmarks.on(torch.from_numpy(registration.ours)).numpy()
    home = islands(known.faces.numpy(), len(known.mean))[known.dense_landmarks.corners[:, 0].numpy()]
    corners, bary, distance = np.zeros((len(points), 3), int), np.zeros((len(points), 3)), np.zeros(len(points))
    for island in np.unique(home):
        here = home == island
        corners[here], bary[here], distance[here] = closest_points(points[here], vertices, layout.faces_of(int(island)))
    trust = float_tensor(np.exp(-((distance / POINT_REACH) ** 2)))
    return SurfacePoints(torch.from_numpy(corners), float_tensor(bary)), known.dense_weight * trust


def _contour(
    registration: Registration, known: MorphableModel, layout: Layout, vertices: Float[Array, "N 3"]
) -> Int[Tensor, "17 C"]:
    """The candidates for the jaw's landmarks: the vertices nearest to those of our mesh."""
    island = islands(known.faces.numpy(), len(known.mean))[known.contour[0, 0]]
    skin = np.unique(layout.faces_of(int(island)))
    nearest = cKDTree(vertices[skin]).query(registration.ours[known.contour.numpy()])[1]
    return torch.from_numpy(skin[nearest])


def float_tensor(values: Array) -> Tensor:
    """An array in single precision."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
