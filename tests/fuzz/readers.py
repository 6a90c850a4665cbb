"""Every reader of files from elsewhere: valid files to damage, and how a damaged one is read."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from mutations import mutated, with_checksums
from PIL import Image

from stepaudit.audit import config
from stepaudit.clips import decoding
from stepaudit.clips.encoding import encode
from stepaudit.clips.geometry import Geometry
from stepaudit.datasets import epic_action, epic_object, folder, ucf101_24
from stepaudit.errors import UsageError
from stepaudit.stages.index import find_problems
from stepaudit.store import tables

ROOT = Path(__file__).parents[2]
SECONDS = 3.0  # of decoding; a real one may take ten minutes


@dataclass(frozen=True)
class Reader:
    """`seeds` makes valid contents, by kind; `damage` one input of those of a kind; `read` reads one in a folder.

    `read` returns or raises an AuditError or a UsageError. It is given an empty folder that it may write to.
    """

    seeds: Callable[[Path], dict[str, list[bytes]]]
    read: Callable[[str, bytes, Path], object]
    damage: Callable[[str, list[bytes], Random], bytes] = lambda _, seeds, random: mutated(seeds, random)


def real(*parts: str) -> list[bytes]:
    """Contents of real files that match a pattern, if there are any."""
    data = os.environ.get("STEPAUDIT_TEST_DATA")
    found = sorted(Path(data, *parts[:-1]).glob(parts[-1])) if data else []
    return [path.read_bytes() for path in found]


def pixels(count: int, height: int = 32, width: int = 48) -> np.ndarray:
    """uint8 [count, H, W, 3]: a light square that moves over a dark ramp."""
    frames = np.broadcast_to(np.arange(width, dtype=np.uint8)[:, None], (count, height, width, 3)).copy()
    for index in range(count):
        frames[index, 8:20, 2 * index : 2 * index + 12] = 220
    return frames


# Videos and pictures


def video_seeds(work: Path) -> dict[str, list[bytes]]:
    encode(pixels(8), work / "a.mp4", "25")
    made = {"mp4": [(work / "a.mp4").read_bytes()]}
    for ending, options in (("avi", ["-c:v", "mpeg4"]), ("mkv", ["-c", "copy"])):
        command = [decoding.ffmpeg_binary(), "-loglevel", "error", "-y", "-i", str(work / "a.mp4"), *options]
        if os.spawnv(os.P_WAIT, command[0], [*command, str(work / f"a.{ending}")]) == 0:
            made[ending] = [(work / f"a.{ending}").read_bytes()]
    made["avi"] = made.get("avi", []) + real("UCF-101", "BasketballDunk", "*g07_c02.avi")[:1]
    return {kind: seeds for kind, seeds in made.items() if seeds}


def read_video(kind: str, content: bytes, work: Path) -> None:
    path = work / f"clip.{kind}"
    path.write_bytes(content)
    height, width = decoding.source_size(path, seconds=SECONDS)
    with decoding.decoded(path, Geometry(height, width, 16, 16, "crop"), seconds=SECONDS) as frames:
        np.asarray(frames[[0, len(frames) - 1]])


def picture_seeds(work: Path) -> dict[str, list[bytes]]:
    made: dict[str, list[bytes]] = {"png": [], "jpg": []}
    image = Image.fromarray(pixels(1)[0])
    others = [image.convert(mode) for mode in ("L", "P", "RGBA", "I;16")]
    for picture in (image, *others):
        made["png"].append(_saved(picture, "PNG"))
    made["png"].append(_saved(image, "PNG", save_all=True, append_images=[image.rotate(9)], duration=40))
    for picture, options in ((image, {}), (image, {"progressive": True}), (image.convert("CMYK"), {})):
        made["jpg"].append(_saved(picture, "JPEG", **options))
    small = [Image.open(io.BytesIO(png)).resize((40, 30)) for png in real("EPIC-KITCHENS-55", "clips16", "*/*01.png")]
    made["png"] += [_saved(picture, "PNG") for picture in small[:2]]
    return made


def _saved(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def damage_picture(kind: str, seeds: list[bytes], random: Random) -> bytes:
    content = mutated(seeds, random)
    return with_checksums(content) if kind == "png" and random.random() < 0.7 else content


def read_pictures(kind: str, content: bytes, work: Path) -> None:
    frames = work / "frames"
    frames.mkdir()
    (frames / f"1.{kind}").write_bytes(content)
    (frames / f"2.{kind}").write_bytes(content)
    height, width = decoding.source_size(frames)
    with decoding.decoded(frames, Geometry(height, width, 16, 16, "crop")) as found:
        np.asarray(found[[0, 1]])


# Annotations


def write_rows(rows: tuple[list[dict], list[dict]], work: Path) -> None:
    """What the stage `index` does with the rows of a data set."""
    segments, boxes = rows
    if problems := find_problems(segments, boxes, trains=False):
        raise UsageError(problems[0])
    tables.write(segments, "segments", work / "segments.parquet")
    tables.write(boxes, "boxes", work / "boxes.parquet")


def ucf_seeds(work: Path) -> dict[str, list[bytes]]:
    def tube(start: int, count: int) -> dict:
        return {"boxes": np.full((count, 4), 9, np.uint8), "sf": start, "ef": start + count, "label": 0}

    content = {
        np.str_(f"{label}/v_{label}_g0{group}_c01"): {
            "annotations": [tube(3, 4), tube(1, 2)], "numf": np.uint8(9), "label": 0
        }
        for label in ("Diving", "Surfing") for group in (1, 2)
    }  # fmt: skip
    lists = [
        "".join(f"{label}/v_{label}_g0{group}_c01.avi{end}\r\n" for label in ("Diving", "Surfing")).encode()
        for group, end in ((1, ""), (2, " 1"))
    ]
    return {"pickle": [pickle.dumps(content, protocol) for protocol in range(2, 6)] + _real_tubes(), "list": lists}


@cache
def _real_tubes() -> list[bytes]:
    """A few videos of the real annotation, pickled anew."""
    for content in real("UCF101-24", "pyannot.pkl"):
        whole = pickle.loads(content, encoding="latin1")
        return [pickle.dumps({name: whole[name] for name in sorted(whole)[:6]}, protocol) for protocol in (2, 4)]
    return []


def read_ucf(kind: str, content: bytes, work: Path) -> None:
    good = ucf_seeds(work)
    (work / "lists").mkdir()
    for label in ("Diving", "Surfing"):
        (work / "UCF-101" / label).mkdir(parents=True)
    for split, seed in zip(("train", "test"), good["list"], strict=True):
        (work / "lists" / f"{split}list01.txt").write_bytes(content if kind == "list" else seed)
    (work / "a.pkl").write_bytes(content if kind == "pickle" else good["pickle"][0])
    write_rows(ucf101_24.read(work, split_lists="lists", annotations="a.pkl"), work)


EPIC = {
    "EPIC_train_action_labels.csv": "uid,participant_id,video_id,start_frame,stop_frame,verb,verb_class,noun,"
    "noun_class\n"
    "0,P01,P01_01,61,120,take,0,pan,1\n1,P01,P01_01,300,400,put,1,cup,2\n2,P01,P01_01,800,900,take,0,pan,1\n"
    "3,P01,P01_01,1200,1400,put,1,cup,2\n",
    "EPIC_noun_classes.csv": "noun_id,class_key,nouns\n1,pan,['pan']\n2,cup,\"['cup', 'mug']\"\n",
    "EPIC_verb_classes.csv": "verb_id,class_key,verbs\n0,take,['take']\n1,put,['put']\n",
    "EPIC_video_info.csv": "video,resolution,duration,fps\nP01_01,1920x1080,60.5,59.94\n",
    "EPIC_train_object_labels.csv": "noun_class,noun,participant_id,video_id,frame,bounding_boxes\n"
    '1,pan,P01,P01_01,91,"[(100, 200, 300, 400)]"\n2,cup,P01,P01_01,330,"[(1, 2, 3, 4), (9, 9, 9, 9)]"\n'
    '1,pan,P01,P01_01,850,[]\n1,pan,P01,P01_01,860,"[(0.5, 2, 3000, 4)]"\n2,cup,P01,P01_01,1300,"[(1, 2, 3, 4)]"\n',
}  # fmt: skip


def epic_seeds(work: Path) -> dict[str, list[bytes]]:
    return {name: [text.encode(), *_first_lines(name)] for name, text in EPIC.items()}


def _first_lines(name: str) -> list[bytes]:
    return [b"".join(content.splitlines(keepends=True)[:40]) for content in real("EPIC-KITCHENS-55", name)]


def read_epic(kind: str, content: bytes, work: Path) -> None:
    for name, text in EPIC.items():
        (work / name).write_bytes(content if name == kind else text.encode())
    (work / "P01_01.MP4").touch()
    options = {"classes": 2, "per_class": 1, "files": "{video}.MP4"}
    with suppress(UsageError):
        write_rows(epic_object.read(work, **options), work)
    write_rows(epic_action.read(work, **options, test="plain", fps=30.0), work)


FOLDER = {
    "videos": "video,split,group\na/1.mp4,train,x\na/2.mp4,test,y\nb/1.mp4,train,z\nb/2.mp4,unused,\n",
    "segments": "video,start,stop,action_start,action_stop\na/1.mp4,0,40,10,20\na/1.mp4,40,,,\nb/1.mp4,,32,,\n",
    "boxes": "label,video,frame,x0,y0,x1,y1\n,a/2.mp4,3,1,2,30.5,40\nball,a/2.mp4,3,5,5,9,9\n",
}


def folder_seeds(work: Path) -> dict[str, list[bytes]]:
    return {kind: [text.encode(), ("\ufeff" + text.replace("\n", "\r\n")).encode()] for kind, text in FOLDER.items()}


def read_folder(kind: str, content: bytes, work: Path) -> None:
    for name in ("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).touch()
    for name, text in FOLDER.items():
        (work / f"{name}.csv").write_bytes(content if name == kind else text.encode())
    write_rows(folder.read(work, videos="videos.csv", segments="segments.csv", boxes="boxes.csv"), work)


# Checkpoints


def checkpoint_seeds(work: Path) -> dict[str, list[bytes]]:
    import torch
    from safetensors.torch import save

    state = {"0.weight": torch.arange(6.0).reshape(3, 2), "0.bias": torch.zeros(3)}
    about = '{"format":1,"use":"r3d_18","options":{},"classes":["a","b"]}'
    forms = []
    for content in (state, {"state_dict": state, "epoch": 3}):
        for new in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=new)
            forms.append(buffer.getvalue())
    seeds = [save(state, {"stepaudit": about}), save({"0.bias": torch.zeros(3, dtype=torch.int8)})]
    return {"safetensors": seeds, "pth": forms}


def damage_checkpoint(kind: str, seeds: list[bytes], random: Random) -> bytes:
    """Every other one has its outer form mended, so that what lies inside is read."""
    if random.random() < 0.5:
        return mutated(seeds, random)
    if kind == "safetensors":
        seed = random.choice(seeds)
        end = 8 + int.from_bytes(seed[:8], "little")
        header = mutated([seed[8:end]], random)
        return len(header).to_bytes(8, "little") + header + seed[end:]
    return _zip_with_damage(random.choice([seed for seed in seeds if seed.startswith(b"PK")]), random)


def _zip_with_damage(seed: bytes, random: Random) -> bytes:
    buffer, damaged = io.BytesIO(), random.choice(("data.pkl", "data/0", "byteorder"))
    with zipfile.ZipFile(io.BytesIO(seed)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, mutated([content], random) if name.endswith(damaged) else content)
    return buffer.getvalue()


def read_checkpoint(kind: str, content: bytes, work: Path) -> None:
    from torch import nn

    from stepaudit.networks import checkpoint

    path = work / f"a.{kind}"
    path.write_bytes(content)
    checkpoint.load_initial(nn.Sequential(nn.Linear(2, 3)), str(path))
    if kind == "safetensors":
        about, _ = checkpoint.read(path)
        str(about["use"] == about["options"] == about["classes"])


# Configurations and tables


def config_seeds(work: Path) -> dict[str, list[bytes]]:
    files = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))]
    small = b"""\
