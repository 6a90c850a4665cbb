"""The predict stage: a row for each test clip and model."""

import pytest
import torch
from every_shard import predict_all
from scipy import ndimage

from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import to_tensor
from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint
from stepaudit.running.ledger import Ledger
from stepaudit.stages import train
from stepaudit.stages.predict import _first_answers, unmoved

UNTRAINED = {"training": {"epochs": 0}}


def brightness(clip):
    """Mean of the first frame, in [0, 1], as the models of `odd_models` see it."""
    return to_tensor([clip])[0, :, 0].mean().item()


def test_every_test_clip_has_one_row_for_each_model(whole, rows, tested):
    found = [(row["model"], row["clip_id"]) for row in rows(whole, "predictions")]
    assert sorted(found) == sorted((model, clip["clip_id"]) for model in whole.models for clip in tested)


def test_broken_videos_are_rows_that_say_what_was_wrong(whole, rows, tested):
    for clip in tested:
        for row in rows(whole, "predictions", clip_id=clip["clip_id"]):
            assert (row["target"], row["label"]) == (clip["target"], clip["label"])
            if clip["status"] == "ok":
                assert (row["status"], row["error"]) == ("ok", None)
            else:
                assert row["status"] == "upstream"
                assert row["error"] == f"{clip['status']}: {clip['error']}"
                assert [row[name] for name in ("target_probability", "rank", "probabilities", "predicted")] == [
                    None
                ] * 4


def test_the_numbers_are_the_models_own(whole, rows, tested):
    """Each clip by itself, so that batches do not matter; the logits are taken apart by hand."""
    for name, entry in whole.models.items():
        model = checkpoint.load(
            Job(whole, "train", "planted", name).checkpoint, entry, ["cross-vertical", "disc-horizontal"]
        )
        for clip in (clip for clip in tested if clip["status"] == "ok"):
            (row,) = rows(whole, "predictions", model=name, clip_id=clip["clip_id"])
            with torch.no_grad():
                powers = model(to_tensor([clip]))[0].double().exp()
            expected = (powers / powers.sum()).tolist()
            assert row["probabilities"] == pytest.approx(expected, abs=1e-5)
            assert row["target_probability"] == pytest.approx(expected[clip["target"]], abs=1e-5)
            assert row["rank"] == 1 + sum(value > expected[clip["target"]] for value in expected)


def test_the_first_answer_is_named_for_the_clip_and_for_its_blurred_version(whole, rows, tested):
    """The blur is SciPy's, with the sigma that the schema states."""
    names = ["cross-vertical", "disc-horizontal"]
    for name, entry in whole.models.items():
        model = checkpoint.load(Job(whole, "train", "planted", name).checkpoint, entry, names)
        for clip in (clip for clip in tested if clip["status"] == "ok"):
            (row,) = rows(whole, "predictions", model=name, clip_id=clip["clip_id"])
            pixels = to_tensor([clip])
            sigma = 20 / 112 * min(pixels.shape[-2:])
            blurred = torch.from_numpy(ndimage.gaussian_filter(pixels.numpy(), (0, 0, 0, sigma, sigma), mode="nearest"))
            with torch.no_grad():
                answers, margins = zip(*(_first(model(each)) for each in (pixels, blurred)), strict=True)
            assert row["predicted"] == names[answers[0]]
            if margins[1] > 0.05:  # logits; the two blurs end their kernels at different places
                assert row["predicted_when_blurred"] == names[answers[1]]


def test_an_answer_that_is_not_finite_names_no_class():
    logits = torch.tensor([[0.0, 1.0], [float("nan"), 1.0], [2.0, float("-inf")], [2.0, 1.0]])
    assert _first_answers(logits, ["a", "b"]) == ["b", None, None, "a"]


def _first(logits):
    """The most probable class, and by how much."""
    (greatest, second), places = logits[0].topk(2)
    return places[0].item(), (greatest - second).item()


