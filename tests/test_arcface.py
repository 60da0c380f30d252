"""ArcFace from ONNX: against onnxruntime, its gradient, its crop, its packs, and a fit that uses it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from iresnet import IResNet, export
from tolerances import SINGLE, SMOOTH
from torch import Tensor

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error
from ganfit_nb.networks.arcface import FIVE_POINTS, find_recogniser, load_arcface, template
from ganfit_nb.networks.identity import aligned_crop
from ganfit_nb.networks.onnx_recogniser import OnnxRecogniser

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return export(IResNet.random(18), tmp_path_factory.mktemp("pack") / "w600k_r18.onnx", 13)


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


def crops(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def by_onnxruntime(path: Path, pictures: Tensor, dtype: type = np.float32) -> Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (embedding,) = session.run(None, {"picture": pictures.numpy().astype(dtype)})
    return torch.from_numpy(embedding).float()


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm(dim=1).max() / theirs.norm(dim=1).min())


@pytest.mark.parametrize(
    ("depth", "opset", "options"),
    [
        (18, 11, {}),
        (18, 11, {"view": True}),
        (18, 13, {"view": True}),
        (18, 17, {}),
        (18, 20, {"raw": True}),
        (50, 20, {}),
        (50, 11, {}),
    ],
)
def test_the_embedding_is_onnxruntimes(tmp_path, depth, opset, options):
    path = export(IResNet.random(depth, **options), tmp_path / "network.onnx", opset)
    ours, stages = OnnxRecogniser(path)(crops())
    pictures = crops() * 255 if options.get("raw") else crops() * 2 - 1
    assert relative(ours, by_onnxruntime(path, pictures)) < SINGLE
    assert [tuple(stage.shape[1:]) for stage in stages] == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_half_precision_weights(tmp_path):
    """onnxruntime's numbers for the same weights in single precision; its own half precision is coarser."""
    path = export(IResNet.random(18).half(), tmp_path / "half.onnx", 17)
    ours, _ = OnnxRecogniser(path)(crops())
    assert ours.dtype == torch.float32
    assert relative(ours, by_onnxruntime(in_single_precision(path), crops() * 2 - 1)) < SINGLE
    assert relative(ours, by_onnxruntime(path, crops() * 2 - 1, np.float16)) < 2e-2


