"""The adapter: what an odd model takes and gives, compared with the same worked out by hand."""

import math
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from known_answer import textured_clips
from narrow_models import narrow
from PIL import Image
from torch import nn

from stepaudit.adapters import Adapter, check_logits
from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.methods import grad_cam


class Answers(nn.Module):
    """Gives what it was told to, and keeps what it was given."""

    def __init__(self, answer=None):
        super().__init__()
        self.answer = answer

    def forward(self, clips):
        self.given = clips
        return self.answer


def given(clips, **options):
    model = Answers()
    Adapter(model, **options)(clips)
    return model.given


def test_without_options_nothing_is_changed():
    clips, answer = torch.rand(2, 3, 4, 5, 6), torch.rand(2, 7)
    model = Answers(answer)
    assert Adapter(model)(clips) is answer
    assert torch.equal(model.given, clips)


@pytest.mark.parametrize("layout", ["NTCHW", "NTHWC", "TNCHW", "NCHWT"])
def test_the_axes_come_in_the_order_of_the_layout(layout):
    """Each axis has a length of its own, and one voxel is marked."""
    lengths, place = {"N": 2, "C": 3, "T": 4, "H": 5, "W": 6}, {"N": 1, "C": 2, "T": 3, "H": 1, "W": 4}
    clips = torch.zeros(tuple(lengths.values()))
    clips[tuple(place.values())] = 1
    result = given(clips, layout=layout)
    assert list(result.shape) == [lengths[axis] for axis in layout]
    assert result.nonzero().tolist() == [[place[axis] for axis in layout]]
    assert result.view(-1).sum() == 1


@pytest.mark.parametrize(
    ("frames", "count", "chosen"),
    [
        (8, 4, [1, 3, 5, 7]),  # parts of 2 frames: middles 1, 3, 5, 7
        (16, 5, [1, 4, 8, 11, 14]),  # parts of 3.2: 1.6, 4.8, 8, 11.2, 14.4
        (2, 4, [0, 0, 1, 1]),
        (3, 1, [1]),
        (4, 4, [0, 1, 2, 3]),
    ],
)
def test_frames_are_the_middles_of_equal_parts(frames, count, chosen):
    clips = torch.arange(frames).float().view(1, 1, -1, 1, 1).expand(2, 3, -1, 4, 4)
    assert given(clips, frames=count)[1, 2, :, 3, 3].tolist() == chosen


def test_frames_are_scaled_as_an_image_library_scales_them():
    clips = textured_clips(1, 2, 40, 64)
    result = given(clips, size=(20, 24))
    assert result.shape == (1, 3, 2, 20, 24)
    for channel in range(3):
        for frame in range(2):
            image = Image.fromarray(clips[0, channel, frame].numpy())
            expected = np.asarray(image.resize((24, 20), Image.Resampling.BILINEAR))
            np.testing.assert_allclose(result[0, channel, frame].numpy(), expected, atol=1e-5)


def test_values_are_scaled_and_then_normalised_by_channel():
    clips = torch.full((1, 3, 1, 1, 1), 0.5)
    result = given(clips, scale=255, mean=(127.5, 100, 0), std=(1, 2, 3)).flatten().tolist()
    assert result == pytest.approx([0, 13.75, 42.5])


def test_probabilities_become_logits_with_the_same_softmax():
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    logits = Adapter(Answers(probabilities), gives="probabilities")(torch.rand(2, 3, 1, 1, 1))
    assert logits[0].tolist() == pytest.approx([math.log(0.5), math.log(0.25), math.log(0.25)])
    assert logits.isfinite().all()
    torch.testing.assert_close(logits.softmax(dim=1), probabilities)
    check_logits(logits, 2, 3, "Answers")


