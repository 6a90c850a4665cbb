"""Mean position of the boxes of many clips: the map of a pointer that knows the annotation, but no clip."""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from stepaudit.audit.config import fingerprint
from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import boxes_by_frame
from stepaudit.layers import Box, covered
from stepaudit.store import tables, writing
from stepaudit.store.checksums import sha256


def of_training(job: Job) -> Tensor:
    """Share of the annotated training clips whose boxes cover each voxel, [T, H, W].

    It is computed once for a data set and size: its file is named by a checksum of what it is made from, so that it is
    never out of date. Jobs that need it at the same moment compute it each, and write the same.
    """
    clips = tables.read("clips", *job.files("clips", "train"), columns=["clip_id", "view", "label"])
    size, boxes = job.config.clips_of(job.model), [sha256(path) for path in job.training_boxes]
    path = job.cache(f"box_prior-{fingerprint([clips, boxes, size.size])}.npy")
    try:
        return torch.from_numpy(np.load(path))
    except (OSError, ValueError):  # not there yet, or damaged
        prior = _mean_training_boxes(job, clips)
        writing.write_with(path, lambda file: np.save(file, prior.numpy()))
        return prior


def _mean_training_boxes(job: Job, clips: list[dict]) -> Tensor:
    size, boxes = job.config.clips_of(job.model), defaultdict(list)
    for row in tables.read("clip_boxes", *job.training_boxes):
        boxes[row["clip_id"], row["view"]].append(row)
    framed = [boxes_by_frame(boxes[clip["clip_id"], clip["view"]], clip["label"], size.frames) for clip in clips]
    return mean_boxes([frames for frames in framed if any(frames)], size.frames, size.height, size.width)


def mean_boxes(clips: list[list[list[Box]]], frames: int, height: int, width: int) -> Tensor:
    """Share of the clips with a box on each voxel.

    Args:
        clips: boxes of each frame of each clip, pixels; a pixel belongs to a box that contains its centre.
        frames: of each clip.

    Returns:
        [T, H, W] in [0, 1]; 0 everywhere if there are no clips.
    """
    total = torch.zeros(frames, height, width)
    for clip in clips:
        for mean, boxes in zip(total, clip, strict=True):
            mean += covered(boxes, mean.shape)
    return total / max(len(clips), 1)
