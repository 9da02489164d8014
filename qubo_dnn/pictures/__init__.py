"""Pictures as data, drawn in a self-contained HTML page or as PNG and SVG files."""
