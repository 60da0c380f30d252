"""A textured mesh in the notebook, turned with the mouse. The only file that knows pythreejs."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pythreejs as three
import torch
from jaxtyping import Float, Int
from torch import Tensor
from traitlets import Bool, observe

from ganfit_nb.renderer import vertex_normals

DISTANCE = 700.0  # mm from the eye to the model's origin
FIELD_OF_VIEW = 22.0  # degrees: 270 mm at that distance, a head with some air around it
CLAY = np.array([185, 180, 174], np.uint8)
BACKGROUND = "#e9ebee"


class MeshView(widgets.VBox):
    """Shows a mesh (mm, y up) under a headlight; drag to orbit, scroll to zoom.

    `show` moves the mesh in place, so the reader's point of view stays. Faces and UV coordinates are fixed.
    `textured` tells whether the texture is shown or bare clay.
    """

    textured = Bool(True)

    def __init__(
        self,
        vertices: Float[Tensor, "V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"],
        texture: Float[Tensor, "H W 3"],
        *,
        size: int = 300,
    ) -> None:
        self._faces = faces
        self._colours = _bytes(texture)
        self._positions = three.BufferAttribute(_floats(vertices))
        self._normals = three.BufferAttribute(_unit_normals(vertices, faces))
        geometry = three.BufferGeometry(
            attributes={
                "position": self._positions,
                "normal": self._normals,
                "uv": three.BufferAttribute(_floats(uv)),
                "index": three.BufferAttribute(faces.cpu().numpy().astype(np.uint32).ravel(), normalized=False),
            }
        )
        self._texture = three.DataTexture(
            data=self._colours,
            format="RGBFormat",
            type="UnsignedByteType",
            magFilter="LinearFilter",
            minFilter="LinearFilter",
        )
        material = three.MeshPhongMaterial(map=self._texture, specular="#1a1a1a", shininess=12, side="DoubleSide")
        # A deforming mesh outgrows the bounding sphere three.js computed once.
        mesh = three.Mesh(geometry, material, frustumCulled=False)
        # A button, not a checkbox: while a cell is awaited, a kernel hears clicks but not every change of a value.
        self._look = widgets.Button(tooltip="The bare shape, or the shape with its texture", layout={"width": "auto"})
        self._look.on_click(lambda _: self.set_trait("textured", not self.textured))
        self._send_colours()
        super().__init__([_renderer(mesh, size), self._look])

    def show(self, vertices: Float[Tensor, "V 3"], texture: Float[Tensor, "H W 3"] | None = None) -> None:
        """Moves the vertices and, if given, exchanges the texture for one of the same size."""
        # Only a new array object is sent to the browser, not a change within one.
        self._positions.array = _floats(vertices)
        self._normals.array = _unit_normals(vertices, self._faces)
        if texture is not None:
            self._colours = _bytes(texture)
            self._send_colours()

    @observe("textured")
    def _send_colours(self, _: dict | None = None) -> None:
        # Clay is a texture of one colour: exchanging the material or its map does not reliably redraw.
        colours = self._colours if self.textured else np.broadcast_to(CLAY, self._colours.shape).copy()
        self._texture.data = colours
        self._look.description = "Show as clay" if self.textured else "Show texture"


def _renderer(mesh: three.Mesh, size: int) -> three.Renderer:
    # A child of the camera, above it: the light follows the eye, and relief shows.
    headlight = three.DirectionalLight(color="white", intensity=0.65, position=[0, DISTANCE / 3, 0])
    camera = three.PerspectiveCamera(
        fov=FIELD_OF_VIEW, near=10, far=10 * DISTANCE, position=[0, 0, DISTANCE], children=[headlight]
    )
    light = three.AmbientLight(color="white", intensity=0.6)
    scene = three.Scene(children=[mesh, camera, light], background=BACKGROUND)
    controls = three.OrbitControls(controlling=camera, enablePan=False, minDistance=100, maxDistance=5 * DISTANCE)
    return three.Renderer(camera=camera, scene=scene, controls=[controls], width=size, height=size, antialias=True)


def _unit_normals(vertices: Tensor, faces: Tensor) -> np.ndarray:
    return _floats(torch.nn.functional.normalize(vertex_normals(vertices, faces), dim=1))


def _floats(values: Tensor) -> np.ndarray:
    """A new array of its own, float32 as WebGL wants it."""
    return values.detach().cpu().to(torch.float32, copy=True).numpy()


def _bytes(texture: Tensor) -> np.ndarray:
    return (texture.detach().cpu().clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
