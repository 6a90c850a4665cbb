"""EPIC-Action: clips of EPIC-KITCHENS-55, classified by their action, for the temporal pointing game.

Actions and frames are those of the official files, see `epic_object`. A test clip joins a part of an action with the
background beside it: frames without an annotated action. The paper says only that the part is random. Here its length
is random: it touches the background, so that both are one segment of the video, and the whole is as long as the
action; the action fills between a quarter and three quarters of it.
"""

from pathlib import Path
from typing import Literal

from stepaudit.datasets._epic import read_actions, read_videos
from stepaudit.datasets._epic_draw import by_label, draw_joined, largest_classes, plain, require, training
from stepaudit.datasets._epic_media import open_media, segment_rows

ranges = {
    "classes": (1, 10_000),
    "per_class": (1, 1_000_000),
    "train_per_class": (0, 1_000_000),
    "seed": (0, 2_147_483_647),
    "fps": (0.1, 10_000),
}


def read(
    root: Path,
    *,
    classes: int = 20,
    per_class: int = 5,
    train_per_class: int | None = None,
    seed: int = 0,
    test: Literal["joined", "plain"] = "joined",
    synonyms: bool = False,
    partial: bool = False,
    annotations: str = ".",
    media: Literal["videos", "frames", "clips"] = "videos",
    files: str = "videos/train/{participant}/{video}.MP4",
    fps: float | None = None,
) -> tuple[list[dict], list[dict]]:
    """Clips of EPIC-KITCHENS-55, classified by their verb: the largest verb classes; test clips joined with background.

    The background lies behind the action in half of the test clips, and before it in the other half. Actions with too
    little background beside them are not drawn. As in the paper, clips are drawn, not videos: a training clip may come
    from the same kitchen as a test clip. `group` is the video. There are no boxes.

    Args:
        root: folder of the annotation and the pictures.
        classes: how many verb classes; those with the most clips.
        per_class: draws so many test clips of each class, as the paper does with 5; the others are for training.
        train_per_class: draws so many training clips of each class; by default all others.
        seed: of the draws.
        test: `joined` with background, for the temporal pointing game, or `plain`: the same actions as they are, for
            the accuracy (others fill up where they are too few). The training clips are the same.
        synonyms: counts clips narrated by another word than the name of their class, too: to grab as to take.
        partial: leaves out clips whose pictures are not there; without it each of them gets the status `bad_video`.
        annotations: folder of the official CSV files, below `root`.
        media: what `files` names: a file a video (`videos`), a folder a video of all its frames at 60 a second, as
            officially offered (`frames`), or a folder a clip with a picture from each of equal parts of it (`clips`),
            which have no background, so that `test` must be plain.
        files: path below `root`, with {participant}, {video} and {uid} for the clip's own, and * for anything else.
        fps: frames a second of all `videos`; by default each video's own, from EPIC_video_info.csv.

    Raises:
        UsageError: a file is missing or holds something else, or there are too few clips to draw from.
    """
    folder = root / annotations
    videos = read_videos(folder)
    everything = read_actions(folder, "verb", videos)
    actions = [action for action in everything if synonyms or not action.synonym]
    labels = largest_classes(actions, classes)
    pictures = open_media(root, media, files, videos, fps, 0)
    available = by_label((action for action in actions if not partial or action in pictures.files), labels)
    joined = draw_joined(available, everything, videos, per_class, seed)
    if test == "joined":
        require(available, joined, per_class)
    tested = plain(available, joined, per_class, seed)
    chosen = {"train": training(available, tested, train_per_class, seed), "test": tested}
    return segment_rows(pictures, chosen, list(available), joined if test == "joined" else {}), []
