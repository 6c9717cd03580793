"""Every name in docs/architecture.md is in the code where the document says."""

import ast
import re

from host_tools.places import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def file_named(name):
    """``mobi/...`` lies under firmware/, all else at the top."""
    return ROOT / "firmware" / name if name.startswith("mobi/") else ROOT / name


def defined(tree, dotted):
    """Is the function, class, method or constant there?"""
    body = tree.body
    for part in dotted.split("."):
        found = next((node for node in body if part in names(node)), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


def names(node):
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [getattr(node, "name", "")]


def test_the_tour_names_what_is_there():
    stops = re.findall(r"`([\w/]+\.py):([\w.]+)`", TEXT)
    assert len(stops) > 25
    for file, name in stops:
        tree = ast.parse(file_named(file).read_text(encoding="utf-8"))
        assert defined(tree, name), f"{file} has no {name}"


def test_the_map_is_that_of_the_tree():
    (map_,) = re.findall(r"```\n(firmware/.*?)```", TEXT, re.DOTALL)
    for line in map_.splitlines():
        name = line.split()[0]
        assert file_named(name).exists() or (ROOT / "firmware" / name).exists(), name
    packages = {path.parent.name for path in (ROOT / "host_tools").glob("*/__init__.py")}
    packages |= {path.parent.name for path in (ROOT / "firmware" / "mobi").glob("*/__init__.py")}
    for package in packages:
        assert f"{package}/ " in map_, f"the map leaves out {package}"


def test_the_signatures_are_those_of_the_code():
    # As they stand under "Interfaces between the parts".
    for file, name in (
        ("mobi/link/link.py", "Link"), ("mobi/journal/log.py", "Journal"),
        ("mobi/acquiring/messages.py", "Composer"), ("mobi/loop.py", "Loop"),
    ):
        tree = ast.parse(file_named(file).read_text(encoding="utf-8"))
        (klass,) = [node for node in tree.body if getattr(node, "name", "") == name]
        (init,) = [node for node in klass.body if getattr(node, "name", "") == "__init__"]
        needed = init.args.args[1:len(init.args.args) - len(init.args.defaults)]
        assert f"{name}({', '.join(argument.arg for argument in needed)})" in TEXT
