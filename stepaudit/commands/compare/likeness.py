"""Whether A and B look elsewhere: how like their maps of the same clip are, by method and ratio."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pyarrow.parquet as pq

from stepaudit.audit import registry
from stepaudit.commands.compare import means
from stepaudit.commands.compare.pairing import Pair
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.compare.scores import use
from stepaudit.commands.compare.sides import Side, methods
from stepaudit.errors import AuditError
from stepaudit.store.database import parquet_files

CLIPS = 200  # whose maps are compared, by each method and ratio
BLOCK = 64  # clips whose maps are held at a time
COLUMNS = ["clip_id", "ratio", "seed", "status", "grid", "grid_shape", "upsampling"]
BETWEEN_SEEDS = """
    select method, ratio, avg(rank) as rank from similarities
    where dataset = $dataset and model = $model and reference = 'seed' group by all
"""


def sample(clips: Sequence[str], count: int = CLIPS) -> list[str]:
    """At most so many clips, chosen by their names alone: the same each week."""
    return sorted(sorted(clips, key=lambda clip: sha256(clip.encode()).digest())[:count])


def of_clips(pair: Pair) -> list[dict]:
    """Rank correlation and IoU of A's and B's map of each sampled clip, method and ratio, of a seed that both have."""
    chosen = sample(pair.clips)
    found = []
    for method in methods(pair.a, pair.b):
        for start in range(0, len(chosen), BLOCK):
            found += _of_block(pair, method, chosen[start : start + BLOCK])
    return found


def quantities(pair: Pair, rows: Sequence[dict]) -> list[Quantity]:
    """Mean likeness of each method and ratio; maps that are constant rank nothing and are left out."""
    seeds = {use(row["method"], row["ratio"]): row["rank"] for row in pair.a.rows(BETWEEN_SEEDS, dataset=pair.dataset)}
    found = []
    for name, column, least in (("map_rank_correlation", "rank", -1), ("map_iou", "iou", 0)):
        parts = [row | {"part": row[column], "whole": 1} for row in rows if row[column] is not None]
        for quantity in means.quantities(name, parts, least=least, tested=False):
            own = seeds.get(quantity.of) if column == "rank" else None
            found.append(_noted(quantity, len(pair.clips), own))
    names = {quantity.name for quantity in found}
    reason = "no maps of both sides lie beside audit.duckdb"
    return found + [Quantity(name, reason=reason) for name in ("map_rank_correlation", "map_iou") if name not in names]


def _noted(quantity: Quantity, clips: int, between_seeds: float | None) -> Quantity:
    notes = [f"of {CLIPS} of {clips} clips"] if clips > CLIPS else []
    if between_seeds is not None:
        notes.append(f"two seeds of A: {between_seeds:.2f}")
    return replace(quantity, note=", ".join(notes))


def _of_block(pair: Pair, method: str, clips: Sequence[str]) -> Iterator[dict]:
    score = registry.find("metrics", "similarity").load()
    one, other = (_maps(side, pair.dataset, method, clips) for side in (pair.a, pair.b))
    sizes = [tuple(int(number) for number in side.size.split("x")) for side in (pair.a, pair.b)]
    for clip, ratio in dict.fromkeys((clip, ratio) for clip, ratio, _ in one):
        seeds = sorted(
            seed for name, size, seed in one if (name, size) == (clip, ratio) and (name, size, seed) in other
        )
        if seeds:
            a, b = (_full(rows[clip, ratio, seeds[0]], size) for rows, size in zip((one, other), sizes, strict=True))
            likeness = score(a, {"b": b if a.shape == b.shape else _scaled(b, a.shape)})
            yield {
                "clip_id": clip,
                "of": use(method, ratio),
                "rank": _value(likeness["b.rank"]),
                "iou": _value(likeness["b.iou"]),
            }


def _maps(side: Side, dataset: str, method: str, clips: Sequence[str]) -> dict[tuple, dict]:
    """Rows of good maps by clip, ratio and seed, with their grids."""
    place = side.folder / "maps" / f"dataset={dataset}" / f"model={side.model}" / f"method={method}"
    found = {}
    for path in parquet_files(place):
        read = pq.read_table(path, columns=COLUMNS, filters=[("clip_id", "in", list(clips))], partitioning=None)
        grids = read["grid"]
        for index, row in enumerate(read.drop_columns("grid").to_pylist()):
            if row["status"] == "ok" and grids[index].is_valid:
                grid = grids[index].values.to_numpy(zero_copy_only=False)
                found[row["clip_id"], row["ratio"], row["seed"]] = row | {"grid": grid}
    return found


def _full(row: dict, size: tuple[int, ...]):
    import torch

    from stepaudit.maps import render

    grid = torch.from_numpy(np.array(row["grid"]).reshape(1, *row["grid_shape"]))
    return render(grid, row["upsampling"], size)[0]


def _scaled(importance, size: tuple[int, ...]):
    from torch.nn import functional

    return functional.interpolate(importance[None, None], size=tuple(size), mode="trilinear")[0, 0]


def _value(found: float | AuditError) -> float | None:
    return None if isinstance(found, AuditError) else found
