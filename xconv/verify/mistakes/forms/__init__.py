"""One function, many forms: fused and separate, flat and nested, one-sided biases, other ranks, several outputs."""
