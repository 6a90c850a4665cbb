"""config/paper_cut.yaml on real clips of all three data sets of config/paper.yaml, to the paper's tables."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from epic_files import official

from stepaudit.store import database

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
LEFT_OUT = ["ep3d_gaussian_1", "ep3d_evenly", "random_pixel", "annotation_prior", "motion_energy", "grad_cam", "center"]
CLIPS = "media: clips, files: 'clips16/*-{video}_{uid}', partial: true, per_class: 1, seed: 0"
QUICK = "{options: {iterations: 8}}"
TRAINING = "training: {epochs: 1}, training_on: {epic_object: {epochs: 0}, epic_action: {epochs: 0}}"
OVERRIDES = [
    "audit=paper",
    "clips={height: 48, width: 48}",
    "datasets={ucf101_24: {root: ucf101, options: {train_per_class: 4, partial: true}},"
    f" epic_object: {{root: epic, box_distance: 0, options: {{{CLIPS}}}}},"
    f" epic_action: {{root: epic, options: {{{CLIPS}, test: plain}}}}}}",
    f"models={{r2plus1d: {{options: {{width: 2}}, {TRAINING}}},"
    f" vgg16lstm: {{options: {{width: 2, features: 8, hidden: 4}}, {TRAINING}}}}}",
    "preserve={bounds: [probability]}",  # Table 2's
    f"methods={{step: {QUICK}, ep3d: {QUICK}, {', '.join(f'{name}: false' for name in LEFT_OUT)}}}",
]


@pytest.fixture(scope="module")
def results(real_data, tmp_path_factory):
    """The audit's folder."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "ucf101").symlink_to(real_data)
    (folder / "epic").mkdir()
    official(folder / "epic")
    snakemake = shutil.which("snakemake", path=str(Path(sys.executable).parent)) or "snakemake"
    command = [snakemake, "--snakefile", ROOT / "Snakefile", "--configfile", CONFIG / "paper_cut.yaml"]
    command += ["--cores", "2", "--config", *OVERRIDES]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-5000:]
    return folder / "results" / "paper"


def test_the_cut_holds_nothing_that_the_paper_s_experiments_do_not():
    cut, paper = (yaml.safe_load((CONFIG / name).read_text()) for name in ("paper_cut.yaml", "paper.yaml"))
    assert cut["metrics"] == paper["metrics"]
    for kind in ("datasets", "models", "methods"):
        assert set(cut[kind]) <= set(paper[kind])
        for name, entry in cut[kind].items():
            full = paper[kind][name] or {}
            assert (entry or {}).get("use") == full.get("use"), name
            assert kind != "methods" or full.get("options", {}).items() <= (entry or {}).get("options", {}).items(), (
                name
            )


def rows(results: Path, sql: str) -> list[tuple]:
    return database.query(results, sql)[1]


def test_every_data_set_is_explained_to_both_models_and_nothing_is_missing(results):
    assert rows(results, "select count(*) from coverage where missing > 0") == [(0,)]
    explained = rows(results, "select distinct dataset, model from maps where status = 'ok' and method = 'step'")
    datasets, models = ("epic_action", "epic_object", "ucf101_24"), ("r2plus1d", "vgg16lstm")
    assert sorted(explained) == [(dataset, model) for dataset in datasets for model in models]


def test_models_see_clips_of_their_own_size(results):
    sizes = rows(results, "select distinct size, height, width from clips where status = 'ok' order by all")
    assert sizes == [("16x48x48", 48, 48), ("16x64x64", 64, 64)]
    assert rows(results, "select name, size from models order by all") == [
        ("r2plus1d", "16x48x48"),
        ("vgg16lstm", "16x64x64"),
    ]


def test_what_does_not_apply_says_so_and_nothing_else_failed(results):
    found = rows(results, "select distinct model, method, status from maps where status <> 'ok' order by all")
    assert found == [
        ("r2plus1d", "excitation_backprop", "not_applicable"),
        ("vgg16lstm", "saliency_tubes", "not_applicable"),
    ]


@pytest.mark.parametrize(
    ("report", "column", "paper"),
    [
        ("accuracy", "paper_top1_percent", {("ucf101_24", "r2plus1d"): 100, ("epic_object", "vgg16lstm"): 55}),
        ("min_ratio", "paper_ratio", {("ucf101_24", "vgg16lstm"): 0.28, ("epic_object", "r2plus1d"): 0.064}),
    ],
)
def test_the_papers_numbers_stand_beside_ours(results, report, column, paper):
    found = {
        (dataset, model): value
        for dataset, model, value in rows(results, f"select dataset, model, {column} from {report}")
    }
    for key, value in paper.items():
        assert found[key] == pytest.approx(value)


def test_tables_3_and_5_show_every_method_with_the_papers_number_or_its_reason(results):
    sql = "select dataset, model, method, paper_percent, reason from {} where metric = '{}'"
    spatial = rows(results, sql.format("spatial_pointing", "spatial_pointing"))
    paper = {(dataset, model, method): value for dataset, model, method, value, _ in spatial}
    assert paper["ucf101_24", "r2plus1d", "step"] == pytest.approx(56.7)
    assert paper["epic_object", "vgg16lstm", "excitation_backprop"] == pytest.approx(6.9)
    reasons = {(model, method) for _, model, method, _, reason in spatial if reason}
    assert reasons >= {("r2plus1d", "excitation_backprop"), ("vgg16lstm", "saliency_tubes")}
    temporal = rows(results, sql.format("temporal_pointing", "temporal_pointing"))
    assert {method for _, _, method, _, _ in temporal} == {method for _, _, method, _, _ in spatial}


def test_saliency_tubes_have_two_maps_over_16_frames(results):
    sql = "select distinct method, temporal_steps from claim_two_maps where model = 'r2plus1d' and answer = 'yes'"
    assert rows(results, sql) == [("saliency_tubes", 2)]
