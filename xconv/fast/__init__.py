"""Faster forms of operations that a framework computes correctly and slowly, each with the rule that chooses it.

A rule says when the form pays, as measured (`xconv bench --stock` measures it again); everywhere else the framework's
own operation runs. A form gives the same numbers up to the order of its sums, and the same gradients.

    keras.py   grouped and depthwise convolutions on a CPU, under TensorFlow and XLA
    torch.py   the memory format of narrow groups on a CPU
"""
