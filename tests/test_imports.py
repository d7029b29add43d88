"""Imports run one way: no circle, neither of files nor of packages."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest


def modules(repository: Path) -> dict[str, Path]:
    """Files of the package by the names of their modules."""
    homes = {
        "inktex": repository / "src" / "inktex",
        "inktex.modeling": repository / "modeling",
        "inktex.tokenizer": repository / "tokenizer",
    }
    found = {}
    for package, home in homes.items():
        for path in home.rglob("*.py"):
            parts = path.relative_to(home).with_suffix("").parts
            if "pretrained" not in parts:
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def imported(name: str, path: Path) -> Iterator[str]:
    """Names that a module imports anywhere in it, each with what it is imported from before it."""
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def room(name: str, files: dict[str, Path]) -> str:
    """The package of a module directly within inktex; of modules that have none, their own name."""
    top = ".".join(name.split(".")[:2])
    return top if top in files else name


@pytest.mark.parametrize("by_room", [False, True])
def test_there_is_no_circle(repository: Path, by_room: bool) -> None:
    files = modules(repository)
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        for found in imported(name, path):
            other = found if found in files else found.rpartition(".")[0]
            if other in files:
                one, two = (room(n, files) if by_room else n for n in (name, other))
                if one != two:
                    graph.setdefault(one, set()).add(two)
    assert len(graph) > (15 if by_room else 100)
    TopologicalSorter(graph).prepare()  # a circle is an error, which names it
