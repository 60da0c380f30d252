"""Takes photographs of stand-in subjects by Mitsuba 3's path tracer.

The renderer of a fit takes no part in this. The path tracer has its own geometry code, a microfacet skin, area lights,
a sun and a sky, cast shadows, and light that is reflected several times. So a fit gains nothing from errors that it
would share with the renderer of its photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError


@dataclass(frozen=True)
class Shot:
    """How one frame is taken. Units are mm and degrees. Light of 1 is the radiance of a white wall in the picture.

    distance    from the camera to the face
    field       width that the picture shows at the face; a zoom lens makes it small
    yaw, pitch  of the head, relative to the camera
    offset      (x, y), place of the head in the picture, in fractions of its width
    lights      (azimuth, elevation, size in degrees, power, RGB) each; the sun and lamps are small ones
    ambient     RGB of the surroundings
    pole        (x, tilt in degrees, radius) of a rod between camera and face, or None
    samples     light paths for each pixel; a small number leaves grain
    """

    distance: float
    field: float
    yaw: float
    pitch: float
    offset: tuple[float, float]
    lights: tuple[tuple[float, float, float, float, tuple[float, float, float]], ...]
    ambient: tuple[float, float, float]
    pole: tuple[float, float, float] | None = None
    samples: int = 12


def mitsuba() -> Any:
    """The library, in its variant that needs no compiler. Raises GanfitError when it is not installed."""
    try:
        import mitsuba as mi
    except ImportError as error:
        raise GanfitError(
            'The stand-in is photographed by Mitsuba 3; pip install "ganfit_nb[build]" brings it.'
        ) from error
    mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)
    return mi


def photograph(
    vertices: Float[Array, "V 3"],
    normals: Float[Array, "V 3"],
    faces: Int[Array, "F 3"],
    uv: Float[Array, "V 2"],
    albedo: UInt8[Array, "H H 3"],
    shot: Shot,
    width: int,
    height: int,
    seed: int,
) -> Float[Array, "height width 3"]:
    """The picture in linear RGB, before `develop`. `uv` has v down; `seed` chooses the grain."""
    mi = mitsuba()
    turn = _rotation(shot.yaw, shot.pitch)
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 4},
        "sensor": _sensor(mi, shot, width, height),
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": list(shot.ambient)}},
        "wall": _wall(mi, shot),
        "head": _head(mi, vertices @ turn.T, normals @ turn.T, faces, uv, albedo),
    }
    for k, light in enumerate(shot.lights):
        scene[f"light{k}"] = _light(mi, *light)
    if shot.pole:
        scene["pole"] = _pole(*shot.pole)
    return np.asarray(mi.render(mi.load_dict(scene), spp=shot.samples, seed=seed))[..., :3].astype(np.float64)


def _rotation(yaw: float, pitch: float) -> Float[Array, "3 3"]:
    y, p = np.radians([yaw, -pitch])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]]) @ about_y


def _sensor(mi: Any, shot: Shot, width: int, height: int) -> dict[str, Any]:
    x, y = -shot.offset[0] * shot.field, shot.offset[1] * shot.field
    look = mi.ScalarTransform4f().look_at(origin=[x, y, shot.distance], target=[x, y, 0], up=[0, 1, 0])
    return {
        "type": "perspective",
        "fov": float(np.degrees(2 * np.arctan(shot.field / 2 / shot.distance))),
        "fov_axis": "x",
        "to_world": look,
        "film": {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "gaussian"}},
    }


def _light(mi: Any, azimuth: float, elevation: float, size: float, power: float, rgb: Any) -> dict[str, Any]:
    """A disk 1.5 m away that faces the head. Its size does not change the amount of light that arrives."""
    a, e = np.radians([azimuth, elevation])
    position = 1500.0 * np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    radius = float(1500.0 * np.tan(np.radians(size / 2)))
    radiance = (power * 1500.0**2 / radius**2 * np.asarray(rgb)).tolist()
    at = mi.ScalarTransform4f().look_at(origin=position.tolist(), target=[0, 0, 0], up=[0, 0, 1])
    return {
        "type": "disk",
        "to_world": at @ mi.ScalarTransform4f().scale([radius] * 3),
        "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
    }


def _wall(mi: Any, shot: Shot) -> dict[str, Any]:
    """A wall with an uneven pattern, half a metre behind the head."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.2, 0.5, (7, 9, 1)) + rng.uniform(-0.03, 0.03, (7, 9, 3))
    picture = {"type": "bitmap", "bitmap": mi.Bitmap(coarse.astype(np.float32)), "filter_type": "bilinear", "raw": True}
    place = mi.ScalarTransform4f().translate([0, 0, -500]).scale([1.5 * shot.field] * 3)
    return {"type": "rectangle", "to_world": place, "bsdf": {"type": "diffuse", "reflectance": picture}}


def _pole(x: float, tilt: float, radius: float) -> dict[str, Any]:
    """A dark rod 15 cm in front of the face."""
    across = 400.0 * np.tan(np.radians(tilt))
    ends = [[x - across, -400.0, 250.0], [x + across, 400.0, 250.0]]
    wood = {
        "type": "twosided",
        "material": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.12, 0.1, 0.08]}},
    }
    return {"type": "cylinder", "p0": ends[0], "p1": ends[1], "radius": radius, "bsdf": wood}


def _head(mi: Any, vertices: Array, normals: Array, faces: Array, uv: Array, albedo: Array) -> Any:
    skin = mi.load_dict(
        {
            "type": "twosided",
            "material": {
                "type": "principled",
                "base_color": {"type": "bitmap", "bitmap": mi.Bitmap(np.array(albedo)), "filter_type": "bilinear"},
                "roughness": 0.45,
                "specular": 0.4,
            },
        }
    )
    properties = mi.Properties()
    properties["bsdf"] = skin
    mesh = mi.Mesh(
        "head", len(vertices), len(faces), has_vertex_normals=True, has_vertex_texcoords=True, props=properties
    )
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = np.ravel(vertices).astype(np.float32)
    parameters["vertex_normals"] = np.ravel(normals).astype(np.float32)
    parameters["vertex_texcoords"] = np.ravel(uv).astype(np.float32)
    parameters["faces"] = np.ravel(faces).astype(np.uint32)
    parameters.update()
    return mesh
