"""What every registered metric promises; a new file in `metrics/` is tested without a change here."""

import inspect

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips

from stepaudit.audit import registry
from stepaudit.errors import AuditError

METRICS = registry.components("metrics")
SHAPE = (4, 16, 24)
BOX = (4.0, 2.0, 12.0, 10.0)

every_metric = pytest.mark.parametrize("metric", METRICS)


@pytest.fixture
def measurements():
    """All that `stages/score.py` offers (tests/stages/test_score.py holds the two lists together)."""
    return {
        "importance": torch.rand(SHAPE),
        "boxes": [[BOX], [], [BOX, BOX], [BOX]],
        "in_action": [True, False, True, False],
        "steps": 4,
        "clip": textured_clips(1, *SHAPE)[0],
        "model": model_for(Cuboid((0, 2), (2, 10), (4, 12))),
        "peers": {"other": model_for(Cuboid((0, 2), (2, 10), (4, 14)))},
        "target": 1,
        "ratio": 0.1,
        "references": {"seed": torch.rand(SHAPE)},
    }


def score(metric, measurements, **changes):
    function = METRICS[metric].load()
    parameters = inspect.signature(function).parameters.values()
    asked = [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
    return function(*({**measurements, **changes}[name] for name in asked))


def within_bounds(result):
    """Every value lies in [0, 1], a rank correlation (a part that ends in `.rank`) in [-1, 1]."""
    parts = result if isinstance(result, dict) else dict(enumerate(values(result)))
    return all(
        isinstance(value, AuditError) or (-1 if str(name).endswith(".rank") else 0) <= value <= 1
        for name, value in parts.items()
    )


def values(result):
    if isinstance(result, dict):
        return list(result.values())
    return result if isinstance(result, list) else [result]


@every_metric
def test_it_measures_on_what_the_stage_offers_and_options_have_defaults(metric, measurements):
    parameters = inspect.signature(METRICS[metric].load()).parameters.values()
    positional = {parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY}
    assert positional <= set(measurements)
    assert METRICS[metric].requires == set()


@every_metric
def test_it_gives_a_number_or_one_for_each_frame_or_part_as_its_signature_says(metric, measurements):
    result = score(metric, measurements)
    said = str(inspect.signature(METRICS[metric].load()).return_annotation)
    assert isinstance(result, list) == ("list" in said)
    assert isinstance(result, dict) == ("dict" in said)
    assert len(values(result)) == (
        SHAPE[0] if isinstance(result, list) else len(result) if isinstance(result, dict) else 1
    )
    assert within_bounds(result)
    assert any(not isinstance(value, AuditError) for value in values(result))


@every_metric
def test_it_gives_the_same_again_and_leaves_everything_as_it_was(metric, measurements):
    kept = {name: value.clone() for name, value in measurements.items() if isinstance(value, torch.Tensor)}
    random = torch.get_rng_state()
    one, other = score(metric, measurements), score(metric, measurements)
    for first, second in zip(values(one), values(other), strict=True):
        assert first == second or (type(first) is type(second) and str(first) == str(second))
    assert all(torch.equal(measurements[name], value) for name, value in kept.items())
    assert torch.equal(torch.get_rng_state(), random)
    assert measurements["boxes"] == [[BOX], [], [BOX, BOX], [BOX]]


@every_metric
@pytest.mark.parametrize(
    "missing", [{"boxes": [[], [], [], []]}, {"in_action": None}, {"ratio": None}, {"importance": torch.zeros(SHAPE)}]
)
def test_what_cannot_be_measured_has_a_reason(metric, missing, measurements):
    """Never a number that stands for 'missing', and no other exception."""
    try:
        result = score(metric, measurements, **missing)
    except AuditError:
        return
    assert within_bounds(result)
