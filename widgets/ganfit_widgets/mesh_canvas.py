"""A lit mesh on a WebGL canvas that is turned with the mouse. The only file that knows pythreejs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
import pythreejs as three
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.camera import camera_axes

DISTANCE = 700.0  # mm from the eye to the model's origin
FIELD_OF_VIEW = 22.0  # degrees: 270 mm at that distance, a head with some air around it
BACKGROUND = "#e9ebee"
POINT_SIZE, POINT_COLOUR = 4, "#ffd400"
# lighting.phong's lobe, 0.08 (r·v)⁵, as three.js has it: Blinn's exponent is four times Phong's, and the peak
# 0.25 (exponent / 2 + 1) times the colour.
SPECULAR, SHININESS = "#070707", 20


class MeshCanvas:
    """The objects of one canvas. `widget` shows it; every other method sends only what changes.

    Within `with canvas.one_redraw():` several changes appear together.
    """

    def __init__(self, size: int) -> None:
        # A child of the camera, above it: the light follows the eye, and relief shows.
        self._headlight = three.DirectionalLight(color="white", position=[0, DISTANCE / 3, 0])
        self._lamp = three.PointLight(color="white", intensity=0.0)
        self._ambient = three.AmbientLight(color="white")
        self._camera = three.PerspectiveCamera(
            fov=FIELD_OF_VIEW, near=10, far=10 * DISTANCE, position=[0, 0, DISTANCE], children=[self._headlight]
        )
        self._fixed = [self._camera, self._ambient, self._lamp]
        self._mesh: three.Mesh | None = None
        self._points: three.Points | None = None
        self._scene = three.Scene(children=self._fixed, background=BACKGROUND)
        self._controls = three.OrbitControls(
            controlling=self._camera, enablePan=False, minDistance=100, maxDistance=5 * DISTANCE
        )
        self.widget = three.Renderer(
            camera=self._camera, scene=self._scene, controls=[self._controls], width=size, height=size, antialias=True
        )
        self.light_from_eye(0.6, 0.65)

    @contextmanager
    def one_redraw(self) -> Iterator[None]:
        """Holds the drawing back until the end of the block: no picture of half a change."""
        with self.widget.hold():
            yield

    def build(
        self,
        vertices: Float[Tensor, "V 3"],
        normals: Float[Tensor, "V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"],
        colours: np.ndarray,
    ) -> None:
        """Shows a mesh of any topology; `colours` is its texture, (H, W, 3) bytes."""
        self._attributes = {
            "position": three.BufferAttribute(_floats(vertices)),
            "normal": three.BufferAttribute(_floats(normals)),
            "uv": three.BufferAttribute(_floats(uv)),
        }
        index = three.BufferAttribute(faces.cpu().numpy().astype(np.uint32).ravel(), normalized=False)
        self._texture = three.DataTexture(
            data=np.ascontiguousarray(colours),
            format="RGBFormat",
            type="UnsignedByteType",
            magFilter="LinearFilter",
            minFilter="LinearFilter",
        )
        self._material = three.MeshPhongMaterial(
            map=self._texture,
            specular=SPECULAR,
            shininess=SHININESS,
            side="DoubleSide",
            polygonOffset=True,  # the surface steps back a little, so that points on it are seen
            polygonOffsetFactor=1.0,
            polygonOffsetUnits=4.0,
        )
        geometry = three.BufferGeometry(attributes={**self._attributes, "index": index})
        # A deforming mesh outgrows the bounding sphere three.js computed once.
        self._mesh = three.Mesh(geometry, self._material, frustumCulled=False)
        self._compose()

    def move(self, vertices: Float[Tensor, "V 3"], normals: Float[Tensor, "V 3"]) -> None:
        """Other positions of the same vertices."""
        # Only a new array object is sent to the browser, not a change within one.
        self._attributes["position"].array = _floats(vertices)
        self._attributes["normal"].array = _floats(normals)

    def paint(self, colours: np.ndarray, uv: Float[Tensor, "V 2"]) -> None:
        """Another texture of the same size, and where its colours go."""
        # Exchanging the material or its map does not reliably redraw.
        if not np.array_equal(colours, self._texture.data):
            self._texture.data = np.ascontiguousarray(colours)
        if not np.array_equal(uv.cpu().numpy(), self._attributes["uv"].array):
            self._attributes["uv"].array = _floats(uv)

    def wireframe(self, on: bool) -> None:
        """The edges alone, or the surface."""
        self._material.wireframe = on

    def points(self, points: Float[Tensor, "n 3"] | None) -> None:
        """Dots at these places (mm), or none."""
        self._points = None
        if points is not None and len(points):
            geometry = three.BufferGeometry(attributes={"position": three.BufferAttribute(_floats(points))})
            look = three.PointsMaterial(size=POINT_SIZE, sizeAttenuation=False, color=POINT_COLOUR)
            self._points = three.Points(geometry, look, frustumCulled=False)
        self._compose()

    def light_from_eye(self, ambient: float, headlight: float) -> None:
        """White light that follows the eye."""
        self._lamp.intensity = 0.0
        self._ambient.color, self._ambient.intensity = "#ffffff", ambient
        self._headlight.intensity = headlight

    def light_of(self, p_l: Float[Tensor, " 9"]) -> None:
        """The light of a fit (`lighting.phong`)."""
        self._headlight.intensity = 0.0
        self._lamp.position = p_l[:3].tolist()
        self._lamp.color, self._lamp.intensity = _colour(p_l[3:6])
        self._ambient.color, self._ambient.intensity = _colour(p_l[6:])

    @property
    def camera(self) -> Float[Tensor, " 7"]:
        """p_c of the present view, as the reader has turned it."""
        focal = 1.0 / math.tan(math.radians(self._camera.fov) / 2)
        return torch.tensor([*self._camera.position, *self._controls.target, focal])

    @camera.setter
    def camera(self, p_c: Float[Tensor, " 7"]) -> None:
        forward = camera_axes(p_c)[2].tolist()
        self._camera.fov = math.degrees(2 * math.atan(1.0 / float(p_c[6])))
        self._camera.quaternion = _looking(*forward)
        self._camera.position = p_c[:3].tolist()
        self._controls.target = p_c[3:6].tolist()

    def link(self, other: MeshCanvas) -> None:
        """Both are seen from the same place from now on; the other follows when the mouse lets go."""
        other.camera = self.camera
        for name in ("position", "quaternion", "fov"):
            widgets.jslink((self._camera, name), (other._camera, name))
        widgets.jslink((self._controls, "target"), (other._controls, "target"))

    def _compose(self) -> None:
        shown = [thing for thing in (self._mesh, self._points) if thing is not None]
        self._scene.children = [*self._fixed, *shown]


def _looking(x: float, y: float, z: float) -> list[float]:
    """The quaternion (x, y, z, w) of an upright camera that looks along a unit vector; three's own looks along -z."""
    yaw, pitch = math.atan2(-x, -z) / 2, math.asin(max(-1.0, min(1.0, y))) / 2
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
    return [cos_yaw * sin_pitch, sin_yaw * cos_pitch, -sin_yaw * sin_pitch, cos_yaw * cos_pitch]


def _colour(rgb: Tensor) -> tuple[str, float]:
    """A light's colour as three.js has it: at most 1, and an intensity."""
    rgb = rgb.detach().cpu().clamp(min=0.0)
    brightest = max(float(rgb.max()), 1e-6)
    return "#" + "".join(f"{round(255 * float(value) / brightest):02x}" for value in rgb), brightest


def _floats(values: Tensor) -> np.ndarray:
    """A new array of its own, float32 as WebGL wants it."""
    return values.detach().cpu().to(torch.float32, copy=True).numpy()
