import base64
import hashlib
import json
import re
import shlex

import pytest

from stepaudit.report.page import page
from stepaudit.store import package_files

HOSTILE = "</script><!-- <script>\u2028& \" ' ${x} `"


def test_no_script_can_be_ended_by_its_own_text():
    text = page.script("a = '</script>' + '<!--' + '<SCRIPT>' + (1 < 2)")
    assert not re.search(r"<(/script|!--|script)", text, re.I)
    assert text == r"a = '\x3c/script>' + '\x3c!--' + '\x3cSCRIPT>' + (1 < 2)"


def test_data_of_a_script_holds_no_markup_and_reads_back_as_it_was():
    value = {HOSTILE: [HOSTILE, 1.5, float("nan"), None, True]}
    text = page.harmless_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5, None, None, True]}


def test_the_policy_names_each_script_by_its_digest_and_no_other():
    policy = page.policy(["one", "two"], evaluates=False)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in ("one", "two")]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == f"'sha256-{digests[0]}' 'sha256-{digests[1]}'"
    assert "unsafe-inline" not in parts["script-src"]
    assert "'unsafe-eval'" in page.policy(["one"], evaluates=True)


@pytest.mark.parametrize("name", ["accuracy", "my report", "select", 'a"b', "it's $HOME `x`"])
def test_the_line_to_copy_is_one_that_a_shell_and_sql_read_as_it_is_meant(name):
    *command, sql = shlex.split(page.question("results/my audit", name))
    assert command == ["stepaudit", "sql", "results/my audit"]
    quoted = '"' + name.replace('"', '""') + '"'
    assert sql in (f"from {name}", f"from {quoted}")
    assert sql == f"from {quoted}" or re.fullmatch(r"from \w+", sql)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    """The colours of each scheme in the order of the style sheet: light, dark, both again by choice, print."""
    text = (package_files.reports() / "report.css").read_text()
    blocks = re.findall(r":root[^{]*\{([^{}]*--paper[^{}]*)\}", text)
    return [dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block)) for block in blocks]


def test_contrast_is_computed_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_text_stands_out_from_every_ground_in_every_scheme():
    found = schemes()
    assert len(found) == 5
    assert found[0] == found[2]  # the system's light and the chosen one
    assert found[1] == found[3]
    assert found[0]["paper"] != found[1]["paper"]
    for scheme in found:
        for text in ("ink", "soft", "accent"):
            for ground in ("paper", "tint"):
                assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground, scheme)
        assert contrast(scheme["ink"], scheme["warn"]) >= 4.5
        assert contrast(scheme["soft"], scheme["warn"]) >= 4.5
        assert contrast(scheme["accent"], scheme["warn"]) >= 4.5
