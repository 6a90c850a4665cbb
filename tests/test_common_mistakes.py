"""Mistakes that people report again and again: each is said in the words of its next step, before it costs time."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_audit import write_audit

from stepaudit import api
from stepaudit.audit import config, yaml_file
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Model
from stepaudit.clips import data_checks, decoding
from stepaudit.datasets import folder
from stepaudit.errors import BadVideoError, UsageError
from stepaudit.networks import checkpoint, class_order
from stepaudit.report import build_database
from stepaudit.stages import index
from stepaudit.store import database

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n"
PAGE = b"\n<!DOCTYPE html><html>Sign in</html>"
NAMES = ["dark/a", "dark/b", "light/a", "light/b"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Four folders of 16 frames in two classes; tests write CSV files beside them."""
    place = tmp_path_factory.mktemp("videos")
    for name in NAMES:
        (place / name).mkdir(parents=True)
        for frame in range(16):
            Image.fromarray(np.full((32, 32, 3), frame, np.uint8)).save(place / name / f"{frame:02}.png")
    return place


BOXES = "video,frame,x0,y0,x1,y1"
CSV = {
    "boxes of width and height": ("boxes", BOXES, "{},3,16,16,10,10", "10 must be larger .*; is it a width"),
    "boxes from right to left": ("boxes", BOXES, "{},3,16,16,-4,20", "-4 must be larger than x0, 16$"),
    "columns of width and height": ("boxes", "video,frame,x,y,w,h", "{},3,4,4,9,9", "no column 'x0'"),
    "seconds": ("segments", "video,start,stop", "{},0.5,1.5", "'0.5' is no whole number; frames are counted, seconds"),
    "paths of Windows": ("videos", "video,split", "\\{},train", "did you mean 'dark/a'"),
    "names without folders": ("videos", "video,split", "a{0.imag},train", "'a.*known: dark/a"),
}


@pytest.mark.parametrize("what", CSV)
def test_a_mistake_in_a_csv_file_is_said_with_the_next_step(root, what):
    option, header, line, text = CSV[what]
    lines = [header, *(line.replace("{0.imag}", "0").format(name) for name in NAMES)]
    (root / "x.csv").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=text):
        folder.read(root, **{option: "x.csv"})


def test_stretches_in_seconds_are_refused_before_anything_is_cut(root, tmp_path):
    def run(stop):
        (root / "s.csv").write_text("\n".join(["video,start,stop", *(f"{name},0,{stop}" for name in NAMES)]))
        options = {"segments": "s.csv"}
        data = {"audit": "a", "results": str(tmp_path), "datasets": {"own": {"use": "folder", "root": str(root)}}}
        data["datasets"]["own"]["options"] = options
        made = config.parse({**data, "models": {"r2plus1d_18": {}}, "methods": {"center": {}}, "metrics": {}})
        index.run(Job(made, "index", "own"))

    with pytest.raises(UsageError, match=r"no segment has the 16 frames of a clip, the longest has 3; .* not seconds"):
        run(3)
    run(16)


@pytest.mark.parametrize(("content", "text"), [(POINTER, "pointer of Git LFS.*git lfs pull"), (PAGE, "a web page")])
def test_a_file_that_was_never_downloaded_is_named_as_what_it_is(tmp_path, content, text):
    for name in ("a.mp4", "w.pth", "w.safetensors", "x.csv"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadVideoError, match=text):
        decoding.source_size(tmp_path / "a.mp4")
    for name in ("w.pth", "w.safetensors"):
        with pytest.raises(UsageError, match=text):
            checkpoint.load_initial(torch.nn.Linear(2, 2), str(tmp_path / name))
    (tmp_path / "dark" / "a").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "dark/a/0.png")
    with pytest.raises(UsageError, match=text):
        folder.read(tmp_path, videos="x.csv")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda value: value.to(torch.int8), "1 of 2 parameters hold whole numbers, such as weight, torch.int8"),
        (lambda value: value * torch.nan, "1 of 2 parameters hold NaN or infinity, such as weight"),
        (lambda value: value.half(), ""),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tmp_path, change, text):
    net = torch.nn.Linear(2, 2)
    torch.save({**net.state_dict(), "weight": change(net.weight.detach())}, tmp_path / "w.pth")
    if not text:
        checkpoint.load_initial(net, str(tmp_path / "w.pth"))
        return
    with pytest.raises(UsageError, match=text):
        checkpoint.load_initial(net, str(tmp_path / "w.pth"))


def test_no_message_advises_to_read_weights_without_protection(tmp_path):
    for content in (b"\x89HDF\r\n\x1a\n" + b"0" * 99, b"\x08\x07\x12\x07pytorch"):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(UsageError, match=r"no file that `torch\.save` wrote") as caught:
            checkpoint.load_initial(torch.nn.Linear(2, 2), str(tmp_path / "w.pth"))
        assert "weights_only" not in str(caught.value)


