import numpy as np
import pytest

import hsets


@pytest.fixture(scope="session")
def net():
    return hsets.bundled()


@pytest.fixture(scope="session")
def picture():
    return hsets.example_picture()


@pytest.fixture(scope="session")
def image(net, picture):
    return net.preprocess(picture)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
