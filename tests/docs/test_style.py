"""Plain English: short sentences, and no abbreviation that the glossary does not explain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, pages

MOST_WORDS = 30
# Elsewhere a sentence may list what a table would be too heavy for.
MOST_WORDS_ELSEWHERE = 35
# Everybody knows these, or they are names.
KNOWN = {
    *(
        "API",
        "CI",
        "CPU",
        "CPUs",
        "CSV",
        "CUDA",
        "FILE",
        "GB",
        "GPU",
        "GPUs",
        "HTML",
        "INFO",
        "DEBUG",
        "JSON",
        "KB",
        "LP",
        "MB",
    ),
    *(
        "MIT",
        "MIP",
        "MPS",
        "NAME",
        "PNG",
        "SVG",
        "TOML",
        "URL",
        "UTF",
        "VALUE",
        "YAML",
        "OK",
        "ID",
        "README",
        "CHANGELOG",
    ),
    *("PT", "NOTE", "AND", "NOT", "OR", "AMD", "ARM", "PPO", "GA"),
    # Names of software, firms, services, formats, data and methods.
    *(
        "AIMET",
        "NNCF",
        "OMMX",
        "SCIP",
        "CPLEX",
        "HiGHS",
        "QAPLIB",
        "QPLIB",
        "TSPLIB",
        "DIMACS",
        "IBM",
        "D-Wave",
        "CIFAR",
        "HAWQ",
    ),
    *(
        "HAWQ-V3",
        "CLADO",
        "MPQCO",
        "MNIST",
        "IR",
        "OR-Library",
        "AMC",
        "HAQ",
        "LSTM",
        "GRU",
        "RNN",
        "FINISHED",
        "FAILED",
        "KILLED",
    ),
    *(
        "COBYLA",
        "XY",
        "SA",
        "SQA",
        "CP-SAT",
        "INT2",
        "INT4",
        "INT8",
        "ReLU",
        "PyPI",
        "AVX512",
        "AMX",
        "FIRST",
        "LAST",
        "STEP",
    ),
    *("LAYER", "DIR", "ENCODING", "SECONDS", "TARGET", "SEED", "SIZE", "CIFAR-10", "SECURITY", "CONTRIBUTING", "SDK"),
    *("MLflow", "CONDUCT", "CODE", "COO", "TFLOP", "TLS"),
}
GLOSSARY = ROOT / "docs" / "glossary.md"


def tutorials() -> list[Path]:
    return sorted((ROOT / "examples").rglob("*.py"))


def text_of_script(path: Path) -> str:
    """What a reader reads of a script: its docstring, and the comments that begin a cell."""
    source = path.read_text()
    cells = re.findall(r"^# %%.*\n((?:#.*\n)*)", source, re.MULTILINE)
    text = "\n\n".join(
        [ast.get_docstring(ast.parse(source)) or "", *(re.sub(r"^# ?", "", each, flags=re.M) for each in cells)]
    )
    # Displayed formulas and blocks of code, with the indented lines below them.
    return re.sub(r"^\.\. [\w-]+::.*\n(?:[ \t]+.*\n|\n)*", "\n", text, flags=re.M)


def sentences(text: str) -> Iterator[str]:
    """Sentences of running text, without code, tables, headings, links' targets and directives."""
    text = re.sub(r"```.*?```|<!--.*?-->|:::.*?\n|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    text = re.sub(r"^(?:\||#|:|    ).*$|^[=\-~]{3,}$", "", text, flags=re.MULTILINE)
    text = re.sub(r"`{1,2}[^`]*`{1,2}_{0,2}", "code", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for paragraph in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) ", text):
        yield from re.split(r"(?<=[.!?:])[\s\"')]+(?=[A-Z\"'(\[*]|code)", " ".join(paragraph.split()))


def too_long(text: str, most: int) -> list[str]:
    return [each for each in sentences(text) if len(re.findall(r"[\w'-]+", each)) > most]


def test_a_long_sentence_is_noticed() -> None:
    assert too_long("One two. " + "word " * 31 + ".", MOST_WORDS)
    assert not too_long("One two three. " * 20, MOST_WORDS)


@pytest.mark.parametrize("path", tutorials(), ids=lambda path: path.stem)
def test_sentences_of_tutorials_are_short(path: Path) -> None:
    assert too_long(text_of_script(path), MOST_WORDS) == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_sentences_of_other_pages_are_not_long(path: Path) -> None:
    assert too_long(path.read_text(), MOST_WORDS_ELSEWHERE) == []


@pytest.mark.parametrize("path", [*tutorials(), *pages()], ids=lambda path: path.stem)
def test_abbreviations_are_in_the_glossary(path: Path) -> None:
    explained = KNOWN | set(re.findall(r"^([\w-]+)$", GLOSSARY.read_text(), re.MULTILINE))
    text = text_of_script(path) if path.suffix == ".py" else path.read_text()
    words = " ".join(sentences(text))
    found = set(re.findall(r"(?<![\w-])[A-Z][A-Z0-9][A-Z0-9a-z]*(?:-[A-Z0-9]+)?(?![\w])", words))
    assert sorted(found - explained) == []
