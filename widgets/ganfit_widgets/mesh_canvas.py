"""A lit mesh on a WebGL canvas, drawn by ganfit_nb/results/mesh_viewer.js.

Mouse, touch and keys turn it.
"""

from __future__ import annotations

from importlib.resources import files

import anywidget
import ipywidgets as widgets
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from traitlets import Bool, Bytes, List, Tuple

DISTANCE, SPAN = 700.0, 270.0  # mm, from the eye to the model's origin, and the width that is visible there
FRONT = (0.0, 0.0, DISTANCE, 0.0, 0.0, 0.0, 2 * DISTANCE / SPAN)  # p_c
BACKGROUND = "#e9ebee"
POINT_COLOUR = "#ffd400"


class MeshCanvas(anywidget.AnyWidget):
    """One canvas. Its methods send only the changes. Changes in a block `with canvas.hold_sync():` appear together.

    camera  p_c of the present view, as the reader has turned it
    """

    _esm = files("ganfit_nb.results").joinpath("mesh_viewer.js").read_text(encoding="utf-8")
    vertices = Bytes().tag(sync=True)
    faces = Bytes().tag(sync=True)
    uv = Bytes().tag(sync=True)
    texels = Bytes().tag(sync=True)
    texture_size = Tuple((1, 1)).tag(sync=True)  # width, height
    points = Bytes().tag(sync=True)
    wireframe = Bool(False).tag(sync=True)
    camera = List(list(FRONT)).tag(sync=True)
    home = List(list(FRONT)).tag(sync=True)
    light = List([0.0] * 9).tag(sync=True)
    light_from_eye = Bool(True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__(layout={"width": "100%"})

    def build(self, vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> None:
        """Shows a mesh of any topology (mm). `paint` colours it."""
        self.faces = faces.cpu().numpy().astype(np.uint32).tobytes()
        self.move(vertices)

    def move(self, vertices: Float[Tensor, "V 3"]) -> None:
        """Moves the same vertices to other positions (mm)."""
        self.vertices = _floats(vertices)

    def paint(self, colours: np.ndarray, uv: Float[Tensor, "V 2"]) -> None:
        """Colours the mesh by a texture, (H, W, 3) bytes, and the place of each vertex in it (v = 0 is its top)."""
        self.texture_size = colours.shape[1::-1]
        self.texels = np.ascontiguousarray(colours).tobytes()
        self.uv = _floats(uv)

    def mark(self, points: Float[Tensor, "n 3"] | None) -> None:
        """Shows dots at these points (mm); None removes them."""
        self.points = b"" if points is None else _floats(points)

    def light_eye(self, ambient: float, headlight: float) -> None:
        """Sets a white light that follows the eye from above, so that relief is visible."""
        self.light_from_eye = True
        self.light = [0.0, DISTANCE / 3, 0.0, *[headlight] * 3, *[ambient] * 3]

    def light_by(self, p_l: Float[Tensor, " 9"]) -> None:
        """Sets the light of a fit (`lighting.phong`)."""
        self.light_from_eye = False
        self.light = p_l.tolist()

    @property
    def p_c(self) -> Float[Tensor, " 7"]:
        """The camera of the present view."""
        return torch.tensor(self.camera, dtype=torch.float32)

    @property
    def p_l(self) -> Float[Tensor, " 9"]:
        """The light of the present view."""
        light = torch.tensor(self.light, dtype=torch.float32)
        if self.light_from_eye:
            light[:3] += self.p_c[:3]
        return light

    def link(self, other: MeshCanvas) -> None:
        """From now on both canvases have the same view.

        The browser does this, so it also works while the kernel is busy.
        """
        other.camera = self.camera
        widgets.jslink((self, "camera"), (other, "camera"))


def _floats(values: Tensor) -> bytes:
    """The values as bytes, in the form that WebGL takes."""
    return values.detach().cpu().to(torch.float32).contiguous().numpy().tobytes()
