"""Model files, scans and lists made to do harm: they are read for their numbers, or refused in one sentence."""

from __future__ import annotations

import pickle
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_writers import Source, bfm2009, bfm2017, eos, flame_arrays, flame_npz, ict_facekit, morphable_tensors
from safetensors.torch import save_file

from ganfit_nb import GanfitError
from ganfit_nb.evaluation.lfw import read_pairs
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.model_files.adapt import adapt
from ganfit_nb.model_files.model_file import ModelFile
from ganfit_nb.model_files.read import read_model_file
from ganfit_nb.model_files.restricted_pickle import as_array, load_pickle
from ganfit_nb.networks.progressive_generator import Generator

TINY = Source.tiny()
FACE = Source.make()


def refusal(path: Path) -> str:
    with pytest.raises(GanfitError) as error:
        read_model_file(path)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- pickles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_model_that_numpy_saved_again_is_read_in_every_protocol(tmp_path, protocol):
    arrays = flame_arrays(TINY)
    arrays["shapedirs"] = np.asfortranarray(arrays["shapedirs"])
    arrays["weights"] = arrays["weights"].astype(">f8")
    arrays["J_regressor"].flags.writeable = False
    path = tmp_path / "flame.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    stored = load_pickle(path)
    for name, values in arrays.items():
        np.testing.assert_array_equal(as_array(stored[name]), values)
    np.testing.assert_allclose(read_model_file(path).mean, arrays["v_template"], rtol=1e-6)


def test_an_array_with_its_axes_in_another_order_is_read(tmp_path):
    """What numpy calls order K, in its pickles of protocol 5."""
    values = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": values}, protocol=5))
    np.testing.assert_array_equal(as_array(load_pickle(tmp_path / "a.pkl")["a"]), values)


