"""Cascading weight randomisation: which layers are new, what they compute then, and how controls are configured."""

import copy

import pytest
import torch
from narrow_models import FAMILIES, changes, narrow, some_clips, state
from torch import nn

from stepaudit.audit import config, decides
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.layers import recorded
from stepaudit.methods import edges, gradient
from stepaudit.metrics import similarity
from stepaudit.networks import randomise


def bytes_of(count):
    return (some_clips(count) * 255).to(torch.uint8)


def fresh(family):
    """The same network as `narrow(family)`, with other weights."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return FAMILIES[family]()


def cascaded(family, share, count=6):
    model = copy.deepcopy(narrow(family))
    return model, randomise.cascade(model, fresh(family), share, bytes_of(count))


def differing(one, other):
    """Names of the modules whose weights or statistics differ."""
    mine, theirs = one.state_dict(), other.state_dict()
    return {name.rpartition(".")[0] for name in mine if not torch.equal(mine[name], theirs[name])}


class Backwards(nn.Module):
    """A model that names its layers from the output down, and one that nobody calls."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)  # uses its out_proj's weights itself
        self.first = nn.Linear(3, 4)
        self.nothing = nn.ReLU()

    def forward(self, clips):
        pixels = self.first(clips.mean(dim=(3, 4)).transpose(1, 2))
        return self.fc(self.attention(pixels, pixels, pixels)[0].mean(dim=1))


def test_layers_stand_in_the_order_in_which_they_answer_not_in_which_they_are_named():
    names = randomise.layers(Backwards().eval(), some_clips(1))
    assert names[0] == "first"
    assert set(names[1:3]) == {"attention", "attention.out_proj"}
    assert names[3:] == ["fc"]


@pytest.mark.parametrize("family", ["r2plus1d_18", "vgg16_lstm", "mvit_v2_s", "swin3d_t"])
def test_every_weight_belongs_to_a_layer_and_the_last_one_is_the_classifier(family):
    model = narrow(family)
    names = randomise.layers(model, some_clips(1))
    assert {name.rpartition(".")[0] for name in model.state_dict()} <= set(names)
    out = model.get_parameter(f"{names[-1]}.weight").shape[0]
    assert out == 3  # classes


def test_the_share_is_counted_from_the_output_and_all_below_stays_as_it_was():
    model, trained = narrow("r2plus1d_18"), narrow("r2plus1d_18")
    names = randomise.layers(model, some_clips(1))
    for share, count in ((0.5, round(len(names) / 2)), (1e-6, 1), (1.0, len(names))):
        model, chosen = cascaded("r2plus1d_18", share)
        assert chosen == names[len(names) - count :]
        assert differing(model, trained) == set(chosen)


def test_a_larger_share_keeps_the_weights_that_a_smaller_one_drew_and_the_same_call_gives_the_same():
    half, chosen = cascaded("vgg16_lstm", 0.5)
    whole, again = cascaded("vgg16_lstm", 1.0)[0], cascaded("vgg16_lstm", 0.5)[0]
    assert differing(half, again) == set()
    for name in chosen:
        for own, other in zip(
            half.get_submodule(name).parameters(), whole.get_submodule(name).parameters(), strict=True
        ):
            assert torch.equal(own, other)


def test_new_normalisations_take_their_statistics_from_the_clips_so_that_activations_neither_vanish_nor_explode():
    spread = {}
    for name, model in (("untouched", fresh("r2plus1d_18").eval()), ("new", cascaded("r2plus1d_18", 1.0, count=6)[0])):
        convolution, norm = model.backbone.layer4[1].conv2
        with recorded(convolution) as outputs, torch.no_grad():
            model(bytes_of(6).float() / 255)
        channels = norm(outputs[0]).detach()  # its weight is 1, its bias 0
        spread[name] = channels.std(dim=(0, 2, 3, 4)).mean().item()
    assert not 0.5 < spread["untouched"] < 2  # the premise
    assert spread["new"] == pytest.approx(1, abs=0.2)  # 36 layers that each forget a little


