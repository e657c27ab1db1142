"""Numbers about saliency maps, of this package or of any other program.

A map is [H, W] or [C, H, W]; an image whatever ``Network.explain`` takes.
"""

from hsets._hsets import gini, measure

__all__ = ["deletion", "entropy", "gini", "infidelity", "insertion", "measure", "road"]


def road(map, image, network, target=None, **options):
    """ROAD (Rong et al. 2022): readings by name and both curves."""
    found = measure(map, image, network, target, metrics=["road"], **options)
    return {"readings": found["readings"], "curves": found["curves"]}


def insertion(map, image, network, target=None, **options):
    """Area under the insertion curve (Petsiuk et al. 2018)."""
    found = measure(map, image, network, target, metrics=["insertion-deletion"], **options)
    return found["readings"]["insertion-auc"]


def deletion(map, image, network, target=None, **options):
    """Area under the deletion curve (Petsiuk et al. 2018)."""
    found = measure(map, image, network, target, metrics=["insertion-deletion"], **options)
    return found["readings"]["deletion-auc"]


def infidelity(map, image, network, target=None, **options):
    """Infidelity (Yeh et al. 2019), the map scaled by the factor that fits best."""
    found = measure(map, image, network, target, metrics=["infidelity"], **options)
    return found["readings"]["infidelity"]


def entropy(map, image, network, target=None, **options):
    """Entropy of the pixels' shares, in nats."""
    found = measure(map, image, network, target, metrics=["entropy"], **options)
    return found["readings"]["entropy"]
