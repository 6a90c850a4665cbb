"""Words of the package: first lines of docstrings are noun phrases or imperatives, names are the field's terms."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUESTION = re.compile(r"(What|Which|Whether|How|Where|Who)\b")
COMPONENTS = ("methods", "models", "datasets", "metrics")  # arguments of their functions are keys that users write
RIDDLES = {"told", "tells", "wanted", "anew", "mend", "found"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "stepaudit").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def test_no_docstring_begins_with_a_question():
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    assert not [
        f"{path}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, documented) and (text := ast.get_docstring(node) or "") and QUESTION.match(text)
    ]


def test_no_name_has_to_be_decoded():
    assert not [
        f"{path}:{line}: {name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        for name, line in named(node)
        if name.strip("_") in RIDDLES and not (isinstance(node, ast.arg) and path.split("/")[1] in COMPONENTS)
    ]


def named(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Functions, classes, arguments and variables that a node introduces, with their line."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node.lineno
    elif isinstance(node, ast.arg):
        yield node.arg, node.lineno
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, node.lineno
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr, node.lineno
