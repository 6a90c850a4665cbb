import base64
import csv
import functools
import hashlib
import html.parser
import http.server
import json
import re
import shutil
import subprocess
import threading
from typing import ClassVar

import numpy as np
import pytest
from tiny_audit import clips, write_audit

from stepaudit.errors import UsageError
from stepaudit.report import sql_files
from stepaudit.stages import report

NASTY = """<b id="x">o'hara</b> & "co" <script>alert(1)</script>"""
FRAMES, SIZE = 4, 16
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def full_tables():
    """Two clips with pixels, boxes, maps of two methods, scores, preservation, training; a third video is broken."""
    tables = clips(NASTY, "second", "broken")
    pixels = np.random.default_rng(0).integers(0, 255, FRAMES * SIZE * SIZE * 3, np.uint8).tobytes()
    shape = {"frames": [0, 10, 20, 30], "in_action": [True, False, False, True], "height": SIZE, "width": SIZE}
    for label, clip in zip((NASTY, "plain"), tables["clips"], strict=False):
        clip |= {"label": label, "pixels": pixels, **shape}
    for clip in tables["clips"]:
        clip["size"] = f"{FRAMES}x{SIZE}x{SIZE}"
    tables["clips"][2] |= {"status": "bad_video", "error": f"{NASTY}.mp4: no video"}
    names = [NASTY, "second"]
    box = {"size": f"{FRAMES}x{SIZE}x{SIZE}", "frame": 2, "label": NASTY, "x0": 2, "y0": 3, "x1": 9, "y1": 9}
    grid = {"grid": np.linspace(0, 1, 8).astype(np.float16), "grid_shape": [2, 2, 2], "upsampling": "trilinear"}
    asked = [("step", 0.1), ("middle", None)]
    keys = [{"clip_id": name, "method": method, "ratio": ratio} for name in names for method, ratio in asked]
    failed = {"status": "not_applicable", "error": f"cannot {NASTY}", "method": "noise"}
    return {
        **tables,
        "clip_boxes": [{"clip_id": NASTY, **box}],
        "predictions": [{"clip_id": name, "rank": 1, "target_probability": 0.9} for name in names],
        "maps": [{**key, **grid, "target_probability": 0.9} for key in keys] + [{"clip_id": "second", **failed}],
        "scores": [{**key, "metric": "spatial_pointing", "frame": 2, "value": 1.0} for key in keys],
        "preservation": [{"clip_id": name, "ratio": 0.1, "lower": 0.05, "upper": 0.1} for name in names],
        "training_log": [{"epoch": epoch, "train_accuracy": 0.5, "validation_accuracy": 0.6} for epoch in (1, 2)],
        "runs": [{"keys": "{}", "versions": '{"python":"3.12"}', "commit": "abc+"}],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE}
    place = tmp_path_factory.mktemp("results")
    return report.run(write_audit(place, full_tables(), clips=size, preserve={"methods": ["step"]}))


