"""Number formats of trained models: bfloat16 changes rounding and nothing else.

bfloat16 keeps 8 bits, so that each rounding is off by up to 2^-9 of a value; tolerances allow for a few dozen layers.
"""

import copy
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from known_answer import Cuboid, Texture, model_for, textured_clips
from narrow_models import CLASSES, FAMILIES, changes, narrow, some_clips, state, untidy
from odd_models import TwoHeads
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.audit import config, registry
from stepaudit.audit.jobs import Job
from stepaudit.errors import NotApplicableError
from stepaudit.extremal.prepared import prepared
from stepaudit.layers import computing_in, recorded, target_log_probability
from stepaudit.models import r2plus1d_18
from stepaudit.networks import checkpoint
from stepaudit.running import parts
from stepaudit.stages import attribute, predict, preserve, score
from stepaudit.store import tables

METHODS = registry.components("methods")
SHORT = {
    "iterations": 3, "steps": 3, "samples": 2, "masks": 6, "stride": 1.0, "side": 0.5, "summed": (0.1, 0.3),
}  # fmt: skip
SIZE, TARGETS, RATIOS = (8, 32, 32), torch.tensor([0, 2]), torch.tensor([0.1, 0.3])


def rounded(family: str) -> nn.Module:
    return computing_in(narrow(family), "bfloat16")


def logits(model: nn.Module, clips: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        return model(some_clips(2) if clips is None else clips)


class Sum(nn.Module):
    """A matrix product whose numbers can be worked out by hand, and then a term of its own."""

    def __init__(self):
        super().__init__()
        self.product = nn.Linear(2, 1, bias=False)
        nn.init.constant_(self.product.weight, 1 + 2**-8)

    def forward(self, clips: Tensor) -> Tensor:
        values = clips.mean(dim=(1, 2, 3, 4))[:, None] + 2**-12
        return self.product(values.expand(-1, 2))


class TestLogits:
    def test_operands_and_result_of_a_product_are_rounded_to_8_bits_and_come_out_as_float32(self):
        """1 + 2^-12 and 1 + 2^-8 both round to 1 (ties to even); what is no product is not rounded before it."""
        ones = torch.ones(1, 3, *SIZE)
        whole, low = logits(computing_in(Sum(), "float32"), ones), logits(computing_in(Sum(), "bfloat16"), ones)
        assert whole.item() == pytest.approx(2 * (1 + 2**-8) * (1 + 2**-12), rel=1e-6)
        assert low.item() == 2
        assert low.dtype == torch.float32

    @pytest.mark.parametrize("family", FAMILIES)
    def test_those_of_every_family_are_near_those_in_float32(self, family):
        whole, low = logits(narrow(family)), logits(rounded(family))
        assert low.dtype == torch.float32
        assert not torch.equal(whole, low), "nothing was rounded"
        assert (whole - low).abs().max() < 0.05

    def test_float32_leaves_the_model_as_it_is(self):
        model = narrow("r2plus1d_18")
        assert computing_in(model, "float32") is model
        assert "forward" not in vars(model)

    def test_an_answer_that_is_no_tensor_of_floats_is_handed_on_to_the_check_of_answers(self):
        first, second = logits(computing_in(TwoHeads(CLASSES), "bfloat16"))
        assert first.shape == second.shape
        labels = Sum()
        labels.forward = lambda clips: clips.mean(dim=(2, 3, 4)).argmax(dim=1)
        assert logits(computing_in(labels, "bfloat16")).dtype == torch.int64


class TestTheModel:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_it_keeps_class_parts_parameters_modes_and_hooks(self, family):
        model = untidy(narrow(family))
        before, names, layer = state(model), dict(model.named_modules()), getattr(model, "activation_layer", None)
        same = computing_in(model, "bfloat16")
        logits(same.eval())
        before |= {name: False for name in before if name.endswith(" training")}
        assert same is model
        assert type(model) is type(narrow(family))
        assert changes(before, state(model)) == []
        assert dict(model.named_modules()) == names
        assert getattr(model, "activation_layer", None) is layer
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}

    def test_it_computes_in_bfloat16_between_float32_clips_and_float32_logits(self):
        model, seen = rounded("r2plus1d_18"), []
        model.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
        with recorded(model.backbone.layer1) as inside, recorded(model.activation_layer) as last:
            logits(model)
        assert seen == [(torch.float32, torch.float32)]
        assert inside[0].dtype == torch.bfloat16
        assert last[0].dtype == torch.float32  # methods weigh and add up what they read there

    def test_autocast_ends_with_the_forward_even_if_that_raises(self):
        model = rounded("r2plus1d_18")
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 4, *SIZE))
        logits(model)
        assert not torch.is_autocast_enabled("cpu")

    def test_a_copy_computes_with_its_own_weights(self):
        model, clips = rounded("r2plus1d_18"), some_clips(2)
        twin = copy.deepcopy(model)
        before = logits(twin, clips)
        nn.init.zeros_(model.backbone.fc.weight)
        nn.init.zeros_(next(model.activation_layer.parameters()))
        assert torch.equal(logits(twin, clips), before)
        assert torch.equal(logits(rounded("r2plus1d_18"), clips), before)


