"""The order of the pages in tutorials and gallery."""

from __future__ import annotations

# From first steps to special tools; pages of the gallery follow by their titles, which begin as their files do.
TUTORIALS = (
    "first_maximum_cut",
    "first_compressed_network",
    "a_formulation_of_your_own",
    "a_backend_of_your_own",
    "from_pt_to_a_quantum_computer",
    "inside_ocean",
    "from_a_network_to_a_faster_onnx_file",
    "train_on_the_grid",
)


class Order:
    """Tutorials as listed, all others by name.

    Example:
        >>> sorted(["max_cut.py", "inside_ocean.py", "first_maximum_cut.py"], key=Order(""))
        ['first_maximum_cut.py', 'inside_ocean.py', 'max_cut.py']
    """

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        """The place of a page among those of its folder."""
        stem = filename.removesuffix(".py")
        return TUTORIALS.index(stem) if stem in TUTORIALS else len(TUTORIALS), stem
