"""Maps as files: the same numbers as `Results.map`, harmless names, few in memory, and nothing half written."""

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from questioned_audit import CLIPS, NAMES
from tiny_audit import write_audit

import stepaudit
from stepaudit.commands.export import map_source, maps, output_folder
from stepaudit.errors import UsageError
from stepaudit.store import tables

SIDE = 16
GRID = {"grid_shape": [16, 1, 1], "upsampling": "nearest", "ratio": 0.1, "volume": 0.5}


@pytest.fixture
def audit(questioned) -> Path:
    return questioned / "results/demo"


def index_of(folder: Path) -> list[dict]:
    with (folder / "index.csv").open() as file:
        return list(csv.DictReader(file))


def test_an_archive_holds_the_full_map_with_its_key_and_units(audit, tmp_path):
    written, failed = maps.write(audit, tmp_path / "out", {"method": ["step"], "clip_id": [NAMES["c0"]], "seed": [1]})
    assert (written, failed) == (1, 0)
    (row,) = index_of(tmp_path / "out")
    with np.load(tmp_path / "out" / row["file"]) as archive:
        found = dict(archive)
    expected = stepaudit.open_results(audit).map(NAMES["c0"], model="max_over_time", method="step", seed=1)
    assert np.array_equal(found["map"], expected)
    assert found["map"].dtype == np.float32
    assert found["map"].shape == (16, SIDE, SIDE)
    assert found["map"][:2].min() == 0.5
    assert (found["clip_id"].item(), found["ratio"].item(), found["seed"].item()) == (NAMES["c0"], 0.1, 1)
    assert (found["kept_probability"].item(), found["volume"].item()) == (0.9, 0.0625)
    assert found["source_frames"].tolist() == list(range(16))
    assert "[0, 1]" in found["units"].item()
    assert (row["clip_id"], row["ratio"], row["seed"], row["kept_probability"]) == (NAMES["c0"], "0.1", "1", "0.9")


def test_all_maps_have_a_row_and_a_file_each(audit, tmp_path):
    assert maps.write(audit, tmp_path / "out", {}) == (3 * len(CLIPS), 0)
    index = index_of(tmp_path / "out")
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.npz")}
    assert {row["file"] for row in index} == files
    assert len(files) == 3 * len(CLIPS)
    assert not list((tmp_path / "out").glob(".*"))
    with np.load(tmp_path / "out" / next(row["file"] for row in index if row["method"] == "center")) as archive:
        assert np.isnan(archive["ratio"])
        assert np.isnan(archive["kept_probability"])


def test_the_same_maps_give_the_same_bytes(audit, tmp_path):
    for name in ("one", "other"):
        maps.write(audit, tmp_path / name, {"method": ["center"]})
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert files
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes()


def test_a_video_shows_the_clip_with_its_map(audit, tmp_path):
    maps.write(audit, tmp_path / "out", {"method": ["step"], "clip_id": [NAMES["c7"]], "seed": [0]}, format="mp4")
    (row,) = index_of(tmp_path / "out")
    path = tmp_path / "out" / row["file"]
    assert path.suffix == ".mp4"
    expected = stepaudit.open_results(audit).render(NAMES["c7"], model="max_over_time", method="step", seed=0)
    found = stepaudit.read_clip(path, frames=16, height=SIDE, width=SIDE)[0].permute(1, 2, 3, 0).numpy() * 255
    assert np.abs(found - expected).mean() < 4  # but for H.264
    assert np.abs(found[1] - found[2]).mean() > 10  # the map lies in the first two frames


def test_pixels_are_those_of_the_clip_in_whatever_order_they_are_asked_for(audit):
    source = map_source.MapSource(audit, {})
    opened = stepaudit.open_results(audit)
    for clip in ("c7", "c0", "c3", "c3", "c1"):
        row = {"dataset": "planted", "size": f"16x{SIDE}x{SIDE}", "clip_id": NAMES[clip]}
        expected = opened.clip(NAMES[clip], model="max_over_time")
        assert np.array_equal(source.pixels(source.clip(row)), expected)
        assert expected[0, 0, 0, 0] == 16 * CLIPS.index(clip)
    assert source.clip({**row, "clip_id": "x0"}) is None


def test_an_audit_that_is_not_finished_gives_what_is_there(tmp_path):
    grid = np.linspace(0, 1, 16).astype(np.float16)
    rows = [
        {"clip_id": "a", "grid": grid, **GRID},
        {"clip_id": "b", "status": "non_finite", "error": "=cmd()", "ratio": 0.1},
    ]
    folder = write_audit(tmp_path / "results", {"maps": rows}, clips={"height": SIDE, "width": SIDE})
    assert not (folder / "audit.duckdb").exists()
    assert maps.write(folder, tmp_path / "out", {}) == (1, 1)
    good, failed = index_of(tmp_path / "out")
    assert (failed["file"], failed["status"], failed["error"]) == ("", "non_finite", "'=cmd()")
    with np.load(tmp_path / "out" / good["file"]) as archive:
        assert archive["map"][:, 0, 0] == pytest.approx(grid.astype(np.float32))
        assert archive["source_frames"].size == 0
    with pytest.raises(UsageError, match="the pixels of clip 'a' are missing"):
        maps.write(folder, tmp_path / "film", {}, format="mp4")


