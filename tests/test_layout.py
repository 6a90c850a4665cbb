"""Dependencies point inwards, and the tree is the one that the documentation describes. Read from the source."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from stepaudit import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stepaudit"
COMPONENTS = ("methods", "models", "datasets", "metrics")

# Which of our own modules those of a layer may import; `x._` are the private files of a folder.
MAY_IMPORT = {
    "errors": set(),
    "layers": {"errors"},
    "extremal": {"extremal", "layers", "errors", "precision"},
    "maps": {"extremal", "errors"},
    "methods": {"extremal", "layers", "maps", "errors", "methods._"},
    "metrics": {"extremal", "layers", "errors", "metrics._"},
    "models": {"errors", "models._"},
    "datasets": {"errors", "mp4", "video", "splits", "datasets._"},
    "adapters": {"answers", "errors"},
    "answers": {"errors"},
    "geometry": {"errors"},
    "video": {"errors", "geometry"},
    "mp4": {"errors", "video"},
    "splits": set(),
    "registry": {"errors"},
    "seal": set(),
    "storage": {"errors"},
    "tables": {"errors", "seal", "storage"},
    "yaml_file": {"errors"},
    "sections": {"errors", "registry"},
    "entries": {"errors"},
    "plan": {"errors"},
    "config": {"errors", "registry", "tables", "sections", "entries", "plan", "yaml_file"},
    "durations": set(),
    "running": {"config", "durations", "errors", "storage", "tables", "running"},
    "drawing": {"database", "errors", "heavy", "mp4", "video", "drawing"},
    "asking": {"confined", "database", "errors", "formats", "reports", "yaml_file", "asking"},
    "reporting": {"config", "database", "drawing", "durations", "errors", "formats", "heavy", "reports", "reporting"},
    "minimum_ratio": set(),
    "precision": set(),
    "statistics": set(),
    "reliability": set(),
}
NO_FILES = {"pyarrow", "duckdb", "pathlib", "os", "io", "shutil", "yaml", "pydantic", "safetensors"}
NUMBERS_ONLY = (
    *("methods", "metrics", "models", "extremal", "layers", "maps", "minimum_ratio", "geometry", "splits"),
    *("precision", "statistics", "reliability"),
)


def name_of(path: Path) -> str:
    """`methods.step` of stepaudit/methods/step.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


