"""Networks for exporting: one with every kind of layer, and codes of theirs with every width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize
from qubo_dnn.compression.task.options import Option, parse_options

EVERY_WIDTH = parse_options("4,0,2,8,1,3,32,5,6,7")
WITH_MASKS = parse_options("4@50%,0,32@20%,2@30%,8,6@10%")


class EveryLayer(nn.Module):
    """An image and tokens go in; a dict comes out, with an output that is not floating-point."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 9, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(9)
        self.grouped = nn.Conv2d(9, 12, 3, groups=3)
        self.up = nn.ConvTranspose2d(12, 10, 3, stride=2, groups=2)
        self.signal = nn.Conv1d(10, 9, 3)
        self.head = nn.Linear(9, 11)
        self.embedding = nn.Embedding(20, 8)
        self.bag = nn.EmbeddingBag(20, 9, mode="mean")
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.lstm = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(10, 8, batch_first=True)
        self.decoder = nn.Linear(8, 20, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, image: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        pixels = self.up(torch.relu(self.grouped(torch.relu(self.norm(self.conv(image))))))
        pooled = torch.relu(self.signal(pixels.mean(3))).mean(2) + self.bag(tokens)
        words = self.embedding(tokens)
        words = words + self.attention(words, words, words, need_weights=False)[0]
        logits = self.decoder(self.gru(self.lstm(words)[0])[0])
        return {"classes": self.head(pooled), "words": logits, "best": logits.argmax(-1)}


class Residual(nn.Module):
    """Convolutions whose BatchNorms also turn signs around and silence a channel; linear layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Conv2d(2, 9, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(9)
        self.body = nn.Conv2d(9, 9, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(9)
        self.hidden = nn.Linear(9, 16)
        self.tokens = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)
        for norm in (self.bn1, self.bn2):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            norm.running_mean, norm.running_var = torch.randn(9), torch.rand(9) + 0.5
        self.bn2.weight.data[2] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.stem(x)))
        x = nn.functional.max_pool2d(torch.relu(x + self.bn2(self.body(x))), 2)
        x = torch.relu(self.hidden(x.mean((2, 3))))
        # As a sequence of two, so that the product has three axes.
        x = torch.relu(self.tokens(torch.stack([x, 2 * x], 1))).sum(1)
        logits: Tensor = self.head(x)
        return logits


def codes_of(network: nn.Module, options: Sequence[Option]) -> dict[str, Quantized]:
    """Key of every weight -> codes, with the options in turn from channel to channel."""
    codes = {}
    for layer in find_layers(network).layers:
        each = [options[channel % len(options)] for channel in range(layer.channels)]
        codes[layer.key] = quantize(layer.weight, each, layer.name, layer.layout)
    return codes


def with_codes(network: nn.Module, codes: Mapping[str, Quantized]) -> nn.Module:
    """The network with the weights of the codes, in place."""
    with torch.no_grad():
        for key, quantized in codes.items():
            network.get_parameter(key).copy_(dequantize(quantized))
    return network.eval()
