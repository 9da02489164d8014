"""Embeddings are found within limits that are named, verified, and saved without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from qubo_dnn.embedding.embedding import Embedder, Embedding, embed, load_embedding
from qubo_dnn.embedding.target import Target, target
from qubo_dnn.errors import EmbeddingError, FileFormatError, OptionError


@pytest.mark.parametrize("embedder", ["auto", "clique", "minorminer"])
@pytest.mark.parametrize("source", [nx.complete_graph(10), nx.cycle_graph(30), nx.star_graph(20), nx.empty_graph(5)])
def test_what_is_found_embeds_the_graph(chip: Target, source: nx.Graph, embedder: Embedder) -> None:
    found = embed(source, chip, embedder, seed=3)
    assert found.faults(source) == []
    assert set(found.chains) == set(source)
    assert (found.longest, found.qubits) == (
        max(len(chain) for chain in found.chains.values()),
        sum(len(chain) for chain in found.chains.values()),
    )


def test_auto_takes_the_clique_of_a_dense_graph_and_shorter_chains_of_a_sparse_one(chip: Target) -> None:
    dense, sparse = embed(nx.complete_graph(30), chip), embed(nx.cycle_graph(30), chip)
    assert (dense.embedder, sparse.embedder) == ("clique", "minorminer")
    assert sparse.longest < embed(nx.cycle_graph(30), chip, "clique").longest


def test_a_seed_gives_the_same_chains_whatever_the_order_of_nodes_and_edges(chip: Target) -> None:
    one = nx.gnm_random_graph(20, 60, seed=1)
    other = nx.Graph()
    other.add_nodes_from(reversed(list(one)))
    other.add_edges_from((v, u) for u, v in reversed(list(one.edges)))
    assert embed(one, chip, "minorminer", seed=4).chains == embed(other, chip, "minorminer", seed=4).chains
    assert embed(one, chip, "minorminer", seed=4).chains != embed(one, chip, "minorminer", seed=5).chains


@pytest.mark.parametrize(
    ("source", "embedder", "text"),
    [
        (nx.complete_graph(37), "auto", "37 variables, all coupled.*largest clique of this graph has 36"),
        (nx.complete_graph(37), "clique", "largest clique of this graph has 36"),
        (nx.cycle_graph(37), "clique", "try minorminer"),
        (nx.empty_graph(265), "auto", "265 variables do not fit pegasus:4, which has 264 qubits"),
        (nx.complete_graph(58), "auto", "1,653 interactions do not fit pegasus:4, which has 1,604 couplers"),
        (nx.gnm_random_graph(100, 1500, seed=1), "auto", "minorminer found none"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_limit_of_this_graph(
    chip: Target, source: nx.Graph, embedder: Embedder, text: str
) -> None:
    with pytest.raises(EmbeddingError, match=text):
        embed(source, chip, embedder, time_limit=1.0)


def test_defects_lower_the_limit_that_is_named() -> None:
    broken = target("pegasus:4", 0.05, 1)
    with pytest.raises(EmbeddingError, match=f"largest clique of this graph has {broken.largest_clique} "):
        embed(nx.complete_graph(36), broken)


def test_an_unknown_embedder_is_refused(chip: Target) -> None:
    with pytest.raises(OptionError, match="layout"):
        embed(nx.path_graph(2), chip, "layout")  # type: ignore[arg-type]


def test_more_nodes_than_the_family_has_cliques_for_are_placed_alone(chip: Target) -> None:
    assert embed(nx.empty_graph(264), chip, "minorminer").qubits == 264


def test_saving_and_loading_keeps_chains_and_labels(chip: Target, tmp_path: Path) -> None:
    source = nx.relabel_nodes(nx.path_graph(4), {0: "a", 1: ("x", 2), 2: 7, 3: 2.5})
    found = embed(source, chip)
    found.save(tmp_path / "e.json")
    again = load_embedding(tmp_path / "e.json", source, chip)
    assert again.chains == found.chains
    smaller = load_embedding(tmp_path / "e.json", source.subgraph(["a", ("x", 2)]), chip)
    assert set(smaller.chains) == {"a", ("x", 2)}


def test_a_loaded_embedding_is_verified(chip: Target, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    embed(nx.path_graph(4), chip).save(path)
    with pytest.raises(EmbeddingError, match="MissingChain"):
        load_embedding(path, nx.path_graph(5), chip)
    first, *others = sorted(chip.graph)
    far = next(qubit for qubit in others if not chip.graph.has_edge(first, qubit))
    Embedding({0: (first,), 1: (far,)}, chip, "by hand", 0, 0.0).save(tmp_path / "far.json")
    with pytest.raises(EmbeddingError, match="MissingEdge"):
        load_embedding(tmp_path / "far.json", nx.path_graph(2), chip)
    with pytest.raises(EmbeddingError, match="not an embedding into"):
        load_embedding(path, nx.path_graph(4), target("pegasus:2"))


@pytest.mark.parametrize(
    "data",
    [{}, [], {"chains": 3}, {"chains": [[1]]}, {"chains": [[1, 2]]}, {"chains": [[1, ["q"]]]}],
)
def test_other_files_are_refused(chip: Target, tmp_path: Path, data: Any) -> None:
    (tmp_path / "e.json").write_text(json.dumps(data))
    with pytest.raises(FileFormatError, match=r"e\.json"):
        load_embedding(tmp_path / "e.json", nx.path_graph(2), chip)


def test_a_plain_object_of_variables_and_qubits_is_an_embedding(chip: Target, tmp_path: Path) -> None:
    source = nx.relabel_nodes(nx.path_graph(4), {0: "chains", 1: ("x", 2), 2: 7, 3: "8"})
    chains = embed(source, chip).chains
    path = tmp_path / "e.json"
    path.write_text(json.dumps({str(variable): list(chain) for variable, chain in chains.items()}))
    assert load_embedding(path, source, chip).chains == chains
    assert list(load_embedding(path, source.subgraph([7, "8"]), chip).chains) == [7, "8"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"0": [1], "1": 2}', "has 2 as the chain of '1', not a list of qubits"),
        ('{"0": [1], "1": [2.0]}', "has [2.0] as the chain of '1'"),
        ('{"0": [1], "1": [true]}', "has [true] as the chain of '1'"),
        ('{"0": [1], "1": ["2"]}', "has [\"2\"] as the chain of '1'"),
        ('{"0": [1], "0": [2]}', "has the key '0' twice"),
        ('{"0": [1]', "is not JSON"),
        ('{"chains": [[0, [1.5]]]}', "has [1.5] as the chain of 0"),
    ],
    ids=["number", "float", "boolean", "text", "repeated", "cut", "saved"],
)
def test_what_is_no_chain_is_refused(chip: Target, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(FileFormatError) as caught:
        load_embedding(tmp_path / "e.json", nx.path_graph(2), chip)
    assert words in str(caught.value)


def test_a_key_stands_for_the_text_before_the_number(chip: Target, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{"1": [40]}')
    both = nx.Graph([(1, "1")])
    assert load_embedding(tmp_path / "e.json", both.subgraph(["1"]), chip).chains == {"1": (40,)}
    assert load_embedding(tmp_path / "e.json", both.subgraph([1]), chip).chains == {1: (40,)}
    with pytest.raises(EmbeddingError, match="MissingChain: 1"):
        load_embedding(tmp_path / "e.json", both, chip)


def test_faults_name_shared_qubits_and_torn_chains(chip: Target) -> None:
    first, *others = sorted(chip.graph)
    far = next(qubit for qubit in others if not chip.graph.has_edge(first, qubit))
    shared = Embedding({0: (first,), 1: (first,)}, chip, "by hand", 0, 0.0)
    assert any("ChainOverlap" in fault for fault in shared.faults(nx.empty_graph(2)))
    torn = Embedding({0: (first, far)}, chip, "by hand", 0, 0.0)
    assert any("DisconnectedChain" in fault for fault in torn.faults(nx.empty_graph(1)))
