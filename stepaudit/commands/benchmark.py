"""The planted benchmark: a whole audit in this process and its workers, without Snakemake, whose jobs last seconds.

A job that is done is not done again until something that decides its rows, or the code, has changed.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from stepaudit.audit import registry
from stepaudit.audit.config import Config, fingerprint, job_name, load, parse, save
from stepaudit.audit.jobs import Job, in_groups
from stepaudit.audit.planning import planned
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.report import sql_files
from stepaudit.report.page import page
from stepaudit.running import run_records
from stepaudit.running.progress import progress
from stepaudit.store import database, package_files, writing
from stepaudit.version import __version__

STAGES = ("index", "extract", "train", "predict", "attribute", "preserve", "score")
RATIOS = [0.05]  # of methods that need one and that the configuration does not name
REPORTS = ("planted_methods", "planted_parts", "planted_benchmark")
SHOWN = REPORTS[:2]

Answer = tuple[list[str], list[tuple]]


def settings(path: Path, methods: list[str]) -> Config:
    """The benchmark's configuration with some methods, or with all: its own, and all others that are registered.

    Raises:
        UsageError: a method is neither in the configuration nor registered.
    """
    config = load(path)
    data = config.model_dump(mode="json")
    known = data["methods"] | {name: entry for name, entry in _others(config).items() if name not in data["methods"]}
    for name in methods:
        if name not in known:
            raise UsageError(f"no method '{name}'{did_you_mean(name, list(known))}")
    chosen = {name: known[name] for name in methods or known}
    scored = {name: _for_methods(entry, list(chosen)) for name, entry in data["metrics"].items()}
    preserve = _for_methods(data["preserve"], list(chosen))
    return planned(parse({**data, "methods": chosen, "metrics": scored, "preserve": preserve}, str(path)))


def _for_methods(section: dict, names: list[str]) -> dict:
    """A section of the configuration whose `methods` are those of these names; None stays, it means all."""
    named = section.get("methods")
    return section if named is None else {**section, "methods": [name for name in named if name in names]}


def _others(config: Config) -> dict[str, dict]:
    """Entries with default options of the registered methods that no entry of the configuration uses."""
    used = {entry.use for entry in config.methods.values()}
    components = registry.components("methods")
    return {
        name: {"use": name} | ({"ratios": RATIOS} if "ratios" in component.requires else {})
        for name, component in components.items()
        if name not in used
    }


def run(config: Config, stages: dict[str, Callable], cores: int) -> None:
    """Does what is not done yet, each stage's jobs side by side.

    Args:
        stages: the function of each stage, `run(config, **keys)`.
        cores: processes, each of which takes as many threads as `OMP_NUM_THREADS` says.
    """
    save(config, config.folder / "config.yaml")
    code = _code()
    pool = ProcessPoolExecutor(cores, mp_context=get_context("spawn"))
    try:
        for group in in_groups(config):
            _side_by_side(pool, [job for job in group if not _is_done(config, job, code)], config, stages, code)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, what has not begun is left undone


def _side_by_side(pool: Executor, todo: list[Job], config: Config, stages: dict[str, Callable], code: str) -> None:
    if not todo:
        return
    with progress(f"benchmark: {todo[0][0]}", len(todo)) as advance:
        waiting = [pool.submit(_work, stages[name], config, name, keys, code) for name, keys in todo]
        for future in as_completed(waiting):
            future.result()
            advance()


def _work(stage: Callable, config: Config, name: str, keys: dict[str, str], code: str) -> None:
    with run_records.recorded(config, name, keys):
        stage(config, **keys)
    writing.write_text(_mark(config, (name, keys)), _decides(config, (name, keys), code))


def _is_done(config: Config, job: Job, code: str) -> bool:
    mark = _mark(config, job)
    return mark.exists() and mark.read_text() == _decides(config, job, code)


def _mark(config: Config, job: Job) -> Path:
    return config.folder / ".done" / job[0] / job_name(job[1])


def _decides(config: Config, job: Job, code: str) -> str:
    """Fingerprint of all that decides a job's rows: its own settings, those of the stages before it, and the code."""
    name, keys = job
    size = {"size": config.clips_of(keys["model"]).size} if "model" in keys else {}
    before = STAGES[: STAGES.index(name) + 1]
    others = config.model_dump(mode="json")["models"] if name == "score" else None  # a metric may measure on them
    return fingerprint([code, others, [config.decides(stage, **size, **keys) for stage in before]])


def _code() -> str:
    files = package_files.sources()
    return fingerprint([__version__, run_records.versions(), [run_records.sha256(path) for path in files]])


def answers(folder: Path) -> dict[str, Answer]:
    """Columns and rows of the benchmark's reports, over an audit whose database is made."""
    return {name: database.query(folder, f'from "{name}"') for name in REPORTS}


def shown(answer: Answer, form: str = "table") -> str:
    """An answer for reading, each value with its interval, as an aligned or a Markdown table."""
    table = page.grid(*answer)
    lines = [[f"{cell.text} ({cell.interval})" if cell.interval else cell.text for cell in row] for row in table.rows]
    return database.format_rows(table.headers, lines, form)


def write(path: Path, found: dict[str, Answer]) -> list[Path]:
    """Writes the reports that are `SHOWN` into one Markdown file, or each report as a CSV file beside the first.

    Raises:
        UsageError: the path ends in neither `.md` nor `.csv`.
    """
    check(path)
    if path.suffix == ".md":
        questions = {report.name: report.title for report in sql_files.all_reports()}
        writing.write_text(path, "\n".join(f"## {questions[name]}\n\n{shown(found[name], 'md')}" for name in SHOWN))
        return [path]
    places = [path, *(path.with_name(f"{path.stem}_{name}.csv") for name in list(found)[1:])]
    for place, (names, rows) in zip(places, found.values(), strict=True):
        writing.write_text(place, database.format_rows(names, rows, "csv"))
    return places


def check(path: Path) -> None:
    """Raises UsageError unless the path ends in `.md` or `.csv`."""
    if path.suffix not in (".md", ".csv"):
        raise UsageError(f"{path}: choose a name that ends in .md or .csv")