def pickled(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def together(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def dtype(code: str, *state: bytes) -> bytes:
    made = b"cnumpy\ndtype\n" + together(word(code), number(0), number(1)) + b"R"
    return made + (together(*state) + b"b" if state else b"")


def array(kind: bytes, data: str) -> bytes:
    text = b"c_codecs\nencode\n"
    made = together(b"cnumpy\nndarray\n", together(number(0)), text + together(word("b"), word("latin1")) + b"R")
    state = together(number(1), together(number(1)), kind, b"\x89", text + together(word(data), word("latin1")) + b"R")
    return b"cnumpy.core.multiarray\n_reconstruct\n" + made + b"R" + state + b"b"


def test_a_dtype_cannot_make_bytes_of_the_file_pointers(tmp_path):
    """A record of one object, whose flags say that it is plain bytes: numpy follows the eight letters to memory."""
    fields = b"}" + word("a") + together(dtype("O8"), number(0)) + b"s"
    state = (number(3), word("|"), b"N", together(word("a")), fields, number(8), number(1), number(0))
    path = tmp_path / "flame.pkl"
    path.write_bytes(pickled(b"}", word("v_template"), array(dtype("V8", *state), "AAAAAAAA"), b"s"))
    assert "do not fit together" in refusal(path)
    with pytest.raises(TypeError):
        as_array(load_pickle(path)["v_template"])


@pytest.mark.parametrize("code", ["O8", "V8", "S8", "U2", "M8", "f8,f8", "c16", "f1", "f16", "(2,)f4"])
def test_only_plain_numbers_have_a_dtype(tmp_path, code):
    (tmp_path / "a.pkl").write_bytes(pickled(array(dtype(code), "AAAAAAAA")))
    with pytest.raises((TypeError, ValueError)):
        as_array(load_pickle(tmp_path / "a.pkl"))


@pytest.mark.parametrize(
    "content",
    [
        pickled(b"N", b"r\xff\xff\xff\x7f", b"0N"),  # remembers under number 2**31: a list of that length elsewhere
        pickled(b"\x82\x01"),  # EXT1, a name by number
        pickled(b"N", b"Q"),  # an object of another file
        pickled(b"\x97"),  # a buffer from outside the pickle
        pickled(b"]" * 110_000),
        pickled(b"\x8e" + struct.pack("<Q", 2**40)),  # bytes that are not there
        pickled(b"}N" + b"\x85" * 90_000 + b"Ns"),  # a key so deep that hashing it fills the stack
        pickled(b"cnumpy\ndtype\n" + together(word("f8")) + b"Rcnumpy\nload\n"),
        pickled(b"cos\nsystem\nexit\n"),
        b"\x80\x02}",
        b"\x80\x05.",
        b"\x80\x04\x95" + b"\xff" * 8,
    ],
    ids=[
        "memo",
        "extension",
        "persistent",
        "buffer",
        "parts",
        "bytes",
        "deep",
        "numpy",
        "words",
        "unfinished",
        "empty",
        "frame",
    ],
)
def test_hostile_pickles_are_refused(tmp_path, content):
    (tmp_path / "flame.pkl").write_bytes(content)
    refusal(tmp_path / "flame.pkl")


def test_the_columns_of_a_sparse_matrix_are_not_repeated_without_end(tmp_path):
    from scipy.sparse import csc_matrix

    matrix = csc_matrix(flame_arrays(TINY)["J_regressor"])
    matrix.indptr[1:] = 2**31 - 1
    (tmp_path / "flame.pkl").write_bytes(pickle.dumps({**flame_arrays(TINY), "J_regressor": matrix}, protocol=2))
    assert "do not fit together" in refusal(tmp_path / "flame.pkl")


# --- archives --------------------------------------------------------------------------------------------------------


def test_only_the_arrays_of_flame_are_unpacked(tmp_path):
    """The other one would become 64 GB."""
    path = flame_npz(tmp_path, TINY)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bomb.npy", np.lib.format.magic(1, 0) + struct.pack("<H", 10) + b"not a head")
    assert len(read_model_file(path).mean) == len(TINY.mean)


def npy(shape: tuple[int, ...], dtype: str = "<f8", data: bytes = b"") -> bytes:
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return np.lib.format.magic(1, 0) + struct.pack("<H", len(head)) + head.encode() + data


@pytest.mark.parametrize(
    "member",
    [
        npy((2**33,)),
        npy((2**40, 2**40)),
        npy((-1,), data=bytes(8)),
        npy((2,), "|O", pickle.dumps([1, 2])),
        npy((6, 3), "<f8", bytes(2**24)),
        b"\x93NUMPY\x01\x00\xff\xff",
    ],
    ids=["large", "overflow", "negative", "objects", "more", "cut"],
)
def test_an_array_that_is_not_what_it_says_is_refused(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "flame.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_template.npy", member)
    refusal(tmp_path / "flame.npz")


def test_an_archive_that_declares_more_than_it_can_hold_is_refused(tmp_path):
    path = flame_npz(tmp_path, TINY)
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(signature)
        data[place + at : place + at + 4] = struct.pack("<I", 2**30)
    path.write_bytes(data)
    assert "archive" in refusal(path)


# --- HDF5 ------------------------------------------------------------------------------------------------------------


def hdf5(folder: Path, **replaced) -> Path:
    import h5py

    path = bfm2017(folder, TINY)
    with h5py.File(path, "a") as file:
        for name, make in replaced.items():
            place = f"shape/model/{name}"
            old = file[place][()]
            del file[place]
            make(file, place, old)
    return path


def test_hdf5_is_read_in_every_storage(tmp_path):
    import h5py

    expected = read_model_file(bfm2017(tmp_path, TINY))
    for k, options in enumerate(({}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"dtype": ">f8"})):
        (tmp_path / str(k)).mkdir()
        path = hdf5(
            tmp_path / str(k), pcaBasis=lambda file, name, old, o=options: file.create_dataset(name, data=old, **o)
        )
        np.testing.assert_array_equal(read_model_file(path).identity, expected.identity)
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=1024) as file, h5py.File(path) as other:
        for part in ("shape", "expression", "color"):
            other.copy(part, file)
    block = (tmp_path / "block.h5").read_bytes()
    (tmp_path / "block.h5").write_bytes(b"\x89HDF not yet".ljust(1024, b"\0") + block[1024:])
    np.testing.assert_array_equal(read_model_file(tmp_path / "block.h5").identity, expected.identity)


def linked(kind: str):
    import h5py

    def make(file, name, old) -> None:
        file["elsewhere"] = old
        link = h5py.SoftLink("/elsewhere") if kind == "soft" else h5py.ExternalLink("private.h5", "/secret")
        file[name] = link

    return make


