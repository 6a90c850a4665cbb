"""Clips as a data set for FiftyOne: the layout of its documentation and its importer, with the audit's values."""

import json
from itertools import product
from pathlib import Path

import command_line
import numpy as np
import pytest
from PIL import Image
from questioned_audit import CLIPS, NAMES
from tiny_audit import write_audit

import stepaudit
from stepaudit.audit import config
from stepaudit.commands.export import fiftyone
from stepaudit.errors import UsageError
from stepaudit.report import build_database

STEP, CENTER = "max_over_time_step_r0p1", "max_over_time_center"


@pytest.fixture
def audit(questioned) -> Path:
    return questioned / "results/demo"


def samples(out: Path) -> list[dict]:
    return json.loads((out / "samples.json").read_text())["samples"]


def pixels(out: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(out / name))


def test_the_layout_is_that_of_a_legacy_fiftyone_dataset(audit, tmp_path):
    """`metadata.json` without a version, `samples.json`, media in `data`, other media in `fields/<field>`; relative."""
    out = tmp_path / "out"
    made = fiftyone.write(audit, out, {"clip_id": [NAMES["c0"]]})
    about = json.loads((out / "metadata.json").read_text())
    assert "version" not in about
    assert about["media_type"] == "image"
    assert {path.name for path in out.iterdir()} == {"metadata.json", "samples.json", "data", "fields"}
    assert {path.name for path in (out / "fields").iterdir()} == {STEP, f"{STEP}_s1", CENTER}
    found = samples(out)
    assert (made.clips, made.frames, made.maps, made.failed) == (1, 16, 48, 0)
    assert [sample["frame"] for sample in found] == list(range(16))
    for sample in found:
        assert sample["metadata"] is None
        assert sample["tags"] == ["test"]
        media = [sample["filepath"], *(sample[name]["map_path"] for name in (STEP, CENTER))]
        for path in media:
            assert not Path(path).is_absolute()
            assert (out / path).is_file()
        assert sample[STEP]["map_path"].startswith(f"fields/{STEP}/")
        assert sample["label"] == {
            "_cls": "Classification", "tags": [], "label": "cross-vertical", "confidence": None
        }  # fmt: skip
    assert len(list(out.rglob("*.png"))) == 16 + 48


def test_frames_and_heat_maps_are_the_audits(audit, tmp_path):
    out = tmp_path / "out"
    fiftyone.write(audit, out, {"clip_id": [NAMES["c3"]], "method": ["step"], "seed": [0]})
    full = stepaudit.open_results(audit).map(NAMES["c3"], model="max_over_time", method="step", seed=0)
    assert full.max() == 0.5
    for sample in samples(out):
        frame = sample["frame"]
        assert np.array_equal(pixels(out, sample["filepath"]), np.full((16, 16, 3), 16 * 3))
        heat = pixels(out, sample[STEP]["map_path"])
        assert heat.dtype == np.uint8
        assert np.abs(heat / 255 - full[frame]).max() <= 0.5 / 255 + 1e-9
        assert sample[STEP]["range"] == [0, 128]  # of the whole clip, so that its frames compare


def test_answers_brackets_and_scores_stand_on_each_frame(audit, tmp_path):
    out = tmp_path / "out"
    fiftyone.write(audit, out, {"clip_id": [NAMES["c0"], NAMES["c3"], NAMES["c7"]]})
    of_clip = {sample["clip_id"]: sample for sample in samples(out) if sample["frame"] == 3}
    first, censored, wrong = (of_clip[NAMES[clip]] for clip in ("c0", "c3", "c7"))
    assert first["max_over_time_answer"]["label"] == "cross-vertical"
    assert (first["max_over_time_label_probability"], wrong["max_over_time_label_probability"]) == (0.9, 0.2)
    assert wrong["max_over_time_answer"] is None  # its name was not kept
    needs = "max_over_time_step_probability_needs"
    assert (first[f"{needs}_more_than"], first[f"{needs}_at_most"]) == (0.03, 0.04)
    assert censored[f"{needs}_more_than"] == 0.7
    assert first[f"{STEP}_mass_in_box"] == pytest.approx(0.09)
    assert first[f"{CENTER}_spatial_pointing"] == 1
    other = next(sample for sample in samples(out) if sample["clip_id"] == NAMES["c0"] and sample["frame"] == 4)
    assert f"{CENTER}_spatial_pointing" not in other  # measured on frame 3 alone
    assert other[f"{STEP}_mass_in_box"] == pytest.approx(0.09)
    assert "mean_over_time_answer" not in first  # it has no maps here


