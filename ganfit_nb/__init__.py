"""GANFIT, step by step: fits a textured 3D face to a photograph and yields every step.

from ganfit_nb import FaceModel, FitConfig, Photo, fit

for step in fit(Photo.open("portrait.jpg"), FaceModel.default(), FitConfig(steps=200)):
    print(step.stage, step.index, step.total)
"""

import os

# Idle OpenMP threads that spin slow a fit 10 to 30 times beside any other busy process; sleeping ones do not.
# Must be set before torch loads its OpenMP.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ganfit_nb.errors import GanfitError
from ganfit_nb.face_model import FaceModel
from ganfit_nb.fitting import FitConfig, FitStep, fit
from ganfit_nb.losses import LossWeights
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photo import Photo

__all__ = ["FaceModel", "FaceParameters", "FitConfig", "FitStep", "GanfitError", "LossWeights", "Photo", "fit"]
