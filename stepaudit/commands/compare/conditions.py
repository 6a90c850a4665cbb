"""Conditions for a release gate: `median_ratio_increase > 0.05 or newly_failed > 0`. They are read, never run as code.

condition  = both { "or" both }
both       = single { "and" single }
single     = "not" single | "(" condition ")" | operand sign operand
sign       = "<" | "<=" | ">" | ">=" | "==" | "!="
operand    = [ "-" ] number | name [ "[" word { "," word } "]" ] [ "." field ]
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stepaudit.commands.compare.quantities import FIELDS, Quantity, check_name, chosen
from stepaudit.errors import UsageError, did_you_mean

DEEPEST = 20  # brackets within brackets
TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*(?:\s*\[[^\[\]]*\])?(?:\.[a-z_]+)?)"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)|-)"
)
Range = tuple[float, float]
SIGNS: dict[str, Callable[[Range, Range], bool | None]] = {
    "<": lambda one, other: _less(one, other),
    ">": lambda one, other: _less(other, one),
    "<=": lambda one, other: _not(_less(other, one)),
    ">=": lambda one, other: _not(_less(one, other)),
    "==": lambda one, other: _equal(one, other),
    "!=": lambda one, other: _not(_equal(one, other)),
}


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Name:
    """A quantity, what it is to be of, and which of its `FIELDS`; empty for its value."""

    name: str
    of: tuple[str, ...]
    field: str


@dataclass(frozen=True)
class Compared:
    left: Number | Name
    sign: str
    right: Number | Name


@dataclass(frozen=True)
class Joined:
    """Parts under `and` or `or`; under `not` there is one."""

    word: str
    parts: tuple["Compared | Joined", ...]


@dataclass(frozen=True)
class Condition:
    """What was written, and what it says."""

    text: str
    tree: Compared | Joined


@dataclass(frozen=True)
class Verdict:
    """Whether a condition is true; None where that cannot be told, with the reasons, a sentence each.

    `values` says what each name of the condition stood for.
    """

    text: str
    holds: bool | None
    values: dict[str, str]
    reasons: list[str]


def parse(text: str) -> Condition:
    """Reads a condition.

    Raises:
        UsageError: it is none; the text says where, or which name is nearest.
    """
    reader = _Reader(text)
    tree = reader.condition()
    if reader.token:
        reader.fail("`and`, `or` or the end")
    return Condition(text, tree)


def judge(condition: Condition, quantities: Sequence[Quantity]) -> Verdict:
    """Whether a condition is true of what was measured. What was not measured leaves it open unless it is true anyhow.

    Raises:
        UsageError: a name stands for none of the quantities, or for several.
    """
    names = {name: chosen(quantities, name.name, name.of) for name in _names(condition.tree)}
    holds = _truth(condition.tree, {name: found.bounds(name.field) for name, found in names.items()})
    missing = [
        f"{_shown_name(name, found)} has no value: {found.why_not(name.field)}"
        for name, found in names.items()
        if found.bounds(name.field) is None
    ]
    values = {_shown_name(name, found): shown(found.bounds(name.field)) for name, found in names.items()}
    if holds is None and not missing:
        missing = [f"{name} is {value}" for name, value in values.items() if " " in value]
    return Verdict(condition.text, True if holds else None if missing else holds, values, [] if holds else missing)


def shown(bounds: Range | None) -> str:
    """A number for reading, or between which it lies."""
    if bounds is None:
        return "unknown"
    low, high = (f"{bound:.4g}" for bound in bounds)
    return low if bounds[0] == bounds[1] else f"between {low} and {high}"


class _Reader:
    """Reads the tokens of a text from left to right."""

    def __init__(self, text: str):
        self.text, self.place, self.depth = text, 0, 0
        self.kind, self.token = "", ""
        self.step()

    def step(self) -> None:
        """Goes to the next token, which is empty at the end."""
        self.place += len(self.token)
        self.place += len(self.text[self.place :]) - len(self.text[self.place :].lstrip())
        found = TOKEN.match(self.text, self.place)
        if found is None and self.place < len(self.text):
            self.token = ""
            self.fail("a name, a number or a sign")
        self.kind, self.token = (found.lastgroup, found[0]) if found else ("end", "")

    def fail(self, wanted: str) -> None:
        rest = self.text[self.place :][:20]
        where = f"at '{rest}'" if rest else "at its end"
        raise UsageError(f'condition "{self.text}": {wanted} is missing {where}; write one such as "needs_more > 0.5"')

    def condition(self) -> Compared | Joined:
        return self.joined("or", lambda: self.joined("and", self.single))

    def joined(self, word: str, part: Callable[[], Compared | Joined]) -> Compared | Joined:
        parts = [part()]
        while self.token == word:
            self.step()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def single(self) -> Compared | Joined:
        if self.token not in ("not", "("):
            return self.compared()
        self.depth += 1
        if self.depth > DEEPEST:
            raise UsageError(f'condition "{self.text}": more than {DEEPEST} brackets; write several conditions')
        opened = self.token
        self.step()
        found = Joined("not", (self.single(),)) if opened == "not" else self.condition()
        if opened == "(":
            if self.token != ")":
                self.fail("`)`")
            self.step()
        self.depth -= 1
        return found

    def compared(self) -> Compared:
        left = self.operand()
        sign = self.token
        if sign not in SIGNS:
            self.fail("`<`, `<=`, `>`, `>=`, `==` or `!=`")
        self.step()
        found = Compared(left, sign, self.operand())
        if self.token in SIGNS:
            raise UsageError(f'condition "{self.text}": one comparison at a time; join two with `and`')
        return found

    def operand(self) -> Number | Name:
        negative = self.token == "-"
        if negative:
            self.step()
        token, kind = self.token, self.kind
        if kind == "number":
            self.step()
            return Number(-float(token) if negative else float(token))
        if kind != "name" or negative or token in ("and", "or", "not"):
            self.fail("a number" if negative else "a name or a number")
        self.step()
        return _name(token)


def _name(token: str) -> Name:
    """`needs_more[step, top1].lower` taken apart."""
    name, of, field = re.fullmatch(r"(\w+)(?:\s*\[([^\]]*)\])?(?:\.([a-z_]+))?", token).groups()
    check_name(name)
    if field and field not in FIELDS:
        raise UsageError(f"no field '{field}' of {name}{did_you_mean(field, list(FIELDS))}")
    return Name(name, tuple(word.strip() for word in (of or "").split(",") if word.strip()), field or "")


def _names(tree: Compared | Joined) -> list[Name]:
    if isinstance(tree, Compared):
        return [side for side in (tree.left, tree.right) if isinstance(side, Name)]
    return [name for part in tree.parts for name in _names(part)]


def _truth(tree: Compared | Joined, found: dict[Name, Range | None]) -> bool | None:
    """Kleene's logic of three values: None where the numbers leave both."""
    if isinstance(tree, Compared):
        sides = [found[side] if isinstance(side, Name) else (side.value,) * 2 for side in (tree.left, tree.right)]
        return None if None in sides else SIGNS[tree.sign](*sides)
    parts = [_truth(part, found) for part in tree.parts]
    if tree.word == "not":
        return _not(parts[0])
    decisive = tree.word == "or"
    return decisive if decisive in parts else None if None in parts else not decisive


def _less(one: Range, other: Range) -> bool | None:
    return True if one[1] < other[0] else False if one[0] >= other[1] else None


def _equal(one: Range, other: Range) -> bool | None:
    if one[1] < other[0] or other[1] < one[0]:
        return False
    return True if one == other and one[0] == one[1] else None


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _shown_name(name: Name, quantity: Quantity) -> str:
    return f"{quantity}.{name.field}" if name.field else str(quantity)