def test_the_gradient_of_a_probability_is_that_of_its_logits():
    """log p is z − logsumexp(z): the gradient to z is the same on either way, also where p is 1e-20."""
    z = torch.tensor([[0.3, -1.0, 46.0]], requires_grad=True)
    adapted = Adapter(Answers(z.softmax(dim=1)), gives="probabilities")(torch.rand(1, 3, 1, 1, 1))
    for target in range(3):
        (mine,) = torch.autograd.grad(adapted.log_softmax(1)[0, target], z, retain_graph=True)
        (theirs,) = torch.autograd.grad(z.log_softmax(1)[0, target], z)
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "rows",
    [torch.tensor([[0.9, 0.8]]), torch.tensor([[1.5, -0.5]]), torch.tensor([[0.5, 0.5], [0.2, 0.2]])],
    ids=["sigmoids", "negative", "one row"],
)
def test_rows_that_are_no_probabilities_are_refused(rows):
    with pytest.raises(UsageError, match=r"Answers returns rows that do not sum to 1.*leave `gives` out"):
        Adapter(Answers(rows), gives="probabilities")(torch.rand(len(rows), 3, 1, 1, 1))


def test_a_clip_whose_probabilities_are_nan_does_not_refuse_the_others():
    rows = torch.tensor([[0.5, 0.5], [math.nan, math.nan]])
    logits = Adapter(Answers(rows), gives="probabilities")(torch.rand(2, 3, 1, 1, 1))
    assert logits.isfinite().all(dim=1).tolist() == [True, False]


@pytest.mark.parametrize("gives", ["logit", "probability"])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_value_for_each_clip_becomes_two_logits_whose_softmax_is_its_sigmoid(gives, shape):
    values = torch.tensor([-2.0, 0.0, 3.0])
    answer = values if gives == "logit" else values.sigmoid()
    logits = Adapter(Answers(answer.reshape(shape)), gives=gives)(torch.rand(3, 3, 1, 1, 1))
    check_logits(logits, 3, 2, "Answers")
    torch.testing.assert_close(logits.softmax(dim=1), torch.stack([1 - values.sigmoid(), values.sigmoid()], dim=1))


def test_what_is_not_one_value_or_no_probability_is_refused():
    with pytest.raises(UsageError, match=r'returns values outside \[0, 1\]; if these are logits, gives="logit"'):
        Adapter(Answers(torch.tensor([1.5])), gives="probability")(torch.rand(1, 3, 1, 1, 1))
    with pytest.raises(UsageError, match=r"gives one value for each clip: Answers returns one tensor \[2, 7\]"):
        Adapter(Answers(torch.rand(2, 7)), gives="logit")(torch.rand(2, 3, 1, 1, 1))


def test_pathways_are_a_list_of_clips_with_slowfasts_frames():
    """SlowFast's slow pathway of 32 frames and α = 4: linspace(0, 31, 8), rounded down."""
    clips = torch.arange(32).float().view(1, 1, -1, 1, 1).expand(1, 3, -1, 2, 2)
    slow, fast = given(clips, pathways=(8, 32))
    assert slow[0, 0, :, 0, 0].tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert torch.equal(fast, clips)


def test_a_network_in_half_precision_gets_its_own_precision_and_gives_float32():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).bfloat16()
    clips = torch.rand(2, 3, 1, 2, 2)
    logits = Adapter(network)(clips)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, network(clips.bfloat16()).float())


HEADS = [torch.zeros(2, 4), torch.ones(2, 4)]
SEVERAL = {
    "tuple": (tuple(HEADS), 1),
    "list": (HEADS, -1),
    "dict": ({"verb": HEADS[0], "noun": HEADS[1]}, "noun"),
    "named tuple": (namedtuple("Output", "verb noun")(*HEADS), "noun"),
    "object": (SimpleNamespace(verb=HEADS[0], noun=HEADS[1]), "noun"),
}


@pytest.mark.parametrize(("output", "take"), SEVERAL.values(), ids=SEVERAL)
def test_one_of_several_outputs_is_taken(output, take):
    assert Adapter(Answers(output), take=take)(torch.rand(2, 3, 1, 1, 1)) is HEADS[1]


