"""MATLAB files: what scipy reads of them is what is read, and what is no such file is one sentence."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from model_writers import mat5

from ganfit_nb import GanfitError
from ganfit_nb.model_files.mat_file import load_mat

TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
SHAPES = ((1, 1), (3, 1), (1, 4), (2, 3), (0, 0), (5, 0), (2, 3, 4), (1, 2, 1, 3))


def drawn(code: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if code[0] == "f":
        return random.normal(0, 1e3, shape).astype(code)
    bounds = np.iinfo(code)
    return random.integers(bounds.min, bounds.max, shape, dtype=code, endpoint=True)


def require_same(path: Path, names: list[str]) -> None:
    from scipy.io import loadmat

    ours, scipys = load_mat(path), loadmat(path)
    assert sorted(ours) == sorted(names)
    for name in names:
        np.testing.assert_array_equal(ours[name], scipys[name])
        assert ours[name].shape == scipys[name].shape
        assert ours[name].dtype == scipys[name].dtype.newbyteorder("=")


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes_is_what_scipy_reads(tmp_path, packed):
    from scipy.io import savemat

    arrays = {f"{code}_{k}": drawn(code, shape, k) for code in TYPES for k, shape in enumerate(SHAPES)}
    savemat(
        tmp_path / "a.mat", {**arrays, "words": "a face", "flags": np.array([[True, False]])}, do_compression=packed
    )
    require_same(tmp_path / "a.mat", [*arrays, "flags"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_both_orders_of_bytes_and_small_elements(tmp_path, order, packed):
    arrays = {f"{code}_{k}": drawn(code, shape, k) for code in TYPES for k, shape in enumerate(SHAPES)}
    require_same(mat5(tmp_path / "a.mat", arrays, order, packed), list(arrays))


def test_texts_cells_and_complex_numbers_are_left_out(tmp_path):
    from scipy.io import savemat
    from scipy.sparse import csc_matrix

    content = {
        "words": "a face",
        "cells": np.array([[1, "two"]], dtype=object),
        "complex": np.array([[1j]]),
        "sparse": csc_matrix(np.eye(3)),
        "structs": [{"a": 1.0}, {"a": 2.0}],
        "numbers": np.eye(2),
    }
    savemat(tmp_path / "a.mat", content)
    found = load_mat(tmp_path / "a.mat")
    assert set(found) == {"numbers"}


def test_a_struct_is_a_dictionary_of_its_arrays(tmp_path):
    from scipy.io import savemat

    model = {"shapeMU": np.arange(6.0)[:, None], "kind": "basel", "deeper": {"tri": np.eye(3)}, "tri": np.eye(3)}
    for packed in (False, True):
        savemat(tmp_path / "a.mat", {"model": model}, do_compression=packed)
        found = load_mat(tmp_path / "a.mat")["model"]
        assert sorted(found) == ["shapeMU", "tri"]
        np.testing.assert_array_equal(found["shapeMU"], model["shapeMU"])


def test_a_file_of_version_7_3_says_what_to_do(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(GanfitError, match="save -v7"):
        load_mat(tmp_path / "a.mat")


def test_a_bomb_is_refused_before_it_grows(tmp_path):
    """Three declarations of 8 GB: by a tag, by a tag that is compressed, and by what is really compressed."""
    header = mat5(tmp_path / "a.mat", {}).read_bytes()
    huge = struct.pack("<II", 14, 0xFFFFFFF0)
    bomb = zlib.compress(struct.pack("<II", 14, 2**31) + b"\0" * 2**24)
    for content in (huge, *(struct.pack("<II", 15, len(data)) + data for data in (zlib.compress(huge), bomb))):
        (tmp_path / "a.mat").write_bytes(header + content)
        with pytest.raises(GanfitError, match="no complete MATLAB file"):
            load_mat(tmp_path / "a.mat")


def test_cut_anywhere_a_file_is_one_sentence_or_lacks_arrays(tmp_path):
    arrays = {"first": np.eye(3), "second": np.arange(12.0).reshape(3, 4)}
    whole = mat5(tmp_path / "a.mat", arrays).read_bytes()
    whole_arrays = []
    for length in range(len(whole)):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        with suppress(GanfitError):
            whole_arrays.append(set(load_mat(tmp_path / "a.mat")))
    assert whole_arrays == [set(), {"first"}]
