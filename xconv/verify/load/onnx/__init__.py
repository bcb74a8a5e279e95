"""An ONNX file as a side: its graph, run node by node in float64, in the torch seat or in the Keras seat.

`graph` reads a file, `walk` runs it and keeps track of where channels lie, `torch` and `keras` write each operator in
their framework's own layers and functions, so that everything that traces, pairs and explains a model works on a graph.
"""