def test_files_of_an_earlier_configuration_and_of_running_jobs_are_left_out(tmp_path):
    rows = {"maps": [{"clip_id": "a", "grid": np.zeros(16, np.float16), **GRID}]}
    folder = write_audit(tmp_path / "results", rows, clips={"height": SIDE, "width": SIDE})
    place = folder / "maps/dataset=planted/model=r3d"
    (here,) = place.rglob("*.parquet")
    for other in (
        place / "method=old/test-000.parquet",
        here.with_name(".running.parquet"),
        here.with_name("x.parquet"),
    ):
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(here.read_bytes())
    assert maps.write(folder, tmp_path / "out", {}) == (1, 0)


EVIL = [
    "../../evil",
    "/etc/passwd",
    "..",
    ".",
    "",
    "con",
    "a/b",
    "a\\b",
    "x\x00y",
    "\x1b[31m",
    "=cmd()",
    "-rf",
    "é" * 300,
    "A",
    "a",
]


def test_no_name_of_a_clip_leads_out_of_the_folder_and_none_are_one_file(tmp_path):
    rows = [{"clip_id": clip, "grid": np.zeros(16, np.float16), **GRID} for clip in EVIL]
    folder = write_audit(tmp_path / "results", {"maps": rows}, clips={"height": SIDE, "width": SIDE})
    out = tmp_path / "deep/er/out"
    assert maps.write(folder, out, {}) == (len(EVIL), 0)
    files = [path for path in (tmp_path / "deep").rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {out, out / "planted/r3d/step"}
    assert len({str(path).lower() for path in files}) == len(EVIL) + 1
    for path in files:
        assert path.name.isascii()
        assert len(path.name) < 110
        assert not path.name.startswith((".", "-"))


@pytest.mark.parametrize("text", [*EVIL, "planted", "a+b_c-1.5"])
def test_a_slug_is_a_plain_name(text):
    found = output_folder.slug(text)
    assert found
    assert found[0].isalnum()
    assert len(found) <= output_folder.SLUG_LENGTH
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


def test_a_link_in_the_folder_is_not_followed(audit, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "planted").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="a link out of"):
        maps.write(audit, out, {"method": ["center"]}, force=True)
    assert not list(elsewhere.iterdir())
    (out / "planted").unlink()
    maps.write(audit, out, {"method": ["center"]}, force=True)
    assert {path.name for path in out.iterdir()} == {"index.csv", "planted"}


def test_a_folder_that_holds_something_is_left_alone_without_force(audit, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty; name a new folder, or replace its files with --force"):
        maps.write(audit, tmp_path, {})
    with pytest.raises(UsageError, match="a file; name a folder"):
        maps.write(audit, tmp_path / "mine", {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    maps.write(audit, tmp_path, {"method": ["center"]}, force=True)
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_stops_half_way_leaves_whole_files_and_no_index(audit, tmp_path, monkeypatch):
    before = maps.archive

    def fails(row, frames):
        if row["clip_id"] == NAMES["c5"]:
            raise OSError(28, "No space left on device")
        return before(row, frames)

    monkeypatch.setattr(maps, "archive", fails)
    with pytest.raises(Exception, match="the disk is full"):
        maps.write(audit, tmp_path / "out", {"method": ["center"]})
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        with np.load(path) as archive:
            assert archive["map"].shape == (16, SIDE, SIDE)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"method": ["stepp"]}, "the audit has no method 'stepp'; did you mean 'step'?"),
        ({"model": ["r3d"]}, "the audit has no model 'r3d'"),
        ({"dataset": ["plante"]}, "did you mean 'planted'?"),
        ({"clip_id": ["none"]}, "no map in 2 files has this clip, ratio and seed"),
        ({"ratio": [0.3]}, "no map in 2 files"),
        ({"clip_id": [NAMES["c0"], "none"]}, "none of these maps has the clip none; correct it, or leave it out"),
        ({"ratio": [0.1, 0.3, 0.2]}, "none of these maps has the ratio 0.2, 0.3"),
        ({"seed": [0, 1, 7], "method": ["step"]}, "none of these maps has the seed 7"),
        ({"method": ["random_pixel"]}, "no maps of these yet; `stepaudit status"),
    ],
)
def test_maps_that_are_not_there_are_told(audit, tmp_path, chosen, text):
    with pytest.raises(UsageError, match=text.replace("?", r"\?")):
        maps.write(audit, tmp_path / "out", chosen)
    assert not (tmp_path / "out/index.csv").exists()
    with pytest.raises(UsageError, match="no audit lies here"):
        maps.write(tmp_path, tmp_path / "out", {})


def test_the_memory_does_not_grow_with_the_maps(tmp_path):
    """A map of these is 3 MB in full; two hundred of them would be 600 MB."""
    side, count = 224, 60
    rows = [{"clip_id": f"c{index}", "grid": np.zeros(16, np.float16), **GRID} for index in range(count)]
    folder = write_audit(tmp_path / "results", {"maps": rows}, clips={"height": side, "width": side})
    tracemalloc.start()
    try:
        maps.write(folder, tmp_path / "out", {})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8 * 16 * side * side * 4
    assert sum(tables.read("maps", folder / "maps")[0]["grid_shape"]) == 18


def test_the_command_says_what_it_wrote(audit, stepaudit, tmp_path):
    out = tmp_path / "out"
    arguments = ["maps", audit, "--out", out, "--method", "step", "--method", "center", "--ratio", "0.1", "--seed", "0"]
    status, printed, _ = stepaudit("export", *arguments)
    assert status == 0
    assert f"{len(CLIPS)} maps in {out}" in printed
