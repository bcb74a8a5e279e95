"""The benchmark: blocks x sizes x contenders x dtypes, timed in turns, on the parity suite's engines.

cases.py       the sizes at which blocks are timed
contenders.py  what is timed: an engine with its memory format, its graph, its device
torch.py, keras.py, onnx.py   one step of a contender, ready to be repeated; only here are frameworks imported
work.py        what a worker does: prepare until steady, take a turn, release
session.py     a run from beginning to end; command.py: the command line
suite.py       the grid: contenders take turns, their answers are held to float64
figures.py     samples to medians, quartiles, ratios; shares of the machine's ceilings
claims.py      what the literature promises of cheaper blocks; tools.py: the tools' own speed
machine.py     where a run was measured; compare.py: a run against an older one of the same machine
report.py, plots.py   terminal, JSON, HTML
"""
