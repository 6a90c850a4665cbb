"""Names of methods, models, data sets and metrics: the folders are the registry, installed packages add to it.

Nothing here imports a component: names, options and first lines are read from the source, so that listing names and
checking a configuration need no torch.
"""

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeGuard

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from stepaudit.audit import source_code
from stepaudit.errors import UsageError, did_you_mean, no_exit
from stepaudit.store.package_files import PACKAGE

FUNCTIONS = {"methods": "attribute", "models": "build", "datasets": "read", "metrics": "score"}
CONTRACT_KEYWORDS = {"methods": {"ratios", "seed", "box_prior"}, "models": set(), "datasets": set(), "metrics": set()}
ANNOTATION_NAMES: dict[str, Any] = {kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict)}


_absent_allowed: ContextVar[bool] = ContextVar("absent components allowed", default=False)


@contextmanager
def absent_allowed() -> Iterator[None]:
    """Accept components that are not on this machine: results can be read without them."""
    token = _absent_allowed.set(True)
    try:
        yield
    finally:
        _absent_allowed.reset(token)


@dataclass(frozen=True)
class Component:
    """A named method, model, data set or metric: `origin` is `module:object`, `source` its file if it has one."""

    kind: str
    name: str
    origin: str
    source: Path | None

    @property
    def module(self) -> str:
        """Name of the component's module."""
        return self.origin.partition(":")[0]

    @property
    def is_here(self) -> bool:
        """False if its module is not on this machine."""
        return source_code.located(self.module)[0]

    @property
    def is_ours(self) -> bool:
        """True for a component of stepaudit itself."""
        return self.module.split(".")[0] == PACKAGE.name

    @property
    def is_named(self) -> bool:
        """True for a registered name, of stepaudit or an installed package; `module:object` may be anybody's code."""
        return ":" not in self.name

    def load(self) -> Callable:
        """Imports the component and returns its function. Raises UsageError if that fails."""
        module, _, name = self.origin.partition(":")
        if not self.is_ours and str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))  # last, so that a file there stands for no module of Python's
        try:
            with no_exit(f"{self.kind[:-1]} '{self.name}'"):
                return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            origin = f"{self.kind[:-1]} '{self.name}': cannot import {self.origin} ({error})"
            raise UsageError(f"{origin}; install it, or correct the name") from error

    def companion(self, name: str) -> Callable | None:
        """Another function of the component's module, if it has one: `passes` of a method, `count` of a data set."""
        self.load()
        return getattr(sys.modules[self.module], name, None)

    @property
    def summary(self) -> str:
        """First line of the docstring, or of the module's."""
        function, module = _parse(self.source, self.origin)
        text = (function and ast.get_docstring(function)) or (module and ast.get_docstring(module)) or ""
        return text.split("\n")[0]

    @property
    def options(self) -> dict[str, tuple[str, str]] | None:
        """Each option's annotation and default, as source text; None if they cannot be known without importing it."""
        function, _ = _parse(self.source, self.origin)
        if function is None or function.args.kwarg is not None:
            return None
        return {
            argument.arg: (ast.unparse(argument.annotation) if argument.annotation else "", ast.unparse(default))
            for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            if default is not None and argument.arg not in CONTRACT_KEYWORDS[self.kind]
        }

    @property
    def requires(self) -> set[str]:
        """Keyword arguments without a default, such as `ratios` of a method that needs them."""
        function, _ = _parse(self.source, self.origin)
        if function is None:
            return set()
        pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        return {argument.arg for argument, default in pairs if default is None}

    @property
    def measures(self) -> list[str]:
        """Names of the positional parameters: the inputs of a metric."""
        function, _ = _parse(self.source, self.origin)
        return [argument.arg for argument in function.args.args] if function else []

    @property
    def per_frame(self) -> bool:
        """True for a metric that gives a value for each frame: it returns a list, by its annotation.

        A function that is defined in another file is imported for it.
        """
        function, _ = _parse(self.source, self.origin)
        if function is not None:
            return function.returns is not None and _is_list(function.returns)
        annotation = inspect.signature(self.load()).return_annotation
        return annotation is not inspect.Signature.empty and _is_list(_parse_annotation(annotation))

    def declares(self, name: str) -> bool:
        """True if the component's module sets `name = True`, such as `ignores_model` beside a method's function."""
        _, module = _parse(self.source, self.origin)
        values = [node.value for node in module.body if _assigns(node, name)] if module else []
        return bool(values) and isinstance(values[-1], ast.Constant) and values[-1].value is True

    def defines(self, name: str) -> bool:
        """True if the component's module has something of this name: a function, or a value that it is given."""
        _, module = _parse(self.source, self.origin)
        return module is not None and any(_assigns(node, name) or _is_function(node, name) for node in module.body)

    def problems(self, options: dict[str, Any]) -> list[str]:
        """Problems of these options, a sentence each."""
        known = self.options
        if known is None:
            return []
        problems = []
        for name, value in options.items():
            if name not in known:
                problems.append(f"{self.name} has no option '{name}'{did_you_mean(name, list(known))}")
            elif message := _type_problem(known[name][0], value) or _range_problem(self.ranges.get(name), value):
                problems.append(f"option '{name}' of {self.name}: {message}, got {value!r}")
        return problems

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and greatest value of numeric options: the literal `ranges = {name: (least, greatest)}` of its module.

        Raises:
            UsageError: it is no such literal.
        """
        _, module = _parse(self.source, self.origin)
        values = [node.value for node in module.body if _assigns(node, "ranges")] if module else []
        try:
            limits = ast.literal_eval(values[-1]) if values and values[-1] else {}
            return {str(name): (float(least), float(most)) for name, (least, most) in limits.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"{self.source}: `ranges` is no {{'option': (least, greatest)}} ({error})") from error


def names(kind: str) -> list[str]:
    """All names of a kind."""
    return sorted(components(kind))


def find(kind: str, use: str) -> Component:
    """The component of this name, or of `module:object`. Raises UsageError with the nearest name."""
    if ":" in use:
        absent = _absent_allowed.get() and not source_code.located(use.partition(":")[0])[0]
        return Component(kind, use, use, None if absent else _source_file(use.partition(":")[0], use))
    known = components(kind)
    if use not in known and _absent_allowed.get():
        return Component(kind, use, use, None)
    if use not in known:
        raise UsageError(f"no {kind[:-1]} '{use}'{did_you_mean(use, list(known))}")
    return known[use]


@cache
def components(kind: str) -> dict[str, Component]:
    """Every component of a kind by name: the files of its folder and the entry points `stepaudit.<kind>`."""
    registered = [
        Component(kind, path.stem, f"stepaudit.{kind}.{path.stem}:{FUNCTIONS[kind]}", path)
        for path in sorted((PACKAGE / kind).glob("[a-z]*.py"))
    ]
    for point in entry_points(group=f"stepaudit.{kind}"):
        origin = point.value if ":" in point.value else f"{point.value}:{FUNCTIONS[kind]}"
        registered.append(Component(kind, point.name, origin, _source_file(origin.partition(":")[0], origin)))
    by_name: dict[str, Component] = {}
    for component in registered:
        if component.name in by_name:
            other = by_name[component.name].origin
            raise UsageError(f"{kind[:-1]} '{component.name}' exists twice: {other} and {component.origin}; rename one")
        by_name[component.name] = component
    return by_name


def _source_file(module: str, origin: str) -> Path | None:
    exists, path = source_code.located(module)
    if not exists:
        raise UsageError(f"cannot find the module of '{origin}'; is it installed, or in the folder you run from?")
    return path


@cache
def _parse(source: Path | None, origin: str) -> tuple[ast.FunctionDef | None, ast.Module | None]:
    """The function of a component and its module, parsed; None without a source."""
    if source is None:
        return None, None
    try:
        module = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{source}: no Python ({error})") from error
    name = origin.partition(":")[2]
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return (functions[-1] if functions else None), module


def _parse_annotation(annotation: Any) -> ast.expr:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return ast.parse(text, mode="eval").body


def _is_list(annotation: ast.expr) -> bool:
    """True for `list`, `list[...]`, and unions with one of them."""
    match annotation:
        case ast.BinOp(left=left, right=right):
            return _is_list(left) or _is_list(right)
        case ast.Constant(value=str(text)):
            return _is_list(ast.parse(text, mode="eval").body)
        case ast.Subscript(value=root):
            return _is_list(root)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("list", "List")
    return False


def _assigns(node: ast.stmt, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _type_problem(annotation: str, value: Any) -> str | None:
    """Sentence for a value that does not fit a type annotation; None if it fits, or the type is unknown."""
    try:
        kind = TypeAdapter(type_of(annotation))
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, PydanticUserError):
        return None  # a type that is not known here
    try:
        # As JSON a list of YAML is taken for a tuple; strictly, because the component gets the value as it stands.
        kind.validate_json(json.dumps(value, default=lambda other: {"": str(other)}), strict=True)
    except ValidationError as error:
        return with_quotes(error.errors()[0]["msg"], value)
    return None


def with_quotes(message: str, value: Any) -> str:
    """A message on a value of another type, with what to do where YAML has taken a text for a number or the reverse."""
    if "valid string" in message:
        return (
            f"{message} (put it in quotes: YAML takes yes, no, on and off for true and false, and digits for a number)"
        )
    if "valid number" in message and isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        return f"{message} (to YAML this is a text; write {value.lower().replace('e', '.0e')})"
    return message


def type_of(annotation: str) -> Any:
    """Type that an annotation names; nothing is run, the code is untrusted. Raises KeyError for other types."""
    return _type_of_node(ast.parse(annotation, mode="eval").body)


def _type_of_node(node: ast.expr) -> Any:
    """Type of a parsed annotation. Raises KeyError, TypeError or ValueError for other expressions."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name):
            return ANNOTATION_NAMES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of_node(left) | _type_of_node(right)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return Literal[tuple(ast.literal_eval(value) for value in values)]
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return ANNOTATION_NAMES[name][tuple(... if _is_dots(part) else _type_of_node(part) for part in parts)]
    raise KeyError(ast.unparse(node))


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _range_problem(limits: tuple[float, float] | None, value: Any) -> str | None:
    """Sentence for a number, or one in a list, outside of the limits."""
    values = value if isinstance(value, list | tuple) else [value]
    numbers = [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
    if limits is None or all(limits[0] <= each <= limits[1] for each in numbers):
        return None
    return f"outside its range, {limits[0]:.10g} to {limits[1]:.10g}"
