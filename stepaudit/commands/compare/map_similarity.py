"""Similarity of A's and B's map of the same clip, by method and ratio."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from stepaudit.audit import registry
from stepaudit.commands.compare.metrics import words
from stepaudit.commands.compare.pair import Pair
from stepaudit.commands.compare.paired_means import paired_means
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.compare.sides import Side, methods
from stepaudit.errors import AuditError
from stepaudit.store import arrays
from stepaudit.store.tables import parquet_files

if TYPE_CHECKING:
    from torch import Tensor

MAX_CLIPS = 200  # whose maps are compared, for each method and ratio
BLOCK = 64  # clips whose maps are in memory at a time
COLUMNS = ["clip_id", "ratio", "seed", "status", "grid", "grid_shape", "upsampling"]
BETWEEN_SEEDS = """
    select method, ratio, avg(rank) as rank from similarities
    where dataset = $dataset and model = $model and reference = 'seed' group by all
"""


def sample(clips: Sequence[str], count: int = MAX_CLIPS) -> list[str]:
    """At most `count` clips, chosen by their names alone, so that every comparison takes the same."""
    return sorted(sorted(clips, key=lambda clip: sha256(clip.encode()).digest())[:count])


def of_clips(pair: Pair) -> list[dict]:
    """Rank correlation and IoU of A's and B's map of each sampled clip, method and ratio, of a seed that both have."""
    sampled = sample(pair.clips)
    rows: list[dict] = []
    for method in methods(pair.a, pair.b):
        chosen = [clip for clip in sampled if clip not in pair.maps_of_others[method]]
        for start in range(0, len(chosen), BLOCK):
            rows += _block_similarities(pair, method, chosen[start : start + BLOCK])
    return rows


def quantities(pair: Pair, rows: Sequence[dict]) -> list[Quantity]:
    """Mean similarity of each method and ratio, without constant maps (they have no order)."""
    seeds = {
        words(row["method"], row["ratio"]): row["rank"] for row in pair.a.rows(BETWEEN_SEEDS, dataset=pair.dataset)
    }
    sampled = [f"of {MAX_CLIPS} of {len(pair.clips)} clips"] if len(pair.clips) > MAX_CLIPS else []
    result = []
    for name, column, smallest_value in (("map_rank_correlation", "rank", -1), ("map_iou", "iou", 0)):
        parts = [row | {"part": row[column], "whole": 1} for row in rows if row[column] is not None]
        means = paired_means(name, parts, smallest_value=smallest_value, tested=False)
        for quantity in means:
            rank = seeds.get(quantity.of) if column == "rank" else None
            notes = sampled + ([] if rank is None else [f"two seeds of A: {rank:.2f}"])
            result.append(replace(quantity, note=", ".join(notes)))
        if not means:
            result.append(Quantity(name, reason="no maps of both sides lie beside audit.duckdb"))
    return result


def _block_similarities(pair: Pair, method: str, clips: Sequence[str]) -> Iterator[dict]:
    """Similarity of the maps of some clips, by clip and ratio."""
    score = registry.find("metrics", "similarity").load()
    a, b = (_maps(side, pair.dataset, method, clips) for side in (pair.a, pair.b))
    for clip, ratio in dict.fromkeys((clip, ratio) for clip, ratio, _ in a):
        seeds = [seed for name, share, seed in a if (name, share) == (clip, ratio) and (name, share, seed) in b]
        if seeds:
            one, other = (_full_map(rows[clip, ratio, min(seeds)]) for rows in (a, b))
            values = score(one, {"b": other if one.shape == other.shape else _resized_map(other, one.shape)})
            rank, iou = (
                None if isinstance(value, AuditError) else value for value in (values["b.rank"], values["b.iou"])
            )
            yield {"clip_id": clip, "of": words(method, ratio), "rank": rank, "iou": iou}


def _maps(side: Side, dataset: str, method: str, clips: Sequence[str]) -> dict[tuple, dict]:
    """Rows of maps without an error by clip, ratio and seed, with their grids and the size of their clips."""
    place = side.folder / "maps" / f"dataset={dataset}" / f"model={side.model}" / f"method={method}"
    maps: dict[tuple, dict | None] = {}
    for path in parquet_files(place):
        table = pq.read_table(path, columns=COLUMNS, filters=[("clip_id", "in", list(clips))], partitioning=None)
        grids = table["grid"]
        for index, row in enumerate(table.drop_columns("grid").to_pylist()):
            key = row["clip_id"], row["ratio"], row["seed"]
            if key not in maps:  # a later file may be of an earlier, larger number of shards
                is_there = row["status"] == "ok" and grids[index].is_valid
                maps[key] = row | {"grid": arrays.shaped(grids[index], row), "size": side.size} if is_there else None
    return {key: row for key, row in maps.items() if row is not None}


def _full_map(row: dict) -> "Tensor":
    import torch

    return torch.from_numpy(arrays.full(row["grid"], row))


def _resized_map(importance: "Tensor", size: Sequence[int]) -> "Tensor":
    from torch.nn import functional

    return functional.interpolate(importance[None, None], size=tuple(size), mode="trilinear")[0, 0]
