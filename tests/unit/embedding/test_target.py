"""Hardware graphs come from a name or a file of solver properties, and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from dwave.cloud.testing.mocks import qpu_pegasus_solver_data

from qubo_dnn.embedding.target import read_target, target
from qubo_dnn.errors import FileFormatError, OptionError


@pytest.mark.parametrize(
    ("name", "qubits", "couplers", "largest"),
    [
        ("pegasus:4", 264, 1604, 36),
        ("zephyr:3", 336, 2808, 40),
        ("chimera:4", 128, 352, 16),
        ("chimera:2:3:4", 48, 124, 8),
    ],
)
def test_perfect_graphs(name: str, qubits: int, couplers: int, largest: int) -> None:
    found = target(name)
    assert (len(found.graph), found.graph.number_of_edges()) == (qubits, couplers)
    assert found.largest_clique == largest
    assert found.ranges["extended_j_range"] == (-2.0, 1.0)


@pytest.mark.parametrize(
    "name",
    [
        "pegasus",
        "pegasus:",
        "pegasus:x",
        "pegasus:1",
        "pegasus:0",
        "pegasus:-3",
        "pegasus:2.5",
        "pegasus:4:4",
        "zephyr:1:2:3",
        "pegasus:100000",
        "zephyr:1000",
        "chimera:2:2:1000",
        "torus:4",
        "",
        "4",
    ],
)
def test_other_names_are_refused_at_once(name: str) -> None:
    with pytest.raises(OptionError):
        target(name)


def test_defects_take_their_share_of_the_qubits_by_the_seed() -> None:
    whole, one, other = target("pegasus:4"), target("pegasus:4", 0.05, 1), target("pegasus:4", 0.05, 2)
    assert len(one.graph) == len(other.graph) == len(whole.graph) - round(0.05 * len(whole.graph))
    assert set(one.graph) != set(other.graph)
    assert one.digest == target("pegasus:4", 0.05, 1).digest != other.digest != whole.digest
    assert 0 < one.largest_clique < whole.largest_clique
    with pytest.raises(OptionError, match="defects"):
        target("pegasus:4", 1.0)


@pytest.fixture
def properties() -> dict[str, Any]:
    found: dict[str, Any] = qpu_pegasus_solver_data(4)["properties"]
    found["qubits"] = found["qubits"][40:]
    left = set(found["qubits"])
    found["couplers"] = [list(pair) for pair in found["couplers"] if left.issuperset(pair)]
    return found


def test_properties_of_a_solver_are_read_from_a_file(tmp_path: Path, properties: dict[str, Any]) -> None:
    (tmp_path / "chip.json.gz").write_bytes(gzip.compress(json.dumps(properties).encode()))
    found = target(str(tmp_path / "chip.json.gz"))
    assert sorted(found.graph) == properties["qubits"]
    assert {frozenset(edge) for edge in found.graph.edges} == set(map(frozenset, properties["couplers"]))
    assert found.ranges["h_range"] == (-2.0, 2.0)
    assert found.largest_clique < target("pegasus:4").largest_clique


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"qubits": None}, "qubits"),
        ({"qubits": [1, "2"]}, "qubits"),
        ({"couplers": {}}, "couplers"),
        ({"couplers": [[100]]}, "coupler"),
        ({"couplers": [[100, 101, 102]]}, "coupler"),
        ({"couplers": [[0, 1]]}, "coupler of the qubit 0"),
        ({"qubits": [99999]}, "lacks"),
        ({"topology": None}, "topology"),
        ({"topology": {"type": "torus", "shape": [4]}}, "topology"),
        ({"topology": {"type": "pegasus", "shape": []}}, "shape"),
        ({"h_range": [1, 2]}, "h_range"),
        ({"extended_j_range": "wide"}, "extended_j_range"),
        ({"per_qubit_coupling_range": [float("-inf"), 1]}, "per_qubit_coupling_range"),
    ],
)
def test_other_files_are_refused_by_name(
    tmp_path: Path, properties: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    path = tmp_path / "chip.json"
    path.write_text(json.dumps(properties | change))
    with pytest.raises(FileFormatError, match=text) as caught:
        read_target(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "chip.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"chip\.json"):
        read_target(tmp_path / "chip.json")
