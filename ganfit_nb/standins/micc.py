"""Writes a stand-in for the MICC Florence dataset in MICC's layout: ROOT/subject_XX/{Model,Video}/…

It does not replace MICC: heads, skins, cameras and scanner are all generated, and every figure from it must be labelled
"stand-in". Its advantages are that the truth is known and that anyone may use it. The three settings are those of MICC:
a cooperative subject near the camera in soft light; the same room from a distance, with a zoom lens and lamps above;
and outdoors in the sun, where the face is small, blurred and compressed. STAND-IN.txt in ROOT says how it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import complete_directory, never
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.standins.camera import Shot, mitsuba, photograph
from ganfit_nb.standins.heads import StandinHeads, Subject
from ganfit_nb.standins.scanner import scan
from ganfit_nb.standins.stand_in import mark_stand_in, read_mark

FRAMES = 6  # of each video
WIDTH, HEIGHT = 512, 384
SCANS = {"frontal1": (-90.0, 90.0), "frontal2": (-90.0, 90.0), "sidel": (-20.0, 100.0), "sider": (-100.0, 20.0)}
EXPLANATION = """made by `ganfit make micc-standin`. No person in it exists:
heads of the parametric human anny with asymmetry and bumps of their own, painted skins, pictures by Mitsuba 3,
scans by a simulated cylindrical scanner. Label every figure from it as stand-in.
Subjects: {subjects}. {made_from}"""
MADE_FROM = "Seed: {seed}. Skins: {skins}."
Shoot = Callable[[np.random.Generator, float], Shot]


def cooperative(rng: np.random.Generator, time: float) -> Shot:
    """The subject is near and large, looks around, and has soft light from two sides."""
    lights = ((35.0, 25.0, 40.0, 0.9, (1.0, 1.0, 1.0)), (-45.0, 15.0, 40.0, 0.5, (1.0, 1.0, 1.0)))
    yaw, pitch = 25 * np.sin(2 * np.pi * time) + rng.normal(0, 3), rng.normal(0, 4)
    return Shot(rng.uniform(800, 1100), 430.0, yaw, pitch, _offset(rng, 0.04), lights, (0.3, 0.3, 0.3))


def indoor(rng: np.random.Generator, time: float) -> Shot:
    """The camera is three metres away and zooms in and out under warm lamps. A rod may hide part of the face."""
    lights = ((20.0, 60.0, 20.0, 1.2, (1.0, 0.87, 0.7)), (-60.0, 35.0, 12.0, 0.5, (0.9, 0.95, 1.0)))
    field = 560 + 120 * np.sin(2 * np.pi * (time + rng.uniform(0, 0.1)))
    pole = (float(rng.uniform(-70, 70)), 15.0, 7.0) if rng.random() < 0.2 else None
    yaw, pitch = rng.normal(0, 18), rng.normal(4, 5)
    return Shot(rng.uniform(2500, 3500), field, yaw, pitch, _offset(rng, 0.1), lights, (0.22, 0.2, 0.17), pole)


def outdoor(rng: np.random.Generator, time: float) -> Shot:
    """The camera is six metres away. The sun casts hard shadows, and the sky is blue."""
    lights = ((50.0, 40.0, 2.0, 1.6, (1.0, 0.95, 0.85)),)
    field = 650 + 150 * np.sin(2 * np.pi * (time + rng.uniform(0, 0.1)))
    pole = (float(rng.uniform(-70, 70)), -20.0, 6.0) if rng.random() < 0.2 else None
    yaw, pitch = rng.normal(0, 20), rng.normal(4, 5)
    return Shot(rng.uniform(5000, 7000), field, yaw, pitch, _offset(rng, 0.12), lights, (0.38, 0.44, 0.55), pole)


def _offset(rng: np.random.Generator, spread: float) -> tuple[float, float]:
    x, y = rng.uniform(-spread, spread, 2)
    return float(x), float(y)


# Video file: how it is shot, blur in pixels, grain, quality of the compression (2 is best, 31 worst).
SETTINGS: dict[str, tuple[Shoot, float, float, int]] = {
    "Indoor-Cooperative.mjpg": (cooperative, 0.4, 0.006, 3),
    "PTZ-Indoor.mjpeg": (indoor, 0.8, 0.015, 6),
    "PTZ-Outdoor.mpg": (outdoor, 1.0, 0.012, 9),
}


def write_standin(root: Path, subjects: int, seed: int, skins: Path | None) -> None:
    """Writes `subjects` subjects below ROOT. Subjects that are there stay, so an interrupted run can be continued.

    Raises GanfitError when a subject there is incomplete, or was made from another seed or other skins.
    """
    made_from = MADE_FROM.format(seed=seed, skins="MakeHuman" if skins else "procedural")
    missing = []
    for k in range(1, subjects + 1):
        folder = root / f"subject_{k:02d}"
        if not folder.exists():
            missing.append(k)
        elif not is_whole(folder) or made_from not in read_mark(root):
            raise GanfitError(
                f"{folder} is not of this stand-in ({made_from}); move it away, or choose another folder."
            )
    if not missing:
        return
    mitsuba()  # a missing package is reported before anything is written
    heads = StandinHeads(skins, seed)
    mark_stand_in(root, "MICC", EXPLANATION.format(subjects=subjects, made_from=made_from))
    for k in tqdm(missing, desc="subjects", unit="subject"):
        subject = heads.subject(k, len(SETTINGS) * FRAMES)
        with complete_directory(root / f"subject_{k:02d}", never) as work:
            _write_scans(work / "Model", subject, np.random.default_rng([seed, k, 1]))
            _write_videos(work / "Video", subject, np.random.default_rng([seed, k, 2]))


def is_whole(subject: Path) -> bool:
    """Whether a subject's folder holds all its scans and videos."""
    scans = [subject / "Model" / name / "obj" / f"{name}.obj" for name in SCANS]
    return all(path.is_file() for path in (*scans, *(subject / "Video" / name for name in SETTINGS)))