class Tags(html.parser.HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def test_every_report_is_a_csv_and_a_section(written):
    text = written.read_text()
    for each in sql_files.all_reports():
        with (written.parent / f"{each.name}.csv").open(newline="") as file:
            header = next(csv.reader(file))
        assert header[0] in ("dataset", "stage", "claim", "varied", "question")
        if each.is_claim:
            continue
        assert f' id="{each.name}">' in text
        assert f"from {each.name}" in text or f'<li id="{each.name}">' in text
    assert written == written.parents[1] / "report" / "index.html"
    assert (written.parents[1] / "audit.duckdb").exists()


def test_the_page_loads_nothing_and_runs_only_its_own_scripts(written):
    page = Tags(written.read_text())
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    scripts = re.findall(r"<script>(.*?)</script>", written.read_text(), re.S)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert all(f"'sha256-{digest}'" in policy for digest in digests)
    assert policy.count("sha256-") == len(scripts)
    assert page.tags.count("script") == len(scripts) + sum(value == "application/json" for *_, value in page.attributes)
    loading = [value for _, name, value in page.attributes if name in ("src", "srcset", "data", "action", "poster")]
    assert len(loading) > 4
    assert all(value.startswith("data:") for value in loading)
    links = [value for tag, name, value in page.attributes if name in ("href", "xlink:href") and tag != "link"]
    assert all(re.fullmatch(r"#[\w-]+|\w+\.csv", value) for value in links)
    styles = "".join(re.findall(r"<style>(.*?)</style>", written.read_text(), re.S))
    assert len(styles) > 1000
    assert not re.search(r"url\((?!#)|@import", styles)


def test_names_and_errors_are_text_not_markup(written):
    page = Tags(written.read_text())
    text = "".join(page.texts)
    assert NASTY in text
    assert f"{NASTY}.mp4: no video" in text
    assert ("b", "id", "x") not in page.attributes


def test_ids_are_unique_also_those_of_the_charts(written):
    ids = [value for _, name, value in Tags(written.read_text()).attributes if name == "id"]
    assert sorted(ids) == sorted(set(ids))


def test_each_chart_stands_still_in_the_page_and_has_its_data_beside_it(written):
    text = written.read_text()
    page = Tags(text)
    figures = [value for tag, name, value in page.attributes if (tag, name) == ("figure", "data-chart")]
    assert {"training", "minimum-ratio"} <= set(figures)
    specs = json.loads(re.search(r'<script type="application/json" id="specs">(.*?)</script>', text)[1])
    assert sorted(specs) == sorted(figures)
    assert page.tags.count("svg") == len(figures)
    assert {"epoch", "preservation ratio"} <= set(page.texts)


def test_columns_of_the_first_table_lead_to_the_sections_that_say_more(written):
    page = Tags(written.read_text())
    links = [
        value for tag, name, value in page.attributes if (tag, name) == ("a", "aria-label") and "more about" in value
    ]
    assert links == [
        "more about failed clips: failures",
        "more about top1 percent: accuracy",
        "more about commonest class percent: accuracy_by_class",
    ]  # what a model needs and where its maps lie is not measured here


def test_what_is_amiss_stands_on_the_first_screen(written):
    text = written.read_text().partition("</header>")[0]
    assert (
        "r3d on 3 test clips of planted, with 1 method and 2 pointers that ignore the model: 2 of 3 test clips" in text
    )
    assert "1 of 3 test clips failed." in text
    assert "rows that the configuration asks for are not there yet" in text  # most rows of the broken clip
    assert "1 job ran under another configuration" in text


def test_pictures_follow_the_rule(written):
    page = Tags(written.read_text())
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert [pictures.pop(0) for _ in "12"] == ["Mean map: mean picture of planted", "Mean map: step on r3d"]
    assert len(pictures) == 2 * 3  # clip, step and middle of the first clip of each class
    text = "".join(page.texts)
    assert [alt.partition(":")[0] for alt in pictures] == ["clip", "step, r3d", "middle, r3d"] * 2
    assert f"not_applicable: cannot {NASTY}" in text
    assert text.count("4 frames of the video, from 0 to 30") == 2


def test_an_audit_without_rows_has_a_page_that_says_so(tmp_path):
    text = report.run(write_audit(tmp_path)).read_text()
    assert "0 of 0 test clips explained" in text
    without = text.partition('id="unmeasured">')[2].partition("</section>")[0]
    assert without.count("<li ") >= len([each for each in sql_files.all_reports() if not each.is_claim]) - 2
    assert "<svg" not in text


PAPER = ("Li et al. 2021", *(f' id="{each.name}">' for each in sql_files.all_reports() if each.is_claim))


def test_the_papers_claims_and_tables_are_named_in_an_audit_of_its_data_sets_and_models_alone(written, tmp_path):
    papers = {"datasets": {"ucf101_24": {"root": "data"}}, "models": {"conv": {"use": "r2plus1d_18"}}}
    rows = {"predictions": [{"dataset": "ucf101_24", "model": "conv", "clip_id": "c", "rank": 1}]}
    said = report.run(write_audit(tmp_path, rows, **papers)).read_text()
    assert [words for words in PAPER if words not in said] == []
    assert [words for words in PAPER if words in written.read_text()] == []


def test_running_again_gives_the_same_files(written):
    before = {path.name: path.read_bytes() for path in written.parent.iterdir()}
    report.run(written.parents[1])
    assert {path.name: path.read_bytes() for path in written.parent.iterdir()} == before


def test_a_folder_without_an_audit_is_bad_input(tmp_path):
    with pytest.raises(UsageError, match="no audit lies here"):
        report.run(tmp_path)


class Recorder(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        pass


def browse(folder, page):
    """Opens a page in headless Chromium. Returns the paths that it asked for and what it wrote to the console."""
    Recorder.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Recorder, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *options, profile, f"http://127.0.0.1:{server.server_port}/{page}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    finally:
        server.shutdown()
        server.server_close()
    assert "</html>" in done.stdout
    return Recorder.asked, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_without_errors_and_without_a_request(written, tmp_path):
    shutil.copy(written, tmp_path / "index.html")
    (tmp_path / "bad.html").write_text('<html><img src="/missing.png"><script>console.error("heard")</script></html>')
    asked, console = browse(tmp_path, "bad.html")  # the premise: what is wrong would be seen
    assert "/missing.png" in asked
    assert any("heard" in line for line in console)
    assert browse(tmp_path, "index.html") == (["/index.html"], [])