def external(file, name, old) -> None:
    file.create_dataset(name, old.shape, old.dtype, external=[("private.bin", 0, old.nbytes)])


def virtual(file, name, old) -> None:
    import h5py

    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[:] = h5py.VirtualSource("private.h5", "secret", old.shape)
    file.create_virtual_dataset(name, layout)


def empty(file, name, old) -> None:
    file.create_dataset(name, (2**20, 2**20), "f8", chunks=(64, 64))


def objects(file, name, old) -> None:
    import h5py

    file.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    "make",
    [linked("soft"), linked("external"), external, virtual, empty, objects],
    ids=["soft", "external_link", "external_storage", "virtual", "empty", "strings"],
)
def test_hdf5_does_not_reach_out_of_the_file_or_grow(tmp_path, monkeypatch, make):
    import h5py

    monkeypatch.chdir(tmp_path)
    shape = TINY.mean.ravel().shape
    with h5py.File(tmp_path / "private.h5", "w") as file:
        file["secret"] = np.ones(shape, np.float32)
    (tmp_path / "private.bin").write_bytes(np.ones(shape, np.float32).tobytes())
    assert "HDF5" in refusal(hdf5(tmp_path, mean=make))


def test_a_crash_of_the_hdf5_library_is_one_sentence(tmp_path, monkeypatch):
    from ganfit_nb.model_files import hdf5_file

    program = tmp_path / "crash.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    monkeypatch.setattr(hdf5_file, "PROGRAM", program)
    assert "no complete HDF5 file" in refusal(bfm2017(tmp_path, TINY))


# --- other formats ---------------------------------------------------------------------------------------------------


def test_expressions_of_guo_cannot_ask_for_memory(tmp_path):
    """A million modes of one vertex, to be spread over the model's: 500 GB if it has as many as Basel's."""
    path = bfm2009(tmp_path, replace(TINY, expression=TINY.expression[:, :2]), extra=0)
    modes = 2**26 // 12
    (tmp_path / "Exp_Pca.bin").write_bytes(struct.pack("<i", modes) + bytes(12 * (modes + 1)))
    from ganfit_nb.model_files import bfm2009 as module

    with pytest.raises(GanfitError, match="does not fit"):
        module._guo_expressions(tmp_path, 53_490)
    refusal(path)


def test_the_companions_of_guo_are_named(tmp_path):
    path = bfm2009(tmp_path, TINY, extra=3)
    (tmp_path / "BFM_exp_idx.mat").write_bytes(b"MATLAB")
    assert "BFM_exp_idx.mat" in refusal(path)
    (tmp_path / "std_exp.txt").write_text("1 2 3 4 5 6")
    assert "std_exp.txt" in refusal(path)


@pytest.mark.parametrize(
    "line", ["f 0 1 2", "f 1 2 -1", f"f 1 2 {'9' * 400}", "f 1 2 99", "v 1 2", "v 1 nan 2", "f a b c"]
)
def test_broken_lines_of_facekit_are_refused(tmp_path, line):
    folder = ict_facekit(tmp_path, TINY)
    path = folder / "FaceXModel" / "generic_neutral_mesh.obj"
    path.write_text(path.read_text() + line + "\n")
    refusal(folder)


@pytest.mark.parametrize("place", range(4, 40, 4))
def test_lengths_of_eos_are_looked_at(tmp_path, place):
    path = eos(tmp_path, TINY)
    whole = path.read_bytes()
    for value in (-1, 2**31 - 1, -(2**31)):
        path.write_bytes(whole[:place] + struct.pack("<i", value) + whole[place + 4 :])
        with suppress(GanfitError):
            read_model_file(path)


# --- models that are none --------------------------------------------------------------------------------------------