audit: small
seed: 0
datasets: {own: {use: folder, root: &r data}}
models:
  a: &a {use: r3d_18, training: {epochs: 2, learning_rate: 1.0e-3}}
  b: {<<: *a, weights: *r}
methods: {step: {ratios: [0.1, 0.2]}, center: null}
metrics: {mass_in_box: {}}
preserve: {methods: [step], grid: [0.05, 0.1], tolerance: 0.02}
"""
    return {"yaml": [*files, *[small] * 4]}


def read_config(kind: str, content: bytes, work: Path) -> None:
    (work / "a.yaml").write_bytes(content)
    found = config.load(work / "a.yaml")
    config.save(found, work / "saved.yaml")
    if config.load(work / "saved.yaml").hash != found.hash:
        raise AssertionError("a saved configuration is another one")


def table_seeds(work: Path) -> dict[str, list[bytes]]:
    rows = {
        "segments": [{"clip_id": f"c{n}", "path": "v.mp4", "label": "a", "target": n} for n in range(40)],
        "clips": [{"clip_id": "c", "frames": [0, 1], "pixels": bytes(900), "status": "ok"}] * 3,
        "maps": [{"clip_id": "c", "grid": np.ones(8, np.float16), "grid_shape": [2, 2, 2], "status": "ok"}] * 3,
    }  # fmt: skip
    made = {}
    for table, given in rows.items():
        tables.write(given, table, work / "a.parquet")
        made[table] = [(work / "a.parquet").read_bytes()]
    return made


def read_table(kind: str, content: bytes, work: Path) -> None:
    path = work / "dataset=d" / "a.parquet"
    path.parent.mkdir()
    path.write_bytes(content)
    tables.read(kind, path)


READERS = {
    "videos": Reader(video_seeds, read_video),
    "pictures": Reader(picture_seeds, read_pictures, damage_picture),
    "ucf101_24": Reader(ucf_seeds, read_ucf),
    "epic": Reader(epic_seeds, read_epic),
    "folder": Reader(folder_seeds, read_folder),
    "checkpoints": Reader(checkpoint_seeds, read_checkpoint, damage_checkpoint),
    "configurations": Reader(config_seeds, read_config),
    "tables": Reader(table_seeds, read_table),
}
