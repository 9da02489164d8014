"""Put nodes and constants together that are added to an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.support.extras import require


@dataclass(eq=False)
class GraphParts:
    """Nodes and initializers, in the order of computation.

    Attributes:
        prefix: beginning of all names.
        nodes: `NodeProto`s.
        initializers: `TensorProto`s.

    Example:
        >>> parts = GraphParts("w")
        >>> parts.prefix, parts.nodes
        ('w', [])
    """

    prefix: str
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def constant(self, values: NDArray[Any]) -> str:
        """Add an initializer of the type of the array, which may be an integer type of 2 or 4 bits of ml_dtypes.

        Returns:
            Its name.
        """
        name = f"{self.prefix}.{len(self.initializers)}"
        self.initializers.append(require("onnx.numpy_helper", "onnx").from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output.

        Args:
            operator: type of the node.
            inputs: names of its inputs.
            output: name of its output; None: a new one.
            attributes: its attributes.

        Returns:
            Name of the output.
        """
        output = output or f"{self.prefix}:{len(self.nodes)}"
        helper = require("onnx.helper", "onnx")
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def insert_into(self, graph: Any) -> None:
        """Put the parts at the beginning of a `GraphProto`."""
        old = list(graph.node)
        del graph.node[:]
        graph.node.extend([*self.nodes, *old])
        graph.initializer.extend(self.initializers)
