"""Notebook components over ganfit_nb's generators: each one usable alone, its state in traits."""

from ganfit_widgets.component import Component
from ganfit_widgets.fit_player import FitPlayer
from ganfit_widgets.loss_chart import LossChart
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.step_player import StepPlayer

__all__ = ["Component", "FitPlayer", "LossChart", "MeshView", "StepPlayer"]
