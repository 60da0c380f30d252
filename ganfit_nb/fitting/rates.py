"""How far Adam moves each number at one step."""

from __future__ import annotations

import torch

from ganfit_nb.constants import beside
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.parameters import FaceParameters

CAMERA_STEP = torch.tensor([2.0, 2.0, 2.0, 0.3, 0.3, 0.3, 0.01])
LIGHT_STEP = torch.tensor([20.0, 20.0, 20.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
COARSE, COARSE_RATE = 0.2, 0.001  # mm that a mode moves the face by, and standard deviations a step
PACE = 1.5  # of `small_steps` at every step
SLOWER = 25  # steps after which identity's rate is half of what it was


def small_steps(parameters: FaceParameters) -> FaceParameters:
    """A step of every number, such that all change the picture by about as much: the paper's 0.01 for expression and
    colour, the same relative pace for what is counted in mm, and more for texture, which begins at an average person
    and has far to go."""
    return FaceParameters(
        identity=torch.full_like(parameters.identity, 0.02),
        expression=torch.full_like(parameters.expression, 0.01),
        texture=torch.full_like(parameters.texture, 0.08),
        camera=beside(CAMERA_STEP, parameters.camera).expand_as(parameters.camera),
        light=beside(LIGHT_STEP, parameters.light).expand_as(parameters.light),
    )


def learning_rates(parameters: FaceParameters, model: MorphableModel, index: int) -> FaceParameters:
    """Adam's rate for every number at one step: PACE times `small_steps`, but less and ever less for identity.

    Adam moves each coefficient by about its rate at every step, whatever the gradient's size. Modes that move the face
    by more than COARSE are its size and proportions. Of them landmarks and embedding know more than a recogniser's
    gradient does, and they stay nearly where the stages before have left them. Fine modes make the likeness. On a real
    scan and a rendered head, one photo each, 100 steps, distance from the surface, and an independent recogniser's
    similarity for five portraits:

        rate                          scan 1   scan 2   head     likeness
        0.001 / (1 + n/15), all       1.14     1.03     1.12     0.56
        0.02, all                     1.23     1.08     1.22     0.67
        0.02, prior five times        1.16     1.11     1.18     0.62
        0.02, fine modes alone        1.03     0.97     1.13     0.64

    A rate that falls keeps the gain: without it the distance of scan 2 grows by 0.05 mm from step 50 to 200, with it by
    0.01. The table is from before the first guess of the skin and PACE, with which fine modes begin at 0.03.
    """
    steps = small_steps(parameters).map(lambda step: PACE * step)
    identity = torch.where(model.identity_sizes > COARSE, COARSE_RATE, steps.identity)
    return steps.replace(identity=identity / (1 + index / SLOWER))