def test_a_model_that_answers_nan_has_rows_that_say_so(changed, rows, tested):
    made = changed(models={"nan": {"use": "odd_models:nan_above", **UNTRAINED}})
    train.run(Job(made, "train", "planted", "nan"))
    predict_all(made, "nan")
    found = {row["clip_id"]: row for row in rows(made, "predictions", model="nan")}
    for clip in tested:
        row = found.pop(clip["clip_id"])
        assert row["status"] == ("non_finite" if clip["status"] == "ok" else "upstream")
        assert row["target_probability"] is None
        assert clip["status"] != "ok" or "the model's logits hold 2 NaN or infinite values" in row["error"]
    assert not found


def test_a_clip_that_gives_nan_is_the_only_one_to_fail(changed, rows, tested):
    values = sorted(brightness(clip) for clip in tested if clip["status"] == "ok")
    threshold = (values[-2] + values[-1]) / 2
    made = changed(models={"nan": {"use": "odd_models:nan_above", "options": {"threshold": threshold}, **UNTRAINED}})
    train.run(Job(made, "train", "planted", "nan"))
    predict_all(made, "nan")
    status = {row["clip_id"]: row["status"] for row in rows(made, "predictions", model="nan")}
    expected = {
        clip["clip_id"]: "upstream"
        if clip["status"] != "ok"
        else "non_finite"
        if brightness(clip) > threshold
        else "ok"
        for clip in tested
    }
    assert status == expected
    assert list(status.values()).count("non_finite") == 1


def test_a_bug_in_a_model_crashes_and_writes_nothing(changed):
    made = changed(models={"bug": {"use": "odd_models:broken", **UNTRAINED}})
    train.run(Job(made, "train", "planted", "bug"))
    with pytest.raises(RuntimeError):
        predict_all(made, "bug")
    assert not list((made.folder / "predictions").rglob("model=bug/*.parquet"))


def test_a_clip_at_which_it_did_not_end_is_left_out_until_anything_that_decides_the_rows_changes(changed, rows):
    made = changed(batch_seconds=600)
    job = Job(made, "predict", dataset="planted", model="r3d", shard="test-000")
    before = [row["status"] for row in rows(made, "predictions", model="r3d")]
    for fingerprint, count in ((decides.rows(job), 1), ("of another network", 0)):
        earlier = Ledger(job.file("predictions"), fingerprint)
        sizes = range(1, made.models["r3d"].batch_size + 1)
        notes = [f"batch 0, {size} rows from 0 within 600 s" for size in sizes]
        (earlier.folder / "hung").write_text("\n".join(notes))
        predict_all(made, "r3d")
        found = [row["status"] for row in rows(made, "predictions", model="r3d")]
        assert found.count("timed_out") == count
        assert not earlier.folder.exists()
    assert found == before


def test_running_again_gives_the_same_file(changed):
    made = changed()
    path = Job(made, "predict", dataset="planted", model="r3d", shard="test-001").file("predictions")
    before = path.read_bytes()
    path.unlink()
    predict_all(made, "r3d")
    assert path.read_bytes() == before


def test_before_training_it_says_what_to_do(changed):
    made = changed()
    Job(made, "train", "planted", "r3d").checkpoint.unlink()
    with pytest.raises(UsageError, match="train the model first"):
        predict_all(made, "r3d")


def test_a_model_that_answers_all_clips_almost_the_same_is_noted_and_no_other():
    same = [{"status": "ok", "probabilities": [0.6 + step * 4e-4, 0.4 - step * 4e-4]} for step in (0, 1, 2)]
    failed = {"status": "upstream", "probabilities": None}
    assert "answers 3 clips almost the same (no probability differs by more than 0.0008)" in unmoved([*same, failed])
    other = {"status": "ok", "probabilities": [0.602, 0.398]}
    assert unmoved([*same, other]) == ""
    assert unmoved([same[0], failed]) == ""
    assert unmoved([{"status": "ok", "probabilities": [1.0]}] * 3) == ""
