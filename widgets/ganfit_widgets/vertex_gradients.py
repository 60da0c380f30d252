"""Shows where a loss falls when the surface of the face is pushed out or in.

The gradient says so at every vertex, and a measurement confirms it patch by patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets
import torch
from jaxtyping import Float
from torch import Tensor
from traitlets import Unicode, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.sensitivity import Patches, vertex_gradient
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.step_player import StepPlayer

TERMS = {
    "pixel": "pixels (Eq. 10)",
    "identity": "identity (Eq. 8)",
    "content": "content (Eq. 9)",
    "landmark": "landmarks (Eq. 11)",
}
PATCHES = 24
SIDE = 250  # px, width of a mesh
UNIT = "loss/mm"


class VertexGradients(StepPlayer):
    """d loss / d vertex along the normal, as heat maps. To use it alone:

        view = VertexGradients(model, parameters, photo)
        display(view)
        await view.finish()  # or press Play: measures one patch after the other

    Where the surface is red, the loss grows when it is pushed out; where it is blue, the loss falls. The first mesh has
    the gradient at every vertex, and the second the sum of the gradient over each patch. The third has the measured
    change of the loss when each patch is pushed.

    term  the term of Eq. 12, by its name in LossWeights
    """

    term = Unicode("pixel")

    def __init__(self, model: FaceModel, parameters: FaceParameters, photo: Photo, *, size: int = 128) -> None:
        # The gradient takes the weights of the pixels as given, but a measured change would change them, too.
        self.objective = Objective.of([[photo]], model, IdentityNetwork.default(), size=size, occlusion=False)
        self.model, self.parameters = self.objective.model, parameters
        self.patches = Patches.of(self.model, parameters, PATCHES)
        vertices = self.model.vertices(parameters).detach()
        self._meshes = [MeshView(vertices, model.morphable.faces, size=SIDE) for _ in range(3)]
        for mesh in self._meshes[1:]:
            mesh.link(self._meshes[0])
        choice = widgets.Dropdown(
            options=[(text, name) for name, text in TERMS.items()],
            description="term",
            tooltip="The term of the objective whose gradient is shown",
            layout={"width": "230px"},
            style={"description_width": "40px"},
        )
        widgets.link((self, "term"), (choice, "value"))
        views = widgets.HBox(self._meshes).add_class("ganfit-views")
        super().__init__(self._measurements, (choice, views))
        self.reset()

    def _measurements(self) -> Iterator[tuple[int, float]]:
        return self.patches.differences(self.objective, self.parameters, self.weights)

    @property
    def weights(self) -> LossWeights:
        """The weights with the chosen term alone."""
        return LossWeights().only(self.term)

    @validate("term")
    def _known_term(self, proposal: dict) -> str:
        if proposal["value"] not in TERMS:
            raise GanfitError(f"The term must be one of {', '.join(TERMS)}, not {proposal['value']}.")
        return proposal["value"]

    @observe("term")
    def _term_changed(self, _: dict) -> None:
        self.restart()

    def describe(self, steps: list[Any]) -> str:
        """The number of measured patches, and the agreement of measurement and gradient."""
        told = self.told[[patch for patch, _ in steps]]
        measured = torch.tensor([value for _, value in steps])
        cosine = float(torch.cosine_similarity(told, measured, dim=0))
        return f"{len(steps)} of {PATCHES} patches measured · cosine between gradient and measurement {cosine:.3f}"

    def remaining(self, steps: list[Any]) -> int:
        """The number of patches that are left."""
        return PATCHES - len(steps)

    def prepare(self, steps: list[Any]) -> Float[Tensor, " V"]:
        """The measured values at the vertices; NaN where no patch is measured yet."""
        values = torch.full((PATCHES,), torch.nan)
        for patch, value in steps:
            values[patch] = value
        unknown = values[self.patches.share.argmax(1)].isnan()
        return torch.where(unknown, torch.nan, self._at_vertices(values.nan_to_num()))

    def draw(self, content: Float[Tensor, " V"]) -> None:
        """Colours the third mesh."""
        self._meshes[2].show_values(content, label="measured", unit=UNIT, limits=self._limits, diverging=True)

    def reset(self) -> None:
        """Shows the gradient, without measurements."""
        gradient = vertex_gradient(self.objective, self.parameters, self.weights)
        self.told = self.patches.derivatives(gradient)
        outward = torch.where(self._on_face, (gradient * self.patches.normal).sum(1), torch.nan)
        reach = float(outward.abs().nan_to_num().quantile(0.99)) or 1.0
        summed = self._at_vertices(self.told)
        largest = float(summed.abs().nan_to_num().max()) or 1.0
        self._limits = (-largest, largest)
        first, second, third = self._meshes
        first.show_values(outward, label="each vertex", unit=UNIT, limits=(-reach, reach), diverging=True)
        second.show_values(summed, label="patches", unit=UNIT, limits=self._limits, diverging=True)
        third.show_values(None)

    @property
    def _on_face(self) -> Tensor:
        return self.model.morphable.face_region

    def _at_vertices(self, values: Float[Tensor, " P"]) -> Float[Tensor, " V"]:
        return torch.where(self._on_face, self.patches.on_vertices(values), torch.nan)
