"""Numbers of shards of the parts of an audit, and the shards of other divisions with the same clips.

A shard of a division into n holds every n-th clip of its split. All divisions of a split are powers of two, or equal,
so that a shard of a coarse one is made of whole shards of a fine one.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stepaudit.errors import UsageError
from stepaudit.store import writing

FILE = "plan.json"
MAX_BYTES = 2**26  # bytes; 50,000 parts take 6 MB
MAX_SHARDS = 2**17  # shards of a part


@dataclass(frozen=True)
class Plan:
    """Numbers of shards by part: `clips/<data set>/<split>`, `maps/<data set>/<model>/<method>`, …

    Args:
        entries: `shards`, and `seconds` that one of them is estimated to take, and `decided_by`, a fingerprint.
        everywhere: the number of shards of everything, if the configuration gives one.
    """

    entries: dict[str, dict[str, Any]]
    everywhere: int | None = None

    def shards(self, *names: str) -> int:
        """The number of shards of a part. Raises UsageError if it is not planned."""
        if self.everywhere is not None:
            return self.everywhere
        try:
            return self.entries["/".join(names)]["shards"]
        except KeyError as error:
            raise UsageError(f"{'/'.join(names)} is not planned yet; run the workflow") from error

    def seconds(self, *names: str) -> float | None:
        """Estimated time of one shard of a part; None if it is not known."""
        return self.entries.get("/".join(names), {}).get("seconds")

    def clips(self, *names: str) -> int:
        """Clips of one shard of a part; 0 if it is not known."""
        return self.entries.get("/".join(names), {}).get("clips", 0)

    @cached_property
    def text(self) -> str:
        """As JSON, a line an entry."""
        lines = (f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(self.entries.items()))
        return "{\n" + ",\n".join(lines) + "\n}\n"


def read(folder: Path) -> Plan:
    """The plan of the audit in a folder; an empty one if there is none yet. Raises UsageError if it is damaged."""
    path = folder / FILE
    try:
        if path.stat().st_size > MAX_BYTES or not path.is_file():
            raise ValueError(f"no plain file, or larger than {MAX_BYTES // 2**20} MB")
        entries = json.loads(path.read_text(encoding="utf-8"))
        sound = all(type(entry["shards"]) is int and 0 < entry["shards"] <= MAX_SHARDS for entry in entries.values())
    except FileNotFoundError:
        return Plan({})
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: no readable plan ({error}); delete it, and the audit is planned again") from error
    if not sound:
        raise UsageError(
            f"{path}: a number of shards is none from 1 to {MAX_SHARDS}; delete it, and the audit is planned again"
        )
    return Plan(entries)


def save(plan: Plan, folder: Path) -> None:
    """Writes a plan beside the audit's tables, if the file does not hold it yet."""
    path = folder / FILE
    if plan.everywhere is None and not (path.exists() and path.read_text(encoding="utf-8") == plan.text):
        writing.write_text(path, plan.text)


def shard_names(shards: int, split: str) -> list[str]:
    """File names of the shards of a split, without ending."""
    return [shard_name(split, shard) for shard in range(shards)]


def shard_name(split: str, shard: int) -> str:
    """File name of a shard, counted from 0, without ending: `test-000`."""
    return f"{split}-{shard:03d}"


def split_of(shard: str) -> str:
    """The split of a shard: `test` of `test-000`."""
    return shard.rpartition("-")[0]


def sharing_clips(shard: str, shards: int, others: int) -> list[str]:
    """The shards of a division into `others` that share clips with a shard of a division into `shards`."""
    split, _, number = shard.rpartition("-")
    apart = min(shards, others)
    return [shard_name(split, index) for index in range(int(number) % apart, others, apart)]
