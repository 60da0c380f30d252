"""Models in the formats people have: read back as written, made ready for fitting, fitted; and files that are not."""

from __future__ import annotations

import os
import pickle
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from model_writers import COLOURED, EXPRESSION, IDENTITY, UNIT, WRITERS, Source, as_tensor, bfm2009, chumpy
from safetensors.torch import load_file

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.model_files import read
from ganfit_nb.model_files.adapt import adapt
from ganfit_nb.model_files.eos import read_eos
from ganfit_nb.model_files.load import load_face_model
from ganfit_nb.model_files.model_file import ModelFile
from ganfit_nb.model_files.read import read_model_file
from ganfit_nb.model_files.restricted_pickle import as_array, load_pickle
from ganfit_nb.photos.landmarks import IBUG_68

SOURCE = Source.make()
KNOWN = MorphableModel.default()
DATA = Path(__file__).parent / "data"
FORMATS = pytest.mark.parametrize("name", WRITERS)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp(name), SOURCE) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[FaceModel, float]]:
    return {}


def model_of(name: str, files: dict[str, Path], models: dict[str, tuple[FaceModel, float]]) -> tuple[FaceModel, float]:
    if name not in models:
        models[name] = adapt(read_model_file(files[name]))
    return models[name]


@FORMATS
def test_what_was_written_is_read(files, name):
    file, unit = read_model_file(files[name]), UNIT.get(name, 1)
    expression = np.zeros((0, *SOURCE.mean.shape)) if name == "lsfm" else SOURCE.expression
    for found, written in ((file.mean, SOURCE.mean), (file.identity, SOURCE.identity)):
        np.testing.assert_allclose(found * unit, written, atol=2e-3)
    np.testing.assert_allclose(file.expression[: len(expression)] * unit, expression, atol=2e-3)
    assert sorted(map(tuple, np.sort(file.faces, 1))) == sorted(map(tuple, np.sort(SOURCE.faces, 1)))
    assert (file.colour is not None) == (name in COLOURED)
    if file.colour:
        np.testing.assert_allclose(file.colour.mean, SOURCE.colour, atol=1e-5)
        np.testing.assert_allclose(file.colour.basis, SOURCE.colour_basis, atol=1e-5)


@FORMATS
def test_the_model_is_brought_to_our_frame_with_its_landmarks(files, models, name):
    """The written model is the shipped one in disguise, so what must be found is known: 1 mm is a tenth of an eye."""
    model, unit = model_of(name, files, models)
    morphable = model.morphable
    assert unit == pytest.approx(UNIT.get(name, 1), rel=1e-6)
    count = len(SOURCE.order)
    back = np.argsort(SOURCE.order)
    assert float((morphable.mean[:count][back] - KNOWN.mean).norm(dim=1).max()) < 1
    for found, known, worst in (
        (morphable.landmarks, KNOWN.landmarks, 1.5),
        (morphable.dense_landmarks, KNOWN.dense_landmarks, 3),
    ):
        distance = (found.on(morphable.mean) - known.on(KNOWN.mean)).norm(dim=1)
        assert float(distance.mean()) < 0.5
        assert float(distance.max()) < worst
    assert float((morphable.uv[:count][back] - KNOWN.uv).norm(dim=1).quantile(0.95)) < 0.01
    assert float((morphable.face_region[:count][back] == KNOWN.face_region).float().mean()) > 0.98
    corner = morphable.mean[morphable.faces]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    front = morphable.face_region[morphable.faces].all(1)
    assert float((normal[front, 2] > 0).float().mean()) > 0.85
    assert len(morphable.faces) == len(SOURCE.faces)


@FORMATS
def test_a_known_face_is_found_again(files, models, name):
    model, _ = model_of(name, files, models)
    truth = known_face(model, 7, 7)
    *_, last = fit(Photo.from_image(picture_of(model, truth, 256)), model, FitConfig(steps=30, size=96))
    error = partial(shape_error, model.morphable, truth=truth.identity)
    assert error(last.parameters.identity) < 0.85 * error(model.mean_parameters().identity)


def test_a_mesh_of_another_maker_is_registered():
    """MediaPipe's canonical face, 468 vertices, each of them one of its landmarks. The detector itself errs by 2 mm."""
    stored = load_file(asset_path("canonical_face_mesh.safetensors"))
    vertices = stored["vertices"].numpy()
    mode = np.full((1, len(vertices), 3), 0.1, np.float32)
    file = ModelFile("canonical face", vertices, mode, mode[:0], stored["faces"].numpy().astype(np.int64))
    model, unit = adapt(file)
    assert unit == 1
    found = model.morphable.dense_landmarks.on(model.morphable.mean)[:468]
    distance = (found - model.morphable.mean[:468]).norm(dim=1)
    assert float(distance.median()) < 2.8
    assert float(distance[IBUG_68[17:]].mean()) < 2.8


