"""A compressed network as an ONNX file."""
