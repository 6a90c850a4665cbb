"""Questions to a network as two classes: labels by their own logits, and whether a value stays what it was."""

import labelled_regions
import pytest
import torch
from torch import nn

from stepaudit.audit.registry import find
from stepaudit.audit.requests import Request, for_runner_up
from stepaudit.audit.sections import Model
from stepaudit.errors import NotApplicableError
from stepaudit.methods._extremal import sufficiency_of
from stepaudit.networks import asked
from stepaudit.networks.asked import Asked

LABELS = Model(use="labelled_regions:labels", gives="sigmoid")
VALUE = Model(use="labelled_regions:redness", gives="regression", tolerance=0.5)


class Given(nn.Module):
    """The same output for any clip, [1, K]."""

    def __init__(self, *values: float):
        super().__init__()
        self.values = torch.tensor([values])

    def forward(self, clips):
        return self.values + 0 * clips.mean()


def request(name: str, target: int, **prediction: object) -> Request:
    return Request({"clip_id": name}, target, prediction)


def test_each_label_is_asked_by_its_own_logit():
    z = (0.3, -2.0, 1.5)
    questions, clips = Asked(Given(*z), LABELS), torch.rand(1, 3, 1, 1, 1)
    for label, logit in enumerate(z):
        own = questions.model(label)(clips).softmax(dim=1)[0, 1]
        assert own.item() == pytest.approx(torch.tensor(logit).sigmoid().item())
        assert asked.asked_class("sigmoid", label) == 1


@pytest.mark.parametrize(("answer", "probability"), [(3.0, 1), (3.5, 0.5), (2.5, 0.5), (4.0, 0.2), (8.0, 1 / 101)])
def test_a_value_at_the_tolerance_has_probability_one_half(answer, probability):
    """By hand, with a tolerance of 0.5: 1 / (1 + (d / 0.5)²)."""
    close = Asked(Given(answer), VALUE).model(0, 3.0)
    assert close(torch.rand(1, 3, 1, 1, 1)).softmax(dim=1)[0, 1].item() == pytest.approx(probability, abs=1e-6)


def test_the_gradient_at_the_answer_itself_is_0_and_finite():
    clips = labelled_regions.clip({"left": 0.5}).requires_grad_()
    net = Asked(nn.Sequential(labelled_regions.redness(1), nn.Unflatten(0, (1, 1))), VALUE)
    answer = net.net(clips).item()
    (slope,) = torch.autograd.grad(net.model(0, answer)(clips).log_softmax(dim=1)[:, 1].sum(), clips)
    assert slope.isfinite().all()
    assert slope.abs().max() < 1e-3


def test_requests_of_a_question_go_together_and_come_back_in_order():
    questions, seen = Asked(Given(0.0, 1.0), LABELS), []

    def work(model, some):
        seen.append([each.clip_id for each in some])
        return [(each.clip_id, id(model)) for each in some]

    rows = questions.by_question([request("a", 0), request("a2", 1), request("b", 0)], work)
    assert [name for name, _ in rows] == ["a", "a2", "b"]
    assert seen == [["a", "b"], ["a2"]]
    assert rows[0][1] == rows[2][1] != rows[1][1]


def test_a_classifier_is_asked_as_it_is():
    net = Given(0.0, 1.0)
    questions = Asked(net, Model(use="labelled_regions:labels"))
    assert questions.model(1) is net
    assert questions.targets(torch.tensor([0, 1])).tolist() == [0, 1]


def test_a_method_that_says_nothing_of_regressions_explains_none():
    def of(method):
        return asked.for_method(Given(2.0), VALUE, find("methods", method))

    with pytest.raises(NotApplicableError, match="does not say what it explains of a regression; set beside it"):
        of("odd_methods:raw_gradient").model(0, 1.0)
    clips = torch.rand(1, 3, 1, 1, 1)
    assert of("gradient").model(0, 1.0)(clips)[0, 1].item() == 2
    assert of("occlusion").model(0, 2.0)(clips).softmax(dim=1)[0, 1].item() == pytest.approx(1)
    assert of("step").model(0, 2.0)(clips).softmax(dim=1)[0, 1].item() == pytest.approx(1)


@pytest.mark.parametrize("gives", ["sigmoid", "regression"])
def test_labels_and_values_have_no_runner_up(gives):
    assert for_runner_up(request("a", 0, probabilities=[0.9, 0.8], gives=gives)).target is None
    assert for_runner_up(request("a", 0, probabilities=[0.6, 0.4], gives="softmax")).target == 1


def own_region(name: str) -> torch.Tensor:
    """[H, W], 1 in a label's region."""
    rows, columns = labelled_regions.REGIONS[name]
    region = torch.zeros(labelled_regions.SIZE[1:])
    region[rows, columns] = 1
    return region


def smallest(model: nn.Module, clips: torch.Tensor) -> tuple[float, float, torch.Tensor]:
    """The minimum ratio of class 1 with its lower end, and the crisp mask [T, H, W]."""
    from stepaudit.maps import crisp_masks

    (answer,), upsampling = sufficiency_of("ep3d", model, clips, torch.tensor([1]))
    mask = answer.smallest(0.5)
    seeds = mask.snapshot.seed_masks[None].float()
    return (
        answer.upper(0.5),
        answer.lower(0.5),
        crisp_masks(seeds, upsampling, clips.shape[2:], [mask.snapshot.ratio])[0],
    )


@pytest.mark.parametrize(("label", "name"), list(enumerate(labelled_regions.REGIONS)))
def test_a_label_needs_its_own_region_alone(label, name):
    """A clip with both. Of 0.8 in a region 0.5 decides: that is 54 to 62 % of its 11.7 %, by what the fills add."""
    clips = labelled_regions.clip({"left": 1.0, "right": 1.0})
    upper, lower, mask = smallest(Asked(labelled_regions.labels(2), LABELS).model(label), clips)
    assert (mask * own_region(name)).sum() / mask.sum() > 0.85
    assert lower < upper
    assert 0.4 * 0.117 < upper < 0.75 * 0.117


def test_a_value_needs_the_region_that_it_is_the_mean_of():
    """8 with a tolerance of 1: at least 7 eighths of the region, 10.25 % of the clip, and no more than all of it."""
    clips = labelled_regions.clip({"left": 1.0, "right": 1.0})
    entry = Model(use="labelled_regions:redness", gives="regression", tolerance=1.0)
    net = nn.Sequential(labelled_regions.redness(1), nn.Unflatten(0, (-1, 1)))
    upper, lower, mask = smallest(Asked(net, entry).model(0, 8.0), clips)
    assert (mask * own_region("left")).sum() / mask.sum() > 0.9
    assert lower < 7 / 8 * 0.1172 < 1.02 * upper
    assert upper < 0.1172