@cache
def imports(module: str, *, everywhere: bool = True) -> frozenset[str]:
    """Full names of what a module imports; without `everywhere`, only what it imports when it is loaded."""
    tree = ast.parse(MODULES[module].read_text())
    inner = {node for function in ast.walk(tree) if _delays(function) for node in ast.walk(function)}
    found = set()
    for node in ast.walk(tree):
        if node in inner and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import; write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _delays(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def ours(module: str, *, everywhere: bool = True) -> set[str]:
    """Which of our modules a module imports."""
    names = {name.removeprefix("stepaudit.") for name in imports(module, everywhere=everywhere) if _is_ours(name)}
    return {known for name in names for known in (name, name.rpartition(".")[0]) if known in MODULES}


def foreign(module: str, *, everywhere: bool = True) -> set[str]:
    """Top-level names of everything else that a module imports."""
    return {name.split(".")[0] for name in imports(module, everywhere=everywhere) if not _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "stepaudit"


def layer(module: str) -> str:
    return module.split(".")[0]


def of_layer(*names: str) -> list[str]:
    return [module for module in MODULES if layer(module) in names]


def loaded_with(module: str) -> set[str]:
    """The modules of ours that are loaded when this one is."""
    found, new = set(), {module}
    while new:
        found |= new
        new = {other for name in new for other in ours(name, everywhere=False)} - found
    return found


@pytest.mark.parametrize("module", of_layer(*MAY_IMPORT))
def test_a_layer_imports_only_what_lies_further_in(module):
    for other in ours(module):
        private = f"{layer(other)}._" if other.partition(".")[2].startswith("_") else None
        assert {other, layer(other), private} & MAY_IMPORT[layer(module)], f"{module} imports {other}"


@pytest.mark.parametrize("module", of_layer(*NUMBERS_ONLY))
def test_the_core_knows_no_files_tables_or_configuration(module):
    assert foreign(module) & NO_FILES == set()


def test_stages_never_import_each_other_and_only_the_command_line_imports_stages():
    users = {module for module in MODULES if any(layer(other) == "stages" for other in ours(module))}
    assert users == {"cli"}


def test_nothing_imports_the_command_line():
    assert not [module for module in MODULES if "cli" in ours(module)]


def test_components_are_imported_through_the_registry_alone():
    for module in MODULES:
        for other in ours(module):
            assert layer(other) not in COMPONENTS or layer(other) == layer(module), f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle():
    for module in MODULES:
        others = {found for other in ours(module) for found in loaded_with(other)}
        assert module not in others, module


def test_the_command_line_imports_little_before_it_knows_the_command():
    assert ours("cli", everywhere=False) == {"errors"}
    assert foreign("cli", everywhere=False) <= {"collections", "contextlib", "logging", "pathlib", "typing", "typer"}


@pytest.mark.parametrize("module", ["config", "registry", "tables", "provenance", "database", "stages.index"])
def test_what_needs_no_model_imports_no_torch(module):
    assert not [name for name in loaded_with(module) if {"torch", "torchvision"} & foreign(name, everywhere=False)]


def test_every_public_file_of_a_component_folder_is_a_component():
    for kind, function in registry.FUNCTIONS.items():
        for path in (PACKAGE / kind).glob("[a-z]*.py"):
            functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
            assert function in functions, path


def test_no_name_of_a_method_model_or_data_set_stands_in_a_condition():
    names = {name for kind in ("methods", "models", "datasets") for name in registry.components(kind)}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                compared = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not compared & names, f"{module}, line {node.lineno}"


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, or, where this is none, all that Git would not ignore by name."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return tuple(path for name in listed if name and (path := ROOT / name).is_file())
    ignored = {".venv", "__pycache__", ".snakemake", "results", "data", ".pytest_cache", ".ruff_cache", ".hypothesis"}
    return tuple(p for p in ROOT.rglob("*") if p.is_file() and not ignored & set(p.relative_to(ROOT).parts))


def test_the_tree_is_the_documented_one():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {"workflow", "stepaudit", "config", "reports", "tests", "Snakefile", "pyproject.toml"} <= names
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt", ".ci"} <= names
    assert (ROOT / "slurm").resolve() == ROOT / "workflow/profiles/slurm"
    assert not any(name.suffix == ".py" for name in map(Path, names)), "code lies in stepaudit/"


def test_the_root_snakefile_has_two_statements():
    lines = (ROOT / "Snakefile").read_text().splitlines()
    code = [line.partition("#")[0].strip() for line in lines]
    assert [line for line in code if line] == ['include: "workflow/Snakefile"', 'workflow.default_target = "all"']


def test_rules_hold_no_functions():
    for path in (ROOT / "workflow").rglob("*.smk"):
        assert not re.search(r"^\s*(def|class|run:|script:)\b", path.read_text(), re.M), path


def test_no_file_names_a_place_on_some_machine_or_a_package_host():
    place = re.compile(r"(?<![\w.])/(?:home|Users|root|work|mnt|media|scratch)/\w|[A-Z]:\\\w")
    host = re.compile(r"index[-_]url|py(?:pi|thonhosted)\.|[f]ind-links", re.I)
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for pattern in (place, host):
            found = pattern.search(text)
            assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


def test_only_ci_knows_where_the_real_videos_lie():
    outside = re.compile(r"\.\./share" + "d")
    assert {str(p.relative_to(ROOT)) for p in tracked() if outside.search(p.read_text(errors="ignore"))} <= {".ci/run"}


def test_no_two_test_files_have_the_same_name():
    """pytest would take one for the other."""
    names = [path.name for path in (Path(__file__).parent).rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