class Explained(nn.Module):
    """A network whose last convolution, right before a batch norm, is its activation layer."""

    def __init__(self):
        super().__init__()
        self.parts = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.AdaptiveAvgPool3d(1))
        nn.init.constant_(self.parts[1].weight, 5.0)

    @property
    def activation_layer(self) -> nn.Module:
        return self.parts[0]

    def forward(self, clips: Tensor) -> Tensor:
        return self.parts(clips).flatten(1)


class TestThePreparedModel:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_the_same_parts_are_swapped(self, family):
        def kinds(model: nn.Module) -> list[str]:
            with prepared(model, some_clips(1)):
                return [type(part).__name__ for part in model.modules()]

        assert kinds(rounded(family)) == kinds(narrow(family))

    def test_a_batch_norm_is_folded_into_an_activation_layer(self):
        """The folded convolution is a copy: it must not compute with the weights that it was copied from."""
        model = computing_in(Explained().eval(), "bfloat16")
        before = logits(model)
        with prepared(model, some_clips(1)):
            assert not [part for part in model.modules() if isinstance(part, nn.BatchNorm3d)]
            assert torch.allclose(logits(model), before, rtol=0.02)


@cache
def found(method: str, family: str, precision: str):
    """The method's maps of two clips, or why there are none; made once, and only read."""
    component, model = METHODS[method], computing_in(narrow(family), precision)
    required = {"ratios": RATIOS, "box_prior": torch.rand(SIZE, generator=torch.Generator().manual_seed(3))}
    options = {name: value for name, value in SHORT.items() if name in component.options}
    options |= {name: value for name, value in required.items() if name in component.requires}
    try:
        return component.load()(model, some_clips(2), TARGETS, seed=0, **options)
    except NotApplicableError as error:
        return str(error)


class TestMethods:
    @pytest.mark.parametrize("family", ["r2plus1d_18", "vgg16_lstm"])  # each method suits one of them
    @pytest.mark.parametrize("method", METHODS)
    def test_each_gives_finite_maps_in_float32_or_refuses_the_model_as_ever(self, method, family):
        whole, low = (found(method, family, precision) for precision in ("float32", "bfloat16"))
        if isinstance(whole, str):
            assert low == whole
            return
        for values in (low.grid, low.full()):
            assert values.dtype == torch.float32
            assert values.isfinite().all()
            assert 0 <= values.min() <= values.max() <= 1
        assert low.full().shape == (2, *SIZE)

    @pytest.mark.parametrize(
        ("method", "family", "apart"),
        [
            ("grad_cam", "r2plus1d_18", 0.03),
            ("grad_cam", "vgg16_lstm", 0.05),
            ("saliency_tubes", "r2plus1d_18", 0.1),  # a small difference between large sums
            ("excitation_backprop", "vgg16_lstm", 0.03),
        ],
    )
    def test_maps_made_of_activations_are_near_those_in_float32(self, method, family, apart):
        whole, low = (found(method, family, precision) for precision in ("float32", "bfloat16"))
        assert 0 < (whole.grid - low.grid).abs().max() < apart


class Convolved(Texture):
    """The same answer with its differences made by a convolution, which is what a precision changes."""

    def forward(self, clips: Tensor) -> Tensor:
        part = clips[:, :, slice(*self.cuboid.frames), slice(*self.cuboid.rows), slice(*self.cuboid.columns)]
        difference = torch.tensor([-1.0, 1.0]).expand(3, 1, 1, 1, 2)
        contrast = functional.conv3d(part, difference, groups=3)
        logit = 10 * (contrast.pow(2).mean(dim=(1, 2, 3, 4)) / self.contrast - 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)


class TestTheOptimiser:
    def maps(self, models, clips, targets, ratios, **options):
        step = METHODS["step"].load()
        return [step(model, clips, targets, ratios=ratios, preset="corrected", **options) for model in models]

    def test_it_finds_the_evidence_with_nearly_the_same_mask(self):
        cuboid = Cuboid((0, 3), (4, 16), (12, 24))
        clips, truth = textured_clips(1, 8, 28, 28), cuboid.mask((8, 28, 28))
        models = [Convolved(cuboid, 1 / 6), computing_in(Convolved(cuboid, 1 / 6), "bfloat16")]
        assert (models[0](clips) - model_for(cuboid)(clips)).abs().max() < 1e-3, "another model than the known one"
        whole, low = self.maps(models, clips, torch.tensor([1]), truth.mean()[None], schedule="short")
        mask = low.full()[0]
        assert (mask * truth).sum() / mask.sum() > 0.5
        assert low.details["kept_probability"] > 0.85
        assert low.grid.dtype == torch.float32
        assert 0 < (whole.grid - low.grid).abs().mean() < 0.005

    def test_what_it_says_of_the_clips_is_float32_and_near(self):
        models = [narrow("r2plus1d_18"), rounded("r2plus1d_18")]
        kept = [
            maps.details["kept_probability"] for maps in self.maps(models, some_clips(2), TARGETS, RATIOS, iterations=3)
        ]
        assert kept[1].dtype == torch.float32
        assert 0 < (kept[0] - kept[1]).abs().max() < 0.01

    def test_the_gradient_of_the_loss_is_float32_and_points_the_same_way(self):
        clips = some_clips(2).requires_grad_()
        gradients = []
        for model in (narrow("mc3_18"), rounded("mc3_18")):
            loss = target_log_probability(model, clips, TARGETS)
            assert loss.dtype == torch.float32
            gradients += torch.autograd.grad(loss.sum(), clips)
        assert gradients[1].dtype == torch.float32
        assert functional.cosine_similarity(*(gradient.flatten(1) for gradient in gradients)).min() > 0.97


