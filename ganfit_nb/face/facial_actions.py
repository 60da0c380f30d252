"""The 52 facial actions that face trackers report, with Apple's ARKit names. Each goes from 0 (rest) to 1 (fully on).

"Left" means the subject's left. A MorphableModel with our expression modes holds each action as coefficients of the 29
modes. They are projections of ICT-FaceKit's shapes. The projection keeps nearly all of the large movements (jaw, lids,
smile, lips, gaze). Some movements are mostly made on both sides at once, as when both eyes look the same way. Of such a
movement on one side alone, the projection keeps about half. tongueOut moves nothing, because the tongue of our mesh
does not move. mouthClose closes the lips of an open jaw, so it makes sense only together with jawOpen.
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
