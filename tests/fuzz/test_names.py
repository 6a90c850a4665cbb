"""Names that were chosen to do harm, all the way from a folder of videos to the tables, the files and the page."""

import base64
import csv
import functools
import hashlib
import html
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tiny_audit import CONFIG, clips, write_audit

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.datasets import folder
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.report.charts import curves, looks
from stepaudit.report.page.page import harmless_json
from stepaudit.stages import report
from stepaudit.stages.index import find_problems
from stepaudit.store import database, tables
from stepaudit.store.formats import format_rows

FILES = [
    "-rf", "--help", "it's", 'say "x"', "two\nlines", "tab\there", "cr\rhere", "$(touch made)", "`touch made`",
    "%s%n", "{dataset}", "*", "?", "[a]", "~", "a..", "=cmd()", "+1", "@x", "\u202eevil", "ä", "\x1b[31m", "\\", "|",
    "'; drop table clips; --", "NULL", "nan", "1e5", "dataset=other", "&amp;", "<b>", "]]>", "\ufeff", "x" * 200,
    "; true",
]  # fmt: skip
MARKUP = [
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "</style></svg></textarea><svg onload=\"document.title='pwned'\">",
    "\" autofocus onfocus=\"document.title='pwned'",
    "' onmouseover='document.title=1",
    "<iframe src=\"javascript:parent.document.title='pwned'\"></iframe>",
    "javascript:document.title='pwned'",
    "{{ 7 * 191 }}{% raw %}",
    "<!-- ",
    "]]><script>document.title='pwned'</script>",
    "&lt;b&gt;",
    "\u202e<b>",
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """A folder whose classes and videos have such names."""
    root = tmp_path_factory.mktemp("root") / "videos"
    for number, name in enumerate(FILES):
        for split in ("train", "test"):
            (root / split / name).mkdir(parents=True)
            (root / split / name / f"{FILES[-1 - number]}.mp4").touch()
    return root


def test_names_of_files_come_through_tables_and_sql_as_they_are(videos, tmp_path):
    segments, boxes = folder.read(videos)
    assert find_problems(segments, boxes, trains=True) == []
    assert {row["label"] for row in segments} == set(FILES)
    settings = config.parse({**CONFIG, "results": str(tmp_path)})
    tables.write(segments, "segments", Job(settings, "index", dataset="planted").file("segments"))
    config.save(settings, settings.folder / "config.yaml")
    build_database.create(settings.folder, settings)
    names, rows = database.query(settings.folder, "select label, clip_id from segments order by all")
    assert rows == sorted((row["label"], row["clip_id"]) for row in segments)
    assert {path.name for path in tmp_path.rglob("*")} == {
        "tiny", "segments", "dataset=planted", "all.parquet", "config.yaml", "audit.duckdb"
    }  # fmt: skip
    assert json.loads(format_rows(names, rows, "json")) == [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize("form", ["table", "md"])
def test_a_name_neither_breaks_a_line_nor_reaches_the_terminal(form):
    text = format_rows(["a", "b"], [(name, 1) for name in [*FILES, *MARKUP]], form)
    assert len(text.splitlines()) == len(FILES) + len(MARKUP) + 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ufeff]", text)
    assert form == "table" or not re.search(r"(?<!\\)<", text)


def test_a_csv_holds_no_formula_and_otherwise_the_names_as_they_are():
    rows = [(name, -0.5) for name in [*FILES, *MARKUP]]
    text = format_rows(["=name", "value"], rows, "csv")
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert header == ["'=name", "value"]
    assert {value for _, value in read} == {"-0.5"}
    changed = {name: cell for (cell, _), (name, _) in zip(read, rows, strict=True) if cell != name}
    assert changed == {name: f"'{name}" for name in FILES if name[0] in "=+-@\t\r"}
    assert len(changed) == 5  # -rf, --help, =cmd(), +1, @x


def test_a_name_that_is_no_unicode_is_refused_with_the_next_step(tmp_path):
    (tmp_path / "a").mkdir()
    open(os.fsencode(tmp_path) + b"/a/\xff\xfe.mp4", "w").close()  # noqa: PTH123 (pathlib takes no bytes)
    with pytest.raises(UsageError, match=r"a name in it is no UTF-8, '.udcff.udcfe\.mp4'; rename that file"):
        folder.read(tmp_path)


def test_links_are_followed_and_loops_end(tmp_path):
    """Data sets are often made of links; what they lead to is read as a video, and nothing else."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.mp4").touch()
    root = tmp_path / "root"
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        (root / split / "a").symlink_to(outside)
    (outside / "self").symlink_to(outside)
    (outside / "loop.mp4").symlink_to("loop.mp4")
    with pytest.raises(UsageError, match=r"self: no folder of frames"):
        folder.read(root)
    (outside / "self").unlink()
    segments, _ = folder.read(root)
    assert [row["video_id"] for row in segments] == [
        f"{split}/a/{name}.mp4" for split in ("test", "train") for name in ("1", "loop")
    ]


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/b", "..", ".", "", "-a", "a b", "a\nb", "a\0b", "{a}", "ä", "*", "a'"]
)
@pytest.mark.parametrize("section", ["audit", "datasets", "models", "methods", "metrics"])
def test_names_in_a_configuration_which_name_folders_are_plain(section, name):
    uses = {"datasets": {"use": "planted", "root": "d"}, "models": {"use": "r2plus1d_18"}}
    uses |= {"methods": {"use": "center"}, "metrics": {"use": "mass_in_box"}}
    with pytest.raises(UsageError, match=r"configuration"):
        config.parse({**CONFIG, section: name if section == "audit" else {name: uses[section]}})


class Tags(html.parser.HTMLParser):
    """Collects what a page would do."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def harmful(text: str) -> list[str]:
    """Tags and attributes that run something, or load something, or come of a name."""
    page = Tags(text)
    tags = page.tags & {"script", "iframe", "object", "embed", "foreignobject", "textarea", "form", "base"}
    found = [f"{name}={value}" for name, value in page.attributes if name.startswith("on") or name == "autofocus"]
    links = [value for name, value in page.attributes if name in ("href", "src", "xlink:href", "srcdoc", "action")]
    return [*tags, *found, *(link for link in links if not re.match(r"data:|#[\w-]+$|\w+\.csv$", link or ""))]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The report of an audit whose clips, labels and errors have such names."""
    rows = clips(*MARKUP)
    rows["clips"] += [
        {"clip_id": f"broken {name}", "status": "bad_video", "error": f"{name}: no video"} for name in MARKUP
    ]
    shape = {"frames": [0, 1], "in_action": [True, False], "height": 16, "width": 16, "pixels": bytes(2 * 16 * 16 * 3)}
    for name, row in zip(MARKUP, rows["clips"], strict=False):
        row |= {"label": name, **shape}
    rows["predictions"] = [{"clip_id": name, "label": name, "rank": 1, "target_probability": 0.9} for name in MARKUP]
    grid = {"grid": np.linspace(0, 1, 8).astype(np.float16), "grid_shape": [2, 2, 2], "upsampling": "trilinear"}
    rows["maps"] = [{"clip_id": name, "ratio": 0.1, "target_probability": 0.9, **grid} for name in MARKUP]
    rows["maps"] += [{"clip_id": MARKUP[0], "method": "noise", "status": "non_finite", "error": MARKUP[0]}]
    rows["runs"] = [
        {"keys": "{}", "device": MARKUP[0], "commit": MARKUP[1], "versions": json.dumps({MARKUP[0]: MARKUP[1]})}
    ]
    rows["training_log"] = [{"epoch": 1, "train_accuracy": 0.5, "validation_accuracy": 0.6}]
    return report.run(write_audit(tmp_path_factory.mktemp("results"), rows))


def without_own_scripts(text: str) -> str:
    """The page without the scripts that its policy names by their digest, and without data, which cannot run."""
    policy = html.unescape(text.partition("<title>")[0])
    for script in re.findall(r"<script>.*?</script>", text, re.S):
        digest = hashlib.sha256(script[len("<script>") : -len("</script>")].encode()).digest()
        if f"'sha256-{base64.b64encode(digest).decode()}'" in policy:
            text = text.replace(script, "", 1)
    return re.sub(r'<script type="application/json"[^<>]*>[^<>]*</script>', "", text)


def test_no_name_becomes_markup_in_the_page(page):
    text = without_own_scripts(page.read_text())
    assert harmful(text) == []
    assert harmful(text.replace("&lt;", "<").replace("&#34;", '"'))  # the premise: they would be seen
    shown = "".join(Tags(text).texts)
    assert sum(name in shown for name in MARKUP) >= 6
    assert "1337" not in shown
    assert f"{MARKUP[0]}: no video" in shown


def test_no_name_becomes_markup_in_a_chart():
    numbers = {"epoch": [1, 2], "percent": [50.0, 60.0], "low": [None] * 2, "high": [None] * 2, "clips": [9] * 2}
    rows = [
        {"dataset": name, "model": name, "views": "validation", **numbers, "kept": [False, True]} for name in MARKUP
    ]
    chart = curves.training(rows, looks.Looks([], MARKUP))
    assert chart.svg.startswith("<svg")
    assert harmful(chart.svg) == []
    assert "image" not in Tags(chart.svg).tags
    assert "pwned" in chart.svg  # the premise: the names are there, as text
    assert "<" not in harmless_json(chart.spec)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_runs_nothing_even_without_the_page_s_own_ban(page, tmp_path):
    text = re.sub(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", page.read_text())
    (tmp_path / "page.html").write_text(text)
    (tmp_path / "bad.html").write_text(f"<title>fine</title>{MARKUP[0]}")
    assert "<title>pwned" in browse(tmp_path, "bad.html")  # the premise
    assert "<title>tiny: audit of video classifiers</title>" in browse(tmp_path, "page.html")


@functools.cache
def browse(place: Path, name: str) -> str:
    """The page as it is after a browser has opened it."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--user-data-dir={place / 'profile'}"]
    command = [CHROMIUM, *options, (place / name).as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