CLASS_NAMES = ["a", "b", "c"]
KEYS = {"dataset": "planted", "model": "small"}
SHARD = {**KEYS, "method": "ep3d", "shard": "test-000"}
PLAN = {
    "audit": "a",
    "shards": 1,
    "clips": {"frames": 8, "height": 32, "width": 32},
    "datasets": {"planted": {"root": "data"}},
    "models": {"small": {"use": "r2plus1d_18", "options": {"width": 4}}},
    "methods": {"ep3d": {"ratios": [0.2], "batch_size": 2, "options": {"iterations": 3}}},
    "metrics": {"kept_probability": None},
    "preserve": {"methods": ["ep3d"], "grid": [0.1, 0.4], "tolerance": 0.3, "bounds": ["probability"]},
}


def audit(folder: Path, precision: str) -> config.Config:
    """An audit of three clips, with a trained model; nothing is predicted yet."""
    made = config.parse({**PLAN, "results": str(folder), "precision": precision})
    rows = [
        {"clip_id": name, "split": "test", "label": name, "target": target} for target, name in enumerate(CLASS_NAMES)
    ]
    about = {"view": "middle", "frames": list(range(8)), "height": 32, "width": 32, "status": "ok"}
    pixels = (some_clips(3) * 255).byte().permute(0, 2, 3, 4, 1)
    clips = [{**row, **about, "pixels": clip.numpy().tobytes()} for row, clip in zip(rows, pixels, strict=True)]
    tables.write(rows, "segments", Job(made, "index", dataset="planted").file("segments"))
    tables.write(clips, "clips", Job(made, "predict", **KEYS).files("clips")[0])
    tables.write([], "clip_boxes", Job(made, "predict", **KEYS).files("clip_boxes")[0])
    model = r2plus1d_18.build(len(CLASS_NAMES), width=4)
    model.load_state_dict(narrow("r2plus1d_18").state_dict())
    checkpoint.save(model, Job(made, "train", **KEYS).checkpoint, made.models["small"], CLASS_NAMES, {})
    predict.run(Job(made, "predict", **KEYS, shard="test-000"))
    return made


def job(made: config.Config, stage: ModuleType) -> Job:
    return Job(made, stage.__name__.rpartition(".")[2], **SHARD)


def values(made: config.Config, table: str, column: str) -> Tensor:
    rows = tables.read(table, made.folder / table)
    assert [row["error"] for row in rows if row["status"] != "ok"] == []
    return torch.tensor([row[column] for row in rows])


class TestStages:
    def test_all_after_training_compute_in_the_precision(self, tmp_path):
        audits = [audit(tmp_path / precision, precision) for precision in ("float32", "bfloat16")]
        for made in audits:
            for stage in (attribute, preserve, score):
                stage.run(job(made, stage))
        for table, column in (
            ("predictions", "target_probability"),
            ("maps", "kept_probability"),
            ("preservation", "kept_probability"),
            ("scores", "value"),
        ):
            whole, low = (values(made, table, column) for made in audits)
            assert 0 < (whole - low).abs().max() < 0.02, table

    def test_the_trained_model_keeps_its_float32_weights(self, tmp_path):
        made = audit(tmp_path, "bfloat16")
        model = checkpoint.trained(Job(made, "predict", **KEYS), torch.device("cpu"))
        stored = checkpoint.load(Job(made, "train", **KEYS).checkpoint, made.models["small"], CLASS_NAMES)
        assert not model.training
        assert all(torch.equal(one, other) for one, other in zip(model.parameters(), stored.parameters(), strict=True))
        assert not torch.equal(logits(model), logits(stored))
        assert torch.equal(logits(model), logits(computing_in(stored, "bfloat16")))

    @pytest.mark.parametrize(
        ("stage", "table", "column"),
        [(attribute, "maps", "kept_probability"), (preserve, "preservation", "kept_probability")],
        ids=["attribute", "preserve"],
    )
    def test_what_was_finished_in_another_precision_is_made_again(self, tmp_path, monkeypatch, stage, table, column):
        with monkeypatch.context() as stopped:
            stopped.setattr(parts.Parts, "finish", lambda kept, batches: None)
            stage.run(job(audit(tmp_path / "one", "float32"), stage))
        again, alone = (audit(tmp_path / folder, "bfloat16") for folder in ("one", "other"))
        for made in (again, alone):
            stage.run(job(made, stage))
        assert torch.equal(values(again, table, column), values(alone, table, column))
