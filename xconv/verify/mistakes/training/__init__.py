"""The same forward pass, trained differently: losses, penalties, optimizers, schedules, buffers, gradients."""
