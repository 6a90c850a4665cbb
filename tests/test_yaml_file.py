"""YAML that stands for more than it says, and what no configuration holds."""

import time
from datetime import date
from pathlib import Path

import pytest

from stepaudit.audit import config, yaml_file
from stepaudit.errors import UsageError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
TOO_MUCH = {
    "billions of laughs": LAUGHS,
    "billions of merged sections": MERGED,
    "a list in itself": "a: &a [*a]",
    "a section in itself": "&a {x: *a}",
    "brackets in brackets": "[" * 100_000,
    "sections in sections": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "dashes after dashes": "- " * 100_000,
    "many keys": "\n".join(f"a{n}: 1" for n in range(60_000)),
}
NO_YAML = {
    "a program": "a: !!python/object/apply:os.system [true]",
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "a number of base 60": "a: " + ":".join(["1"] * 100_000),
    "a number of 80 bits": "a: 0xffffffffffffffffffff",
    "a month that is not there": "a: 2001-99-99",
    "a version of 5,000 digits": "%YAML " + "9" * 5000 + ".1\n---\na: 1",
    "an alias of nothing": "a: *b",
    "a list as key": "? [a, b]\n: 2",
    "two documents": "a: 1\n---\nb: 2",
    "no text": b"\xff\xfea",
    "half a character": 'a: "\\ud800"',  # as libyaml, which PyYAML's wheels have, says
}
NO_CONFIGURATION = {
    "a date as key": "2020-01-02: 2",
    "bytes as key": "? !!binary aGFsbG8=\n: 2",
    "bytes": "a: !!binary aGFsbG8=",
    "a set": "a: !!set {x, y}",
    "NUL": 'a: "x\\0y"',
    "NUL in a key": '"x\\0": 1',
}


@pytest.mark.parametrize("what", [*TOO_MUCH, *NO_YAML, *NO_CONFIGURATION])
def test_what_is_no_configuration_is_refused_at_once(tmp_path, what):
    content = (TOO_MUCH | NO_YAML | NO_CONFIGURATION)[what]
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    expected = "more than 50000 values" if what in TOO_MUCH else "no YAML" if what in NO_YAML else "text|plain|holds"
    began = time.process_time()
    with pytest.raises(UsageError, match=rf"a\.yaml: .*({expected})") as raised:
        config.load(path)
    assert time.process_time() - began < 5
    assert len(str(raised.value)) < 2000


def test_values_that_were_read_by_another_are_counted_as_well():
    """Snakemake reads a configuration by itself; walking through this one would take years."""
    value: object = "x"
    for _ in range(30):
        value = [value] * 9
    with pytest.raises(UsageError, match="more than 50000 values"):
        config.parse({"audit": value})


def test_a_value_of_the_command_line_is_read_with_the_same_care():
    assert config.overridden({"a": 1}, {"a": "[0.5, x, 2020-01-02]"}) == {"a": [0.5, "x", date(2020, 1, 2)]}
    with pytest.raises(UsageError, match="more than 50000 values"):
        config.overridden({"a": 1}, {"a": LAUGHS})


def test_aliases_and_merged_sections_that_are_not_too_many_are_read():
    text = "a: &a {x: 1, y: [1.5, null, true, text]}\nb: {<<: *a, x: 2}\nc: [*a, *a]"
    a = {"x": 1, "y": [1.5, None, True, "text"]}
    assert yaml_file.parse(text, "text") == {"a": a, "b": {**a, "x": 2}, "c": [a, a]}


def test_a_file_that_is_too_large_or_not_there_says_so(tmp_path):
    (tmp_path / "large.yaml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError, match="larger than 1 MB"):
        yaml_file.read(tmp_path / "large.yaml")
    with pytest.raises(UsageError, match=r"cannot be read \(No such file"):
        yaml_file.read(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r"cannot be read \(embedded null"):
        yaml_file.read(Path("a\0b"))


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3\n", "x:\n  a:\n  b:\n  a: 3\n", "{a: 1, 'a': 2}", "x: [{a: 1, a: 1}]"]
)
def test_a_key_that_stands_twice_is_refused(text):
    with pytest.raises(UsageError, match="the key 'a' stands twice in this section; remove one"):
        yaml_file.parse(text, "c.yaml")


def test_a_merged_key_may_be_written_again():
    text = "base: &b {a: 1, b: 2}\nown: {<<: *b, a: 3}\n"
    assert yaml_file.parse(text, "c.yaml")["own"] == {"a": 3, "b": 2}