def test_the_albedo_at_the_vertices_is_what_is_rendered(files, models):
    model, _ = model_of("bfm2009", files, models)
    p_t = torch.tensor([1.0, -1.0, 0.5])
    parameters = model.mean_parameters().replace(texture=p_t)
    rendering = model.render(parameters, 128)
    colours = as_tensor(SOURCE.colour + np.tensordot(p_t.numpy(), SOURCE.colour_basis, 1))
    copies = model.morphable.mean.shape[0] - len(colours)
    expected = rendering.interpolate(torch.cat([colours, torch.zeros(copies, 3)]))
    inside = rendering.interpolate(model.morphable.face_region.float()[:, None])[..., 0] == 1
    assert inside.float().mean() > 0.1
    assert float((rendering.unlit - expected)[inside].abs().median()) < 0.002
    leaf = p_t.clone().requires_grad_()
    model.texture(leaf).sum().backward()
    assert (leaf.grad > 0).all()
    with pytest.raises(GanfitError, match="3 coefficients"):
        model.texture(torch.zeros(4))


def test_a_model_without_expressions_is_lent_ours(files, models):
    model, _ = model_of("lsfm", files, models)
    basis = model.morphable.expression_basis[:, : len(SOURCE.order)]
    difference = (basis - KNOWN.expression_basis[:, SOURCE.order]).norm(dim=-1)
    assert len(basis) == len(KNOWN.expression_basis)
    assert float(difference.mean()) < 0.1 * float(KNOWN.expression_basis.norm(dim=-1).mean())
    assert torch.equal(model.morphable.expression({"jawOpen": 1.0}), KNOWN.expression({"jawOpen": 1.0}))


def test_facial_actions_are_not_known_for_other_expression_modes(files, models):
    model, _ = model_of("bfm2009", files, models)
    with pytest.raises(GanfitError, match="modes of its own"):
        model.morphable.expression({"jawOpen": 1.0})


def test_the_jaw_of_flame_opens_the_mouth(files):
    jaw = read_model_file(files["flame_npz"]).expression[-1] * 1000
    chin = SOURCE.mean[:, 1].argmin()
    forehead = SOURCE.mean[:, 1].argmax()
    assert jaw[chin, 1] < -3  # mm
    assert abs(jaw[forehead]).max() < 0.1


def test_expressions_of_a_part_of_the_vertices_are_spread(tmp_path):
    file = read_model_file(bfm2009(tmp_path, SOURCE, extra=7))
    np.testing.assert_allclose(file.expression[:, :-7] / 1000, SOURCE.expression, atol=1e-3)
    assert (file.expression[:, -7:] == 0).all()
    (tmp_path / "BFM_exp_idx.mat").unlink()
    with pytest.raises(GanfitError, match=r"BFM_exp_idx\.mat"):
        read_model_file(tmp_path / "01_MorphableModel.mat")


def test_shells_over_the_eyes_of_ict_facekit_are_left_out(tmp_path):
    vertices = "v 1 2 3\nv 2 3 1\nv 3 1 2\n" * 8906 + "v 3 2 1\n"
    (tmp_path / "generic_neutral_mesh.obj").write_text(vertices + "f 1 2 3 4\nf 24590/1 24591/1 24592/1\nf 2 3 24591\n")
    (tmp_path / "identity000.obj").write_text(vertices)
    assert read_model_file(tmp_path).faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 2, 24590]]


def test_archives_written_by_eos_itself():
    """Two files of eos-py 1.5.0: four vertices, colours and a PCA of expressions; and a blendshape."""
    file = read_eos(DATA / "eos_pca.bin")
    np.testing.assert_allclose(file.mean.ravel(), np.arange(12) + 0.5)
    np.testing.assert_allclose(file.identity[1].ravel(), np.arange(1, 24, 2) * 0.1 * 3, rtol=1e-6)
    np.testing.assert_allclose(file.expression[0].ravel(), np.arange(1, 24, 2) * 0.1 * 2, rtol=1e-6)
    np.testing.assert_allclose(file.colour.mean.ravel(), np.linspace(0, 1, 12), rtol=1e-6)
    assert file.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    file = read_eos(DATA / "eos_blendshapes.bin")
    np.testing.assert_allclose(file.expression[0].ravel(), np.arange(12) / 2 * 0.3)
    assert file.colour is None


# --- files that are not models ---------------------------------------------------------------------------------------


@FORMATS
def test_truncated_files_are_one_sentence(files, tmp_path, name):
    source = files[name]
    if source.is_dir():
        source = source / "FaceXModel" / "identity003.obj"
        folder = files[name] / "FaceXModel"
        for path in folder.glob("*.obj"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / source.name).write_bytes(source.read_bytes()[:-300_000])
        broken = tmp_path
        shorter = source.read_text().index("vt 0 0") // 2
        (tmp_path / source.name).write_text(source.read_text()[:shorter])
    else:
        broken = tmp_path / source.name
        broken.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(GanfitError) as error:
        read_model_file(broken)
    assert "\n" not in str(error.value)
    assert any(word in str(error.value) for word in ("again", "complete"))


