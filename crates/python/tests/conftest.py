import os
import pathlib

import numpy as np
import pytest

import hsets

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


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


@pytest.fixture(scope="session")
def tiny():
    """An ONNX file of a network so small that a call costs more than what it computes."""
    return ROOT / "fixtures" / "onnx" / "convolutions-old17.onnx"


@pytest.fixture(scope="session")
def program():
    """The program `hsets`, to be compared with."""
    found = pathlib.Path(os.environ.get("HSETS_PROGRAM", ROOT / "target" / "release" / "hsets"))
    if not found.is_file():
        pytest.skip(f"{found} is not there: cargo build --release, or set HSETS_PROGRAM")
    return found
