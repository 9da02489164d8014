"""Pictures as data, drawn as a self-contained page or as PNG and SVG files."""
