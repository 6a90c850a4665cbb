"""`stepaudit doctor`: every check finds nothing on a sound machine, and the fault that it is for on a broken one."""

import json
import os
import shutil
import sys
import tomllib
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from stepaudit.audit import config
from stepaudit.clips import decoding
from stepaudit.commands.doctor import (
    audit_checks,
    command,
    disk_use,
    findings,
    machine_checks,
    torch_probe,
    video_checks,
)
from stepaudit.errors import UsageError

ROOT = Path(__file__).parents[1]
WORKS = {"torch": "2.14.0", "torchvision": "0.29.0", "built_for": None, "gpus": 0}
GPU = {**WORKS, "built_for": "13.0", "gpus": 2, "gpu": "A100", "free_gb": 30.0, "total_gb": 40.0, "gpu_agrees": True}


def audit(root: Path, **changes: object) -> config.Config:
    entries = {
        "audit": "a",
        "shards": 1,
        "results": str(root / "results"),
        "clips": {"height": 28, "width": 28},
        "datasets": {"own": {"use": "folder", "root": str(root / "videos")}},
        "models": {"small": {"use": "r2plus1d_18", "options": {"width": 2}}},
        "methods": {"step": {"ratios": [0.1, 0.2]}, "center": {}},
    }
    return config.parse({**entries, **changes})


@pytest.fixture
def folder(tmp_path):
    """Four videos of two classes, as pictures: no encoder is needed."""
    for name in ("run/a", "run/b", "swim/c", "swim/d"):
        place = tmp_path / "videos" / name
        place.mkdir(parents=True)
        for frame in range(16):
            Image.fromarray(np.full((32, 40, 3), 9 * frame, np.uint8)).save(place / f"{frame}.png")
    return tmp_path


@pytest.fixture
def fake_program(tmp_path, monkeypatch):
    """Puts a shell script in front of all programs on the PATH."""

    def put(name: str, script: str) -> Path:
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        program = place / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        decoding.ffmpeg_binary.cache_clear()
        decoding._all_frames.cache_clear()
        return program

    yield put
    decoding.ffmpeg_binary.cache_clear()
    decoding._all_frames.cache_clear()


@pytest.fixture
def quick_machine(tmp_path, monkeypatch):
    """Programs that take seconds to start fail or answer at once: PyTorch in its own process, and Snakemake."""
    stubs = tmp_path / "stubs"
    (stubs / "torch").mkdir(parents=True)
    (stubs / "torch/__init__.py").write_text("raise ImportError('not here')")
    for name, script in (("python", f'exec {sys.executable} "$@"'), ("snakemake", "echo 9.9")):
        (stubs / name).write_text(f"#!/bin/sh\n{script}\n")
        (stubs / name).chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", f"{stubs}:{ROOT}")
    monkeypatch.setattr(sys, "executable", str(stubs / "python"))


def test_a_python_that_is_too_old_is_a_problem_and_the_limit_is_that_of_the_package():
    assert machine_checks.python().status == "ok"
    assert machine_checks.python((3, 10, 9)).status == "problem"
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert required == ">=" + ".".join(map(str, machine_checks.MIN_PYTHON))


def test_a_package_that_is_missing_or_too_old_is_a_problem_that_names_it():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert machine_checks.packages(wanted).status == "ok"
    found = machine_checks.packages(["numpy>=99.1", "no-such-package>=1", "pillow"])
    assert found.status == "problem"
    assert "numpy" in found.text
    assert "is older than 99.1, no-such-package is missing" in found.text
    assert machine_checks.packages([]).status == "warning"


@pytest.mark.parametrize(
    ("there", "least", "enough"), [("2.14.0+cpu", "2.14", True), ("2.9", "2.14", False), ("10.0", "9.8", True)]
)
def test_versions_are_compared_as_numbers(there, least, enough):
    assert (machine_checks._version_numbers(there) >= machine_checks._version_numbers(least)) == enough


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """What the environment's PyTorch tells, asked once: it takes seconds to start. With torchvision's empty cache."""
    place = tmp_path_factory.mktemp("cache")
    config.save(with_model(place, weights="R2Plus1D_18_Weights.KINETICS400_V1"), place / "c.yaml")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TORCH_HOME", str(place))
        yield torch_probe.probe(place / "c.yaml")


