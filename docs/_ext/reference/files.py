"""Pages of file formats, encodings and errors."""

from __future__ import annotations

import importlib
import inspect
import json

import torch
from torch import nn

from qubo_dnn import errors
from qubo_dnn.compression.quantization import bit_packing, grid
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.encodings import slack, unbalanced
from qubo_dnn.encodings.names import BOUNDED, INTEGERS
from qubo_dnn.files.formats import FORMATS
from reference.docstrings import markdown, prose, sections

# Beside those of the classes of errors; see `qubo_dnn.cli.main`.
ENDS = {
    0: "success",
    1: "an unexpected fault (a bug), or the reader of the output closed it",
    2: "a malformed command line",
    130: "interrupted by Ctrl-C; the best until then is kept",
}


def formats_page() -> str:
    """Every format with its suffixes and its grammar."""
    text = ["# File formats", _FORMATS]
    for each in FORMATS.values():
        module = importlib.import_module(f"qubo_dnn.files.{each.reader.partition(':')[0]}")
        suffixes = ", ".join(f"`{suffix}`" for suffix in each.suffixes)
        use = (
            f" A file is a problem of [{each.formulation}](formulations/{each.formulation}.md)."
            if each.formulation
            else ""
        )
        written = "Read and written." if each.writer else "Read only."
        sense = " Its files cannot state that a model is maximised." if each.minimised else ""
        text.append(f"## {each.name}\n\n{prose(each.summary)}. Suffixes: {suffixes}. {written}{use}{sense}")
        text.append(markdown(inspect.getdoc(module) or ""))
    return "\n\n".join(text) + "\n"


_FORMATS = """`--format NAME` says what a file is. Without it, its name or its content decides, and the
choice is said. Any file may be gzipped (`.gz`). `FILE#2` is the second problem of an OR-Library file. Damaged files are
refused by name and line."""


def encodings_page() -> str:
    """Every encoding of integers and of inequalities."""
    text = [
        "# Encodings",
        "`--integers NAME` encodes integer variables, `--inequalities slack:NAME` the slack of inequalities.",
        "## Integers",
    ]
    for name, encoding in INTEGERS.items():
        text.append(_encoding(name, inspect.getmodule(encoding)))
    text.append(_encoding(f"{BOUNDED}:N", importlib.import_module("qubo_dnn.encodings.bounded_coefficient")))
    text += ["## Inequalities", _encoding("slack:NAME", slack), _encoding("unbalanced", unbalanced)]
    text.append(f"### lagrangian\n\n{_LAGRANGIAN}")
    return "\n\n".join(text) + "\n"


_LAGRANGIAN = """The default: `multiplier * (a x - b)`, a linear term, with a multiplier that `solve` searches for call
by call. It adds no variable and no coupling. Samples are repaired and checked."""


def _encoding(name: str, module: object) -> str:
    return f"### {name}\n\n{markdown(inspect.getdoc(module) or '')}"


def error_classes() -> list[type[errors.QuboDnnError]]:
    """The classes of errors, in the order of their exit codes."""
    found = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, errors.QuboDnnError)]
    return sorted(found, key=lambda each: each.exit_code)


def errors_page() -> str:
    """Every exit code and every error."""
    rows = [f"| {code} | {words} | |" for code, words in ENDS.items() if code < 3]
    for each in error_classes():
        if each.exit_code > 2:
            meaning = prose(" ".join(sections(inspect.getdoc(each) or "")[""].split("\n\n")[0].split()))
            rows.append(f"| {each.exit_code} | {meaning} | [`{each.__name__}`](#{each.__name__.lower()}) |")
    rows.append(f"| 130 | {ENDS[130]} | |")
    text = ["# Errors and exit codes", _ERRORS, "\n".join(["| exit code | meaning | error |", "|---|---|---|", *rows])]
    for each in error_classes():
        bases = ", ".join(f"`{base.__name__}`" for base in each.__bases__)
        text.append(
            f"## {each.__name__}\n\nExit code {each.exit_code}; a {bases}.\n\n{markdown(inspect.getdoc(each) or '')}"
        )
    return "\n\n".join(text) + "\n"


_ERRORS = """Every deliberate error is one readable line. In Python it is a class of `qubo_dnn.errors`, also derived
from the usual class of Python. The command line prints it on stderr and ends with its exit code."""


def model_file_page() -> str:
    """The model file, with the bytes of a small one."""
    return f"""# The model file

{_MODEL}

## A compressed weight

{markdown(inspect.getdoc(bit_packing) or "")}

## Grids

{markdown(inspect.getdoc(grid) or "")}

## An example, byte by byte

A linear layer with the weights 1, -1 and 0.5 and no bias, four bits for its only channel:

{_example()}
"""


_MODEL = """`model.safetensors` is a [safetensors](https://github.com/huggingface/safetensors) file: eight bytes with
the length of a header (little-endian), the header in JSON, and the tensors. Its metadata have one entry, `qubo-dnn`,
whose text is JSON:

| key | value |
|---|---|
| `version` | 2, or 3 with grids of activations |
| `layers` | name of a compressed weight -> channels in a unit, groups of a transposed convolution or 0, and the shape |
| `tied` | other names of stored tensors -> the name that they are stored under |
| `activations` | version 3: name of a layer -> bits, scale and zero of the grid of what it reads |

A compressed weight is one row of bytes (`U8`) under its name. Every other entry of the `state_dict` is stored
unchanged, once."""


def _example() -> str:
    layer = nn.Linear(3, 1, bias=False)
    network = nn.Sequential(layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.5]]))
    plan = Plan({"0": LayerPlan(1, (Option(4),))})
    data = compressed_bytes(network, plan, apply_plan_(network, plan))
    length = int.from_bytes(data[:8], "little")
    header, codes = data[8 : 8 + length], data[8 + length :]
    bits = "".join(f"{byte:08b}" for byte in codes)
    rows = [
        (data[:8].hex(" "), f"length of the header, {length}"),
        (json.dumps(json.loads(header)), "the header, padded with spaces"),
        (codes[:4].hex(" "), "base of the scales, float32"),
        (bits[32:37], "the unit: 4 bits wide, and no mask"),
        (bits[37:45], "code of the scale"),
        (bits[45:49], "code of the offset"),
        *((bits[49 + 4 * k : 53 + 4 * k], f"weight {k}, k + 8: stored as {layer.weight[0, k]:.6g}") for k in range(3)),
        (bits[61:], "padding to whole bytes"),
    ]
    return "\n".join(
        ["| bytes or bits | meaning |", "|---|---|", *(f"| `{shown}` | {words} |" for shown, words in rows)]
    )
