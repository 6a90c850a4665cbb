"""The registry: files of a folder, entry points, `module:object`; nothing is imported to list them."""

import ast
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from stepaudit.audit import registry
from stepaudit.audit.registry import Component
from stepaudit.errors import UsageError
from stepaudit.store import package_files

PACKAGE = package_files.PACKAGE


@pytest.fixture
def installed(monkeypatch):
    """Entry points of packages that are not there, by group; the registry's memory is emptied around it."""
    points: dict[str, list[EntryPoint]] = {}
    monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))
    registry.components.cache_clear()
    yield lambda group, name, value: points.setdefault(group, []).append(EntryPoint(name, value, group))
    registry.components.cache_clear()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the folder that one runs from, and returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", registry.FUNCTIONS)
def test_the_folder_is_the_registry_and_underscore_files_are_none_of_it(kind):
    found = registry.components(kind)
    files = {path.stem for path in (PACKAGE / kind).glob("*.py")}
    assert {name for name, component in found.items() if component.origin.startswith("stepaudit.")} == {
        name for name in files if not name.startswith("_")
    }
    assert "__init__" in files
    assert not any(name.startswith("_") for name in found)
    assert registry.names(kind) == sorted(found)


@pytest.mark.parametrize("kind", registry.FUNCTIONS)
def test_every_component_of_the_folder_loads_and_tells_about_itself(kind):
    for component in registry.components(kind).values():
        assert component.load().__name__ == registry.FUNCTIONS[kind]
        assert component.source == PACKAGE / kind / f"{component.name}.py"
        assert component.summary.endswith(".")
        assert component.options is not None


def test_options_are_the_keywords_with_their_defaults_as_written():
    found = registry.find("methods", "step").options
    assert found["preset"] == ("Literal['paper', 'follow-up', 'matched', 'corrected']", "'matched'")
    assert found["iterations"] == ("int | None", "None")
    assert not {"ratios", "seed", "model", "clips", "targets"} & set(found)
    assert registry.find("methods", "step").requires == {"ratios"}
    assert registry.find("methods", "grad_cam").requires == set()


def test_an_installed_package_adds_names(installed):
    installed("stepaudit.methods", "tubes", "json.decoder")
    installed("stepaudit.methods", "named", "json.decoder:JSONDecoder")
    found = registry.components("methods")
    assert found["tubes"].origin == "json.decoder:attribute"
    assert found["named"].origin == "json.decoder:JSONDecoder"
    assert {"step", "tubes"} <= set(found)
    assert "tubes" not in registry.components("models")
    assert registry.find("methods", "tubes") == found["tubes"]


def test_a_name_that_exists_twice_names_both_origins(installed):
    installed("stepaudit.methods", "step", "json.decoder")
    with pytest.raises(
        UsageError,
        match=r"method 'step' exists twice: stepaudit.methods.step:attribute and json.decoder:attribute; rename one",
    ):
        registry.components("methods")


def test_two_packages_with_one_name_are_named_both(installed):
    installed("stepaudit.metrics", "mine", "json.decoder")
    installed("stepaudit.metrics", "mine", "json.encoder")
    with pytest.raises(UsageError, match=r"metric 'mine' exists twice: json.decoder:score and json.encoder:score"):
        registry.find("metrics", "mine")


def test_an_installed_package_that_is_gone_is_named(installed):
    installed("stepaudit.models", "gone", "nowhere.at_all")
    with pytest.raises(UsageError, match=r"cannot find the module of 'nowhere.at_all:build'"):
        registry.components("models")


OWN_MODEL = '''"""My models."""
raise RuntimeError("imported")

def build(classes, *, width: int = 3, depth: list[int] = [1, 2], name="x"):
    """A model of mine.

    More of it.
    """
'''


def test_an_object_of_a_module_is_found_without_importing_it(module):
    component = registry.find("models", module("own_models", OWN_MODEL) + ":build")
    assert component.name == component.origin == "own_models:build"
    assert component.summary == "A model of mine."
    assert component.options == {"width": ("int", "3"), "depth": ("list[int]", "[1, 2]"), "name": ("", "'x'")}
    assert component.problems({"width": 2, "depth": [3], "name": 7}) == []
    assert component.problems({"depth": ["a"], "widht": 1}) == [
        "option 'depth' of own_models:build: Input should be a valid integer, got ['a']",
        "own_models:build has no option 'widht'; did you mean 'width'? (known: depth, name, width)",
    ]
    assert "own_models" not in sys.modules


