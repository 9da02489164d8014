"""Sphinx builds the site from this: `make docs`.

Tutorials and the gallery are scripts in `examples/`, which are run; the reference is read from the code.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
# Colours of a terminal have no place on a page.
os.environ["NO_COLOR"] = "1"

project = "qubo-dnn"
author = "The qubo-dnn developers"
copyright = author  # noqa: A001 - Sphinx's name
release = version_of("qubo-dnn")

extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "benchmarks",
    "mathml",
    "reference",
]
exclude_patterns = ["_build", "_ext", "**/*.ipynb", "sg_execution_times.rst", "*/sg_execution_times.rst"]
nitpicky = True
# Signatures name types of other packages, whose pages a build without a network cannot see.
nitpick_ignore_regex = [(r"py:.*", r".*")]

html_theme = "furo"
html_title = "qubo-dnn"
html_copy_source = False
html_show_sourcelink = False
# It would be fetched page by page, which a browser refuses for files.
html_show_search_summary = False
html_math_renderer = "mathml"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4

python_maximum_signature_line_length = 90

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/tutorials", "../examples/gallery"],
    "gallery_dirs": ["tutorials", "gallery"],
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 60,
    "parallel": 2,
    "show_signature": False,
    "subsection_order": ["../examples/gallery/problems", "../examples/gallery/applications"],
    "within_subsection_order": "order.Order",
    "write_computation_times": False,
}