def test_pytorch_and_torchvision_of_this_environment_work_together(probed):
    there = [probed[name].partition("+")[0] for name in ("torch", "torchvision")]
    assert there == [version(name).partition("+")[0] for name in ("torch", "torchvision")]
    assert machine_checks.torch(probed).status == "ok"
    assert machine_checks.gpu(probed, "auto", nvidia=False).status == "ok"


def test_a_torchvision_that_does_not_fit_is_a_problem(tmp_path, monkeypatch):
    for package, text in {
        "torch": "__version__ = '2.1'\nclass version:\n    cuda = None",
        "torchvision": "raise RuntimeError('operator torchvision::nms does not exist')",
    }.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    found = machine_checks.torch(torch_probe.probe(None))
    assert found.status == "problem"
    assert found.text == "torch 2.1 does not work: RuntimeError: operator torchvision::nms does not exist"


def test_a_pytorch_that_crashes_or_hangs_is_a_problem(tmp_path, monkeypatch):
    package = tmp_path / "torch"
    package.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    (package / "__init__.py").write_text("import os\nos.abort()")
    assert "it ended Python with status -6" in machine_checks.torch(torch_probe.probe(None)).text
    (package / "__init__.py").write_text("import time\ntime.sleep(60)")
    assert "not loaded within 0.5 s" in machine_checks.torch(torch_probe.probe(None, seconds=0.5)).text


@pytest.mark.parametrize(
    ("found", "device", "nvidia", "status", "text"),
    [
        (WORKS, "auto", False, "ok", "models run on the CPU"),
        (WORKS, "cpu", True, "ok", "not used"),
        (WORKS, "cuda", False, "problem", "this machine has no GPU"),
        (WORKS, "auto", True, "warning", "this PyTorch is built for CPUs"),
        ({**WORKS, "built_for": "13.0", "gpu_error": "driver too old"}, "auto", True, "warning", "driver too old"),
        ({**WORKS, "built_for": "13.0", "gpu_error": "driver too old"}, "cuda", True, "problem", "driver too old"),
        (GPU, "auto", True, "ok", "A100, the first of 2: 30 of 40 GB free; a convolution works"),
        ({**GPU, "gpu_agrees": False}, "auto", True, "problem", "does not compute the same"),
        ({**GPU, "gpu_error": "no kernel image", "gpu_agrees": None}, "auto", True, "problem", "no kernel image"),
        ({"error": "none"}, "auto", True, "warning", "not tried"),
    ],
)
def test_a_gpu_is_what_the_machine_the_driver_and_pytorch_agree_on(found, device, nvidia, status, text):
    told = machine_checks.gpu(found, device, nvidia)
    assert told.status == status
    assert text in told.text
    assert bool(told.step) == (status != "ok")


@pytest.mark.parametrize(
    ("given", "status"), [(None, "ok"), ("2", "ok"), ("64", "warning"), ("many", "problem"), ("0", "problem")]
)
def test_threads_that_are_no_number_are_a_problem_and_more_than_the_cores_a_warning(given, status):
    environment = {} if given is None else {"OMP_NUM_THREADS": given}
    assert machine_checks.threads(environment, 4).status == status


def test_little_memory_is_a_warning():
    assert machine_checks.memory(16_000).status == "ok"
    assert machine_checks.memory(2000).status == "warning"
    assert machine_checks.memory_mb() > 100


def test_ffmpeg_decodes_the_four_grey_frames():
    assert video_checks.ffmpeg().status == "ok"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("exit 1", "there is none that works"),
        ('[ "$1" = -version ] && echo ffmpeg version 4.4', "does not decode H.264"),
    ],
)
def test_an_ffmpeg_that_does_not_run_or_not_decode_is_a_problem(fake_program, script, text):
    fake_program("ffmpeg", script)
    found = video_checks.ffmpeg()
    assert found.status == "problem"
    assert text in found.text


