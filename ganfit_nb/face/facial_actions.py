"""The 52 facial actions that face trackers report (Apple's ARKit names), each from 0, at rest, to 1, fully on.

A left eye or cheek is the subject's own. Every MorphableModel with our expression modes knows each action as
coefficients of its modes: ICT-FaceKit's shapes, projected onto the 29 modes. Nearly everything of the large movements
is kept (jaw, lids, smile, lips, gaze), half of those that a face mostly makes on both sides at once when they are asked
of one side alone: eyes look the same way. The tongue lies still, so tongueOut moves nothing. mouthClose shuts the lips
of an open jaw and means something only together with jawOpen.
"""

from __future__ import annotations

FACIAL_ACTIONS = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight"),
    *("eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight"),
    *("mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
