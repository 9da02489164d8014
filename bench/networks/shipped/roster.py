"""All networks of the benchmark, from small to large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.networks.shipped import crepe, efficientnet, graphemes, mtcnn, silero, voice_encoder
from bench.networks.shipped.network import Entry
from qubo_dnn.errors import MissingExtraError

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


def at_hand(entries: Iterable[Entry], folder: Path | None) -> Iterator[Entry]:
    """Those networks whose packages and images are there; the others are said."""
    for entry in entries:
        try:
            entry.check()
        except MissingExtraError as cause:
            print(f"{entry.name}: left out, {cause}", flush=True)
            continue
        if entry.needs_folder and folder is None:
            print(f"{entry.name}: left out, its images are those of --data", flush=True)
            continue
        yield entry
