"""BatchNorm folded into the convolutions before it: the network as most runtimes deploy it."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

from torch import fx, nn
from torch.nn.utils import fuse_conv_bn_eval

from qubo_dnn.compression.network.inference import eval_mode
from qubo_dnn.errors import ModelError

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose convolutions have taken in the BatchNorm that follows them; its outputs are the same.

    The modules keep their names; a folded BatchNorm becomes an identity. A pair is folded where the BatchNorm is the
    only reader of the convolution's output and both are called once.

    Raises:
        ModelError: torch.fx cannot trace the model, or no BatchNorm can be folded.
    """
    folded = copy.deepcopy(model).eval()
    pairs = _pairs(folded)
    if not pairs:
        raise ModelError("no BatchNorm can be folded: none follows a convolution whose output nothing else reads")
    modules: dict[str, Any] = dict(folded.named_modules())
    for convolution, norm in pairs:
        folded.set_submodule(convolution, fuse_conv_bn_eval(modules[convolution], modules[norm]))
        folded.set_submodule(norm, nn.Identity())
    return folded.eval()


def traced(model: nn.Module) -> fx.GraphModule:
    """The model as a graph that shares its modules.

    Raises:
        ModelError: torch.fx cannot trace it, for instance because its control flow depends on its input.
    """
    try:
        with eval_mode(model):
            return fx.symbolic_trace(model)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as cause:
        raise ModelError(f"torch.fx cannot trace the network: {cause}") from cause


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of the convolutions and of the BatchNorms that can be folded into them."""
    modules = dict(model.named_modules())
    calls = {node: modules[str(node.target)] for node in traced(model).graph.nodes if node.op == "call_module"}
    times = Counter(calls.values())
    pairs = []
    for node, norm in calls.items():
        before = node.args[0] if node.args else None
        if not isinstance(norm, _BATCH_NORMS) or not isinstance(before, fx.Node):
            continue
        convolution = calls.get(before)
        alone = len(before.users) == 1 and times[norm] == times[convolution] == 1
        if alone and isinstance(convolution, _CONVOLUTIONS):
            pairs.append((str(before.target), str(node.target)))
    return pairs