def test_statistics_of_several_batches_are_means_of_theirs():
    """One normalisation of the clip itself, so that the batches' means can be taken by hand."""
    model = nn.Sequential(nn.BatchNorm3d(3), nn.Flatten(), nn.Linear(3 * 8 * 32 * 32, 2)).eval()
    new = copy.deepcopy(model)
    nn.init.ones_(new[2].weight)
    clips = bytes_of(5)
    randomise.cascade(model, new, 1.0, clips, batch_size=2)
    parts = [part.float() / 255 for part in (clips[:2], clips[2:4], clips[4:])]
    expected = torch.stack([part.mean(dim=(0, 2, 3, 4)) for part in parts]).mean(dim=0)
    assert model[0].running_mean.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_modes_momenta_hooks_and_random_states_are_left_as_they_were():
    model = copy.deepcopy(narrow("r2plus1d_18"))
    before, momenta = state(model), {module.momentum for module in model.modules() if hasattr(module, "momentum")}
    randomise.cascade(model, fresh("r2plus1d_18"), 1.0, bytes_of(3))
    weights = set(model.state_dict())
    assert set(changes(before, state(model))) <= weights
    assert {module.momentum for module in model.modules() if hasattr(module, "momentum")} == momenta


def test_momenta_are_restored_when_the_model_raises():
    class Full(nn.Flatten):
        def forward(self, clips):
            if len(clips) > 1:  # one clip shows the order of layers, the others give the statistics
                raise RuntimeError("full")
            return super().forward(clips)

    model = nn.Sequential(nn.BatchNorm3d(3), Full(), nn.Linear(3 * 8 * 32 * 32, 2)).eval()
    new = copy.deepcopy(model)
    nn.init.ones_(new[2].weight)
    with pytest.raises(RuntimeError, match="full"):
        randomise.cascade(model, new, 1.0, bytes_of(4), batch_size=2)
    assert model[0].momentum == 0.1


def test_a_model_that_is_always_built_alike_is_refused():
    model = narrow("r2plus1d_18")
    with pytest.raises(UsageError, match=r"built with the same weights every time.*let its `build` draw random ones"):
        randomise.cascade(copy.deepcopy(model), model, 0.5, bytes_of(2))


def test_new_weights_do_not_come_from_the_seed_that_the_training_began_with():
    assert randomise.other_seed(0) != 0
    assert randomise.other_seed(3) != randomise.other_seed(4)


def test_a_gradient_changes_with_the_weights_and_edges_do_not():
    trained, (random, _) = narrow("r2plus1d_18"), cascaded("r2plus1d_18", 1.0)
    clips, targets = some_clips(3), torch.tensor([0, 1, 2])
    for method, least, most in ((edges, 1, 1), (gradient, -0.7, 0.7)):
        maps = [method.attribute(model, clips, targets).full() for model in (trained, random)]
        for one, other in zip(*maps, strict=True):
            assert least <= similarity.score(other, {"model": one})["model.rank"] <= most


AUDIT = {
    "audit": "a",
    "shards": 1,
    "datasets": {"planted": {"root": "data"}},
    "models": {"small": {"use": "r2plus1d_18", "options": {"width": 2}, "clips": {"frames": 8}, "weights": "w.pt"}},
    "methods": {"step": {"ratios": [0.1]}, "edges": None},
    "metrics": {"similarity": None},
}
RANDOM = {"of": "small", "randomise": 0.5}
LABELS = {"of": "small", "shuffle_labels": True}


def plan(**controls):
    return config.parse({**AUDIT, "models": {**AUDIT["models"], **controls}})


def test_a_control_takes_what_it_needs_from_its_model_and_is_the_same_when_read_again(tmp_path):
    made = plan(random=RANDOM, labels={**LABELS, "training": {"epochs": 60}})
    for name in ("random", "labels"):
        for key in ("use", "options", "clips", "batch_size"):
            assert getattr(made.models[name], key) == getattr(made.models["small"], key)
    assert (made.models["random"].weights, made.models["labels"].weights) == (None, "w.pt")
    assert made.models["labels"].training.epochs == 60
    assert made.models["random"].training == made.models["small"].training
    config.save(made, tmp_path / "config.yaml")
    assert config.load(tmp_path / "config.yaml") == made


def test_training_of_a_label_control_differs_only_in_the_keys_that_it_names():
    small = {**AUDIT["models"]["small"], "training": {"batch_size": 4, "epochs": 3}}
    made = plan(small=small, labels={**LABELS, "training": {"epochs": 60}})
    assert (made.models["labels"].training.epochs, made.models["labels"].training.batch_size) == (60, 4)


