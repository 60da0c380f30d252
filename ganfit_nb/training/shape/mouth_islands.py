"""Places teeth, gums and the mouth's walls in the UV map, and paints their albedo.

Each half of the mouth has three islands in a bottom corner: the upper teeth and the lower teeth, unrolled along the
dental arch, and all the rest, seen from above. The renderer casts no shadows, so the albedo gets darker with the depth
behind the front teeth.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray as Array

from ganfit_nb.face.mouth import HEIGHT, WIDTH
from ganfit_nb.training.shape.head_mesh import HeadMesh
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.skin.uv_layout import _nearest_filled, _rasterize

SIZE = 512  # texels, side of the map that the stored albedo belongs to
FINE = 4  # the painting is finer by this factor, and then averaged
# (left, top, right, bottom) for the subject's right half, as shares of the map's side, from the corner's left and top.
BOXES = {
    Part.UPPER_TEETH: (0.008, 0.010, 0.085, 0.050),
    Part.LOWER_TEETH: (0.008, 0.070, 0.085, 0.112),
    Part.MOUTH: (0.098, 0.020, 0.134, 0.112),
}
ARCH = 30.0  # mm from the front teeth back to the centre of the dental arch
TOOTH, GUM = (0.70, 0.63, 0.53), (0.55, 0.27, 0.24)
TOOTH_DEPTH, GUM_DEPTH = 28.0, 16.0  # mm; at this depth 1/e of the light is left


def mouth_uv(points: Float[Array, "n 3"], part: Part, left: Bool[Array, " n"]) -> Float[Array, "n 2"]:
    """uv of the vertices of one part, which are given in mm. Both halves have the same layout."""
    across, depth = np.abs(points[:, 0]), points[:, 2].max() - points[:, 2]
    if part == Part.MOUTH:
        along, down = across, depth
    else:
        along, down = np.arctan2(across, ARCH - depth), -points[:, 1]
    box = np.reshape(BOXES[part], (2, 2)) + np.array([0, 1 - HEIGHT])
    place = np.stack([along, down], 1)
    low, high = place.min(0), place.max(0)
    uv = box[0] + (place - low) / (high - low) * (box[1] - box[0])
    uv[:, 0] = np.where(left, 1 - uv[:, 0], uv[:, 0])
    return uv


def paint_mouth(mesh: HeadMesh, mean: Float[Array, "V 3"], uv: Float[Array, "V 2"]) -> UInt8[Array, "h w 3"]:
    """The albedo of the bottom left corner of a map of 512 texels."""
    inside = mesh.parts >= Part.MOUTH
    teeth = mesh.parts > Part.MOUTH
    depth = np.maximum(mean[teeth, 2].max() - mean[:, 2], 0)
    light = np.exp(-depth / np.where(teeth, TOOTH_DEPTH, GUM_DEPTH))
    colour = np.where(teeth[:, None], TOOTH, GUM) * light[:, None]
    faces = mesh.faces[inside[mesh.faces].all(1) & (uv[mesh.faces, 0].mean(1) < 0.5)]
    index, bary = _rasterize(uv, faces, SIZE * FINE, 1e-6)
    near = _nearest_filled(index >= 0)[-round(HEIGHT * SIZE) * FINE :, : round(WIDTH * SIZE) * FINE]
    painted = np.einsum("hwk,hwkc->hwc", bary.reshape(-1, 3)[near], colour[faces[index.ravel()[near]]])
    height, width = (n // FINE for n in painted.shape[:2])
    coarse = painted.reshape(height, FINE, width, FINE, 3).mean((1, 3))
    return np.round(255 * coarse).astype(np.uint8)
