"""Models of the user's own in the stages: what they answer is checked before training and before any prediction."""

import pytest
from every_shard import predict_all

from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.stages import attribute, preserve, score, train

WRONG = {
    "two_heads": r"TwoHeads returns a tuple of \[\d+, 2\], \[\d+, 2\], not logits .* say which to `take`",
    "sure": r"Sure returns probabilities, not logits.*gives=\"probabilities\"",
    "other_classes": "Brightness returns 400 values for each clip of a data set with 2 classes",
    "listed": r"model 'own': it computes with more than its state_dict holds: .*`nn.ModuleList`",
    "projected": r"model 'own': it computes with more than its state_dict holds: .*`register_buffer`",
}
COMPARED = {  # numbers that two models with the same answers share
    "predictions": ("target_probability", "rank"),
    "maps": ("target_probability", "kept_probability", "volume"),
    "preservation": ("target_probability", "passes"),
    "scores": ("value",),
}
UNTRAINABLE = {
    "lazy": r"'odd_models:lazy' has layers of unknown size \(2.weight\); let `build` call it once",
    "still": r"model 'own': no weight of it can be trained .*`training: {epochs: 0}`",
}


def audit_of(changed, name, epochs, **options):
    return changed(models={"own": {"use": f"odd_models:{name}", "options": options, "training": {"epochs": epochs}}})


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_before_training(changed, name):
    made = audit_of(changed, name, epochs=1)
    with pytest.raises(UsageError, match=WRONG[name]):
        train.run(Job(made, "train", "planted", "own"))
    assert not Job(made, "train", "planted", "own").checkpoint.exists()


@pytest.mark.parametrize("name", UNTRAINABLE)
def test_a_model_that_cannot_be_trained_says_so(changed, name):
    with pytest.raises(UsageError, match=UNTRAINABLE[name]):
        train.run(Job(audit_of(changed, name, epochs=1), "train", "planted", "own"))


def test_a_model_whose_layers_are_all_registered_is_trained(changed, rows):
    made = audit_of(changed, "registered", epochs=1)
    train.run(Job(made, "train", "planted", "own"))
    predict_all(made, "own")
    assert len(rows(made, "predictions", model="own", status="ok")) == 7


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_of_a_trained_model_is_told_at_its_first_prediction(changed, name):
    made = audit_of(changed, name, epochs=0)
    train.run(Job(made, "train", "planted", "own"))
    with pytest.raises(UsageError, match=WRONG[name]):
        predict_all(made, "own")
    assert not list((made.folder / "predictions").rglob("model=own/*.parquet"))


def test_with_the_adapter_that_the_message_names_the_audit_goes_on(changed, rows):
    """All three are the same brightness times the same weights, once they are adapted."""
    found = []
    for name, options in (("blind", {}), ("first_head", {}), ("sure", {"told": True})):
        made = audit_of(changed, name, epochs=0, **options)
        train.run(Job(made, "train", "planted", "own"))
        predict_all(made, "own")
        found.append([row["target_probability"] for row in rows(made, "predictions", model="own", status="ok")])
    assert len(found[0]) == 7
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_a_detector_of_one_value_has_the_rows_of_the_same_model_with_two_logits(changed, rows):
    """From prediction to score, of which all reports are made."""
    found = []
    for name in ("detector", "both"):
        made = changed(
            models={"own": {"use": f"odd_models:{name}", "training": {"epochs": 0}}},
            methods={"ep3d": {"ratios": [0.2], "options": {"iterations": 2}}},
            preserve={"methods": ["ep3d"], "bounds": ["sufficiency"], "classes": ["label"]},
        )
        train.run(Job(made, "train", "planted", "own"))
        predict_all(made, "own")
        for stage in (attribute, preserve, score):
            stage.run(Job(made, stage.__name__.rpartition(".")[2], "planted", "own", "ep3d", "test-000"))
        found.append({table: rows(made, table, model="own", status="ok") for table in COMPARED})
    for table, columns in COMPARED.items():
        one, other = ([[row[column] for column in columns] for row in side[table]] for side in found)
        assert one
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert mine == pytest.approx(theirs, abs=2e-3, nan_ok=True)


def test_an_adapted_model_is_trained(changed, rows):
    made = audit_of(changed, "first_head", epochs=1)
    train.run(Job(made, "train", "planted", "own"))
    assert len(rows(made, "training_log", model="own")) == 1


def test_a_bug_of_a_model_crashes_before_training_with_a_note_of_what_it_was_given(changed):
    made = audit_of(changed, "broken", epochs=1)
    with pytest.raises(RuntimeError) as caught:
        train.run(Job(made, "train", "planted", "own"))
    assert "Linear was given clips of shape [1, 3, 16, 32, 32]" in caught.value.__notes__[0]


def test_a_model_whose_answer_is_no_function_of_the_clip_predicts_nothing(changed):
    made = audit_of(changed, "dropping", epochs=0)
    train.run(Job(made, "train", "planted", "own"))
    with pytest.raises(UsageError, match=r"model 'own': it draws at random.*training=self\.training"):
        predict_all(made, "own")
    assert not list((made.folder / "predictions").rglob("model=own/*.parquet"))


@pytest.mark.parametrize("name", ["cut_off", "black_box"])
def test_what_no_gradient_reaches_has_rows_of_methods_that_need_none_and_reasons_for_the_others(changed, rows, name):
    methods = {
        "step": {"ratios": [0.1], "options": {"iterations": 2}},
        "rise": {"options": {"masks": 4}},
        "gradient": {},
    }
    own = {"use": f"odd_models:{name}", "training": {"epochs": 0}}
    made = changed(
        models={"own": own},
        methods=methods,
        preserve={"methods": ["step"], "bounds": ["sufficiency", "probability"]},
        metrics={"deletion_insertion": {"options": {"fills": ["fade"], "units": ["blocks"]}}},
    )
    train.run(Job(made, "train", "planted", "own"))
    predict_all(made, "own")
    for method in methods:
        attribute.run(Job(made, "attribute", "planted", "own", method, "test-000"))
    preserve.run(Job(made, "preserve", "planted", "own", "step", "test-000"))
    score.run(Job(made, "score", "planted", "own", "rise", "test-000"))
    status = {method: set() for method in methods}
    for row in rows(made, "maps", model="own"):
        if row["method"] in methods and row["status"] != "upstream":
            status[row["method"]].add(row["status"])
            assert row["status"] == "ok" or "no gradient reaches the clip" in row["error"]
    assert status == {"step": {"not_applicable"}, "rise": {"ok"}, "gradient": {"not_applicable"}}
    scored = [row for row in rows(made, "scores", model="own", method="rise") if row["status"] != "upstream"]
    curves = {row["metric"].split(".")[1]: row["status"] for row in scored if "blocks" in row["metric"]}
    assert curves == {"deletion": "ok", "insertion": "ok", "random": "ok"}
    sought = [row for row in rows(made, "preservation", model="own") if row["status"] != "upstream"]
    assert {(row["bound"], row["status"], row["search"]) for row in sought} == {
        ("sufficiency", "ok", "tubelets"),
        ("probability", "not_applicable", None),
    }
