"""The fit: losses (Eq. 7 to 11), objective (Eq. 12), and the stages that minimise it (Sec. 3.4)."""

from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.known_shape import known_shape
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.fitting.sensitivity import along, picture_derivative, picture_difference
from ganfit_nb.fitting.stages import fit, fit_people, fit_set
from ganfit_nb.fitting.steps import FitStep, SetStep

__all__ = [
    "FitConfig",
    "FitStep",
    "FreeGroups",
    "LossWeights",
    "SetStep",
    "along",
    "fit",
    "fit_people",
    "fit_set",
    "known_shape",
    "picture_derivative",
    "picture_difference",
    "second_view",
]