def test_an_ffmpeg_whose_frames_are_wrong_or_too_few_is_a_problem(monkeypatch):
    monkeypatch.setattr(video_checks, "GREYS", (40, 90, 140))
    assert "4 of 3 frames" in video_checks.ffmpeg().text
    monkeypatch.setattr(video_checks, "GREYS", (40, 90, 140, 240))
    assert "frames are off by 50 grey levels" in video_checks.ffmpeg().text


def test_an_ffmpeg_without_an_encoder_is_a_warning_unless_another_has_one(fake_program, monkeypatch):
    real = decoding.ffmpeg_binary()
    fake = fake_program("ffmpeg", f'case "$*" in *libx264*) echo Unknown encoder >&2; exit 1;; esac\nexec {real} "$@"')
    assert video_checks.ffmpeg().status == "ok"
    assert video_checks.encoder().text == f"{imageio_ffmpeg.get_ffmpeg_exe()} writes H.264"
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(fake))
    found = video_checks.encoder()
    assert found.status == "warning"
    assert "Unknown encoder" in found.text


def test_snakemake_is_the_one_beside_this_python(tmp_path, fake_program):
    beside = Path(sys.executable).parent
    assert machine_checks.snakemake(tmp_path / "python", "").status == "problem"
    other = fake_program("snakemake", "echo 9.9")
    assert machine_checks.snakemake(other.with_name("python"), str(other.parent)).text.startswith("9.9, ")
    assert "of another environment" in machine_checks.snakemake(other.with_name("python"), str(beside)).text
    assert "activate" in machine_checks.snakemake(other.with_name("python"), "").step
    other.write_text("#!/bin/sh\nexit 3\n")
    assert machine_checks.snakemake(other.with_name("python"), "").status == "problem"


def test_the_workflow_is_looked_for_where_snakemake_does(tmp_path):
    assert machine_checks.workflow(ROOT).text == "the Snakefile is here"
    assert machine_checks.workflow(tmp_path).text == f"not in this folder, so `snakemake -s {ROOT / 'Snakefile'}`"


def test_an_installed_copy_brings_the_workflow_and_its_profile(tmp_path, monkeypatch):
    own = tmp_path / "_workflow/Snakefile"
    own.parent.mkdir()
    own.touch()
    monkeypatch.setattr("stepaudit.store.package_files.PACKAGE", tmp_path)
    assert machine_checks.workflow(tmp_path).text == f"not in this folder, so `snakemake -s {own}`"
    step = machine_checks.slurm(tmp_path, "", required=True).step
    assert f"`ln -sfn {tmp_path}/_workflow/workflow/profiles/slurm .`" in step


def test_slurm_is_a_problem_only_if_it_is_wanted(tmp_path, fake_program):
    assert machine_checks.slurm(ROOT, "", required=False).status == "ok"
    found = machine_checks.slurm(tmp_path, "", required=True, plugin="no_such_plugin")
    assert found.status == "problem"
    assert found.text == "no `sinfo`, no executor, no slurm/profile.yaml"
    path = str(fake_program("sinfo", "exit 0").parent)
    assert machine_checks.slurm(ROOT, path, required=True, plugin="json").status == "ok"
    assert machine_checks.slurm(ROOT, path, required=False, plugin="no_such_plugin").status == "warning"
    (tmp_path / "slurm").write_text("workflow/profiles/slurm")  # a link that an archive has made a file of
    assert (
        "ln -sfn workflow/profiles/slurm ." in machine_checks.slurm(tmp_path, path, required=True, plugin="json").step
    )


def test_videos_that_are_there_are_fine_and_some_of_them_are_opened(folder):
    rows = audit_checks.read(audit(folder), "own")
    found = audit_checks.videos("own", rows)
    assert (found.status, found.text) == ("ok", "4 segments (2 test, 2 train); the 4 tried decode")
    (folder / "videos/run/a/0.png").write_bytes(b"no picture")
    found = audit_checks.videos("own", rows)
    assert found.status == "warning"
    assert "1 of 4 tried do not decode: a/0.png: no readable picture" in found.text
    shutil.rmtree(folder / "videos")
    assert audit_checks.videos("own", rows).status == "problem"
    assert audit_checks.videos("own", UsageError("videos: no such folder")).status == "problem"