@pytest.mark.parametrize(
    ("output", "take", "text"),
    [
        (tuple(HEADS), 2, r"take=2: Answers returns a tuple of \[2, 4\], \[2, 4\]; name one of these"),
        (tuple(HEADS), "noun", "take='noun': Answers returns a tuple"),
        ({"verb": HEADS[0]}, "noun", "take='noun': Answers returns a dict of 'verb'; name one of these"),
        ({"verb": HEADS[0]}, 0, "take=0: Answers returns a dict of 'verb'"),
        (HEADS[0], 0, r"take=0: Answers returns one tensor \[2, 4\]"),  # not the first clip's row
        (None, 0, "take=0: Answers returns a NoneType"),
    ],
)
def test_an_output_that_is_not_there_is_named_with_those_that_are(output, take, text):
    with pytest.raises(UsageError, match=text):
        Adapter(Answers(output), take=take)(torch.rand(2, 3, 1, 1, 1))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"layout": "NCHW"}, "layout 'NCHW': give each of N, C, T, H and W once"),
        ({"layout": "NCTHH"}, "layout 'NCTHH': give each of N, C, T, H and W once"),
        ({"gives": "sums"}, "gives 'sums': one of 'logits', 'probabilities', 'logit', 'probability'"),
        ({"activation_layer": "layer5"}, r"no module 'layer5'; its last convolution is 'backbone.layer4.1.conv2.0.3'"),
    ],
)
def test_arguments_that_do_not_fit_say_what_would(options, text):
    with pytest.raises(UsageError, match=text):
        Adapter(narrow("r2plus1d_18"), **options)
    with pytest.raises(UsageError, match="Flatten has no module 'conv'; it has no convolution to name"):
        Adapter(nn.Flatten(), activation_layer="conv")


def test_the_activation_layer_passes_through_or_is_named():
    model = narrow("r2plus1d_18")
    assert Adapter(model).activation_layer is model.backbone.layer4
    assert Adapter(model, activation_layer="backbone.layer3.0").activation_layer is model.backbone.layer3[0]
    assert Adapter(Adapter(model, scale=2), scale=0.5).activation_layer is model.backbone.layer4
    assert Adapter(Answers()).activation_layer is None
    with pytest.raises(NotApplicableError, match="Adapter names no activation_layer"):
        grad_cam.attribute(Adapter(nn.Flatten()), torch.rand(1, 3, 1, 2, 2), torch.tensor([0]))


class Twin(nn.Module):
    """A family's model that takes frames first and 0 to 255, and gives two heads of probabilities."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, clips):
        probabilities = self.inner(clips.transpose(1, 2) / 255).softmax(dim=1)
        return probabilities.flip(1), probabilities


def test_an_adapted_model_has_the_maps_of_the_model_within():
    inner, clips, targets = narrow("r2plus1d_18"), textured_clips(2, 8, 32, 32), torch.tensor([0, 2])
    layer = "inner.backbone.layer4"
    adapted = Adapter(
        Twin(inner), layout="NTCHW", scale=255, take=1, gives="probabilities", activation_layer=layer
    ).eval()
    torch.testing.assert_close(adapted(clips).softmax(1), inner(clips).softmax(1), atol=1e-5, rtol=1e-4)
    mine, theirs = (grad_cam.attribute(model, clips, targets, score="probability") for model in (adapted, inner))
    assert theirs.full().std() > 0.05
    torch.testing.assert_close(mine.full(), theirs.full(), atol=2e-3, rtol=0)


def test_the_weights_keep_the_names_of_the_network_below_one_prefix():
    model = narrow("vgg16_lstm")
    own = [f"model.{name}" for name in model.state_dict()]
    assert list(Adapter(model, mean=(1, 2, 3)).state_dict()) == own


def test_a_label_of_several_is_a_class_against_its_absence():
    """The first clip has the second label with 0.8, the other one with 0.1."""
    rows = torch.tensor([[0.3, 0.8, 0.9], [0.6, 0.1, 0.2]])
    model = Adapter(Answers(rows), column=1, gives="probability")
    torch.testing.assert_close(model(torch.rand(2, 3, 1, 1, 1)).softmax(dim=1)[:, 1], rows[:, 1])


@pytest.mark.parametrize("rows", [torch.rand(2, 3), torch.rand(2)], ids=["three columns", "none"])
def test_a_column_that_is_not_there_is_told(rows):
    with pytest.raises(UsageError, match=r"column=3: Answers returns one tensor \[2.*give one of its columns, from 0"):
        Adapter(Answers(rows), column=3, gives="logit")(torch.rand(2, 3, 1, 1, 1))
