"""Large files, read as arrays, give the models that the readers of small files give, and the same refusals."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from qubo_dnn.errors import FileFormatError, FormulationError
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.coo import read_coo
from qubo_dnn.files.large import read_large, read_large_coo, read_large_npz
from qubo_dnn.sparse_model import SparseModel

HEAD = "# vartype=BINARY\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "model.coo"
    path.write_bytes(text.encode())
    return path


def arrays_of(folder: Path, text: str) -> SparseModel:
    model = read_large_coo(TextFile(written(folder, text)), most_labelled=0)
    assert isinstance(model, SparseModel)
    return model


@pytest.mark.parametrize(
    "bias",
    [
        *("1", "-1", "+2", "0", "-0.0", ".5", "7.", "1e3", "1E-3", "2.5e+2", "0.1", "123456789012345", "1e22", "1e23"),
        *("0.1234567890123456789", "9007199254740993", "1.7976931348623157e308", "5e-324", "1e-400", "00000000001.25"),
        *(repr(float(value)) for value in np.random.default_rng(0).normal(size=20)),
    ],
)
def test_numbers_are_read_to_the_last_bit(tmp_path: Path, bias: str) -> None:
    model = arrays_of(tmp_path, f"{HEAD}0 1 {bias}\n")
    assert model.biases.tobytes() == np.array([float(bias)]).tobytes()


def test_it_is_the_model_of_the_reader_of_small_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pairs = sorted({(min(p), max(p)) for p in rng.integers(0, 60, (200, 2)).tolist() if p[0] != p[1]})
    lines = [
        f"{j}\t{i}  {value!r}\r" for (i, j), value in zip(pairs, rng.normal(size=len(pairs)).tolist(), strict=True)
    ]
    lines += [f" {i} {i} {i / 7}" for i in range(0, 60, 3)]
    lines[10:10] = ["# a comment", "", "# offset: 1.5", "+3 +4 17"] if (3, 4) not in pairs else ["#", "# offset=1.5"]
    path = written(tmp_path, f"\ufeff{HEAD}# sense=max\n# scale=0.5\n" + "\n".join(lines))
    small, large = read_coo(path), read_large_coo(TextFile(path))
    assert isinstance(large, Model)
    assert (large.sense, large.bqm) == (small.sense, small.bqm)


def test_blocks_end_with_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TextFile.blocks
    monkeypatch.setattr(TextFile, "blocks", lambda file: whole(file, 5))
    model = arrays_of(tmp_path, f"{HEAD}0 1 -2.25\n# a comment, longer than a block\n1 2 3\n11 11 0.5")
    assert (model.biases.tolist(), model.linear[11], model.num_variables) == ([-2.25, 3.0], 0.5, 12)


def test_a_zipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.coo.gz"
    path.write_bytes(gzip.compress(f"{HEAD}0 1 2\n".encode()))
    model = read_large_coo(TextFile(path), most_labelled=0)
    assert isinstance(model, SparseModel)
    assert model.biases.tolist() == [2.0]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("0 1 2\n0 1\n", ":3: expected 'i j bias', found 2 fields"),
        ("0 1 2\n\n0 2 x\n", ":4: bias: 'x' is not a finite number"),
        ("0 1 nan\n", ":2: bias: 'nan' is not a finite number"),
        ("0 1 1e999\n", ":2: bias: '1e999' is beyond the range of a float"),
        ("0 1 1.2.3\n", ":2: bias: '1.2.3' is not a finite number"),
        ("0 1 2e\n", ":2: bias: '2e' is not a finite number"),
        ("0 -1 2\n", ":2: index: -1 is not within 0"),
        ("0 1.0 2\n", ":2: index: '1.0' is not an integer"),
        ("0 100000000 2\n", "names the variable 100000000"),
        ("0 99999999999 2\n", ":2: index: 99999999999 is not within 0"),
        ("0 1 2 3\n", ":2: expected 'i j bias', found 4 fields"),
        ("0 1 2\n1 0 3\n", "the bias of 0 and 1 occurs twice"),
        ("1 1 2\n1 1 3\n", "the linear bias of 1 occurs twice"),
        ("# vartype=BOTH\n", ":2: vartype is 'BOTH'"),
        ("# offset=1\n# offset=1\n", ":3: offset is given twice"),
        ("0 1 2\n\u00e9\n", ":3: expected 'i j bias'"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(FileFormatError) as refusal:
        read_large_coo(TextFile(written(tmp_path, HEAD + lines)), most_labelled=0)
    assert told in str(refusal.value)


def test_a_file_without_vartype_is_refused_and_one_with_names_left_to_the_other_reader(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="has no line '# vartype"):
        read_large_coo(TextFile(written(tmp_path, "0 1 2\n")))
    assert read_large_coo(TextFile(written(tmp_path, f'{HEAD}# name 0 "a"\n0 1 2\n'))) is None


def test_arrays_of_an_archive_stay_in_their_file(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    arrays: dict[str, Any] = {"rows": np.array([2, 1], np.int32), "columns": np.array([0, 2], np.int32)}
    np.savez(path, linear=np.arange(3.0), biases=np.array([3, -4], np.int8), offset=1.5, sense="max", **arrays)
    model = read_large_npz(TextFile(path), most_labelled=0)
    assert model is not None
    assert isinstance(model.rows, np.memmap)
    assert (model.sense, model.vartype, model.offset) == ("max", "BINARY", 1.5)
    assert model.energies(np.array([[1, 0, 1], [0, 1, 1]], np.int8)).tolist() == [6.5, 0.5]
    np.savez_compressed(path, linear=np.arange(3.0), biases=np.array([3.0, -4.0]), **arrays)
    unpacked = read_large_npz(TextFile(path), most_labelled=0)
    assert unpacked is not None
    assert unpacked.energies(np.array([[1, 0, 1]], np.int8)).tolist() == [5.0]


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_a_matrix_of_scipy_has_its_entries_added_up(tmp_path: Path, kind: str) -> None:
    matrix = np.array([[1.0, 2.0, 0.0], [5.0, 0.0, -3.0], [0.0, 0.0, 4.0]])
    sparse.save_npz(tmp_path / "model.npz", getattr(sparse, f"{kind}_array")(matrix), compressed=False)
    model = read_large_npz(TextFile(tmp_path / "model.npz"), most_labelled=0)
    assert model is not None
    for state in np.ndindex(2, 2, 2):
        x = np.array(state, np.int8)
        assert model.energies(x[None]).tolist() == [x @ matrix @ x]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, linear=np.zeros(2), rows=np.array([0]), columns=np.array([2]), biases=np.ones(1))
    with pytest.raises(FileFormatError, match="names a variable that is not one of 0 to 1"):
        read_large_npz(TextFile(path), most_labelled=0)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"'shape': (2,)", b"'shape': (9,)"))
    with pytest.raises(FileFormatError, match="has the shape"):
        read_large_npz(TextFile(path), most_labelled=0)
    path.write_bytes(whole[:100])
    with pytest.raises(FileFormatError, match="is not an archive"):
        read_large_npz(TextFile(path), most_labelled=0)


@pytest.mark.parametrize("compressed", [False, True])
def test_only_large_files_are_read_so(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "model.npz"
    (np.savez_compressed if compressed else np.savez)(path, Q=np.eye(2))
    assert read_large(path, "npz") is None
    assert read_large_npz(TextFile(path)) is None
    assert read_large(written(tmp_path, HEAD), "coo") is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (([0, 1], [0], [1, 1], [1.0]), "not three lists of the same length"),
        (([0, 1], [0], [0], [1.0]), "joins variable 0 to itself"),
        (([0, 1], [0, 1], [1, 0], [1.0, 2.0]), "bias of 0 and 1 occurs twice"),
        (([0, 1], [0.0], [1.0], [1.0]), "not lists of integers"),
        (([0, 1], [0], [1], [float("nan")]), "not a finite number"),
        (([0, float("inf")], [0], [1], [1.0]), "not a finite number"),
    ],
)
def test_arrays_that_make_no_model_are_refused(fields: tuple[list[float], ...], told: str) -> None:
    arrays: list[Any] = [np.array(field) for field in fields]
    with pytest.raises(FormulationError, match=told):
        SparseModel(*arrays)


def test_a_coupling_that_occurs_twice_is_found_across_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qubo_dnn.sparse_model._BLOCK", 2)
    for place in range(4):
        rows, columns = np.array([0, 0, 0, 0, 0]), np.array([1, 2, 3, 4, 5])
        columns[place + 1] = columns[place]
        with pytest.raises(FormulationError, match=f"bias of 0 and {place + 1} occurs twice"):
            SparseModel(np.zeros(6), rows, columns, np.ones(5))
