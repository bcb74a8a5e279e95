"""ONNX: graphs written straight from a block's configuration and weights, and the runtimes that hold them to it."""
