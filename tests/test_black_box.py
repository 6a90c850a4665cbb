"""Models of NumPy clips: what their function is given, and what becomes of its answers."""

import numpy as np
import pytest
import torch

from stepaudit import api
from stepaudit.adapters import Adapter, BlackBox, logits_of
from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.errors import NotApplicableError, UsageError

CLIPS = torch.rand(5, 3, 4, 8, 6, generator=torch.Generator().manual_seed(0))
COLOUR = CLIPS.mean(dim=(2, 3, 4))  # [5, 3]


def colour(clips):
    """Logits: the mean of each channel."""
    assert isinstance(clips, np.ndarray)
    assert clips.dtype == np.float32
    return clips.mean(axis=(2, 3, 4))


def test_its_logits_are_the_scores_of_the_function():
    torch.testing.assert_close(logits_of(BlackBox(colour), CLIPS, 3), COLOUR)


@pytest.mark.parametrize(("at_once", "calls"), [(None, [5]), (2, [2, 2, 1]), (9, [5])])
def test_it_is_given_as_many_clips_at_once_as_it_takes(at_once, calls):
    asked = []
    model = BlackBox(lambda clips: asked.append(len(clips)) or colour(clips), at_once=at_once)
    torch.testing.assert_close(model(CLIPS), COLOUR)
    assert asked == calls


def test_nothing_at_once_is_refused():
    with pytest.raises(UsageError, match="at_once=0: give 1 or more clips"):
        BlackBox(colour, at_once=0)


@pytest.mark.parametrize("take", [1, "scores"])
def test_one_of_several_outputs_is_taken(take):
    def several(clips):
        return [clips, colour(clips)] if take == 1 else {"clips": clips, "scores": colour(clips)}

    torch.testing.assert_close(Adapter(BlackBox(several, at_once=2), take=take)(CLIPS), COLOUR)


def test_pathways_come_as_a_list_of_arrays():
    def slow_and_fast(pathways):
        slow, fast = pathways
        assert (slow.shape[2], fast.shape[2]) == (2, 4)
        return colour(fast)

    model = Adapter(BlackBox(slow_and_fast, at_once=3), pathways=(2, 4))
    torch.testing.assert_close(model(CLIPS), COLOUR)


def test_scores_in_lists_are_numbers_as_well_and_in_double_precision():
    torch.testing.assert_close(Adapter(BlackBox(lambda clips: colour(clips).tolist()))(CLIPS), COLOUR)


def test_an_answer_that_is_no_numbers_is_told():
    with pytest.raises(UsageError, match=r"a black box answers a dict of 'label', no scores|answers a list"):
        BlackBox(lambda clips: [{"label": "walk"}] * len(clips))(CLIPS)


def test_methods_without_gradients_explain_it_and_others_say_why_not():
    model = BlackBox(lambda clips: 20 * colour(clips[:, :, :, :4]))  # the upper half decides
    assert api.explain(model, CLIPS[:1], method="occlusion", frames=4, side=0.5).maps.max() == 1
    with pytest.raises(NotApplicableError, match="no gradient reaches the clip"):
        api.explain(model, CLIPS[:1], method="gradient")


def test_a_file_that_its_options_name_decides_its_rows(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"1")
    made = config.parse(
        {
            "audit": "blind",
            "results": str(tmp_path),
            "datasets": {"planted": {"root": str(tmp_path)}},
            "models": {"blind": {"use": "odd_models:black_box", "options": {"file": str(tmp_path / "net.onnx")}}},
            "methods": {"center": None},
        }
    )
    assert Job(made, "train", "planted", "blind").given == [tmp_path / "net.onnx"]
