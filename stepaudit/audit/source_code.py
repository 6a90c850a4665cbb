"""Source files of a component and of the modules that it imports, found without running any."""

import ast
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import PathFinder, all_suffixes
from importlib.util import find_spec
from pathlib import Path

from stepaudit.store.checksums import sha256
from stepaudit.store.package_files import PACKAGE

# Of stepaudit itself only what computes: the rest reads, writes and reports, and may change without new rows.
COMPUTING = (
    *("adapters", "layers", "maps", "extremal", "clips", "networks", "stages"),
    *("methods", "models", "datasets", "metrics"),
)
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


@cache
def digest(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Checksums of the source files of modules and of their imports, in the order of their names.

    They are computed once a process, which runs the code that it has loaded. Imports by a computed name are not seen.
    """
    sources: dict[str, Path] = {}
    for module in modules:
        sources |= _imported_files(module)
    return tuple(sha256(sources[name]) for name in sorted(sources))


def own_files(modules: Iterable[str]) -> list[Path]:
    """Source files of modules and of their imports, without those of stepaudit; below this folder, relative to it."""
    here = Path.cwd()
    own = (path for path in files(modules) if not path.is_relative_to(PACKAGE))
    return sorted(path.relative_to(here) if path.is_relative_to(here) else path for path in own)


def files(modules: Iterable[str]) -> set[Path]:
    """Source files that `digest` reads, which a process has parsed once it has asked."""
    return {path for module in modules for path in _imported_files(module).values()}


def located(module: str) -> tuple[bool, Path | None]:
    """True if a module exists, and its source file if it has one. Nothing is imported, not even a parent package.

    It may lie in the working folder, which only code that runs is imported from, see `Component.load`.
    """
    top, *parts = module.split(".")
    try:
        spec = (find_spec(top) or PathFinder.find_spec(top, [str(Path.cwd())])) if top else None
    except (ImportError, ValueError):  # a module without a specification, such as `__main__`
        spec = None
    if spec is None:
        return False, None
    if not parts:
        return True, Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder, *parts)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return True, file
        if place.is_dir() or any(place.with_name(place.name + suffix).is_file() for suffix in all_suffixes()):
            return True, None
    return False, None


@cache
def _imported_files(module: str) -> dict[str, Path]:
    """Source files by module: of the module itself and of all direct and indirect imports that count."""
    files: dict[str, Path] = {}
    open_modules = [module]
    while open_modules:
        name = open_modules.pop()
        path = located(name)[1] if name not in files else None
        if path is not None and (name == module or _counts(name, path, module)):
            files[name] = path
            open_modules += _imports(name, path)
    return files


def _counts(name: str, path: Path, importer: str) -> bool:
    """True for an imported module of the user, of the importer's package, or of COMPUTING."""
    top, *parts = name.split(".")
    if top == PACKAGE.name:
        return bool(parts) and parts[0] in COMPUTING
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts) or path.is_relative_to(STANDARD_LIBRARY)
    return not installed or top == importer.split(".")[0]


@cache
def _imports(name: str, path: Path) -> list[str]:
    """Names of the modules that a source file may import, anywhere in it, with their parent packages."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # it may be anybody's
        return []
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = {name for node in ast.walk(tree) for name in _imported_names(node, package)}
    with_parents = {".".join(name.split(".")[:count]) for name in names for count in range(1, name.count(".") + 2)}
    return sorted(with_parents)


def _imported_names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