def model_file(**changes) -> ModelFile:
    parts = {"mean": FACE.mean, "identity": FACE.identity, "expression": FACE.expression, "faces": FACE.faces}
    return ModelFile("a model", **{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mean": FACE.mean * np.float32(1e30), "identity": FACE.identity * np.float32(1e30)}, "not finite"),
        ({"mean": FACE.mean * np.float32(1e9)}, r"2\.\de.11 units"),
        ({"mean": np.full_like(FACE.mean, 5.0)}, "0 units"),
        ({"mean": FACE.mean * np.float32([1, 1, 0])}, "flat"),
        ({"identity": FACE.identity * np.float32(1e6)}, "farther"),
        ({"expression": FACE.expression * np.float32("nan")}, "not finite"),
        ({"faces": FACE.faces - 1}, "triangles"),
    ],
    ids=["huge", "large", "equal", "flat", "modes", "nan", "negative"],
)
def test_numbers_that_make_no_face_are_refused(changes, reason):
    with pytest.raises(GanfitError, match=reason):
        model_file(**changes).checked(Path("model"))


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, 1), (1, 1, -1), (-1, 1, -1)])
def test_a_model_that_stands_on_its_head_or_inside_out_says_how_to_turn_it(signs):
    turn = np.float32(signs)
    with pytest.raises(GanfitError, match=r"\+y"):
        adapt(model_file(mean=FACE.mean * turn, identity=FACE.identity * turn, expression=FACE.expression * turn))


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": np.full_like(FACE.mean, 5.0)},
        {"faces": FACE.faces[:1]},
        {"faces": FACE.faces[:, [0, 0, 0]]},
    ],
    ids=["equal", "one", "degenerate"],
)
def test_whatever_goes_wrong_in_adapting_is_one_sentence(changes):
    with pytest.raises(GanfitError):
        adapt(model_file(**changes))


# --- tensors of ours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"faces": torch.tensor([[0, 1, 6]], dtype=torch.int32)},
        {"contour": torch.full((17, 2), -1, dtype=torch.int32)},
        {"uv": torch.rand(5, 2)},
        {"mean": torch.full((6, 3), float("inf"))},
        {"faces": torch.zeros(0, 3, dtype=torch.int32)},
        {"more": torch.zeros(1)},
    ],
    ids=["corner", "negative", "vertices", "infinite", "empty", "more"],
)
def test_a_morphable_model_whose_parts_do_not_fit_is_refused(tmp_path, change):
    save_file(morphable_tensors(), tmp_path / "model.safetensors")
    assert len(MorphableModel.load(tmp_path / "model.safetensors").mean) == 6
    save_file({**morphable_tensors(), **change}, tmp_path / "model.safetensors")
    with pytest.raises(GanfitError, match="holds no morphable model"):
        MorphableModel.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "sizes", [{"resolution": "1000000000"}, {"latent": "1000000000000"}, {"width": "0"}, {"x": "1"}]
)
def test_a_texture_gan_cannot_ask_for_memory_by_its_sizes(tmp_path, sizes):
    from safetensors import safe_open
    from safetensors.torch import load_file

    path = tmp_path / "gan.safetensors"
    GanTexture(Generator(64, 2, 128, 64, 64)).save(path)
    with safe_open(path, "pt") as file:
        stored = file.metadata()
    save_file(load_file(path), path, metadata={**stored, **sizes})
    with pytest.raises(GanfitError, match="holds no texture GAN"):
        GanTexture.load(path)


# --- scans and lists -------------------------------------------------------------------------------------------------


def test_a_scan_cannot_name_other_files(tmp_path):
    """glTF takes its numbers from any file that it names."""
    import json

    triangle = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]).tobytes()
    (tmp_path / "private.bin").write_bytes(triangle)
    scene = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "private.bin", "byteLength": 36}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    path = tmp_path / "scan.gltf"
    path.write_text(json.dumps(scene))
    with pytest.raises(GanfitError, match="OBJ, OFF, PLY or STL"):
        Surface.read(path)


@pytest.mark.parametrize("face", ["f 1 2 9", "f -9 1 2", "f 1 2 x"])
def test_a_scan_with_broken_triangles_is_refused(tmp_path, face):
    (tmp_path / "scan.obj").write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nv nan 0 0\nf 1 2 3\n{face}\n")
    with pytest.raises(GanfitError, match=r"scan\.obj"):
        Surface.read(tmp_path / "scan.obj")


@pytest.mark.parametrize("name", ["../private", "/etc", "..", "C:", "a\\b"])
def test_a_list_of_pairs_cannot_lead_out_of_its_folder(tmp_path, name):
    (tmp_path / "pairs.txt").write_text(f"1\nAnn\t1\t2\n{name}\t1\tBob\t2\n")
    with pytest.raises(GanfitError, match="no list of pairs"):
        read_pairs(tmp_path / "pairs.txt")