def test_an_object_of_a_module_is_loaded(module):
    module("own_sound", "def build(classes):\n    return classes + 1\n")
    assert registry.find("models", "own_sound:build").load()(4) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from nowhere import build\n", r"cannot import own_broken:build \(No module named 'nowhere'\)"),
        ("other = 1\n", "cannot import own_broken:build .*no attribute 'build'"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_named_with_the_reason(module, text, message):
    component = registry.find("models", module("own_broken", text) + ":build")
    with pytest.raises(UsageError, match=f"model 'own_broken:build': {message}"):
        component.load()


def test_a_file_that_is_no_python_is_named(module):
    component = registry.find("models", module("own_typo", "def build(classes:\n") + ":build")
    with pytest.raises(UsageError, match=r"own_typo\.py: no Python \("):
        component.problems({})


def test_options_that_cannot_be_read_from_the_source_are_not_checked(module):
    """A re-exported function, or one with **options: its own call will complain."""
    module("own_reexport", "from own_other import build\n")
    module("own_open", "def build(classes, **options):\n    pass\n")
    for name in ("own_reexport", "own_open"):
        component = registry.find("models", f"{name}:build")
        assert component.options is None
        assert component.problems({"anything": 1}) == []


def test_the_last_definition_of_a_function_counts_as_in_python(module):
    module("own_twice", "def build(classes, *, a=1):\n    pass\ndef build(classes, *, b=2):\n    pass\n")
    assert set(registry.find("models", "own_twice:build").options) == {"b"}


@pytest.mark.parametrize("kind", registry.FUNCTIONS)
def test_an_unknown_name_is_answered_with_the_known_ones(kind):
    with pytest.raises(UsageError, match=rf"no {kind[:-1]} 'zzz' \(known: {registry.names(kind)[0]}, "):
        registry.find(kind, "zzz")


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [3], ["3", 2.0, 2.5, True, None, [3]]),
        ("float", [3, 2.5], ["2.5", True, None]),
        ("bool", [True], ["yes", 1]),
        ("str", ["a"], [1, None, ["a"]]),
        ("int | None", [3, None], ["3"]),
        ("tuple[str, ...]", [["a", "b"], []], ["ab", [1]]),
        ("tuple[int, int]", [[1, 2]], [[1], [1, 2, 3]]),
        ("dict[str, int]", [{"a": 1}], [{"a": "1"}]),
        ("Literal['x', 'y']", ["x"], ["z", 1]),
        ("", [1, "a", None], []),
        ("Path", ["a", 1], []),  # not a plain type: the component checks it
    ],
)
def test_an_options_value_must_have_its_annotations_type(module, annotation, good, bad):
    hint = f": {annotation}" if annotation else ""
    source = Path.cwd() / "own_typed.py"
    source.write_text(f"def build(classes, *, option{hint} = 0):\n    pass\n")
    component = Component("models", "m", f"own_typed_{annotation}:build", source)
    assert [value for value in good if component.problems({"option": value})] == []
    assert [value for value in bad if not component.problems({"option": value})] == []


