"""Comparing what the stages wrote: two models of an audit, and an audit with its copy elsewhere."""

import json
import shutil

import pytest

from stepaudit.commands.compare import command
from stepaudit.report import build_database


@pytest.fixture(scope="module")
def audit(whole, tmp_path_factory):
    """A copy of the audit, with its database."""
    folder = tmp_path_factory.mktemp("compared") / "tiny"
    shutil.copytree(whole.folder, folder)
    build_database.create(folder, whole.model_copy(update={"results": folder.parent}))
    return folder


@pytest.fixture(scope="module")
def models(audit, tmp_path_factory):
    """What is written of the two models, and the exit status."""
    out = tmp_path_factory.mktemp("out")
    conditions = ["clips_compared < 7", "needs_more[top1] > 2 or newly_failed > 100", "map_iou[step, 0.3] > 1"]
    _, status = command.run(f"{audit}:r3d", ":rnn", fail_if=conditions, out=out)
    return json.loads((out / "compare.json").read_text()) | {"status": status}, (out / "compare.html").read_text()


def test_two_models_are_compared_on_every_clip_that_was_cut(models, tested):
    whole, _ = models
    assert len(whole["clips"]) == sum(row["status"] == "ok" for row in tested) == 7
    assert sum(map(len, whole["left_out"].values())) == 3
    quantities = {row["quantity"]: row for row in whole["quantities"]}
    assert {"metric_increase[mass_in_box, ep3d, 0.2]", "map_rank_correlation[step, 0.3]"} <= set(quantities)
    assert not any("center" in name or "noise" in name for name in quantities)


def test_the_differences_are_those_of_the_stages_rows(models, whole, rows):
    found = {row["quantity"]: row for row in models[0]["quantities"]}
    asked = {"status": "ok", "metric": "kept_probability", "method": "step", "ratio": 0.3}
    of_model = {
        model: {row["clip_id"]: row["value"] for row in rows(whole, "scores", model=model, **asked)}
        for model in ("r3d", "rnn")
    }
    both = of_model["r3d"].keys() & of_model["rnn"].keys()
    expected = sum(of_model["rnn"][clip] - of_model["r3d"][clip] for clip in both) / len(both)
    assert found["metric_increase[kept_probability, step, 0.3]"]["value"] == pytest.approx(expected)


def test_the_pictures_are_of_clips_and_maps_of_both(models):
    _, page = models
    assert 0 < page.count('src="data:image/webp;base64,') <= 8 * 5
    assert "A: step at 0.1" in page
    assert "B: step at 0.1" in page


def test_an_audit_and_its_copy_do_not_differ(audit, tmp_path):
    shutil.copytree(audit, tmp_path / "copy")
    conditions = ["accuracy_increase != 0", "newly_wrong > 0", "median_ratio_increase > 0", "newly_failed > 0"]
    text, status = command.run(f"{audit}:r3d", f"{tmp_path / 'copy'}:r3d", fail_if=conditions)
    assert "taken to be one model" in text
    assert text.count("\nok: ") == 4
    assert status == 0
