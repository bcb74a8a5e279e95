"""An ONNX file as a side: its graph, run node by node in float64, in the torch seat or in the Keras seat.

`graph` reads a file, `patterns` puts together what exporters took apart, `walk` runs it; `operators` say what each node
needs of its `operands`, `layers` and `functions` give it in either framework's own, so that everything that traces,
pairs and explains a model works on a graph.
"""
