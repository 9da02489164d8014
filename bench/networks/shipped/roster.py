"""All networks of the benchmark, from small to large."""

from __future__ import annotations

from bench.networks.shipped import crepe, efficientnet, graphemes, mtcnn, silero, voice_encoder
from bench.networks.shipped.network import Entry

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *mtcnn.ENTRIES,
        crepe.ENTRY,
        silero.ENTRY,
        graphemes.ENTRY,
        voice_encoder.ENTRY,
        efficientnet.ENTRY,
    )
}
