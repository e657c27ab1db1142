"""``explain_func`` for Quantus."""

import numpy as np

from hsets import _hsets
from hsets._torch import from_torch

# So that colours can be seen where a method segments pictures: ImageNet's mean and standard deviation.
_NORMALISATION = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_OPTIONS = {"against", "baselines", "segments", "settings", "seed", "progress"}


def quantus_explain(model, inputs, targets, *, method="ig", abs=False, normalise=False, **kwargs):
    """Maps [N, 1, H, W] of ``inputs`` [N, C, H, W], as Quantus calls an ``explain_func``.

    ``model`` is a network of hsets or a torch module, which is brought over at each call, since
    Quantus changes weights between calls. ``method`` and further keywords are those of
    ``Network.attribute``, ``mean`` and ``std`` those of ``from_torch``, ImageNet's unless given; what
    Quantus passes for its own (``device``, ...) is left out.
    """
    inputs = np.asarray(inputs, dtype=np.float32)
    options = {name: value for name, value in kwargs.items() if name in _OPTIONS}
    network = model
    if not isinstance(model, _hsets.Network):
        stated = {name: kwargs.get(name, usual) for name, usual in _NORMALISATION.items()}
        network = from_torch(model, inputs[:1], **stated)
    targets = [int(target) for target in np.atleast_1d(np.asarray(targets))]
    if len(targets) == 1:
        targets = targets * len(inputs)
    maps = network.attribute(inputs, targets, method, **options).sum(axis=1, keepdims=True)
    if abs:
        maps = np.abs(maps)
    if normalise:
        largest = np.abs(maps).max(axis=(1, 2, 3), keepdims=True)
        maps = maps / np.where(largest > 0, largest, 1)
    return maps