def test_without_a_choice_the_clips_of_the_gallery_are_written_and_the_count_says_of_how_many(audit, tmp_path):
    status, out, _ = command_line.run("export", "fiftyone", str(audit), "--out", str(tmp_path / "gallery"))
    chosen = {sample["clip_id"] for sample in samples(tmp_path / "gallery")}
    assert status == 0
    assert 0 < len(chosen) < len(CLIPS)
    assert f"{len(chosen)} of {len(CLIPS)} clips, {16 * len(chosen)} frames, {48 * len(chosen)} heat maps" in out
    assert f"fo.Dataset.from_dir(dataset_dir='{tmp_path / 'gallery'}'" in out
    status, out, _ = command_line.run("export", "fiftyone", str(audit), "--out", str(tmp_path / "all"), "--all")
    assert f"{len(CLIPS)} of {len(CLIPS)} clips" in out


def test_what_cannot_be_written_says_the_next_step(audit, tmp_path):
    with pytest.raises(UsageError, match=r"no map of these clips in .*; choose others with --clip, or --all"):
        fiftyone.write(audit, tmp_path / "out", {"clip_id": ["nothing"]})
    with pytest.raises(UsageError, match="none of these maps has the clip nothing"):
        fiftyone.write(audit, tmp_path / "out", {"clip_id": [NAMES["c0"], "nothing"]})
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(UsageError, match="not empty; name a new folder"):
        fiftyone.write(audit, tmp_path / "full", {}, every=True)


def test_maps_that_would_share_a_field_are_refused(tmp_path):
    models = {name: {"use": "r2plus1d_18"} for name in ("a", "a_b")}
    methods = {name: {"use": "center"} for name in ("b_c", "c")}
    grid = {"grid": np.zeros(16, np.float16), "grid_shape": [16, 1, 1], "upsampling": "nearest"}
    pixels = {"frames": list(range(16)), "height": 16, "width": 16, "pixels": bytes(16**3 * 3)}
    rows = {
        "segments": [{"clip_id": "x"}],
        "clips": [{"clip_id": "x", "size": "16x16x16", **pixels}],
        "maps": [
            {"clip_id": "x", "model": model, "method": method, **grid} for model, method in product(models, methods)
        ],
    }
    folder = write_audit(tmp_path, rows, models=models, methods=methods, clips={"height": 16, "width": 16})
    build_database.create(folder, config.load(folder / "config.yaml"))
    with pytest.raises(UsageError, match="'a' by 'b_c' and 'a_b' by 'c' would have one field, a_b_c;"):
        fiftyone.write(folder, tmp_path / "out", {}, every=True)
    fiftyone.write(folder, tmp_path / "out", {"model": ["a"]}, every=True)
    assert {"a_b_c", "a_c"} <= set(samples(tmp_path / "out")[0])


def test_names_of_fields_are_words_and_no_two_texts_share_one():
    texts = ["step", "a.b", "a__b", "a-b", "a+b", "3d", "mask_survival.peer"]
    names = [fiftyone.name_of(text) for text in texts]
    assert names[:2] == ["step", "a__b"]
    assert len(set(names)) == len(texts)
    assert all(name.isidentifier() and name[0] != "_" for name in names)
