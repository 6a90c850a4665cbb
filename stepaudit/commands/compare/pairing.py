"""Which clips both sides have: the same name, the same label, and the same pixels in a size that both were cut to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from stepaudit.commands.compare.sides import Side
from stepaudit.errors import UsageError, did_you_mean

DATASETS = "select name from datasets order by rowid"
CLIPS = "select clip_id, size, label, sha256, status from test_clips where dataset = $dataset"
SHOWN = 3  # names of clips in a sentence


@dataclass(frozen=True)
class Pair:
    """A and B on one data set.

    Args:
        a: the first side, the reference.
        b: the second, the candidate: differences are B less A.
        dataset: name.
        labels: of the clips that are compared, by name in order.
        left_out: clips that are not, by reason.
    """

    a: Side
    b: Side
    dataset: str
    labels: dict[str, str]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clips(self) -> list[str]:
        return list(self.labels)

    def joined(self, each: str, sql: str, **values: object) -> list[dict]:
        """Rows of `sql` over `a` and `b`, the answers of both sides to `each`, of clips that are compared alone.

        Args:
            each: has a column `clip_id`, and may ask for `$dataset`, `$model` and the names of `values`.
            sql: its rows are what is given.
        """
        found = [side.arrow(each, dataset=self.dataset, **values) for side in (self.a, self.b)]
        with duckdb.connect() as connection:
            connection.register("compared", pa.table({"clip_id": pa.array(self.clips, pa.string())}))
            for letter, rows in zip("ab", found, strict=True):
                connection.register(f"{letter}_rows", rows)
                connection.execute(f"create view {letter} as from {letter}_rows semi join compared using (clip_id)")
            return connection.sql(sql).to_arrow_table().to_pylist()


def pair(a: Side, b: Side, dataset: str | None = None) -> Pair:
    """The clips that both sides have.

    Args:
        dataset: by default the only one that both audits have.

    Raises:
        UsageError: there is no such data set, there are several, or no clip is the same.
    """
    name, sizes = _dataset(a, b, dataset), (a.size, b.size)
    rows = [_by_clip(side.rows(CLIPS, dataset=name)) for side in (a, b)]
    labels: dict[str, str] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    for clip in sorted({*rows[0], *rows[1]}):
        first, second = rows[0].get(clip, {}), rows[1].get(clip, {})
        if reason := _difference(first, second, sizes):
            left_out[reason].append(clip)
        else:
            labels[clip] = first[sizes[0]]["label"]
    if not labels:
        reasons = told(left_out) or ["there are no test clips"]
        raise UsageError(f"no clip of '{name}' is the same in {a.folder} and {b.folder}: {'; '.join(reasons)}")
    return Pair(a, b, name, labels, dict(left_out))


def told(left_out: dict[str, list[str]]) -> list[str]:
    """How many clips are left out for each reason, and some of their names."""
    return [
        f"{len(clips)} {reason} ({', '.join(clips[:SHOWN])}{', …' if len(clips) > SHOWN else ''})"
        for reason, clips in left_out.items()
    ]


def _dataset(a: Side, b: Side, asked: str | None) -> str:
    known = [[row["name"] for row in side.rows(DATASETS)] for side in (a, b)]
    common = [name for name in known[0] if name in known[1]]
    if not common:
        raise UsageError(f"{a.folder} has the data sets {', '.join(known[0])}, {b.folder} has {', '.join(known[1])}")
    if asked is not None and asked not in common:
        raise UsageError(f"the audits have no data set '{asked}' in common{did_you_mean(asked, common)}")
    if asked is None and len(common) > 1:
        raise UsageError(f"one data set at a time; name it with --dataset (known: {', '.join(common)})")
    return asked or common[0]


def _by_clip(rows: Sequence[dict]) -> dict[str, dict[str, dict]]:
    """Rows by clip and size."""
    found: dict[str, dict[str, dict]] = defaultdict(dict)
    for row in rows:
        found[row["clip_id"]][row["size"]] = row
    return found


def _difference(first: dict[str, dict], second: dict[str, dict], sizes: tuple[str, str]) -> str:
    """Why a clip is not the same on both sides; empty if it is.

    Args:
        first: A's rows of the clip by size.
        second: B's.
        sizes: that each model takes.
    """
    if not second or not first:
        return f"only in {'A' if first else 'B'}"
    good = [sizes[0] in _good(first), sizes[1] in _good(second)]
    if not all(good):
        return "without pixels in " + ("either" if not any(good) else "B" if good[0] else "A")
    common = sorted(_good(first) & _good(second))
    if not common:
        return "cut to other sizes, so that nothing tells whether they are the same"
    if any(first[size]["sha256"] != second[size]["sha256"] for size in common):
        return "of the same name with other pixels"
    return "of another label" if first[sizes[0]]["label"] != second[sizes[1]]["label"] else ""


def _good(rows: dict[str, dict]) -> set[str]:
    return {size for size, row in rows.items() if row["status"] == "ok"}
