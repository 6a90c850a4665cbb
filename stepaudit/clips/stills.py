"""Folders of numbered pictures: which files are the frames of a video, and their pixels."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, cast

import numpy as np
from PIL import Image

from stepaudit.clips.geometry import Geometry
from stepaudit.errors import AuditError, BadVideoError

STILLS = frozenset({".png", ".jpg", ".jpeg"})
MAX_PIXELS = 2**26  # of a frame, as it is and as it is scaled: twice those of 8K
SCANS = 100  # of a JPEG; a progressive one has ten or so, each a pass over all its pixels
RENAME = "add what is missing, or number the frames 1, 2, 3 …"
FORMATS = ("PNG", "JPEG")  # Pillow knows forty more, some of which start other programs


class Pictures:
    """Frames of a folder, scaled like a video's."""

    def __init__(self, files: list[Path], geometry: Geometry):
        self.files, self.geometry = files, geometry

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Sequence[int]) -> np.ndarray:
        return np.stack([self._scaled_picture(self.files[index]) for index in indices])

    def _scaled_picture(self, file: Path) -> np.ndarray:
        to = self.geometry
        with _picture(file) as image:
            if image.size != (to.source_width, to.source_height):
                sizes = f"{image.width}×{image.height}, the first is {to.source_width}×{to.source_height}"
                raise BadVideoError(f"{file.parent.name}/{file.name}: {sizes}")
            scaled = _rgb(image).resize((to.scaled_width, to.scaled_height), Image.Resampling.BILINEAR)
        return np.asarray(scaled)[to.top : to.top + to.height, to.left : to.left + to.width]


def picture_size(file: Path) -> tuple[int, int]:
    """Height and width of a picture by its header. Raises BadVideoError if it is none."""
    with _picture(file) as image:
        return image.height, image.width


def frames_in(folder: Path) -> list[Path]:
    """Files of a folder's frames, in the order of their numbers.

    Raises:
        BadVideoError: there is none, there are several series (such as frames and masks), or numbers are missing.
    """
    files = [file for file in folder.iterdir() if file.suffix.lower() in STILLS and not file.name.startswith(".")]
    if not files:
        raise BadVideoError(f"{folder.name}: no {', '.join(sorted(STILLS))} files")
    series = Counter(re.sub(r"\d+", "#", file.name.lower()) for file in files)
    if len(series) > 1:
        names = ", ".join(f"{name} ({count})" for name, count in series.most_common(4))
        raise BadVideoError(f"{folder.name}: {len(series)} series of pictures, {names}; keep those of one in it")
    return _sorted_by_number(folder.name, {file: re.findall(r"((?<=\d)\.)?(\d+)", file.stem) for file in files})


def _sorted_by_number(folder: str, written: dict[Path, list[tuple[str, str]]]) -> list[Path]:
    """Files in the order of their numbers. Raises BadVideoError if that is in doubt, or one is missing.

    Args:
        written: numbers in each name, with the decimal point before them, if there is one.
    """
    numbers = {file: [int(digits) for _, digits in row] for file, row in written.items()}
    files = sorted(numbers, key=lambda file: numbers[file])
    varying = [place for place in range(len(numbers[files[0]])) if len({row[place] for row in numbers.values()}) > 1]
    for place in varying:
        fraction, widths = written[files[0]][place][0], {len(row[place][1]) for row in written.values()}
        if len(widths) > 1 and (fraction or place != varying[0]):  # 0.5 is more than 0.25
            raise BadVideoError(f"{folder}: several numbers in a name, such as {files[0].name}; {RENAME}")
    if len({tuple(row) for row in numbers.values()}) < len(files):
        raise BadVideoError(f"{folder}: several pictures of one number; {RENAME}")
    if len(varying) == 1:
        steps = {(a, b): numbers[b][varying[0]] - numbers[a][varying[0]] for a, b in pairwise(files)}
        usual = Counter(steps.values()).most_common(1)[0][0]
        for (before, after), step in steps.items():
            if step != usual:
                raise BadVideoError(f"{folder}: {after.name} follows {before.name}, others are {usual} apart; {RENAME}")
    return files


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB. 16-bit grey is scaled to it, since Pillow would clip it at 255."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) / 257 + 0.5).astype(np.uint8))
    return image.convert("RGB")


@contextmanager
def _picture(file: Path) -> Iterator[Image.Image]:
    """Opened picture. Errors while it is used become BadVideoError, too."""
    name = f"{file.parent.name}/{file.name}"
    if file.exists() and not file.is_file():
        raise BadVideoError(f"{name}: no file")
    try:
        # Mapped, because reading from a file reserves as much as a chunk of it claims to have.
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            image = Image.open(cast(IO[bytes], content), formats=FORMATS)  # mmap has all methods that Pillow calls
            if image.width * image.height > MAX_PIXELS:
                raise BadVideoError(f"{name}: {image.width}×{image.height} are too many pixels")
            if image.format != "PNG" and len(re.findall(b"\xff\xda", content)) > SCANS:
                raise BadVideoError(f"{name}: more than {SCANS} scans")  # hours of passes over all pixels
            yield image
    except (AuditError, MemoryError):
        raise
    except Exception as error:  # Pillow raises anything on a damaged file
        raise BadVideoError(f"{name}: no readable picture") from error