def test_files_of_other_kinds_are_refused(tmp_path, capsys):
    from scipy.io import savemat

    (tmp_path / "text.bin").write_text("hello, this is no model at all")
    (tmp_path / "empty.h5").write_bytes(b"")
    savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    (tmp_path / "numbers.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    (tmp_path / "short.bin").write_bytes(struct.pack("<Iiiii", 4, 2**30, 2**30, 0, 0))
    (tmp_path / "folder").mkdir()
    for name in ("text.bin", "empty.h5", "other.mat", "other.npz", "numbers.pkl", "short.bin", "folder", "absent.h5"):
        assert main(["models", "check", str(tmp_path / name)]) == 1, name
        error = capsys.readouterr().err
        assert error.startswith("ganfit: "), name
        assert error.count("\n") == 1, error


def test_a_shape_that_is_no_face_is_refused(tmp_path):
    from dataclasses import replace

    ball = SOURCE.mean / np.linalg.norm(SOURCE.mean, axis=1, keepdims=True) * 100
    with pytest.raises(GanfitError, match="face"):
        adapt(read_model_file(bfm2009(tmp_path, replace(SOURCE, mean=ball.astype(np.float32)))))


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "payload",
    [
        Hostile(os.system, ("echo pwned > pwned",)),
        Hostile(eval, ("open('pwned', 'w')",)),
        Hostile(getattr, ("", "join")),
        Hostile(np.load, ("x",)),
        Hostile(np.frombuffer, (b"12345678",)),
        Hostile(pickle.loads, (b"",)),
        {"v_template": Hostile(__import__, ("os",))},
    ],
    ids=["system", "eval", "getattr", "numpy.load", "numpy.frombuffer", "pickle", "nested"],
)
def test_a_hostile_pickle_is_refused(tmp_path, monkeypatch, payload):
    monkeypatch.chdir(tmp_path)
    for protocol in range(2, 6):
        (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(payload, protocol=protocol))
        with pytest.raises(GanfitError, match="refused"):
            read_model_file(tmp_path / "generic_model.pkl")
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_cannot_ask_for_memory_or_other_classes(tmp_path):
    _reconstruct = np.zeros(1).__reduce__()[0]  # its module depends on the version of NumPy

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Hostile(_reconstruct, (np.ndarray, (2**50,), b"b")), protocol=2))
    with pytest.raises(TypeError):
        as_array(load_pickle(path))
    path.write_bytes(b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.")
    with pytest.raises(TypeError):
        as_array(load_pickle(path))
    path.write_bytes(b"\x80\x02ccopy_reg\n_reconstructor\ncollections\nOrderedDict\nc__builtin__\nobject\nN\x87R.")
    with pytest.raises(GanfitError):
        load_pickle(path)


def test_chumpy_objects_become_their_arrays(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    with chumpy() as ch:
        leaf = ch.Ch(values)
        selection = ch.Ch(None)
        selection.__dict__ = {"a": leaf, "idxs": np.array([5, 0]), "preferred_shape": (1, 2)}
        (tmp_path / "chumpy.pkl").write_bytes(pickle.dumps([leaf, selection], protocol=2))
    whole, part = load_pickle(tmp_path / "chumpy.pkl")
    np.testing.assert_array_equal(as_array(whole), values)
    np.testing.assert_array_equal(as_array(part), [[5, 0]])


# --- the command line ------------------------------------------------------------------------------------------------


def test_check_says_what_is_in_a_file(files, capsys):
    assert main(["models", "check", str(files["flame_pickle"])]) == 0
    out = capsys.readouterr().out
    assert "FLAME" in out
    assert "one unit is 1000 mm" in out
    assert f"identity modes {IDENTITY}, expression modes 101" in out


def test_a_photo_is_fitted_with_a_model_from_a_file(files, tmp_path):
    import json

    assert main(["fit", "--model", str(files["bfm2017"]), "--out", str(tmp_path), "--steps", "1"]) == 0
    record = json.loads((tmp_path / "astronaut" / "fit.json").read_text())
    assert len(record["parameters"]["identity"]) == IDENTITY
    assert len(record["parameters"]["expression"]) == EXPRESSION
    assert record["landmark_error"] < 0.15
    assert record["parts"] == {
        "model": files["bfm2017"].name,
        "texture": "the model's own",
        "identity": "dlib",
        "landmarks": "mediapipe",
    }


def test_a_bad_model_leaves_nothing_behind(tmp_path, capsys):
    (tmp_path / "model.h5").write_text("no")
    assert main(["fit", "--model", str(tmp_path / "model.h5"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_scipy_a_file_says_what_to_install(files, monkeypatch):
    monkeypatch.setattr(read, "find_spec", lambda name: None)
    with pytest.raises(GanfitError, match="pip install"):
        load_face_model(files["eos"])
