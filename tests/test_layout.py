"""Imports point down the layers, and the tree is the one that the documentation describes. Read from the source."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

from stepaudit.audit import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stepaudit"
COMPONENTS = ("methods", "models", "datasets", "metrics")

# Rooms of the package in layers: a module imports only from layers above its own line, and from its own room.
LAYERS = (
    ("errors", "version"),
    ("layers",),
    ("adapters", "extremal", "models"),
    ("maps", "metrics"),
    ("methods",),
    ("store",),
    ("audit",),
    ("clips", "running"),
    ("datasets",),
    ("networks", "report"),
    ("stages", "commands"),
    ("api", "cli"),
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
NAMED_BY_USERS = ("stages", "commands")  # one command a file or folder; none imports another
NO_FILES = {"pyarrow", "duckdb", "pathlib", "os", "io", "shutil", "yaml", "pydantic", "safetensors"}
NUMBERS_ONLY = (
    *("errors", "layers", "maps", "adapters", "methods", "metrics", "models", "extremal"),
    *(
        "clips.geometry",
        "clips.splits",
        "clips.box_prior",
        "report.statistics.intervals",
        "report.statistics.medians",
        "report.statistics.reliability",
    ),
)


def name_of(path: Path) -> str:
    """`methods.step` of stepaudit/methods/step.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


@cache
def imports(module: str, *, everywhere: bool = True) -> frozenset[str]:
    """Full names of all imports of a module; without `everywhere`, only of those at load time."""
    tree = ast.parse(MODULES[module].read_text())
    inner = {node for function in ast.walk(tree) if _delays(function) for node in ast.walk(function)}
    names = set()
    for node in ast.walk(tree):
        if node in inner and not everywhere:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _delays(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def ours(module: str, *, everywhere: bool = True) -> set[str]:
    """Modules of ours that a module imports."""
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
    loaded: set[str] = set()
    new = {module}
    while new:
        loaded |= new
        new = {other for name in new for other in ours(name, everywhere=False)} - loaded
    return loaded


def test_the_package_has_the_rooms_of_the_design_and_nothing_else():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in tracked() if PACKAGE in path.parents}
    assert rooms == {"__init__", *RANK}


def test_imports_point_down_the_layers():
    upwards = [
        f"{module} imports {other}"
        for module in MODULES
        for other in ours(module)
        if layer(other) != layer(module) and RANK[layer(other)] >= RANK[layer(module)]
    ]
    assert not upwards


def test_no_command_or_stage_imports_another():
    sideways = [
        f"{module} imports {other}"
        for module in of_layer(*NAMED_BY_USERS)
        for other in ours(module)
        if layer(other) == layer(module) and not {command(other), "_"} & {command(module), command(other)[:1]}
    ]
    assert not sideways


def command(module: str) -> str:
    """`sql` of `commands.sql.command`."""
    return module.split(".")[1] if "." in module else "_"


def test_the_core_knows_no_files_tables_or_configuration():
    modules = [name for name in MODULES if name.startswith(NUMBERS_ONLY)]
    assert not {name: found for name in modules if (found := foreign(name) & NO_FILES)}


def test_only_the_command_line_imports_stages():
    assert {module for module in MODULES if any(layer(other) == "stages" for other in ours(module))} <= {
        "cli",
        *of_layer("stages"),
    }


def test_components_are_imported_through_the_registry_alone():
    assert not [
        f"{module} imports {other}"
        for module in MODULES
        for other in ours(module)
        if layer(other) in COMPONENTS and layer(other) != layer(module)
    ]


def test_no_modules_import_each_other_in_a_circle():
    assert not [module for module in MODULES if module in {each for o in ours(module) for each in loaded_with(o)}]


def test_the_command_line_imports_little_before_it_knows_the_command():
    assert ours("cli", everywhere=False) == {"errors", "version"}
    assert foreign("cli", everywhere=False) <= {"collections", "contextlib", "logging", "pathlib", "typing", "typer"}


def test_what_needs_no_model_imports_no_torch():
    light = ("audit.config", "audit.registry", "store.tables", "running.run_records", "store.database", "stages.index")
    slow = {
        module: [name for name in loaded_with(module) if {"torch", "torchvision"} & foreign(name, everywhere=False)]
        for module in light
    }
    assert not {module: names for module, names in slow.items() if names}


def test_every_public_file_of_a_component_folder_is_a_component():
    paths = [
        (path, function) for kind, function in registry.FUNCTIONS.items() for path in (PACKAGE / kind).glob("[a-z]*.py")
    ]
    assert not [path for path, function in paths if function not in functions(path)]


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_no_name_of_a_method_model_or_data_set_stands_in_a_condition():
    names = {name for kind in ("methods", "models", "datasets") for name in registry.components(kind)}
    assert not [
        f"{module}, line {node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        and names & {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    ]


def test_no_sql_file_names_a_method_in_a_condition():
    """A method says itself what it is; a report may give one a column, and the paper's tables name theirs."""
    reports = ROOT / "reports"
    name = re.compile(f"(?<!\\[)'({'|'.join(registry.components('methods'))})'")
    assert not [
        f"{path.relative_to(reports)}: {line.strip()}"
        for path in sorted(reports.rglob("*.sql"))
        for line in path.read_text().splitlines()
        if name.search(line.partition("--")[0]) and not re.match(r" *(from \(values )?\('", line)
    ]


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


def test_the_map_of_the_house_names_every_room_with_a_file_to_read_first():
    rows = re.findall(r"^\| (`.+`) \| .+ \| `(.+)` \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    rooms = [name for names, _ in rows for name in re.findall(r"`(\w+)/?`", names)]
    assert sorted(rooms) == sorted(RANK)
    assert not [path for _, path in rows if not (ROOT / path).is_file()]


def test_the_root_snakefile_has_two_statements():
    lines = (ROOT / "Snakefile").read_text().splitlines()
    code = [line.partition("#")[0].strip() for line in lines]
    assert [line for line in code if line] == ['include: "workflow/Snakefile"', 'workflow.default_target = "all"']


def test_rules_hold_no_functions():
    code = re.compile(r"^\s*(def|class|run:|script:)\b", re.M)
    assert not [path for path in (ROOT / "workflow").rglob("*.smk") if code.search(path.read_text())]


def test_no_file_names_a_place_on_some_machine_or_a_package_host():
    place = r"(?<![\w.])/(?:home|Users|root|work|mnt|media|scratch)/\w|[A-Z]:\\\w"
    host = r"(?i:index[-_]url|py(?:pi|thonhosted)\.|[f]ind-links)"
    pattern = re.compile(f"{place}|{host}")
    matches = {str(path.relative_to(ROOT)): pattern.search(text_of(path)) for path in tracked()}
    assert not {path: match[0] for path, match in matches.items() if match}


def text_of(path: Path) -> str:
    """Text of a file; empty for a picture and the like."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_only_ci_knows_where_the_real_videos_lie():
    outside = re.compile(r"\.\./share" + "d")
    assert {str(p.relative_to(ROOT)) for p in tracked() if outside.search(p.read_text(errors="ignore"))} <= {".ci/run"}


def test_no_two_test_files_have_the_same_name():
    """pytest would take one for the other."""
    names = [path.name for path in (Path(__file__).parent).rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