def test_a_data_set_that_makes_its_videos_is_not_made_by_a_check(tmp_path):
    settings = audit(tmp_path, datasets={"planted": {"root": str(tmp_path / "planted")}})
    assert audit_checks.read(settings, "planted") is None
    assert audit_checks.videos("planted", None).status == "ok"
    assert audit_checks.counts(settings, {"planted": None})["planted"]["test"] > 0
    assert not (tmp_path / "planted").exists()


def test_annotation_that_a_metric_needs_and_nobody_has_is_a_warning(folder):
    metrics = {"metrics": {"spatial_pointing": {}, "temporal_pointing": {}}}
    rows = audit_checks.read(audit(folder), "own")
    found = audit_checks.annotation(audit(folder, **metrics), "own", rows)
    assert found.status == "warning"
    assert "boxes on 0 of 2 test segments, actions on 0 of 2" in found.text
    assert "metrics need boxes and actions" in found.text
    assert audit_checks.annotation(audit(folder), "own", rows).status == "ok"
    of_the_model = audit(folder, metrics={"mask_survival": {}})  # measures most of what it does without boxes
    assert audit_checks.annotation(of_the_model, "own", rows).status == "ok"
    lines = "".join(f"{name},0,0,0,9,9\n" for name in ("run/a", "run/b", "swim/c", "swim/d"))
    (folder / "videos/boxes.csv").write_text(f"video,frame,x0,y0,x1,y1\n{lines}")
    boxed = {"own": {"use": "folder", "root": str(folder / "videos"), "options": {"boxes": "boxes.csv"}}}
    settings = audit(folder, datasets=boxed, metrics={"spatial_pointing": {}})
    found = audit_checks.annotation(settings, "own", audit_checks.read(settings, "own"))
    assert (found.status, found.text) == ("ok", "boxes on 2 of 2 test segments, actions on 0 of 2 test segments")
    assert audit_checks.annotation(settings, "own", None) is None


def with_model(folder: Path, **entry: object) -> config.Config:
    return audit(folder, models={"m": {"use": "r2plus1d_18", **entry}})


def test_weights_are_looked_for_and_never_fetched(probed, tmp_path):
    settings = with_model(tmp_path, weights="R2Plus1D_18_Weights.KINETICS400_V1")
    told = audit_checks.model(settings, "m", probed)
    assert told.status == "warning"
    address = probed["weights"]["R2Plus1D_18_Weights.KINETICS400_V1"]
    assert address in told.step
    kept = Path(probed["cache"], Path(address).name)
    assert not kept.parent.exists()
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert audit_checks.model(settings, "m", probed).status == "ok"
    assert probed["bytes"]["m"] == pytest.approx(kept_bytes(), rel=0.01)


def kept_bytes() -> float:
    """torchvision's R(2+1)D-18: 31.5 million parameters, among them a last layer of 400 classes; four bytes each."""
    return 4 * (31_505_325 - 513 * 400 + 513 * 2)


def test_a_file_of_weights_that_is_missing_or_a_name_that_is_none_is_a_problem(tmp_path):
    found = {"weights": {"Nothing.V1": None}, "cache": str(tmp_path)}
    assert audit_checks.model(with_model(tmp_path), "m", found).status == "ok"
    assert audit_checks.model(with_model(tmp_path, weights="Nothing.V1"), "m", found).status == "problem"
    checkpoint = tmp_path / "m.safetensors"
    assert audit_checks.model(with_model(tmp_path, checkpoint=str(checkpoint)), "m", found).status == "problem"
    checkpoint.touch()
    assert audit_checks.model(with_model(tmp_path, checkpoint=str(checkpoint)), "m", found).status == "ok"
    assert audit_checks.model(with_model(tmp_path, weights=str(checkpoint)), "m", found).status == "ok"
    assert audit_checks.model(with_model(tmp_path), "m", {"unbuilt": {"m": "cannot import x"}}).status == "problem"


