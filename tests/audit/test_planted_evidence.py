"""The default audit's promise: its models use the plant, and the methods find it. Real videos, training and masks."""

import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import to_tensor
from stepaudit.networks.checkpoint import trained
from stepaudit.stages import attribute, extract, index, score
from stepaudit.store import tables

ROOT = Path(__file__).parents[2]
MODELS = ("r2plus1d", "vgg16lstm")
METHODS = ("step", "ep3d", "center", "random_pixel")
METRICS = ("mass_in_box", "box_share", "spatial_pointing")
VARIANTS = {"whole": "none", "no_object": "object", "no_decoy": "decoy"}  # 120 test clips each: name, what is erased


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """The default configuration, with few metrics; its models trained, and its test clips explained, side by side."""
    folder = tmp_path_factory.mktemp("planted")
    data = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    data |= {"results": str(folder / "results"), "shards": 1}
    data["metrics"] = {name: data["metrics"][name] for name in METRICS}
    planted = data["datasets"]["planted"]
    planted["root"] = str(folder / "data")
    planted["options"]["broken"] = False
    for name, erased in VARIANTS.items():  # of which only the test videos are used
        options = {**planted["options"], "erase": erased, "train_per_class": 3, "test_per_class": 60}
        data["datasets"][name] = {"use": "planted", "root": planted["root"], "options": options}
    settings = config.parse(data)
    config.save(settings, folder / "config.yaml")
    for dataset in settings.datasets:
        index.run(Job(settings, "index", dataset))
        shards = ("train-000", "validation-000", "test-000") if dataset == "planted" else ("test-000",)
        for shard in shards:
            extract.run(Job(settings, "extract", dataset, shard=shard, size=settings.clips.size))
    _side_by_side(["train", folder / "config.yaml", "--dataset", "planted", "--model"])
    for model in MODELS:
        predicted = ("--dataset", "planted", "--model", model, "--shard", "test-000")
        _command("predict", folder / "config.yaml", *predicted).wait()
    _side_by_side([__file__, folder / "config.yaml"], module=False)
    return settings


def _side_by_side(arguments: list, module: bool = True) -> None:
    running = [_command(*arguments, model, module=module) for model in MODELS]
    assert [process.wait() for process in running] == [0] * len(running)


def _command(*arguments, module: bool = True) -> subprocess.Popen:
    start = [sys.executable, "-m", "stepaudit.cli"] if module else [sys.executable]
    return subprocess.Popen([*start, *map(str, arguments)])


def explain(settings: config.Config, model: str) -> None:
    """Maps and scores of a model."""
    for method in METHODS:
        attribute.run(Job(settings, "attribute", "planted", model, method, "test-000"))
        score.run(Job(settings, "score", "planted", model, method, "test-000"))


@pytest.fixture(scope="module", params=MODELS)
def probabilities(audit, request):
    """Of each variant of the test videos: probability of the clip's class [120], by one model."""
    net = trained(Job(audit, "predict", "planted", request.param), torch.device("cpu"))
    return {name: _probabilities(net, Job(audit, "predict", name, request.param)) for name in VARIANTS}


def _probabilities(net: torch.nn.Module, job: Job) -> torch.Tensor:
    clips = tables.read("clips", *job.files("clips"))
    targets = torch.tensor([clip["target"] for clip in clips])
    with torch.no_grad():
        logits = torch.cat([net(part) for part in to_tensor(clips).split(20)])
    return logits.softmax(1).gather(1, targets[:, None])[:, 0]


def test_the_narrow_models_classify_at_least_nine_of_ten_clips_that_they_have_not_seen(probabilities):
    assert (probabilities["whole"] > 0.5).float().mean() >= 0.9  # of two classes


def test_erasing_the_plant_drops_the_targets_probability_and_erasing_the_decoy_does_not(probabilities):
    mean = {name: values.mean().item() for name, values in probabilities.items()}
    assert mean["whole"] - mean["no_object"] > 0.25
    assert abs(mean["whole"] - mean["no_decoy"]) < 0.1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["step", "ep3d"])
def test_most_of_the_mask_lies_on_the_plant(audit, model, method):
    mass, share = (_by_clip(audit, model, method, metric) for metric in ("mass_in_box", "box_share"))
    assert statistics.mean(mass.values()) > 3 * statistics.mean(share.values())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["step", "ep3d"])
@pytest.mark.parametrize("floor", ["center", "random_pixel"])
def test_pointing_beats_the_floor_beyond_the_interval_of_the_paired_difference(audit, model, method, floor):
    ours, theirs = (_by_clip(audit, model, name, "spatial_pointing") for name in (method, floor))
    gains = [ours[clip] - theirs[clip] for clip in ours]
    assert statistics.mean(gains) > 2.1 * statistics.stdev(gains) / math.sqrt(len(gains))


def _by_clip(audit, model, method, metric) -> dict[str, float]:
    """Mean over a clip's frames."""
    values: dict[str, list[float]] = {}
    path = Job(audit, "score", dataset="planted", model=model, method=method, shard="test-000").file("scores")
    for row in tables.read("scores", path):
        if row["metric"] == metric and row["status"] == "ok":
            values.setdefault(row["clip_id"], []).append(row["value"])
    return {clip: statistics.mean(of_clip) for clip, of_clip in values.items()}


if __name__ == "__main__":
    explain(config.load(Path(sys.argv[1])), sys.argv[2])
