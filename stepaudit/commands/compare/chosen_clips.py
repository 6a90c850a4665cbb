"""The clips that differ most, by rule, with the maps of both sides as strips of frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stepaudit.commands.compare.answers import right
from stepaudit.commands.compare.compare import Comparison
from stepaudit.commands.compare.sides import Side
from stepaudit.report.pictures import figure_sources, figures, pictures

EACH, MOST, FRAMES = 3, 8, 8  # clips by a rule, clips in all, frames of a strip
ALIKE = 0.999  # rank correlation of maps that nobody could tell apart


@dataclass(frozen=True)
class Strip:
    """A row of frames, or why there is none (`picture` is None)."""

    caption: str
    note: str
    picture: str | None = None


@dataclass(frozen=True)
class Example:
    """A clip: why it is shown, what both say of it, its frames, and the maps of A and B below each other."""

    clip_id: str
    why: str
    facts: list[str]
    strips: list[Strip]


def examples(comparison: Comparison) -> list[Example]:
    """Clips that became wrong or right, whose needs differ most, whose maps are least alike; `EACH` of a kind."""
    wanted = _methods(comparison)
    sources = [_source(side, comparison.pair.dataset, [of[0] for of in wanted]) for side in _sides(comparison)]
    return [
        Example(row["clip_id"], why, facts(row), list(_strips(comparison, sources, row["clip_id"], wanted)))
        for row, why in chosen(comparison)
    ]


def chosen(comparison: Comparison) -> list[tuple[dict, str]]:
    """Clips and why each is shown, a clip once."""
    found: dict[str, tuple[dict, str]] = {}
    for rows, why in _rules(comparison.clips):
        for row in [row for row in rows if row["clip_id"] not in found][:EACH]:
            found[row["clip_id"]] = (row, why)
    return list(found.values())[:MOST]


def facts(row: dict) -> list[str]:
    """What both sides answer and need, and how like their maps are."""
    found = [f"{letter.upper()} {_answer(row, letter)}" for letter in "ab"]
    for of, search in list(row["searches"].items())[:1]:
        needs = [_need(search[f"{letter}_ratio"], search[f"{letter}_censored"]) for letter in "ab"]
        found.append(f"a* ({of}): A {needs[0]}, B {needs[1]}")
    alike = [
        f"{of.replace(' ', ' at ')} {each['rank']:.2f}"
        for of, each in row["likeness"].items()
        if each["rank"] is not None
    ]
    return found + ([f"rank correlation of the maps: {', '.join(alike[:4])}"] if alike else [])


def _rules(rows: Sequence[dict]) -> Iterator[tuple[list[dict], str]]:
    """Candidates of each rule, the greatest difference first."""
    by_change = sorted(rows, key=lambda row: row["b_probability"] - row["a_probability"])
    yield [row for row in by_change if right(row, "a") and not right(row, "b")], "newly wrong"
    yield [row for row in reversed(by_change) if right(row, "b") and not right(row, "a")], "newly right"
    needs = [
        (abs(search["b_ratio"] - search["a_ratio"]), search["outcome"], row) for row in rows for search in _first(row)
    ]
    decided = sorted((each for each in needs if each[1] in ("more", "less")), key=lambda each: -each[0])
    for kind in ("more", "less"):
        yield [row for _, outcome, row in decided if outcome == kind], f"B needs {kind} of it than A"
    alike = [(next(iter(row["likeness"].values()))["rank"], row) for row in rows if row["likeness"]]
    ranked = sorted((each for each in alike if each[0] is not None and each[0] < ALIKE), key=lambda each: each[0])
    yield [row for _, row in ranked], "the maps are least alike"


def _first(row: dict) -> list[dict]:
    return list(row["searches"].values())[:1]


def _methods(comparison: Comparison) -> list[tuple[str, ...]]:
    """The first masks and the first other maps that both sides have."""
    uses = [each.of for each in comparison.quantities if each.name == "map_rank_correlation"]
    masks, others = [of for of in uses if len(of) > 1], [of for of in uses if len(of) == 1]
    return masks[:1] + others[:1]


def _sides(comparison: Comparison) -> tuple[Side, Side]:
    return comparison.pair.a, comparison.pair.b


def _source(side: Side, dataset: str, methods: list[str]) -> tuple[dict[str, dict], list[dict]]:
    clips, maps = figure_sources.read(side.connection, dataset, [side.model], methods or [""])
    return {row["clip_id"]: row for row in clips}, maps


def _strips(
    comparison: Comparison, sources: Sequence[tuple], clip_id: str, wanted: Sequence[tuple[str, ...]]
) -> Iterator[Strip]:
    """The clip as A takes it, and of each method A's map above B's."""
    shown = [
        figure_sources.Shown(side.connection, side.folder, clips[clip_id], FRAMES)
        for side, (clips, _) in zip(_sides(comparison), sources, strict=True)
    ]
    numbers = ", ".join(note.removeprefix("source ") for note in shown[0].headers().notes)
    yield Strip("clip", f"source frames {numbers}", _picture(shown[0], shown[0].clip_row([])))
    for of in wanted:
        for side, each, (_, maps) in zip(_sides(comparison), shown, sources, strict=True):
            found = [row for row in maps if row["clip_id"] == clip_id and _is_of(row, of)]
            drawn = each.map_row(" at ".join(of), min(found, key=lambda row: row["seed"], default=None))
            picture = None if drawn.frames is None else _picture(each, drawn)
            yield Strip(f"{side.letter}: {drawn.name}", drawn.missing or ", ".join(drawn.notes), picture)


def _picture(shown: figure_sources.Shown, row: figures.Row) -> str:
    return pictures.data_uri(pictures.strip(row.frames, row.boxes, row.share, shown.headers().in_action))


def _is_of(row: dict, of: tuple[str, ...]) -> bool:
    return row["method"] == of[0] and (len(of) == 1 or f"{row['ratio']:g}" == of[1])


def _answer(row: dict, letter: str) -> str:
    probability = f"{row[f'{letter}_probability']:.2f} for {row['label']}"
    return f"{probability} (right)" if right(row, letter) else f"{probability} (says {row[f'{letter}_answer']})"


def _need(ratio: float, censored: str | None) -> str:
    return {"left": f"{ratio:.3g} or less", "right": f"more than {ratio:.3g}"}.get(censored, f"{ratio:.3g}")
