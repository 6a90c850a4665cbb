"""Conditions for a release gate: `median_ratio_increase > 0.05 or newly_failed > 0`. They are read, never run as code.

A condition compares numbers and names with `<`, `<=`, `>`, `>=`, `==` or `!=`; `and`, `or`, `not` and parentheses join
comparisons. A name is a quantity with words in brackets and a field, both optional: `needs_more[step, top1].lower`.
"""

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from stepaudit.commands.compare.quantities import FIELDS, Quantity, check_name, select
from stepaudit.errors import UsageError, did_you_mean

MAX_BRACKETS = 20
WORDS = re.compile(r"\[([^\[\]]*)\]")
Range = tuple[float, float]


def _is_less(one: Range, other: Range) -> bool | None:
    """True or False if one range certainly lies below the other or does not; None where both are possible."""
    return True if one[1] < other[0] else False if one[0] >= other[1] else None


def _is_equal(one: Range, other: Range) -> bool | None:
    """True or False if two ranges are certainly equal or different; None where both are possible."""
    if one[1] < other[0] or other[1] < one[0]:
        return False
    return True if one == other and one[0] == one[1] else None


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


SIGNS: dict[type[ast.cmpop], Callable[[Range, Range], bool | None]] = {
    ast.Lt: _is_less,
    ast.Gt: lambda one, other: _is_less(other, one),
    ast.LtE: lambda one, other: _not(_is_less(other, one)),
    ast.GtE: lambda one, other: _not(_is_less(one, other)),
    ast.Eq: _is_equal,
    ast.NotEq: lambda one, other: _not(_is_equal(one, other)),
}


@dataclass(frozen=True)
class Name:
    """A quantity, the words in its brackets, and one of `FIELDS`; an empty field means the value."""

    name: str
    of: tuple[str, ...] = ()
    field: str = ""


Bounds = Callable[[Name], Range | None]


@dataclass(frozen=True)
class Condition:
    """A condition: its text, its syntax tree, and the names in it."""

    text: str
    tree: ast.expr
    names: list[Name]


@dataclass(frozen=True)
class Verdict:
    """Truth of a condition; None if it cannot be decided, with the reasons. `values`: the value of each name."""

    text: str
    holds: bool | None
    values: dict[str, str]
    reasons: list[str]


def parse(text: str) -> Condition:
    """Parse a condition. Raises UsageError, with the place or the nearest name, if it is not one."""
    source = text.strip()
    masked = WORDS.sub(lambda match: f"[{'0' * len(match[1])}]", source)  # words in brackets need not be Python
    if len(re.findall(r"\(|\bnot\b", masked)) > MAX_BRACKETS:
        _raise_invalid(text, f"it has more than {MAX_BRACKETS} brackets; write several conditions")
    if "\n" in masked or "#" in masked:
        _raise_invalid(text, "it must be one line without a comment")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(masked, mode="eval").body
    except SyntaxError as error:
        rest = masked[(error.offset or 1) - 1 :][:20]
        _raise_invalid(text, f"{error.msg} at {rest!r}" if rest else f"{error.msg} at its end")
    except (ValueError, MemoryError, RecursionError):
        _raise_invalid(text, "it cannot be read")
    names: list[Name] = []
    _truth(tree, source, names.append)  # a value that is None, such as that of `append`, ends no evaluation
    return Condition(source, tree, names)


def judge(condition: Condition, quantities: Sequence[Quantity]) -> Verdict:
    """The verdict on a condition. A value that was not measured leaves it open unless the rest decides it.

    Raises:
        UsageError: a name stands for none of the quantities, or for several.
    """
    quantity_of = {name: select(quantities, name.name, name.of) for name in condition.names}
    ranges = {name: quantity.value_range(name.field) for name, quantity in quantity_of.items()}
    shown = {name: f"{quantity_of[name]}.{name.field}".rstrip(".") for name in ranges}
    holds = _truth(condition.tree, condition.text, ranges.__getitem__)
    reasons = [
        f"{shown[name]} has no value: {quantity_of[name].why_not(name.field)}"
        for name, ends in ranges.items()
        if ends is None
    ]
    values = {shown[name]: range_text(ends) for name, ends in ranges.items()}
    if holds is None and not reasons:
        reasons = [f"{name} is {value}" for name, value in values.items() if " " in value]
    if holds:
        return Verdict(condition.text, True, values, [])
    return Verdict(condition.text, None if reasons else holds, values, reasons)


def range_text(bounds: Range | None) -> str:
    """A number, or `between` two numbers."""
    if bounds is None:
        return "unknown"
    low, high = (f"{bound:.4g}" for bound in bounds)
    return low if bounds[0] == bounds[1] else f"between {low} and {high}"


def _raise_invalid(text: str, problem: str) -> NoReturn:
    raise UsageError(f'condition "{text}": {problem}; write one such as "needs_more > 0.5"')


def _truth(node: ast.expr, text: str, bounds: Bounds) -> bool | None:
    """Truth of a node, None where the numbers allow both (Kleene's logic). Raises UsageError for invalid syntax.

    Args:
        text: of the whole condition.
        bounds: called for every name, also where the others decide.
    """
    match node:
        case ast.BoolOp(op=op, values=values):
            parts, decisive = [_truth(value, text, bounds) for value in values], isinstance(op, ast.Or)
            return decisive if decisive in parts else None if None in parts else not decisive
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _not(_truth(operand, text, bounds))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in SIGNS:
            one, other = (_range(side, text, bounds) for side in (left, right))
            return None if one is None or other is None else SIGNS[type(op)](one, other)
        case ast.Compare(ops=[_, _, *_]):
            _raise_invalid(text, "one comparison at a time; join two with `and`")
    source = text[node.col_offset : node.end_col_offset]
    _raise_invalid(text, f"`<`, `<=`, `>`, `>=`, `==` or `!=` is missing in '{source}'")


def _range(node: ast.expr, text: str, bounds: Bounds) -> Range | None:
    """Lower and upper bound of a number, or of a name that is known. Raises UsageError for anything else."""
    source = text[node.col_offset : node.end_col_offset]
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value), float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value), -float(value)
        case ast.Attribute(value=ast.Name() | ast.Subscript(value=ast.Name()), attr=field):
            if field not in FIELDS:
                raise UsageError(f"no field '{field}' in '{source}'{did_you_mean(field, list(FIELDS))}")
            return bounds(_parse_name(source.rpartition(".")[0], field))
        case ast.Name() | ast.Subscript(value=ast.Name()):
            return bounds(_parse_name(source, ""))
    _raise_invalid(text, f"'{source}' is neither a name nor a number")


def _parse_name(source: str, field: str) -> Name:
    """Quantity of a text such as `accuracy[step, 0.1]`."""
    name, _, words = source.partition("[")
    of = (word.strip() for word in words.strip(" ]").split(","))
    return Name(check_name(name.strip()), tuple(filter(None, of)), field)
