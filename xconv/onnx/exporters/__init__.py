"""The frameworks' own exporters, traps avoided: for what is not written directly, and to compare with."""
