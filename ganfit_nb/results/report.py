"""A fit as one page to look at: the mesh to turn, the overlay, the curves of the losses and the numbers.

The page needs no network and no other file: everything that it shows lies in it.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.networks.face_reidentification import DIFFERENT_PEOPLE, SAME_PERSON
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.results.curves import draw_curves

VIEWER = "mesh_viewer.js"
OWN_SIDE = 1024  # texels of the photo's own skin at most, so that a page can be sent by mail
NUMBERS = {  # of fit.json, in words
    "identity_distance": "identity distance (Euclidean, dlib; one person below 0.6)",
    "identity_similarity": "identity similarity (cosine, a judge that no fit has seen; photos of one person "
    f"{SAME_PERSON:.2f}, of different people {DIFFERENT_PEOPLE:.2f})",
    "landmark_error": "landmark error (of the distance of the eyes' outer corners)",
    "steps": "steps of the joint stage",
    "seconds": "seconds",
    "peak_memory_mb": "peak memory, MB",
    "seed": "seed",
    "device": "device",
}
OWN_NUMBERS = {"seen": "share of the face that the photo shows well enough to take its skin from it"}


def report(
    record: Mapping[str, Any],
    model: FaceModel,
    parameters: FaceParameters,
    skin: Float[Tensor, "S S 3"],
    overlay: Image.Image,
) -> str:
    """The page as HTML. `record` is the content of fit.json, `skin` the photo's own, `overlay` the captioned sheet."""
    title = f"{record['photo']}, fitted by ganfit_nb"
    page = files("ganfit_nb.results").joinpath("report.html").read_text(encoding="utf-8")
    state = "The fit was interrupted; this is what it had reached." if record["interrupted"] else ""
    parts = {
        "title": html.escape(_shown(title)),
        "state": html.escape(state),
        "viewer": files("ganfit_nb.results").joinpath(VIEWER).read_text(encoding="utf-8"),
        "mesh": json.dumps(_mesh(model, parameters, skin)),
        "overlay": _data(_jpeg(overlay), "image/jpeg"),
        "curves": _curves(record),
        "numbers": _table([*_numbers(record, NUMBERS), *_numbers(record["own_skin"], OWN_NUMBERS)]),
        "parts": _table([*record["parts"].items(), *record["versions"].items()]),
        "notes": "".join(f"<li>{html.escape(_shown(note))}</li>" for note in record["notes"]),
    }
    for name, part in parts.items():
        page = page.replace(f"<!--{name}-->", part)
    return page


@torch.no_grad()
def _mesh(model: FaceModel, parameters: FaceParameters, skin: Float[Tensor, "S S 3"]) -> dict[str, Any]:
    """What the viewer draws: little-endian bytes in base64, and both textures as JPEGs."""
    albedo, own = _picture(model.texture(parameters.texture)), _picture(skin)
    own.thumbnail((OWN_SIDE, OWN_SIDE))
    return {
        "vertices": _text(model.vertices(parameters).cpu().numpy().astype("<f4").tobytes()),
        "faces": _text(model.morphable.faces.cpu().numpy().astype("<u4").tobytes()),
        "uv": _text(model.morphable.uv.cpu().numpy().astype("<f4").tobytes()),
        "fitted": _data(_jpeg(albedo), "image/jpeg"),
        "own": _data(_jpeg(own), "image/jpeg"),
    }


def _picture(albedo: Float[Tensor, "H W 3"]) -> Image.Image:
    return Image.fromarray((albedo.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy())


def _curves(record: Mapping[str, Any]) -> str:
    """The weighted terms of Eq. 12, step by step, as SVG."""
    weights, losses = record["weights"], record["losses"]
    history = [
        {name: weights.get(name, 0.0) * values[k] for name, values in losses.items() if values[k] is not None}
        for k in range(len(record["stages"]))
    ]
    return draw_curves("weight × loss", history, record["stages"]).svg("The terms of the objective, step by step")


def _numbers(record: Mapping[str, Any], words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(text, _figure(record[name])) for name, text in words.items() if name in record]


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    return "".join(
        f"<tr><th>{html.escape(_shown(name))}</th><td>{html.escape(_shown(value))}</td></tr>" for name, value in rows
    )


def _figure(value: Any) -> str:
    if value is None:
        return "no face was found"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _shown(text: Any) -> str:
    """Without bytes that are no Unicode, which names of files may have."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _jpeg(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=90)
    return data.getvalue()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{_text(data)}"
