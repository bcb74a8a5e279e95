"""The parity suite: blocks x cases x engines x dtypes x checks, each answer held to the other framework's in float64.

engines.py   what can run a block, each in a worker process that speaks NumPy
work.py      what a worker does: build, load, run, differentiate
checks.py    two answers and an allowance, to a row
suite.py     the grid, and the rows as they come
report.py, plots.py   terminal, JSON, HTML
"""
