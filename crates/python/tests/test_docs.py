"""The examples of the documentation run."""

import doctest
import pathlib

import hsets


def test_readme():
    readme = pathlib.Path(__file__).parents[1] / "README.md"
    found = doctest.testfile(str(readme), module_relative=False)
    assert found.attempted > 10 and found.failed == 0


def test_the_package():
    assert doctest.testmod(hsets).failed == 0


def test_stubs_name_all_that_there_is():
    """Every public name of the engine stands in the stubs, and no other."""
    import ast

    from hsets import _hsets

    stubs = pathlib.Path(hsets.__file__).with_name("_hsets.pyi").read_text()
    tree = ast.parse(stubs)
    named = {
        node.name: {part.name for part in getattr(node, "body", []) if hasattr(part, "name")}
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    there = {name for name in vars(_hsets) if not name.startswith("_")}
    assert set(named) == there
    for name in there:
        thing = getattr(_hsets, name)
        if isinstance(thing, type):
            members = {member for member in vars(thing) if not member.startswith("_")}
            assert {member for member in named[name] if not member.startswith("_")} == members, name
