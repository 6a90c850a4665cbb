"""The clips of both sides: the same name, the same label, and the same pixels in a size that both were cut to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import duckdb
import pyarrow as pa

from stepaudit.commands.compare.sides import Side
from stepaudit.errors import UsageError, did_you_mean

DATASETS = "select name from datasets order by rowid"
CLIPS = "select clip_id, size, label, sha256, status from test_clips where dataset = $dataset"
EXPLAINED = "select clip_id, explained from explained_classes where dataset = $dataset and model = $model"
MAPS = "select distinct clip_id, method, target_name from maps where dataset = $dataset and model = $model"
SHOWN = 3  # names of clips in a sentence


class NothingInCommonError(UsageError):
    """Two sides have no data set, or no clip, that can be compared."""


@dataclass(frozen=True)
class Pair:
    """A and B on one data set.

    Args:
        a: the first side, the reference.
        b: the second, the candidate: differences are B less A.
        dataset: name.
        labels: of the clips that are compared, by name in order.
        common: names of the test clips of both, also of those that are not compared.
        left_out: clips that are not, by reason.
    """

    a: Side
    b: Side
    dataset: str
    labels: dict[str, str | None]
    common: set[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clips(self) -> list[str]:
        return list(self.labels)

    def joined(self, each: str, both: str, **values: object) -> list[dict]:
        """Rows of the query `both` over `a` and `b`, the results of the query `each` on either side for compared clips.

        Args:
            each: has a column `clip_id`, and may use `$dataset`, `$model` and the names of `values`.
            both: the query over `a` and `b`.
        """
        tables = {side.letter: side.arrow(each, dataset=self.dataset, **values) for side in (self.a, self.b)}
        with duckdb.connect() as connection:
            connection.register("compared", pa.table({"clip_id": pa.array(self.clips, pa.string())}))
            for letter, rows in tables.items():
                connection.register(f"{letter}_rows", rows)
                connection.execute(f"create view {letter} as from {letter}_rows semi join compared using (clip_id)")
            return connection.sql(both).to_arrow_table().to_pylist()

    def explained_alike(self) -> "Pair":
        """The same sides on the clips that are explained for one class on both; what is not explained stays."""
        rows = self.joined(EXPLAINED, "select clip_id from a join b using (clip_id) where a.explained != b.explained")
        others = {row["clip_id"] for row in rows}
        return replace(self, labels={clip: label for clip, label in self.labels.items() if clip not in others})

    @cached_property
    def maps_of_others(self) -> dict[str, set[str]]:
        """Clips by method whose maps explain other classes in A and B, as those for the runner-up may."""
        both = (
            "select method, clip_id from a join b using (method, clip_id) where a.target_name != b.target_name "
            "order by all"
        )
        clips: dict[str, set[str]] = defaultdict(set)
        for row in self.joined(MAPS, both):
            clips[row["method"]].add(row["clip_id"])
        return clips

    def left_out_texts(self) -> list[str]:
        """The number of clips that are left out for each reason, with some of their names."""
        return [
            f"{len(clips)} {reason} ({', '.join(clips[:SHOWN])}{', …' if len(clips) > SHOWN else ''})"
            for reason, clips in self.left_out.items()
        ]


def pair(a: Side, b: Side, dataset: str | None = None) -> Pair:
    """The clips that both sides have.

    Args:
        dataset: by default the only one that both audits have.

    Raises:
        UsageError: there is no such data set, there are several, no clip is the same, or clips are windows.
    """
    if any(side.config["clips"].get("windows") for side in (a, b)):
        raise UsageError(
            "clips of long footage are windows of the same videos, and a comparison would take them for independent; "
            f"read the reports of both audits, `stepaudit report {a.folder}`"
        )
    name, sizes = _common_dataset(a, b, dataset), (a.size, b.size)
    of_clip: dict[str, tuple[dict, dict]] = defaultdict(lambda: ({}, {}))
    for index, side in enumerate((a, b)):
        for row in side.rows(CLIPS, dataset=name):
            of_clip[row["clip_id"]][index][row["size"]] = row
    labels: dict[str, str | None] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    for clip, (first, second) in sorted(of_clip.items()):
        if reason := _difference(first, second, sizes):
            left_out[reason].append(clip)
        else:
            labels[clip] = first[sizes[0]]["label"]
    common = {clip for clip, rows in of_clip.items() if all(rows)}
    both = Pair(a, b, name, labels, common, dict(left_out))
    if not labels:
        reasons = both.left_out_texts() or ["there are no test clips"]
        raise NothingInCommonError(
            f"no clip of '{name}' is the same in {a.folder} and {b.folder}: {'; '.join(reasons)}"
        )
    return both


def _common_dataset(a: Side, b: Side, requested: str | None) -> str:
    of_a, of_b = ([row["name"] for row in side.rows(DATASETS)] for side in (a, b))
    common = [name for name in of_a if name in of_b]
    if not common:
        raise NothingInCommonError(f"{a.folder} has the data sets {', '.join(of_a)}, {b.folder} has {', '.join(of_b)}")
    if requested is not None and requested not in common:
        raise UsageError(f"the audits have no data set '{requested}' in common{did_you_mean(requested, common)}")
    if requested is None and len(common) > 1:
        raise UsageError(f"one data set at a time; name it with --dataset (known: {', '.join(common)})")
    return requested or common[0]


def _difference(first: dict[str, dict], second: dict[str, dict], sizes: Sequence[str]) -> str:
    """The reason why a clip is not the same on both sides; empty if it is.

    Args:
        first: A's rows of the clip by size.
        second: B's.
        sizes: of the clips of each model.
    """
    if not second or not first:
        return f"only in {'A' if first else 'B'}"
    usable = [{size for size, row in rows.items() if row["status"] == "ok"} for rows in (first, second)]
    good = [size in known for size, known in zip(sizes, usable, strict=True)]
    if not all(good):
        return "without pixels in " + ("either" if not any(good) else "B" if good[0] else "A")
    common = usable[0] & usable[1]
    if not common:
        return "cut to other sizes, so that nothing tells whether they are the same"
    if any(first[size]["sha256"] != second[size]["sha256"] for size in common):
        return "of the same name with other pixels"
    return "of another label" if first[sizes[0]]["label"] != second[sizes[1]]["label"] else ""
