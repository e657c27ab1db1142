"""The examples of the documentation run; the stubs are those of the engine."""

import ast
import doctest
import inspect
import pathlib

import pytest

import hsets
from hsets import _hsets


def test_readme():
    readme = pathlib.Path(__file__).parents[1] / "README.md"
    found = doctest.testfile(str(readme), module_relative=False)
    assert found.attempted > 10 and found.failed == 0


def test_the_package():
    found = doctest.testmod(hsets)
    assert found.attempted > 2 and found.failed == 0


def _stubs():
    path = pathlib.Path(hsets.__file__).with_name("_hsets.pyi")
    tree = ast.parse(path.read_text())
    return {node.name: node for node in tree.body if hasattr(node, "name")}


def _public(names):
    return {name for name in names if not name.startswith("_")}


def _parameters(node):
    """Names, kinds and defaults as the stubs have them."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + given.defaults
    listed = [(arg.arg, default) for arg, default in zip(positional, defaults)]
    listed += [("*" + arg.arg, default) for arg, default in zip(given.kwonlyargs, given.kw_defaults)]
    return [
        (name, None if default is None else ast.literal_eval(default))
        for name, default in listed
        if name != "self"
    ]


def _actual(thing):
    listed = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name == "self" or parameter.kind is parameter.VAR_KEYWORD:
            continue
        star = "*" if parameter.kind is parameter.KEYWORD_ONLY else ""
        default = None if parameter.default is parameter.empty else parameter.default
        listed.append((star + parameter.name, default))
    return listed


def test_stubs_name_all_that_there_is():
    stubs, there = _stubs(), _public(vars(_hsets))
    assert set(stubs) == there
    for name in there:
        thing = getattr(_hsets, name)
        if isinstance(thing, type):
            named = {part.name for part in stubs[name].body if isinstance(part, ast.FunctionDef)}
            assert _public(named) == _public(vars(thing)), name


def test_stubs_have_the_signatures():
    checked = 0
    for name, node in _stubs().items():
        thing = getattr(_hsets, name)
        if isinstance(node, ast.FunctionDef):
            assert _parameters(node) == _actual(thing), name
            checked += 1
            continue
        for part in node.body:
            if part.name.startswith("_") or not callable(getattr(thing, part.name)):
                continue
            assert _parameters(part) == _actual(getattr(thing, part.name)), f"{name}.{part.name}"
            checked += 1
    assert checked > 20


def test_stubs_satisfy_mypy(tmp_path):
    api = pytest.importorskip("mypy.api", reason="mypy is not installed")
    # Elsewhere than mypy's own modules, which it would take for ours.
    stubs = tmp_path / "_hsets.pyi"
    stubs.write_text(pathlib.Path(hsets.__file__).with_name("_hsets.pyi").read_text())
    out, err, code = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(stubs)])
    assert code == 0, out + err


def test_everything_says_what_it_is():
    for name in hsets.__all__:
        thing = getattr(hsets, name)
        assert name == "__version__" or (thing.__doc__ or "").strip(), name
