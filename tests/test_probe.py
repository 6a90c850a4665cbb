"""The probe: networks with one known fault each, and sound networks in which it finds nothing."""

import time
from dataclasses import asdict

import pytest
import torch
from narrow_models import BY_HAND, FAMILIES, changes, narrow, some_clips, state, untidy
from torch import Tensor, nn
from torch.nn import functional

from stepaudit import api
from stepaudit.adapters import Adapter, in_python
from stepaudit.audit import config
from stepaudit.commands.doctor import audit_checks
from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.layers import isolate
from stepaudit.methods import gradient, rise
from stepaudit.networks import probe


class Net(nn.Module):
    """A convolution, a mean over places and a linear layer. Each subclass changes one step of it."""

    def __init__(self, classes: int = 3):
        super().__init__()
        torch.manual_seed(0)
        self.features, self.classifier = nn.Conv3d(3, 8, 3, stride=2), nn.Linear(8, classes)

    def pooled(self, clips: Tensor) -> Tensor:
        return self.features(clips).relu().mean(dim=(2, 3, 4))

    def forward(self, clips: Tensor) -> Tensor:
        return 10 * self.classifier(self.pooled(clips))


class InPlace(Net):
    def forward(self, clips):
        return super().forward(clips.sub_(0.5))


class UnseenInPlace(Net):
    def forward(self, clips):
        clips.data.sub_(0.5)
        return super().forward(clips)


class SameTensor(Net):
    def forward(self, clips):
        logits = super().forward(clips)
        self.kept = getattr(self, "kept", torch.zeros(1, 3))
        with torch.no_grad():
            self.kept.resize_(logits.shape).copy_(logits)
        return self.kept


class Dropout(Net):
    def pooled(self, clips):
        return functional.dropout(super().pooled(clips), 0.3)


class HiddenDropout(Net):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Dropout(0.3)]  # no module of the model's: `eval()` does not reach it

    def pooled(self, clips):
        return self.hidden[0](super().pooled(clips))


class Stateful(Net):
    memory = 0.0

    def forward(self, clips):
        logits = super().forward(clips)
        answer = logits + torch.tensor([1.0, -1.0, 0.0]) * self.memory
        self.memory = logits.detach()[:, 0].mean()
        return answer


class Neighbours(Net):
    def forward(self, clips):
        return super().forward(clips - clips.mean(dim=0, keepdim=True) + 0.1)