def in_single_precision(path: Path) -> Path:
    """The same graph with its weights written out as float32."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float16:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    del model.graph.value_info[:]
    onnx.save(model, path.with_name("single.onnx"))
    return path.with_name("single.onnx")


def test_gradient_to_the_pixels(small):
    network = OnnxRecogniser(small).double()
    picture = crops(1).double().requires_grad_()
    direction = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        embedding, stages = network(x)
        return embedding.sin().sum() + sum(stage.square().mean() for stage in stages)

    (gradient,) = torch.autograd.grad(value(picture), picture)
    with torch.no_grad():
        difference = (value(picture + 1e-6 * direction) - value(picture - 1e-6 * direction)) / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=SMOOTH, atol=1e-8)


def test_the_crop_is_the_five_point_template(photo):
    """A pixel of the crop is the photo's under the least-squares similarity of the five points, whose pixel centres
    are at whole numbers in insightface."""
    small = photo.at(160)  # about as large as in the crop, so that nothing is shrunk
    image = small.image.permute(2, 0, 1)
    rows = np.zeros((10, 4))
    for k, (x, y) in enumerate((template().of_68 @ small.landmarks).numpy() - 0.5):
        rows[2 * k], rows[2 * k + 1] = (x, -y, 1, 0), (y, x, 0, 1)
    a, b, tx, ty = np.linalg.lstsq(rows, FIVE_POINTS.numpy().ravel(), rcond=None)[0]
    to_image = np.linalg.inv(np.array([[a, -b, tx], [b, a, ty], [0, 0, 1]]))
    crop = aligned_crop(image, small.landmarks, template())
    assert crop.shape == (3, 112, 112)
    for column, row in ((60, 50), (30, 80), (90, 40)):
        x, y = (to_image @ [column, row, 1])[:2] + 0.5
        place = torch.tensor([[[[2 * x / 160 - 1, 2 * y / 160 - 1]]]]).float()
        expected = torch.nn.functional.grid_sample(image[None], place, align_corners=False)[0, :, 0, 0]
        torch.testing.assert_close(crop[:, row, column], expected, atol=0.01, rtol=0)


def test_packs_are_found(small, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(GanfitError, match="non-commercial"):
        find_recogniser("arcface")
    packs = tmp_path / ".insightface" / "models"
    (packs / "antelopev2").mkdir(parents=True)  # what insightface leaves of a download that failed
    with pytest.raises(GanfitError, match="No insightface pack"):
        find_recogniser("arcface")
    pack = packs / "buffalo_l"
    pack.mkdir()
    export(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).eval(), pack / "a_detector.onnx", 13)
    with pytest.raises(GanfitError, match="no recognition network"):
        find_recogniser("arcface")
    (pack / "w600k_r50.onnx").write_bytes(small.read_bytes())
    for name in ("arcface", "buffalo_l", str(pack)):
        assert find_recogniser(name).name == "w600k_r50.onnx"
    with pytest.raises(GanfitError, match="is no identity network"):
        find_recogniser("facenet")


def test_files_that_are_no_recogniser_are_refused(small, tmp_path):
    (tmp_path / "truncated.onnx").write_bytes(small.read_bytes()[:100_000])
    (tmp_path / "text.onnx").write_text("hello")
    export(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).eval(), tmp_path / "picture.onnx", 13)
    export(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Sigmoid()).eval(), tmp_path / "sigmoid.onnx", 13)
    for name in ("truncated", "text", "picture", "sigmoid", "absent"):
        with pytest.raises(GanfitError):
            load_arcface(str(tmp_path / f"{name}.onnx"))


def changed(small: Path, path: Path, change: Callable[[Any], None]) -> Path:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(small)
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_other_files_are_refused(small, tmp_path, monkeypatch):
    """The graph would choose which file is read: here one in the folder that happens to be the current one."""
    monkeypatch.chdir(tmp_path)

    def outside(graph: Any) -> None:
        weight = graph.initializer[0]
        (tmp_path / "private.bin").write_bytes(weight.raw_data)
        weight.data_location = 1
        for key, value in (("location", "private.bin"), ("length", str(len(weight.raw_data)))):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
        weight.ClearField("raw_data")

    with pytest.raises(GanfitError, match="in other files"):
        load_arcface(str(changed(small, tmp_path / "outside.onnx", outside)))


def pads(graph: Any) -> None:
    node = next(node for node in graph.node if node.op_type == "Conv")
    next(a for a in node.attribute if a.name == "pads").ints[:] = [30_000, 30_000, 30_000, 30_000]


def cycle(graph: Any) -> None:
    graph.node[0].input[0] = graph.node[5].output[0]


def names(graph: Any) -> None:
    graph.node[3].input[0] = "nobody"


def twice(graph: Any) -> None:
    graph.node[3].output[0] = graph.node[2].output[0]


def subgraph(graph: Any) -> None:
    attribute = graph.node[0].attribute.add()
    attribute.name, attribute.type = "body", 5
    attribute.g.name = "loop"


def no_output(graph: Any) -> None:
    del graph.node[2].output[:]


def words(graph: Any) -> None:
    graph.node[0].op_type = "Conv\nas before, all is well"


def dimensions(graph: Any) -> None:
    graph.initializer[0].dims[0] = 2**40


@pytest.mark.parametrize("change", [pads, cycle, names, twice, subgraph, no_output, words, dimensions])
def test_odd_graphs_are_one_sentence(small, tmp_path, change):
    with pytest.raises(GanfitError) as error:
        load_arcface(str(changed(small, tmp_path / "odd.onnx", change)))
    assert "\n" not in str(error.value)
    assert "memory" not in str(error.value)


def test_a_known_face_is_found_again_with_arcface(small):
    """Even a random network is a differentiable perception: its distance must fall, through every part of the chain.
    All faces look alike to it, so its unit is small."""
    network = replace(load_arcface(str(small)), different_people=1e-4)
    model = FaceModel.default()
    truth = known_face(model, 7, 7)
    photo = Photo.from_image(picture_of(model, truth, 256))
    steps = list(fit(photo, model, FitConfig(steps=15, size=96), network=network))
    first, last = next(step for step in steps if step.stage == "joint"), steps[-1]
    assert last.losses["identity"] < 0.6 * first.losses["identity"]
    assert last.losses["content"] < first.losses["content"]
    error = partial(shape_error, model.morphable, truth=truth.identity)
    assert error(last.parameters.identity) < error(model.mean_parameters().identity)


def test_a_pack_is_downloaded_by_insightface_when_asked_for_by_name(small, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(GanfitError, match="pip install"):
        find_recogniser("buffalo_s")
    utils, storage = ModuleType("insightface.utils"), ModuleType("insightface.utils.storage")
    utils.storage = storage
    for module in (ModuleType("insightface"), utils, storage):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def offline(kind, pack, force):
        raise ConnectionError("no network")

    storage.download = offline
    with pytest.raises(GanfitError, match="could not download buffalo_s"):
        find_recogniser("buffalo_s")

    def online(kind, pack, force):
        folder = tmp_path / ".insightface" / kind / pack
        folder.mkdir(parents=True)
        (folder / "w600k_mbf.onnx").write_bytes(small.read_bytes())
        return str(folder)

    storage.download = online
    assert find_recogniser("buffalo_s").name == "w600k_mbf.onnx"
    storage.download = offline
    assert find_recogniser("buffalo_s").name == "w600k_mbf.onnx"  # it is here now


def test_the_command_line_shows_the_licence(small, tmp_path, capsys):
    assert main(["fit", "--identity", str(small), "--out", str(tmp_path), "--steps", "1"]) == 0
    assert "non-commercial" in capsys.readouterr().err
    assert main(["fit", "--identity", "facenet", "--out", str(tmp_path), "--steps", "1"]) == 1
    assert capsys.readouterr().err.startswith("ganfit: facenet is no identity network")
