"""Compressed networks as ONNX files: bytes, deviation, accuracy and latency."""
