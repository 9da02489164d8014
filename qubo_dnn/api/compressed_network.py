"""What `compress` returns: the network, its record, and what can be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.onnx_file import OnnxFile
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.records import layer_records
from qubo_dnn.compression.report import write_report
from qubo_dnn.compression.report_charts import small_widths, widths_chart
from qubo_dnn.compression.result import result, write_run
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes
from qubo_dnn.compression.rewriting.divergence_limit import share_text
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.reports.notebook import cell, figure
from qubo_dnn.reports.text import percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, eq=False, repr=False)
class CompressedNetwork:
    """A compressed network with all that is known about it.

    Attributes:
        original: the given network.
        compression: the record of the compression.
        images: the calibration images.
        about: settings, for `save` and `to_dict`.
        test: the test images, or None.

    Example:
        >>> def file_size(done: CompressedNetwork) -> int:
        ...     return done.to_dict()["compressed"]["bytes"]
    """

    original: nn.Module
    compression: Compression
    images: Data
    about: Mapping[str, Any]
    test: Data | None = None

    @property
    def model(self) -> nn.Module:
        """The compressed network, a copy of the given one."""
        return self.compression.model

    @property
    def smaller(self) -> nn.Module:
        """The compressed network without the pruned channels that can be removed: a plain module of other sizes."""
        return self.compression.smaller

    @property
    def plan(self) -> Plan:
        """The option of every unit."""
        return self.compression.found.applied.plan

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write model.safetensors, plan.json and result.json to a folder.

        Args:
            folder: folder to create.
            overwrite: True to replace an earlier run.

        Returns:
            The folder; `load_compressed_` loads its model.safetensors.

        Raises:
            OutputExistsError: the folder exists.
            OutputError: the folder cannot be written.
        """
        write_run(Path(folder), self.original, self.compression, self.images, self.about, overwrite=overwrite)
        return Path(folder)

    def report(self, path: str | Path) -> Path:
        """Write a page about the compression: widths of all layers, plans that were tried, the solver, what stayed.

        Args:
            path: path of the HTML file, which opens without a network; an existing file is replaced.

        Returns:
            The path.

        Raises:
            MissingExtraError: jinja2 or plotly is not installed.
            OutputError: the file cannot be written.

        Example:
            >>> def page(done: CompressedNetwork) -> Path:
            ...     return done.report("run.html")
        """
        write_report(Path(path), self.compression, self.to_dict())
        return Path(path)

    def to_onnx(self, path: str | Path, *, form: str = "small") -> OnnxFile:
        """Write an ONNX file, after comparing its outputs with those of the network on calibration images.

        Args:
            path: the file; replaced if it exists.
            form: "small" (weights as integers of 2, 4 and 8 bits, which become float32 when the file is loaded),
                "fast" (convolutions and matrix products in integers of 8 bits), or "fast-vnni" (the same with all 8
                bits of activations, for processors with VNNI, or of ARM).

        Returns:
            Sizes, versions, and the deviation from the network in torch.

        Raises:
            ModelError: the network cannot be exported; the message names the module.
            OptionError: the form is unknown.
            OutputError: the file cannot be written.
            MissingExtraError: a package of the extra `onnx` is not installed.
        """
        return self.compression.to_onnx(path, self.images, form)

    def to_qat(self) -> nn.Module:
        """Return a copy of `model` for further training, whose planned weights stay on the grids of the plan.

        It is a plain module: train it with any loop and optimizer, and give it to `from_qat`. Each planned weight has a
        latent parameter, which is rounded to the grid of its channel in every forward pass; gradients pass straight
        through, except beyond the ends of the grid and for pruned and masked weights. Quantized activations are rounded
        in the same way. Widths, scales, offsets, masks and ranges are not trained. Before any training, the outputs are
        those of `model`, bit for bit. Parameters that were frozen and the training mode stay as they are, so call
        `.train()` first. To keep it, save its `state_dict`.

        Raises:
            ModelError: a planned weight is part of a parametrization of several tensors.

        Example:
            >>> import torch
            >>> import qubo_dnn as qd
            >>> network, images = nn.Sequential(nn.Linear(16, 4)), torch.randn(32, 16)
            >>> smaller = qd.compress(network, images, "4bits", backend="tabu", rounds=1)
            >>> module = smaller.to_qat().train()
            >>> optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
            >>> (module(images) - network(images)).square().mean().backward()
            >>> optimizer.step()
            >>> trained = smaller.from_qat(module)
            >>> torch.equal(trained.model(images), module(images)), trained.plan == smaller.plan
            (True, True)
        """
        return self.compression.to_qat()

    def from_qat(self, module: nn.Module) -> CompressedNetwork:
        """Return the compressed network with what was trained in a module of `to_qat`, to save it or write ONNX files.

        The plan and so the size stay the same. Accuracies, losses, metrics and divergences are measured anew, on the
        calibration images and on the test images that `compress` was given; `original` must still be what it was then.
        Predicted losses and the shares of the layers become None.

        Args:
            module: the trained module, in any mode and on any device; not changed. What is not in its `state_dict` is
                not taken over.

        Raises:
            ModelError: the module is not one that `to_qat` of this network has made, it has been converted to other
                number types, or its weights or outputs are not finite.
        """
        return replace(self, compression=self.compression.from_qat(module, self.images, self.test))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the compression as plain data, as in result.json."""
        applied = self.compression.found.applied
        size = len(compressed_bytes(applied.network, applied.plan, applied.quantized))
        return {**result(self.compression, size), **self.about}

    def plot(self) -> Figure:
        """Draw the widths of every layer.

        Returns:
            A figure of plotly.

        Raises:
            MissingExtraError: plotly is not installed.

        Example:
            >>> def shown(done: CompressedNetwork) -> None:
            ...     done.plot().show()
        """
        return figure(widths_chart(layer_records(self.compression)))

    def _repr_html_(self) -> str:
        """Return the main figures and the widths of every layer, for notebooks."""
        figures = self.to_dict()
        before, after = figures["reference"], figures["compressed"]
        rows: dict[str, Any] = {
            "network": figures.get("network"),
            "bytes": f"{after['bytes']:,} of {before['bytes']:,}",
            "bits per weight": after["bits_per_weight"],
            "held-out divergence": _divergence(figures),
            "accuracy": None
            if after["accuracy"] is None
            else f"{percent(after['accuracy'])}, before {percent(before['accuracy'])}",
            "interrupted": figures["interrupted"] or None,
            "warnings": figures["warnings"] or None,
        }
        known = [(name, value) for name, value in rows.items() if value is not None]
        return cell(known, small_widths(figures["layers"]))

    def __repr__(self) -> str:
        figures = self.to_dict()
        small, whole = figures["compressed"]["bytes"], figures["reference"]["bytes"]
        return (
            f"CompressedNetwork({figures['compressed']['bits_per_weight']:.4g} bits per weight, {small:,} of {whole:,} "
            f"bytes, held-out divergence {_divergence(figures)})"
        )


def _divergence(figures: Mapping[str, Any]) -> str:
    held_out = figures["held_out_divergence"]
    return f"{held_out['recovered']:.4g}{share_text(held_out)}"
