"""EPIC-Object: clips of EPIC-KITCHENS-55, classified by the object of their action, with the official boxes.

The official files count frames from 1 at 60 a second, and pixels in each video's own resolution. The rows count the
frames from 0 that decode, at the videos' own rates, and the pixels of the pictures that are there.
"""

from pathlib import Path
from typing import Literal

from stepaudit.datasets._epic import has_box, read_actions, read_boxes, read_videos
from stepaudit.datasets._epic_draw import by_label, draw, largest_classes, training
from stepaudit.datasets._epic_media import box_rows, open_media, segment_rows

ranges = {
    "classes": (1, 10_000),
    "per_class": (1, 1_000_000),
    "train_per_class": (0, 1_000_000),
    "seed": (0, 2_147_483_647),
    "fps": (0.1, 10_000),
    "sampled_box_distance": (0, 1_000_000),
}


def read(
    root: Path,
    *,
    classes: int = 20,
    per_class: int = 5,
    train_per_class: int | None = None,
    seed: int = 0,
    synonyms: bool = False,
    partial: bool = False,
    annotations: str = ".",
    media: Literal["videos", "frames", "clips"] = "videos",
    files: str = "videos/train/{participant}/{video}.MP4",
    fps: float | None = None,
    sampled_box_distance: int = 3,
) -> tuple[list[dict], list[dict]]:
    """Clips of EPIC-KITCHENS-55, classified by their object: the largest noun classes, with the official boxes.

    Only clips with a box of their object count. Those of the 20 largest classes are the 8797 of the paper's own lists
    (500 held out, 8297 to train on), and 8 more that last half a second. As in the paper, clips are drawn, not videos:
    a training clip may come from the same kitchen, even the same minute, as a test clip. `group` is the video.

    Args:
        root: folder of the annotation and the pictures.
        classes: how many noun classes; those with the most clips.
        per_class: draws so many test clips of each class, as the paper does with 5; the others are for training.
        train_per_class: draws so many training clips of each class; by default all others.
        seed: of the draws.
        synonyms: counts clips narrated by another word than the name of their class, too: a saucepan as a pan.
        partial: leaves out clips whose pictures are not there; without it each of them gets the status `bad_video`.
        annotations: folder of the official CSV files, EPIC_train_object_labels.csv among them, below `root`.
        media: what `files` names: a file a video (`videos`), a folder a video of all its frames at 60 a second, as
            officially offered (`frames`), or a folder a clip with a picture from each of equal parts of it (`clips`).
        files: path below `root`, with {participant}, {video} and {uid} for the clip's own, and * for anything else.
        fps: frames a second of all `videos`; by default each video's own, from EPIC_video_info.csv.
        sampled_box_distance: a picture of `clips` takes the boxes of the nearest annotated frame within so many
            sixtieths of a second. There the data set's key `box_distance` stays 0; for the other media that key says
            it, in the frames of the videos, and this option has no effect.

    Raises:
        UsageError: a file is missing or holds something else, or there are too few clips to draw from.
    """
    folder = root / annotations
    videos = read_videos(folder)
    boxes = read_boxes(folder, videos)
    actions = [action for action in read_actions(folder, "noun", videos) if synonyms or not action.synonym]
    boxed = [action for action in actions if has_box(action, boxes)]
    labels = largest_classes(boxed, classes)
    pictures = open_media(root, media, files, videos, fps, sampled_box_distance)
    available = by_label((action for action in boxed if not partial or action in pictures.files), labels)
    tested = [action for actions in available.values() for action in draw(actions, per_class, seed, "test")]
    chosen = {"train": training(available, tested, train_per_class, seed), "test": tested}
    segments = segment_rows(pictures, chosen, list(available), {})
    return segments, box_rows(pictures, [*chosen["train"], *tested], boxes, videos)