def test_the_same_file_in_two_classes_is_a_doubt(tmp_path):
    rows = []
    for name, content in (("dark/a", b"1"), ("dark/b", b"2"), ("light/a", b"1"), ("light/b", b"33")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        rows.append({"clip_id": name, "video_id": name, "path": str(path), "split": "test", "label": name[:-2],
                     **dict.fromkeys(("start", "stop", "action_start", "action_stop"))})  # fmt: skip
    said = [each.text for each in data_checks.doubts(rows, [])]
    twins = "the same file in several classes (1 of them), such as dark/a and light/a; leave each in one class"
    assert twins in said
    (tmp_path / "light/a").write_bytes(b"3")
    assert twins not in [each.text for each in data_checks.doubts(rows, [])]


@pytest.mark.parametrize(
    ("names", "classes", "text"),
    [
        (None, ["0", "1", "10", "2"], "numbers sorted as text: output 2 is for class '10'"),
        (None, ["0", "1", "2"], ""),
        (None, ["a", "b"], ""),
        (["a", "b"], ["a", "b"], ""),
        (["x", "y"], ["a", "b"], "it names its classes x, y"),
        (["x", "y", "z"], ["a", "b"], ""),  # the number of outputs is asked elsewhere
    ],
)
def test_doubts_about_the_order_of_classes(names, classes, text):
    found = class_order.doubt(names, classes)
    assert text in found
    assert bool(text) == bool(found)
    class_order.require(names, classes, "it is")


NUMBERS = {
    "seed: 010": "YAML reads 010 as another number, in base 8",
    "a: 1:30": "YAML reads 1:30 as another number, in base 60",
    "a: -0_17": "in base 8",
}
FINE = {"a: '010'": "010", "a: 0": 0, "a: 0.5": 0.5, "a: 0x10": 16, "a: 0o17": "0o17", "a: 10:30:x": "10:30:x"}


@pytest.mark.parametrize("text", [*NUMBERS, *FINE])
def test_numbers_that_yaml_reads_in_another_base_are_refused(text):
    if text in FINE:
        assert yaml_file.parse(text, "x") == {"a": FINE[text]}
        return
    with pytest.raises(UsageError, match=NUMBERS[text]):
        yaml_file.parse(text, "x")


SOUND = {"audit": "a", "datasets": {"planted": {"root": "x"}}, "models": {"r2plus1d_18": {}}, "metrics": {}}
WORDS = {
    "methods: {1: {use: center}}": "put it in quotes: YAML takes yes, no",
    "methods: {on: {use: center}}": "put it in quotes: YAML takes yes, no",
    "methods: {center: }\naudit: 007x1\ndatasets: {planted: {root: x, options: {classes: [yes, no]}}}": "in quotes",
    "methods: {smooth_grad: {options: {noise: 1e-1}}}": r"to YAML this is a text; write 1\.0e-1",
}


@pytest.mark.parametrize("text", WORDS)
def test_what_yaml_takes_for_something_else_is_said(text):
    with pytest.raises(UsageError, match=WORDS[text]):
        config.parse({**SOUND, **yaml_file.parse(text, "x")})


def test_a_database_that_another_program_holds_open_is_not_called_damaged(tmp_path):
    audit = write_audit(tmp_path)
    path = build_database.create(audit, config.load(audit / "config.yaml"), ())
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(UsageError, match=r"lock.*; close the program that has it open"):
            database.connect(audit)
        other.stdin.close()
    database.connect(audit).close()


CALLERS = {
    "inference mode": torch.inference_mode,
    "without gradients": torch.no_grad,
    "autocasting": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: in_float64(),  # defined below
}


@contextmanager
def in_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", CALLERS)
@pytest.mark.parametrize("method", ["gradient", "rise"])
def test_the_mode_of_the_calling_code_changes_no_explanation(mode, method):
    torch.manual_seed(0)
    model, clips = (
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 16 * 16, 3)),
        torch.rand(2, 3, 8, 16, 16),
    )
    expected = api.explain(model, clips, method=method)
    with CALLERS[mode]():
        found = api.explain(model, clips, method=method)
        assert torch.get_default_dtype() == (torch.float64 if mode == "float64" else torch.float32)
        assert torch.is_inference_mode_enabled() == (mode == "inference mode")
    assert torch.equal(found.maps, expected.maps)
    assert torch.equal(found.probability, expected.probability)


def test_what_is_no_network_is_named():
    clips = torch.rand(1, 3, 8, 16, 16)
    with pytest.raises(UsageError, match=r"model: it is a function; give a torch\.nn\.Module"):
        api.explain(lambda given: given, clips)
    with torch.inference_mode():
        model = torch.nn.Linear(2, 2)
    with pytest.raises(UsageError, match=r"weights were made in `torch\.inference_mode\(\)`"):
        api.explain(model, clips)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("torch.set_default_dtype(torch.float64)", "the default dtype"),
        ("torch.set_grad_enabled(False)", "the gradient mode"),
        ("pass", ""),
    ],
)
def test_a_module_that_changes_pytorch_when_it_is_imported_changes_no_more(tmp_path, monkeypatch, caplog, line, what):
    name = f"settings_of_{what.replace(' ', '_') or 'nothing'}"
    build = "def build(classes):\n    return torch.nn.Linear(2, classes).float()"
    (tmp_path / f"{name}.py").write_text(f"import torch\n{line}\n{build}\n")
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint.build(Model(use=f"{name}:build"), 2)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert (f"changed {what} when it was loaded; undone" in caplog.text) == bool(what)


def test_the_place_where_a_folder_was_looked_for_is_said_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path}/$HOME/videos: no such folder")):
        folder.read(Path("$HOME/videos"))