class BatchStatistics(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm3d(3, track_running_stats=False)

    def forward(self, clips):
        return super().forward(self.norm(clips))


class OneClip(Net):
    def pooled(self, clips):
        return self.features(clips).relu().reshape(1, 8, -1).mean(dim=2)


class NoGrad(Net):
    def pooled(self, clips):
        with torch.no_grad():
            return super().pooled(clips)


class Rounding(Net):
    def forward(self, clips):
        return super().forward((255 * clips).round() / 255)


class Sigmoids(Net):
    def forward(self, clips):
        return super().forward(clips).sigmoid()


class OneValue(Net):
    def __init__(self):
        super().__init__(1)


class Probabilities(Net):
    def forward(self, clips):
        return super().forward(clips).softmax(dim=1)


class Wrapped(Net):
    def forward(self, clips):
        return {"logits": super().forward(clips), "features": clips}


class FramesFirst(Net):
    def forward(self, clips):
        return super().forward(clips.transpose(1, 2))


class FramesFirstWrapped(FramesFirst):
    def forward(self, clips):
        return {"loss": None, "logits": super().forward(clips)}


class ChannelsLast(Net):
    def forward(self, clips):
        return super().forward(clips.permute(0, 4, 1, 2, 3))


class Pathways(Net):
    def forward(self, clips):
        slow, fast = clips
        assert 4 * slow.shape[2] == fast.shape[2]
        return super().forward(fast) + super().forward(slow.repeat_interleave(4, dim=2))


class NamedLayer(Net):
    activation_layer = "features"


class UncalledLayer(Net):
    def __init__(self):
        super().__init__()
        self.activation_layer = nn.Conv3d(3, 8, 3)


FAULTS = {
    InPlace: ("writes", "note", "it writes into its input", "it gets a copy of every clip"),
    UnseenInPlace: ("writes", "note", "it writes into its input", "it gets a copy of every clip"),
    Dropout: ("random", "error", "it draws at random", "training=self.training"),
    HiddenDropout: ("random", "error", "it draws at random", "is there dropout that stays on"),
    Stateful: ("state", "error", "it keeps state from call to call", "at the beginning of `forward`"),
    Neighbours: ("batch", "error", "depends on the others of the batch", "normalise each clip by itself"),
    BatchStatistics: ("batch", "error", "depends on the others of the batch", "running statistics"),
    OneClip: ("output", "error", "returns shape [1, 3] for 2 clips", "a row for each clip"),
    NoGrad: ("no_gradient", "warning", "no gradient reaches the clip: it is cut off", "rise and occlusion"),
    Rounding: ("no_gradient", "warning", "it is 0 although the answer changes with the clip", "rise and occlusion"),
    Sigmoids: ("sigmoid", "error", "its last step is a sigmoid for each class", "leave it out"),
    OneValue: ("output", "error", "one value for each clip, as binary classifiers do", 'gives="logit"'),
    Probabilities: ("output", "error", "returns probabilities, not logits", 'gives="probabilities"'),
    Wrapped: ("output", "error", "returns a dict of 'logits', 'features'", "`Adapter(model, take='logits')`"),
    FramesFirst: ("form", "error", "[N, T, C, H, W]", '`Adapter(model, layout="NTCHW")`'),
    FramesFirstWrapped: ("form", "error", "[N, T, C, H, W]", "`Adapter(model, layout=\"NTCHW\", take='logits')`"),
    ChannelsLast: ("form", "error", "[N, T, H, W, C]", '`Adapter(model, layout="NTHWC")`'),
    Pathways: ("form", "error", "a list of pathways", "`Adapter(model, pathways=(2, 8))`"),
    NamedLayer: ("activation_layer", "error", "its activation_layer is a str", "the module itself"),
    UncalledLayer: ("activation_layer", "warning", "never calls its activation_layer", "the last convolution"),
}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("isolated", [False, True], ids=["bare", "isolated"])
def test_each_fault_is_named_with_the_next_step(kind, isolated):
    name, severity, sentence, step = FAULTS[kind]
    model, clips = kind().eval(), some_clips(1)
    if isolated:
        isolate(model)
    (finding,) = probe.ask(model, clips).findings
    assert (finding.name, finding.severity) == (name, severity)
    assert sentence in finding.sentence
    assert step in str(finding)
    assert torch.equal(clips, some_clips(1))


def test_a_model_that_returns_the_same_tensor_is_named_too():
    names = {each.name: each.severity for each in probe.ask(SameTensor(), some_clips(1)).findings}
    assert names["same_tensor"] == "note"


def test_weights_in_half_precision_are_named():
    (finding,) = probe.ask(Net().half(), some_clips(1)).findings
    assert "weights in float16" in finding.sentence
    assert "`Adapter(model)`" in finding.step
    assert not probe.ask(Adapter(Net().bfloat16()), some_clips(1)).errors


def test_torchscript_is_named_and_explained_by_methods_that_need_no_layer():
    clips = some_clips(2)
    scripted = torch.jit.script(
        nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 30 * 30, 3))
    )
    (finding,) = probe.ask(in_python(scripted), clips).findings
    with pytest.raises(UsageError, match="wrap it"):
        probe.ask(scripted, clips)
    assert (finding.name, finding.severity) == ("torchscript", "note")
    assert api.explain(scripted, clips, method="gradient").maps.max() == 1
    with pytest.raises(NotApplicableError):
        api.explain(scripted, clips, method="grad_cam")


@pytest.mark.parametrize("family", [*FAMILIES, *BY_HAND])
def test_nothing_is_found_in_sound_networks_and_they_stay_as_they_are(family):
    model = untidy(narrow(family))
    before = state(model)
    for clips in (some_clips(1), probe.example(8, 32, 32), torch.full((1, 3, 8, 32, 32), 0.5)):
        assert probe.ask(model, clips) == probe.Answers(3, [])
    with torch.no_grad():  # as in the stage predict
        assert probe.ask(model, some_clips(1)) == probe.Answers(3, [])
    assert changes(before, state(model)) == []


def test_fewer_or_more_outputs_than_classes_are_said():
    with pytest.raises(UsageError, match=r"model 'mine': Net returns 3 values .* with 5 classes; give its last layer"):
        probe.require(Net(), some_clips(1), 5, name="mine")
    assert probe.require(Net(), some_clips(1), 3).classes == 3


