"""Shows a mesh in the notebook: textured, as clay, with wires, or coloured by a number at every vertex."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageColor, ImageDraw
from torch import Tensor
from traitlets import Bool, observe

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer import render
from ganfit_nb.renderer.camera import project
from ganfit_nb.results.export import to_pil
from ganfit_widgets.colour_map import ColourScale
from ganfit_widgets.component import Component, button, grow, light_up
from ganfit_widgets.mesh_canvas import BACKGROUND, FRONT, POINT_COLOUR, MeshCanvas

CLAY = np.array([185, 180, 174], np.uint8)
COLOURS = 256  # number of colours in the heat map of a mesh without a texture
EDGE_COLOUR, EDGE_STRENGTH = "#0d1a33", 0.3
HEADLIGHT, SOFT_LIGHT = (0.6, 0.65), (0.85, 0.2)  # (ambient, headlight); the soft one is for heat maps


class MeshView(Component):
    """Shows a mesh (mm, y up). Drag to turn it. With the focus on it, arrows turn it, the wheel zooms. To use it alone:

        view = MeshView(vertices, model.morphable.faces, model.morphable.uv, texture)
        display(view)
        view.show_values(distances, label="distance from the scan", unit="mm")

    textured   whether the texture is shown; else the mesh is clay
    wireframe  whether the edges are drawn over it
    fit_view   whether it has the camera and light of `follow`; else a light follows the eye

    `vertices` (V, 3) and `values` (V,) are copies of what is shown. Change them by `show` and `show_values`.
    """

    textured = Bool(True)
    wireframe = Bool(False)
    fit_view = Bool(False)

    def __init__(
        self,
        vertices: Float[Tensor, "V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"] | None = None,
        texture: Float[Tensor, "H W 3"] | None = None,
        *,
        size: int = 300,
    ) -> None:
        self.size = size
        self.vertices: Tensor
        self._faces: Tensor
        self._uv: Tensor
        self._texture: Tensor
        self._canvas = MeshCanvas()
        self._scale: ColourScale | None = None
        self.values: Tensor | None = None
        self._points: Tensor | None = None
        self._fit: tuple[Tensor, Tensor] | None = None
        # These are buttons because a kernel receives every click, but not every change of a value, while a cell awaits.
        self._look = button("Texture", "", "The texture, or bare clay", lambda: self._flip("textured"))
        self._wires = button("Wires", "", "The edges of the triangles", lambda: self._flip("wireframe"))
        self._view = button("Fit's view", "", "Camera and light as fitted", lambda: self._flip("fit_view"))
        self._bar = widgets.HTML()
        buttons = widgets.HBox([self._look, self._wires, self._view])
        buttons.add_class("ganfit-row")
        super().__init__([self._canvas, self._bar, buttons])
        self.add_class("ganfit-mesh")
        grow(self, size)
        self.show_mesh(vertices, faces, uv, texture)

    def show(self, vertices: Float[Tensor, "V 3"], texture: Float[Tensor, "H W 3"] | None = None) -> None:
        """Moves the vertices and, if given, replaces the texture. The reader's point of view stays.

        Raises GanfitError when the number of vertices differs; `show_mesh` takes any number.
        """
        if vertices.shape != self.vertices.shape:
            raise GanfitError(
                f"The mesh has {len(self.vertices)} vertices, not {len(vertices)}; give another mesh to show_mesh."
            )
        if texture is not None and texture.shape != self._texture.shape:
            self.show_mesh(vertices, self._faces, self._uv, texture)
            return
        with self._one_redraw():
            self.vertices = _copy(vertices)
            self._canvas.move(self.vertices)
            if texture is not None:
                self._texture = _copy(texture)
                self._paint()

    def show_mesh(
        self,
        vertices: Float[Tensor, "V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"] | None = None,
        texture: Float[Tensor, "H W 3"] | None = None,
    ) -> None:
        """Shows another mesh of any topology. Without uv and texture it is clay. Values and points are removed."""
        if (uv is None) != (texture is None):
            raise GanfitError("A texture needs UV coordinates, and these a texture; give both or none.")
        self.vertices, self._faces = _copy(vertices), faces
        self._has_texture = texture is not None
        self._uv = torch.zeros(len(vertices), 2) if uv is None else _copy(uv)
        self._texture = torch.zeros(2, COLOURS, 3) if texture is None else _copy(texture)
        self._scale = self.values = self._points = None
        self._look.layout.display = None if self._has_texture else "none"
        with self._one_redraw():
            self._canvas.mark(None)
            self._canvas.build(self.vertices, faces)
            self._paint()

    def show_values(
        self,
        values: Float[Tensor, " V"] | None,
        *,
        label: str = "",
        unit: str = "",
        limits: tuple[float, float] | None = None,
        diverging: bool = False,
    ) -> None:
        """Colours the surface by a number at every vertex, with a colour bar. None removes the colours.

        Without `limits` the colours span the values. A vertex whose value is NaN is clay.
        """
        if values is not None and values.shape != self.vertices.shape[:1]:
            raise GanfitError(
                f"One value for each of {len(self.vertices)} vertices is needed, not {tuple(values.shape)}."
            )
        self.values = None if values is None else _copy(values)
        self._scale = None if values is None else ColourScale.of(values, label, unit, limits, diverging)
        with self._one_redraw():
            self._paint()

    def show_points(self, points: Float[Tensor, "n 3"] | None) -> None:
        """Shows dots on the surface, such as landmarks (mm); None removes them."""
        self._points = None if points is None else _copy(points)
        with self._one_redraw():
            self._canvas.mark(self._points)

    def follow(self, camera: Float[Tensor, " 7"], light: Float[Tensor, " 9"]) -> None:
        """Sets p_c and p_l of a fit, which are used while `fit_view` is on."""
        self._fit = _copy(camera), _copy(light)
        self._fit_view_changed()

    def link(self, other: MeshView) -> None:
        """From now on both meshes have the same view."""
        self._canvas.link(other._canvas)

    def reset_view(self) -> None:
        """Shows the mesh from the front again, in the neutral light."""
        self.fit_view = False
        self._canvas.camera = list(FRONT)

    def picture(self) -> Image.Image:
        """The mesh as the reader has turned it, with its colour bar."""
        colours, uv = self._colours()
        camera, light = self._canvas.p_c, self._canvas.p_l
        texture = torch.from_numpy(np.array(colours)).float() / 255
        background = torch.tensor(ImageColor.getrgb(BACKGROUND)) / 255
        with torch.no_grad():
            image = render(
                self.vertices, self._faces, uv, texture, camera, light, self.size, background=background
            ).image
        picture = to_pil(image)
        if self.wireframe:
            picture = _draw_edges(picture, self.vertices, self._faces, camera)
        if self._points is not None:
            _draw_points(picture, project(self._points, camera, self.size)[:, :2])
        if not self._scale:
            return picture
        bar = self._scale.draw_bar(self.size)
        both = Image.new("RGB", (self.size, self.size + bar.height), "white")
        both.paste(picture)
        both.paste(bar, (0, self.size))
        return both

    def _flip(self, name: str) -> None:
        self.set_trait(name, not getattr(self, name))

    @contextmanager
    def _one_redraw(self) -> Iterator[None]:
        with self._canvas.hold_sync():
            yield
        self._update_buttons()
        self.changed()

    def _colours(self) -> tuple[np.ndarray, Tensor]:
        """The colours as (H, W, 3) bytes of the texture's size, and the place of each vertex in them."""
        height, width, _ = self._texture.shape
        if self._scale and self.values is not None:
            # The lower half is clay, for vertices without a value. Places are interpolated instead of colours, so that
            # every pixel gets a colour of the bar.
            colours = np.broadcast_to(self._scale.colours(width), (height, width, 3)).copy()
            colours[height // 2 :] = CLAY
            known = self.values.isfinite()
            along = (0.5 + self._scale.places(self.values.nan_to_num()) * (width - 1)) / width
            return colours, torch.stack([along, torch.where(known, 0.25, 0.75)], dim=1)
        if self.textured and self._has_texture:
            return (self._texture.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy(), self._uv
        return np.broadcast_to(CLAY, (height, width, 3)), self._uv

    @observe("textured")
    def _textured_changed(self, _: dict) -> None:
        with self._one_redraw():
            self._paint()

    @observe("wireframe")
    def _wireframe_changed(self, _: dict) -> None:
        with self._one_redraw():
            self._canvas.wireframe = self.wireframe

    @observe("fit_view")
    def _fit_view_changed(self, _: dict | None = None) -> None:
        with self._one_redraw():
            if self.fit_view and self._fit:
                self._canvas.camera = self._fit[0].tolist()
            self._light()

    def _paint(self) -> None:
        self._canvas.paint(*self._colours())
        self._bar.value = self._scale.bar() if self._scale else ""
        self._light()

    def _light(self) -> None:
        if self.fit_view and self._fit:
            self._canvas.light_by(self._fit[1])
        else:
            self._canvas.light_eye(*(SOFT_LIGHT if self._scale else HEADLIGHT))

    def _update_buttons(self) -> None:
        for switch, on in ((self._look, self.textured), (self._wires, self.wireframe), (self._view, self.fit_view)):
            light_up(switch, on)
        self._view.layout.display = None if self._fit else "none"


def _copy(values: Tensor) -> Tensor:
    return values.detach().cpu().float().clone()


def _draw_edges(picture: Image.Image, vertices: Tensor, faces: Tensor, camera: Tensor) -> Image.Image:
    """Draws the edges of triangles that face the eye, so faintly that the surface stays visible."""
    corners = vertices[faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = (normals * (camera[:3] - corners[:, 0])).sum(1) > 0
    lines = picture.copy()
    draw = ImageDraw.Draw(lines)
    for triangle in project(corners[front], camera, picture.width)[..., :2].flatten(1).tolist():
        draw.line([*triangle, *triangle[:2]], EDGE_COLOUR)
    return Image.blend(picture, lines, EDGE_STRENGTH)


def _draw_points(picture: Image.Image, points: Tensor) -> None:
    draw = ImageDraw.Draw(picture)
    for x, y in points.tolist():
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), POINT_COLOUR)
