"""Which groups of pixels act together when an image classifier decides?

>>> import hsets
>>> net = hsets.bundled()
>>> ex = net.explain(hsets.example_picture())
>>> ex.map.shape
(3, 64, 64)
"""

import os as _os

from hsets import metrics
from hsets._hsets import (
    Explanation,
    Game,
    Interaction,
    InteractionSet,
    Network,
    Prediction,
    Settings,
    __version__,
    bundled,
    load,
    methods,
    models,
    segment,
    set_threads,
)
from hsets._quantus import quantus_explain
from hsets._torch import from_torch

__all__ = [
    "Explanation",
    "Game",
    "Interaction",
    "InteractionSet",
    "Network",
    "Prediction",
    "Settings",
    "__version__",
    "bundled",
    "example_picture",
    "from_torch",
    "load",
    "methods",
    "metrics",
    "models",
    "quantus_explain",
    "segment",
    "set_threads",
]


def example_picture():
    """Path of a picture for the bundled network."""
    return _os.path.join(_os.path.dirname(__file__), "example.png")
