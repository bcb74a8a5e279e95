"""The head of a net, as layers."""

from keras import layers


def head(classes, dropout=0.0):
    """Mean over space, dropout, dense, softmax; (N, H, W, C) to (N, classes)."""
    mean, classify = layers.GlobalAveragePooling2D(name="mean"), layers.Dense(classes, "softmax", name="classify")
    return [mean, layers.Dropout(dropout, name="drop"), classify] if dropout else [mean, classify]