def test_a_results_folder_that_cannot_be_made_is_a_problem(tmp_path):
    assert audit_checks.results(tmp_path / "not/yet/there").status == "ok"
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    assert audit_checks.existing(tmp_path / "file/results") == tmp_path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_a_problem(tmp_path):
    tmp_path.chmod(0o500)
    assert audit_checks.results(tmp_path).status == "problem"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write")
def test_a_file_system_that_cannot_be_written_is_a_problem():
    assert audit_checks.results(Path("/proc/self/results")).status == "problem"


def test_a_file_system_without_locks_is_a_warning_and_without_renaming_a_problem(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError("Function not implemented")

    with monkeypatch.context() as broken:
        broken.setattr("fcntl.flock", refused)
        assert audit_checks.results(tmp_path).status == "warning"
    with monkeypatch.context() as broken:
        broken.setattr("fcntl.flock", lambda *_: None)  # as some network file systems: taken by everybody
        assert audit_checks.results(tmp_path).status == "warning"
    monkeypatch.setattr(Path, "replace", refused)
    assert audit_checks.results(tmp_path).status == "problem"


def test_the_disk_must_hold_what_the_audit_may_write(tmp_path):
    assert audit_checks.disk(tmp_path, 100, 200).status == "ok"
    assert audit_checks.disk(tmp_path, 100, 90).status == "warning"
    assert audit_checks.disk(tmp_path, 100, 10).status == "problem"
    assert audit_checks.disk(tmp_path / "not/there", 1).status == "ok"
    assert audit_checks.temporary_space(10**8).status == "warning"


def test_the_estimate_of_the_disk_is_what_clips_maps_and_weights_take(folder):
    settings = audit(folder)
    counts = {"own": Counter(train=3, validation=1, test=2)}
    clips = (3 * 4 + 1 + 2) * 16 * 28 * 28 * 3
    maps = 2 * (2 * 16 * 4 * 4 * 2 + 16 * 28 * 28 * 2)  # step's seeds at two ratios, and the other's own resolution
    assert disk_use.estimated(settings, counts, {"small": 1000}) == clips + maps + 1000 + disk_use.OVERHEAD


def test_examine_tells_each_thing_once_and_of_a_bad_configuration_what_is_wrong(folder, quick_machine):
    config.save(audit(folder), folder / "c.yaml")
    listed = list(command.examine(folder / "c.yaml"))
    assert [each.text for each in listed if each.about == "classes own"] == [
        "class  train  test", "run        1     1", "swim       1     1",
    ]  # fmt: skip
    found = {each.about: each for each in listed}
    assert len(found) == len(listed) - 2
    assert (found["torch"].status, found["gpu"].status) == ("problem", "warning")
    about = {"data own", "annotation own", "model small", "results", "disk", "temporary"}
    assert {name: found[name].status for name in about} == dict.fromkeys(about, "ok")
    (folder / "c.yaml").write_text("audit: a\n")
    found = {each.about: each for each in command.examine(folder / "c.yaml")}
    assert found["configuration"].status == "problem"
    assert "models: missing" in found["configuration"].text
    assert not about & set(found)


def test_findings_are_a_line_each_or_json():
    found = [
        findings.fine("a", "good"),
        findings.warning("b", "so\nso", "correct it"),
        findings.problem("c", "bad", "go"),
    ]
    assert findings.line(found[1]) == "warning  b                so so; correct it"
    assert findings.summary(found) == "1 problem, 1 warning"
    assert findings.summary([]) == "0 problems, 0 warnings"
    assert json.loads(findings.to_json(found))[2] == {"about": "c", "status": "problem", "text": "bad", "step": "go"}
    assert findings.has_problem(found)
    assert not findings.has_problem(found[:2])


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_ends_with_1_if_there_is_a_problem(quick_machine, stepaudit, monkeypatch, options):
    monkeypatch.setenv("OMP_NUM_THREADS", "none")
    status, out, _ = stepaudit("doctor", "no.yaml", *options)
    assert status == 1
    if options:
        found = {each["about"]: each["status"] for each in json.loads(out)}
        assert (found["threads"], found["configuration"]) == ("problem", "problem")
    else:
        assert "\nproblem  threads          OMP_NUM_THREADS is 'none'" in out
        assert out.endswith("warnings\n")