def _write_scans(folder: Path, subject: Subject, rng: np.random.Generator) -> None:
    """Writes all scans of a subject. Each has its own noise and its own frame."""
    for name, turn in SCANS.items():
        found = scan(subject.vertices, subject.faces, rng, turn)
        tilt = Rotation.from_euler("yxz", rng.normal(0, 5, 3), degrees=True).as_matrix()
        target = folder / name / "obj" / f"{name}.obj"
        target.parent.mkdir(parents=True)
        _write_obj(target, Surface(found.vertices @ tilt.T + rng.normal(0, 20, 3), found.faces))


def _write_obj(path: Path, surface: Surface) -> None:
    rows = [f"v {x:.3f} {y:.3f} {z:.3f}" for x, y, z in surface.vertices.tolist()]
    rows += [f"f {a} {b} {c}" for a, b, c in (surface.faces + 1).tolist()]
    path.write_text("\n".join(rows) + "\n", encoding="ascii")


def _write_videos(folder: Path, subject: Subject, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    expressions = iter(subject.expressions)
    for name, (shoot, blur, grain, quality) in SETTINGS.items():
        frames = []
        for k in range(FRAMES):
            vertices = subject.vertices + next(expressions)
            normals = Surface(vertices, subject.faces).normals
            shot, number = shoot(rng, k / FRAMES), int(rng.integers(2**31))
            light = photograph(
                vertices, normals, subject.faces, subject.uv, subject.albedo, shot, WIDTH, HEIGHT, number
            )
            frames.append(develop(light, blur, grain, rng))
        write_video(folder / name, frames, quality)


def develop(light: Float[Array, "H W 3"], blur: float, grain: float, rng: np.random.Generator) -> UInt8[Array, "H W 3"]:
    """Turns linear light into a photograph: blur of the lens, exposure, grain of the sensor, sRGB's curve.

    The exposure makes the brighter parts of the picture bright.
    """
    exposed = gaussian_filter(light, (blur, blur, 0)) * (0.75 / np.percentile(light, 97))
    noisy = (exposed + rng.normal(0, grain, light.shape) * np.sqrt(exposed.clip(0.02))).clip(0, 1)
    curve = np.where(noisy < 0.0031308, 12.92 * noisy, 1.055 * noisy ** (1 / 2.4) - 0.055)
    return (255 * curve + 0.5).astype(np.uint8)


def write_video(path: Path, frames: list[UInt8[Array, "H W 3"]], quality: int) -> None:
    """Writes a video: Motion JPEG for .mjpg and .mjpeg, MPEG-2 for .mpg."""
    import av

    motion_jpeg = path.suffix != ".mpg"
    with av.open(str(path), "w", format="mjpeg" if motion_jpeg else "mpeg") as container:
        stream = container.add_stream("mjpeg" if motion_jpeg else "mpeg2video", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if motion_jpeg else "yuv420p"
        stream.codec_context.qmin = stream.codec_context.qmax = quality
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