WRONG = {
    "no origin": ({"use": "r3d_18", "randomise": 0.5}, "`randomise` makes a control; name the model that it is a"),
    "no labels' origin": ({"use": "r3d_18", "shuffle_labels": True}, "`shuffle_labels` makes a control; name the"),
    "no kind": ({"of": "small"}, "a control of 'small' needs either `randomise: 0.5` or `shuffle_labels: true`"),
    "two kinds": ({**RANDOM, "shuffle_labels": True}, "needs either `randomise: 0.5` or `shuffle_labels: true`"),
    "unknown": (
        {**RANDOM, "of": "smal"},
        "models.control.of: no model 'smal' to be a control of; did you mean 'small'",
    ),
    "of itself": ({**RANDOM, "of": "control"}, "models.control.of: no model 'control' to be a control of"),
    "options": ({**RANDOM, "options": {"width": 3}}, "a control takes `options` from 'small'; remove it here"),
    "use": ({**LABELS, "use": "r3d_18"}, "models.control: a control takes `use` from 'small'; remove it here"),
    "training": ({**RANDOM, "training": {"epochs": 3}}, "a control takes `training` from 'small'; remove it here"),
    "weights": ({**RANDOM, "weights": "w.pt"}, "it has the trained weights of 'small'; remove `weights`"),
    "checkpoint": ({**LABELS, "checkpoint": "c"}, "a given `checkpoint` is not trained any more; remove it, or"),
    "share": ({**RANDOM, "randomise": 1.5}, "randomise: Input should be less than or equal to 1, got 1.5"),
    "key": ({**RANDOM, "randomize": 1}, "randomize: unknown key; did you mean 'randomise'?"),
    "form": ({**RANDOM, "of": ["small"]}, "control.of: Input should be a valid string, got ['small']"),
}


@pytest.mark.parametrize("problem", WRONG)
def test_what_a_control_cannot_be_is_told_with_the_next_step(problem):
    entry, text = WRONG[problem]
    with pytest.raises(UsageError) as error:
        plan(control=entry)
    assert text in str(error.value)


def test_a_control_of_a_control_is_refused_and_one_of_a_model_that_is_left_out_goes_with_it():
    with pytest.raises(UsageError, match=r"models.second.of: no model 'first' to be a control of \(known: small\)"):
        plan(first=RANDOM, second={**RANDOM, "of": "first"})
    assert list(plan(small=False, other={"use": "r3d_18"}, random=RANDOM).models) == ["other"]


def test_a_method_for_another_class_cannot_search_the_minimum_ratio():
    methods = {"wrong": {"use": "step", "ratios": [0.1], "target": "runner_up"}}
    with pytest.raises(
        UsageError, match=r"preserve\.methods: 'wrong' explains another class than the label; remove it"
    ):
        config.parse({**AUDIT, "methods": methods, "preserve": {"methods": ["wrong"]}})


def test_controls_are_nobodys_peers_but_have_those_of_their_model():
    made = plan(random=RANDOM, labels=LABELS, other={"use": "r3d_18", "clips": {"frames": 8}})
    assert [peer.model for peer in Job(made, "score", "planted", "small").peers] == ["other"]
    assert [peer.model for peer in Job(made, "score", "planted", "random").peers] == ["small", "other"]


def test_jobs_wait_for_what_they_are_made_of_and_compared_with():
    methods = {**AUDIT["methods"], "wrong": {"use": "step", "ratios": [0.1], "target": "runner_up"}}
    made = config.parse({**AUDIT, "methods": methods, "models": {**AUDIT["models"], "random": RANDOM}})
    assert Job(made, "train", "planted", "random").original == [Job(made, "train", "planted", "small").checkpoint]
    assert Job(made, "train", "planted", "small").original == []

    def job(model, method, audit=made):
        return Job(audit, "score", "planted", model, method, "test-000")

    def maps(model, method):
        return job(model, method).file("maps")

    assert job("small", "step").reference_maps == []
    assert job("small", "wrong").reference_maps == [maps("small", "step")]
    assert job("random", "edges").reference_maps == [maps("small", "edges")]
    both = job("random", "wrong").reference_maps
    assert both == [maps("small", "wrong"), maps("random", "step")]
    without = made.model_copy(update={"metrics": {}})
    assert job("random", "wrong", without).reference_maps == []


def test_what_makes_a_control_decides_its_training_and_which_class_decides_its_maps():
    before = plan(random=RANDOM)
    after = plan(random={**RANDOM, "randomise": 0.6})

    def settings(audit, stage, model):
        return decides.settings(Job(audit, stage, "planted", model, "step"))

    assert settings(before, "train", "random") != settings(after, "train", "random")
    assert settings(before, "train", "small") == settings(after, "train", "small")
    methods = {"step": {"ratios": [0.1], "target": "runner_up"}, "edges": None}
    wrong = config.parse({**AUDIT, "methods": methods})
    assert settings(wrong, "attribute", "small") != settings(config.parse(AUDIT), "attribute", "small")
