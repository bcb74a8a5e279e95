"""Training compared: the same batches, from the same weights, in float64, step by step.

A step is taken apart (loss, gradients, penalties, clipping, the optimizer's rule, rates, buffers), and each part of one
side is fed what the other side's was fed. So every independent fault shows in its own part, without echoes. A part is a
few settings; the causes are those without which the sides do not agree.
"""
