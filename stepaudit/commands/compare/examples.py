"""The clips that differ most, by rule, with the maps of both sides as strips of frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stepaudit.commands.compare.comparison import Comparison
from stepaudit.commands.compare.predictions import is_right
from stepaudit.report.pictures import figure_sources, figures, pictures

EACH, MAX_CLIPS, FRAMES = 3, 8, 8  # clips of a rule, clips in all, frames of a strip
ALIKE = 0.999  # rank correlation of maps that look the same


@dataclass(frozen=True)
class Strip:
    """A row of frames, or the note why there is none (`picture` is None)."""

    caption: str
    note: str
    picture: str | None = None


@dataclass(frozen=True)
class Example:
    """A clip: the rule that chose it, facts of both sides, its frames, and the maps of A and B below each other."""

    clip_id: str
    why: str
    facts: list[str]
    strips: list[Strip]


def examples(comparison: Comparison) -> list[Example]:
    """Clips that became wrong or right, with the greatest difference of a*, with the least similar maps."""
    of_maps = [each.of for each in comparison.quantities if each.name == "map_rank_correlation"]
    masks, others = [of for of in of_maps if len(of) > 1], [of for of in of_maps if len(of) == 1]
    chosen: dict[str, tuple[dict, str]] = {}
    for rows, why in _rules(comparison.clips):
        chosen |= {row["clip_id"]: (row, why) for row in [row for row in rows if row["clip_id"] not in chosen][:EACH]}
    strips = _Strips(comparison, [*masks[:1], *others[:1]])
    return [
        Example(clip, why, facts(row), list(strips.of_clip(clip)))
        for clip, (row, why) in list(chosen.items())[:MAX_CLIPS]
    ]


def facts(row: dict) -> list[str]:
    """The predictions and ratios of both sides, and the similarity of their maps."""
    texts = []
    for side in "ab":
        correct = "right" if is_right(row, side) else f"says {row[f'{side}_answer']}"
        answer = f" ({correct})" if row[f"{side}_rank"] is not None else ""  # of a label there is no other one
        texts.append(f"{side.upper()} {row[f'{side}_probability']:.2f} for {row['label']}{answer}")
    for of, search in list(row["searches"].items())[:1]:
        a, b = (_ratio_text(search[f"{side}_ratio"], search[f"{side}_censored"]) for side in "ab")
        texts.append(f"a* ({of}): A {a}, B {b}")
    ranks = {of.replace(" ", " at "): each["rank"] for of, each in row["likeness"].items() if each["rank"] is not None}
    if ranks:
        similar = ", ".join(f"{of} {rank:.2f}" for of, rank in list(ranks.items())[:4])
        texts.append(f"rank correlation of the maps: {similar}")
    return texts


def _rules(rows: Sequence[dict]) -> Iterator[tuple[list[dict], str]]:
    """Candidates of each rule, the greatest difference first."""
    by_change = sorted(rows, key=lambda row: row["b_probability"] - row["a_probability"])
    yield [row for row in by_change if is_right(row, "a") and not is_right(row, "b")], "newly wrong"
    yield [row for row in reversed(by_change) if is_right(row, "b") and not is_right(row, "a")], "newly right"
    needs = [(next(iter(row["searches"].values())), row) for row in rows if row["searches"]]
    needs.sort(key=lambda each: -abs(each[0]["b_ratio"] - each[0]["a_ratio"]))
    for kind in ("more", "less"):
        yield [row for search, row in needs if search["outcome"] == kind], f"B needs {kind} of it than A"
    ranks = [(next(iter(row["likeness"].values()))["rank"], row) for row in rows if row["likeness"]]
    least = sorted((each for each in ranks if each[0] is not None and each[0] < ALIKE), key=lambda each: each[0])
    yield [row for _, row in least], "the maps are least alike"


def _ratio_text(ratio: float, censored: str | None) -> str:
    return f"{ratio:.3g} or less" if censored == "left" else f"{'more than ' * (censored == 'right')}{ratio:.3g}"


class _Strips:
    """Strips of clips, read from both sides.

    Args:
        of: methods, with their ratio if they have one, whose maps are drawn.
    """

    def __init__(self, comparison: Comparison, of: Sequence[tuple[str, ...]]):
        self.sides, self.of = (comparison.pair.a, comparison.pair.b), of
        methods = [method for method, *_ in of] or [""]
        dataset = comparison.pair.dataset
        self.rows = [figure_sources.read(side.connection, dataset, [side.model], methods) for side in self.sides]

    def of_clip(self, clip_id: str) -> Iterator[Strip]:
        """The clip as A takes it, and for each method A's map above B's."""
        clips = [
            figure_sources.ShownClip(
                side.connection, side.folder, next(row for row in rows if row["clip_id"] == clip_id), FRAMES
            )
            for side, (rows, _) in zip(self.sides, self.rows, strict=True)
        ]
        numbers = ", ".join(note.removeprefix("source ") for note in clips[0].headers().notes)
        yield Strip("clip", f"source frames {numbers}", _strip_uri(clips[0], clips[0].clip_row([])))
        for method, *ratio in self.of:
            for side, clip, (_, maps) in zip(self.sides, clips, self.rows, strict=True):
                rows = [row for row in maps if (row["clip_id"], row["method"]) == (clip_id, method)]
                rows = [row for row in rows if not ratio or f"{row['ratio']:g}" == ratio[0]]
                name = " at ".join([method, *ratio])
                row = clip.map_row(name, min(rows, key=lambda row: row["seed"], default=None))
                yield Strip(f"{side.letter}: {name}", row.missing or ", ".join(row.notes), _strip_uri(clip, row))


def _strip_uri(clip: figure_sources.ShownClip, row: figures.Row) -> str | None:
    if row.frames is None:
        return None
    return pictures.data_uri(pictures.strip(row.frames, row.boxes, row.share, clip.headers().in_action))