def test_the_command_line_finds_a_module_in_the_folder_that_it_runs_in(tmp_path):
    """Python puts the folder of a console script on its path, not the one that it is called from."""
    (tmp_path / "own_models.py").write_text(
        "from torch import nn\n\n\ndef build(classes):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, classes))\n"
    )
    (tmp_path / "c.yaml").write_text(
        "audit: a\ndatasets: {planted: {root: data}}\nmodels: {m: {use: 'own_models:build'}}\nmethods: {center: }\n"
    )
    script = Path(sys.executable).with_name("stepaudit")
    done = subprocess.run([script, "check", "c.yaml"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "audit 'a' is valid" in done.stdout


PER_FRAME = {
    "list[float]": True,
    "list": True,
    "'list[float | None]'": True,
    "list[float] | AuditError": True,
    "typing.List[float]": True,
    "dict[str, list[float]]": False,
    "listing": False,
    "float": False,
}


def test_a_metric_gives_a_value_for_each_frame_if_its_annotation_is_a_list(tmp_path, monkeypatch):
    """And not because these letters stand somewhere in it."""
    lines = [f"def score{place}(boxes) -> {text}: ..." for place, text in enumerate(PER_FRAME)]
    (tmp_path / "listed.py").write_text("\n".join(lines) + "\ndef bare(boxes): ...\n")
    monkeypatch.chdir(tmp_path)
    found = {text: registry.find("metrics", f"listed:score{place}").per_frame for place, text in enumerate(PER_FRAME)}
    assert found == PER_FRAME
    assert not registry.find("metrics", "listed:bare").per_frame


def test_the_annotation_of_a_metric_that_is_imported_from_elsewhere_is_known(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("def score(boxes) -> list[float]: ...\n")
    (tmp_path / "passed_on.py").write_text("from elsewhere import score\n")
    monkeypatch.chdir(tmp_path)
    assert registry.find("metrics", "passed_on:score").per_frame


def test_a_component_says_itself_what_it_is_in_a_file_of_its_own_or_of_a_package(installed, module):
    """Read from the source: `own_pointer` cannot even be imported."""
    text = "import not_there\n\nignores_model: bool = True\noptimises_masks = False\n\n\ndef attribute():\n    ...\n"
    installed("stepaudit.methods", "pointer", f"{module('own_pointer', text)}:attribute")
    for use in ("pointer", "own_pointer:attribute"):
        component = registry.find("methods", use)
        assert component.declares("ignores_model")
        assert not component.declares("optimises_masks")
        assert not component.declares("attribute")
    assert not Component("methods", "compiled", "compiled:attribute", None).declares("ignores_model")


def test_every_number_among_the_options_has_a_range_that_its_default_lies_in():
    for kind in registry.FUNCTIONS:
        for component in registry.components(kind).values():
            options = component.options or {}
            numbers = {name for name, (annotation, _) in options.items() if re.search(r"int|float", annotation)}
            assert set(component.ranges) == numbers, component.name
            defaults = {name: ast.literal_eval(options[name][1]) for name in numbers}
            assert component.problems({name: value for name, value in defaults.items() if value is not None}) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"iterations": 0}, "option 'iterations' of step: outside its range, 1 to 100000, got 0"),
        ({"iterations": -5}, "outside its range, 1 to 100000, got -5"),
        ({"blur_sigma": -1.0}, "outside its range, 0 to 1000, got -1.0"),
        ({"blur_sigma": 1e9}, "outside its range, 0 to 1000, got 1000000000.0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_the_range(options, text):
    (problem,) = registry.find("methods", "step").problems(options)
    assert text in problem


def test_each_number_of_a_list_lies_in_the_range():
    (problem,) = registry.find("metrics", "deletion_insertion").problems({"shares": [0.5, 7.0]})
    assert "outside its range, 0.0001 to 1" in problem


def test_ranges_of_ones_own_module_count_and_nonsense_is_refused(module):
    module("own_ranged", "ranges = {'level': (1, 3)}\ndef score(importance, *, level: int = 2): ...")
    module("own_wrong", "ranges = {'level': 3}\ndef score(importance, *, level: int = 2): ...")
    assert "outside its range, 1 to 3" in registry.find("metrics", "own_ranged:score").problems({"level": 9})[0]
    with pytest.raises(UsageError, match=r"own_wrong\.py: `ranges` is no"):
        registry.find("metrics", "own_wrong:score").problems({"level": 2})


HARMFUL = [
    "().__class__.__base__.__subclasses__()",
    "[].append(print('ran'))",
    "list[\"__import__('os').system('echo ran')\"]",
    "\"__import__('os').system('echo ran')\"",
    "(lambda: print('ran'))()",
    "Literal[().__class__]",
    "int if print('ran') else str",
]


@pytest.mark.parametrize("annotation", HARMFUL)
def test_an_annotation_in_somebodys_source_is_not_evaluated(module, capfd, annotation):
    module("own_harm", f"def score(importance, *, level: {annotation} = 2): ...")
    registry._parse.cache_clear()
    assert registry.find("metrics", "own_harm:score").problems({"level": 5}) == []
    assert "ran" not in capfd.readouterr().out


def test_looking_at_a_component_does_not_open_the_working_folder_to_imports(module):
    module("own_metric", "def score(importance, *, level: int = 2): ...")
    before = [*sys.path]
    found = registry.find("metrics", "own_metric:score")
    assert found.options == {"level": ("int", "2")}
    assert sys.path == before
    found.load()
    assert sys.path == [*before, str(Path.cwd())]


def test_a_component_that_ends_python_is_named(module):
    module("own_exit", "import sys\nsys.exit(0)\ndef score(importance): ...")
    with pytest.raises(RuntimeError, match=r"metric 'own_exit:score' called sys\.exit\(\); remove that call"):
        registry.find("metrics", "own_exit:score").load()
