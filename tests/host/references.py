"""Checks what documents say about the tree: named tests, functions and texts exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


@cache
def functions(path: str) -> frozenset[str]:
    """The names defined in a Python file of the tree: functions, classes, methods, constants."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def is_there(path: str, name: str) -> bool:
    """Does the file exist, and does it define ``name``?"""
    return (ROOT / path).is_file() and name in functions(path)


def missing_tests(text: str) -> list[str]:
    """The tests that ``text`` names as path::name and the tree does not have."""
    return [f"{path}::{name}" for path, name in TEST.findall(text) if not is_there(path, name)]
