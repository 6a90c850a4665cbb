"""The run on a GPU, tried on a CPU: it says when devices differ, loses little, and needs few packages."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_layout import MODULES, foreign, loaded_with

from benchmarks.gpu import __main__ as program
from benchmarks.gpu import agreement, forms, hours, throughput
from benchmarks.gpu.page import Page
from benchmarks.gpu.setting import TINY, WHOLE, Network
from stepaudit.extremal import engine
from stepaudit.layers import gaussian_blur

NARROW = TINY.narrow[0]
SMALL = replace(TINY, full=(NARROW,))


def test_it_imports_nothing_but_torch_torchvision_and_the_numpy_that_they_bring():
    files = (Path(__file__).parents[1] / "benchmarks/gpu").glob("*.py")
    text = "\n".join(file.read_text() for file in files)
    named = {name.removeprefix("stepaudit.") for name in re.findall(r"stepaudit[.\w]+", text)} & set(MODULES)
    named |= {name for name in MODULES if name.startswith("methods.")} | {f"models.{each.name}" for each in WHOLE.full}
    packages = {package for name in named for module in loaded_with(name) for package in foreign(module)}
    assert packages - sys.stdlib_module_names == {"torch", "torchvision", "numpy"}
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.M)) - sys.stdlib_module_names
    assert imported == {"torch", "torchvision", "stepaudit", "benchmarks"}


def test_a_pass_of_r2plus1d_takes_162_billion_operations():  # of the paper's network at its size
    assert throughput.row_operations(Network("r2plus1d_18", 16, 112)) == pytest.approx(162e9, rel=0.01)


def test_maps_that_agree_are_ok_and_those_of_other_weights_differ(monkeypatch):
    (row,) = agreement.maps(TINY, NARROW, "gradient")
    assert row["status"] == "ok"
    shifts = iter((0.0, 0.02))
    monkeypatch.setattr(agreement, "_maps", lambda *_: torch.full((1, 2, 2, 2), next(shifts)))
    (row,) = agreement.maps(TINY, NARROW, "gradient")
    assert row["status"] == "differs"


def test_maps_that_are_nan_differ(monkeypatch):
    monkeypatch.setattr(agreement, "_maps", lambda *_: torch.full((1, 2, 2, 2), torch.nan))
    assert agreement.maps(TINY, NARROW, "gradient")[0]["status"] == "differs"


def test_each_method_can_be_compared():
    cheap = [name for name in agreement.names() if name not in ("step_summed", "ep3d_evenly", "ep3d_gaussian")]
    statuses = {name: agreement.maps(TINY, NARROW, name)[0]["status"] for name in cheap}
    assert statuses["step"] == statuses["grad_cam"] == statuses["rise"] == "ok"
    assert statuses["excitation_backprop"] == "not_applicable"  # it explains CNN-RNNs
    assert set(statuses.values()) == {"ok", "not_applicable"}


@pytest.mark.parametrize("form", agreement.LOGIT_TOLERANCE)
def test_rows_of_a_batch_that_answer_otherwise_than_alone_are_seen(form, monkeypatch):
    assert [row["status"] for row in agreement.logits(TINY, NARROW, form)] == ["ok", "ok"]

    class Wrong(torch.nn.Module):
        """Wrong in the last row of large batches."""

        def forward(self, clips):
            answers = clips.mean(dim=(2, 3, 4))
            return torch.cat([answers[:-1], 0 * answers[-1:]]) if len(answers) > 3 else answers

    monkeypatch.setattr(Network, "build", lambda *_: Wrong())
    assert [row["status"] for row in agreement.logits(TINY, NARROW, form)] == ["ok", "differs"]


def test_a_batch_is_halved_until_it_fits():
    (row,) = agreement.halving(TINY)
    assert row == {"check": "out of memory: 24 rows in 4 parts", "status": "ok"}


def test_an_iteration_that_asks_for_a_value_is_seen(monkeypatch):
    assert agreement.waits(TINY, NARROW)[0]["status"] == "ok"
    optimizer_step = engine.optimizer_step
    monkeypatch.setattr(
        engine, "optimizer_step", lambda seeds, *rest: optimizer_step(seeds + 0 * seeds.sum().item(), *rest)
    )
    (row,) = agreement.waits(TINY, NARROW)
    assert row["status"] == "differs"
    assert row["check"].endswith(": 5")


def test_batches_end_where_memory_does(monkeypatch):
    timed = throughput._timed
    monkeypatch.setattr(throughput, "_timed", lambda *a: timed(*a) if a[3] < 2 else _no_memory())
    rows = throughput.batches(SMALL, NARROW, "float32", {"float32": 1e9})
    assert [row["status"] for row in rows] == ["ok", "out of memory"]
    operations = throughput.row_operations(NARROW)
    assert rows[0]["share_of_matrix_rate"] == pytest.approx(rows[0]["rows_per_s"] * operations / 1e9)


def _no_memory():
    raise torch.OutOfMemoryError


@pytest.mark.parametrize("form", forms.FORMS)
def test_forms_of_a_model_keep_its_gradients(form):
    assert forms.forms(SMALL, NARROW, form)[0]["status"] == "ok"


def test_the_gradient_of_the_mask_terms_is_that_of_an_iteration():
    step, seeds = forms.mask_terms(NARROW, 2, torch.device("cpu"))
    assert step(seeds).equal(step(seeds.clone()))
    assert step(seeds).shape == seeds.shape


def test_clips_an_hour_follow_from_the_time_between_two_numbers_of_iterations(monkeypatch):
    monkeypatch.setattr(hours, "_optimised", lambda setting, network, schedule, form, count: 3 + 0.02 * count)
    (row,) = hours.scheduled(SMALL, NARROW, "paper", "tf32")
    assert row["seconds_a_clip"] == pytest.approx(0.02 * 2000 / hours.CLIPS["step"])
    assert row["clips_an_hour"] == pytest.approx(3600 / 10)


def test_a_schedule_with_fewer_iterations_is_run():
    assert hours._optimised(SMALL, NARROW, "fast", "bfloat16", 2) > 0


def test_the_searched_model_knows_the_clip_and_not_its_blurred_version():
    clip = NARROW.clips(1, torch.device("cpu"))
    model = hours.Needing(NARROW.build(torch.device("cpu")), clip)
    with torch.no_grad():
        own, blurred = (model(each).softmax(1)[0, 0].item() for each in (clip, gaussian_blur(clip, 32 * 20 / 112)))
    assert own == pytest.approx(0.953, abs=0.01)
    assert blurred == pytest.approx(0.047, abs=0.01)


def test_what_fails_is_a_row_and_each_row_is_written_before_the_next_begins(tmp_path):
    def written() -> list[dict]:
        assert json.loads((tmp_path / "gpu.json").read_text())["hours"][0]["status"].startswith("error: ValueError: no")
        return [{"check": "second", "value": 0.5, "status": "ok"}]

    def failing() -> list[dict]:
        raise ValueError("no\nluck")

    page = Page(tmp_path, {"device": "CPU"})
    program.run("hours", iter([("first", failing), ("second", written)]), page, 60)
    assert page.sections["hours"][1]["status"] == "ok"
    assert "| second | 0.5 | ok |" in (tmp_path / "gpu.md").read_text()


def test_a_section_ends_with_its_time(tmp_path):
    page = Page(tmp_path, {})
    program.run("hours", iter([("late", lambda: [{"status": "ok"}])]), page, -1)
    assert page.sections["hours"] == [{"check": "late", "status": "not reached within -1 s"}]


def test_without_a_gpu_the_run_says_so(tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match="finds no GPU"):
            program.main(["--out", str(tmp_path)])