def test_an_error_of_the_network_itself_comes_with_what_it_was_given():
    with pytest.raises(RuntimeError) as caught:
        probe.ask(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), some_clips(2))
    assert "Sequential was given clips of shape [1, 3, 8, 32, 32]" in caught.value.__notes__[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, to which the network may move its tensors")
def test_a_network_that_moves_its_input_to_a_gpu_by_itself_is_said_where_there_is_none():
    class OnGPU(nn.Module):
        def forward(self, clips):
            return clips.cuda().mean(dim=(2, 3, 4))

    (finding,) = probe.ask(OnGPU(), torch.rand(1, 3, 4, 8, 8)).findings
    assert (finding.name, finding.severity) == ("device", "error")
    assert "it moves tensors to a device of its own choice" in str(finding)
    assert "`x.to(clips.device)`" in str(finding)


def test_a_network_that_ends_the_program_does_not_end_it():
    class Leaves(nn.Module):
        def forward(self, clips):
            raise SystemExit(0)

    with pytest.raises(RuntimeError, match=r"Leaves called sys\.exit\(\); remove that call"):
        probe.ask(Leaves(), torch.rand(1, 3, 8, 32, 32))


@pytest.mark.parametrize("kind", [NoGrad, Rounding])
def test_what_has_no_gradient_is_explained_by_methods_that_need_none_alone(kind):
    model, clips, targets = kind().eval(), some_clips(2), torch.tensor([0, 1])
    context = probe.differentiable(model)
    with context(clips), pytest.raises(NotApplicableError, match="no gradient reaches the clip"):
        gradient.attribute(model, clips, targets)
    with context(clips):
        found = rise.attribute(model, clips, targets, masks=8)
    assert found.grid.max() == 1
    with probe.differentiable(Net())(clips):
        assert gradient.attribute(Net(), clips, targets).grid.max() == 1


def test_the_values_of_a_model_that_writes_into_its_input_are_those_of_one_that_does_not():
    clips = some_clips(2)
    for method, options in {
        "step": {"schedule": "short", "iterations": 5},
        "rise": {"masks": 8},
        "grad_cam": {},
    }.items():
        found, expected = (
            api.explain(Adapter(net, activation_layer="features"), clips, 1, method=method, ratio=0.2, **options)
            for net in (UnseenInPlace(), Shifted())
        )
        assert torch.equal(found.maps, expected.maps)
        assert torch.equal(found.kept_probability, expected.kept_probability)


class Shifted(Net):
    def forward(self, clips):
        return super().forward(clips - 0.5)


def test_it_costs_as_much_as_few_passes():
    model, clips, calls = narrow("r2plus1d_18"), some_clips(1), []
    model.register_forward_hook(lambda *_: calls.append(time.monotonic()))
    probe.ask(model, clips)
    assert len(calls) == 3


AUDIT = {
    "audit": "asked",
    "shards": 1,
    "clips": {"frames": 8, "height": 32, "width": 32},
    "datasets": {"planted": {"root": "nowhere"}},
    "methods": {"center": None},
}
NAMED = {
    "sound": ("odd_models:blind", None),
    "drops": ("odd_models:dropping", "random"),
    "cut": ("odd_models:cut_off", "no_gradient"),
    "many": ("odd_models:other_classes", "output"),
    "bug": ("odd_models:broken", "fails"),
    "narrow": ("r3d_18", None),
}


def test_the_networks_of_an_audit_are_asked_before_any_work():
    models = {name: {"use": use} for name, (use, _) in NAMED.items()}
    models["narrow"]["options"] = {"width": 2}
    models["full"] = {"use": "r3d_18"}  # its answers are tested here; a pass of it takes seconds
    made = config.parse({**AUDIT, "models": {**models, "control": {"of": "narrow", "randomise": 0.5}}})
    answers = dict(probe.of_models(made))
    assert {name: [each.name for each in found.findings] for name, found in answers.items()} == {
        name: [fault] if fault else [] for name, (_, fault) in NAMED.items()
    }
    assert (
        answers["sound"].sentence
        == "answers a clip with 2 logits, the same alone and in a batch; gradients reach the clip"
    )


def test_doctor_shows_each_answer_as_a_line_of_its_kind():
    probed = {"answers": [("a", "fine", []), ("b", "", [asdict(probe.Finding("n", "error", "wrong", "mend it"))])]}
    probed["answers"] += [("c", "so", [asdict(probe.Finding("n", kind, kind, "s")) for kind in ("warning", "note")])]
    lines = [(each.status, each.text) for name in "abc" for each in audit_checks.answers(name, probed)]
    assert lines == [("ok", "fine"), ("problem", "wrong"), ("ok", "so"), ("warning", "warning"), ("ok", "note; s")]


def test_check_ends_with_1_if_the_values_of_a_network_cannot_be_believed(stepaudit, tmp_path):
    for use, status in (("odd_models:dropping", 1), ("odd_models:cut_off", 0)):
        made = config.parse({**AUDIT, "models": {"own": {"use": use}}})
        config.save(made, tmp_path / "c.yaml")
        ended = stepaudit("check", tmp_path / "c.yaml")
        assert ended[0] == status
        assert "model 'own': " in ended[1]


class OneAtATime(Net):
    def forward(self, clips):
        if len(clips) > 1:
            raise torch.OutOfMemoryError("no room")
        return super().forward(clips)


class NoRoomForGradients(Net):
    def forward(self, clips):
        if clips.requires_grad:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return super().forward(clips)


@pytest.mark.parametrize("kind", [OneAtATime, NoRoomForGradients])
def test_what_does_not_fit_into_memory_is_a_warning_and_no_fault_of_the_network(kind):
    answers = probe.ask(kind(), some_clips(1))
    assert [(each.name, each.severity) for each in answers.findings] == [("memory", "warning")]
    assert answers.classes == 3
