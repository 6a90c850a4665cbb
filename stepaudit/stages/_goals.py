"""Targets of training: the class of a clip, all labels of its segment of video, or its value."""

from collections import defaultdict

import torch
from torch import Tensor

from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.store import tables

SegmentKey = tuple[str, int | None, int | None]


class Goals:
    """Goals of the clips of a job's data set, by what its model gives.

    A segment with several labels has a row of `clips` for each of them; it is learned once, with all its labels.
    """

    def __init__(self, job: Job):
        self.gives, self.dataset = job.config.models[job.model].gives, job.dataset
        self.segments = {row["clip_id"]: row for row in tables.read("segments", job.file("segments"))}
        self.labels: dict[SegmentKey, set[int]] = defaultdict(set)
        for row in self.segments.values():
            if row["target"] is not None:
                self.labels[_segment_key(row)].add(row["target"])
        self.count = len(set().union(*self.labels.values()))

    def is_first(self, clip: dict) -> bool:
        """True for one of the rows of a segment, where its labels belong together."""
        own = self.labels[_segment_key(self.segments[clip["clip_id"]])]
        return self.gives != "sigmoid" or clip["target"] == min(own, default=None)

    def of(self, clip: dict) -> int | list[float]:
        """The goal of a row of `clips`. Raises UsageError for a clip without the value that a regression learns."""
        segment = self.segments[clip["clip_id"]]
        if self.gives == "sigmoid":
            own = self.labels[_segment_key(segment)]
            return [float(target in own) for target in range(self.count)]
        if self.gives == "regression":
            if segment["value"] is None:
                raise UsageError(
                    f"data set '{self.dataset}': no value of training clip '{clip['clip_id']}' for a regression to "
                    "learn; add it (column `value`), or leave the clip out"
                )
            return [segment["value"]]
        return clip["target"]

    def tensor(self, goals: list) -> Tensor:
        """[N] class indices; [N, K] of labels, [N, 1] of values."""
        if self.gives in ("sigmoid", "regression"):
            columns = self.count if self.gives == "sigmoid" else 1
            return torch.tensor(goals, dtype=torch.float32).reshape(len(goals), columns)
        return torch.tensor(goals, dtype=torch.long)


def _segment_key(segment: dict) -> SegmentKey:
    """Video, first and last frame of a segment, by which rows of one segment are found."""
    return segment["video_id"], segment["start"], segment["stop"]
