"""ONNX's operators, by their names and settings, in the functions of either framework."""
