"""The command line: a command for each stage of the workflow, and those that people type.

Each command imports its room when it is called, so that `--help` and completion answer at once.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from stepaudit.errors import UsageError, printable
from stepaudit.version import __version__


def _expand_home(word: str) -> str:
    """A word of the command line with `~` expanded where a shell does not: in quotes, or in `--out=~/maps`."""
    if "~" not in word:
        return word
    from stepaudit.store.plain_files import at_home

    option, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{at_home(path) if path == '~' or path.startswith('~/') else path}"


class _Commands(TyperGroup):
    """All commands: `--debug` may stand anywhere, and a closed pipe of their output ends them silently."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        others = [_expand_home(each) for each in args if each != "--debug"]
        return super().parse_args(ctx, ["--debug", *others] if len(others) < len(args) else others)

    def invoke(self, ctx: Any) -> object:
        from stepaudit.running.interruption import Stopped

        try:
            return super().invoke(ctx)
        except Stopped:
            raise
        except SystemExit as error:
            raise RuntimeError(f"code of a component called sys.exit({error.code or ''}); remove that call") from error
        except BrokenPipeError as error:
            from stepaudit.commands import _exit_codes

            _exit_codes.close_output(error)
            raise typer.Exit(_exit_codes.ExitCode.CLOSED) from None
        except typer.Abort:  # the input ended at a question
            raise UsageError(
                "no answer, so that nothing was done; give options instead, `--yes` asks nothing"
            ) from None


app = typer.Typer(
    cls=_Commands,
    help="Audit what video classifiers look at, and how little they need.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
figure = typer.Typer(help="Draw one clip with its maps as a PNG for a publication.", no_args_is_help=True)
app.add_typer(figure, name="figure")
export = typer.Typer(help="Write rows and maps of an audit as files for other programs.", no_args_is_help=True)
app.add_typer(export, name="export")


# Arguments and options that several commands have.


def _names(section: str, *, registered: bool = False) -> Callable:
    """Completion of names: of a section of the configuration or audit on the command line, or of all components."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from stepaudit.commands import _completion

        return _completion.names(section, ctx, incomplete, registered=registered)

    return complete


def _argument(help: str, complete: Callable | None = None) -> Any:
    return typer.Argument(help=help, show_default=False, autocompletion=complete)


def _option(name: str, help: str, complete: Callable | None = None, *, min: int | None = None) -> Any:
    return typer.Option(name, help=help, autocompletion=complete, min=min)


_DATASETS, _MODELS, _METHODS = map(_names, ("datasets", "models", "methods"))
_ALL_MODELS, _ALL_METHODS = _names("models", registered=True), _names("methods", registered=True)
ConfigFile = Annotated[Path, _argument("Configuration file, such as config/config.yaml.")]
Results = Annotated[Path, _argument("Results of an audit, such as results/demo.")]
DatasetName = Annotated[str, _option("--dataset", "Name of the data set in the configuration.", _DATASETS)]
ModelName = Annotated[str, _option("--model", "Name of the model in the configuration.", _MODELS)]
MethodName = Annotated[str, _option("--method", "Name of the method in the configuration.", _METHODS)]
Size = Annotated[str, _option("--size", "Frames, height and width of the clips, such as 16x112x112.")]
Shard = Annotated[str, _option("--shard", "Part of the clips, such as test-000.")]
ClipName = Annotated[str | None, _option("--clip", "The clip; by default one is chosen by rule.")]
OfDataset = Annotated[str | None, _option("--dataset", "Data set of the clip; default: the first with it.", _DATASETS)]
Frames = Annotated[int, _option("--frames", "Frames to show, spread evenly over the clip.", min=1)]
Out = Annotated[Path, _option("--out", "The PNG file to write.")]
RowFormat = Annotated[
    Literal["csv", "json", "latex", "parquet"] | None,
    _option("--format", "Of the file; default: by its ending, or csv."),
]
OutFile = Annotated[Path | None, _option("--out", "The file to write; default: print.")]
OutFolder = Annotated[Path, _option("--out", "The folder to write into, new or empty.")]
Force = Annotated[bool, _option("--force", "Replace files that are there.")]


# The program.


def main() -> None:
    """Runs a command and exits with a status of `ExitCode`; an error prints a line, a bug in a job its traceback."""
    import os
    import sys

    from stepaudit.running import fork_client

    if (status := fork_client.status(sys.argv[1:])) is not None:
        raise SystemExit(status)
    from stepaudit.commands import _exit_codes
    from stepaudit.running import interruption

    _exit_codes.in_utf8()
    try:
        with interruption.heeded():
            app()
    except Exception as error:  # noqa: BLE001 (the last place that can report it)
        status, text = _exit_codes.ending(error, sys.argv[1:], os.environ)
        typer.echo(text, err=True)
        raise SystemExit(status) from None


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, _option("--version", "Print the version.")] = False,
    debug: Annotated[bool, _option("--debug", "Print the traceback of errors, and details.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger().handlers[0].addFilter(_printable_record)
    if debug:
        logging.getLogger("stepaudit").setLevel(logging.DEBUG)
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _printable_record(record: logging.LogRecord) -> bool:
    """Escapes the control characters of a log line."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def _print(lines: Iterable[object]) -> None:
    for line in lines:
        _say(line)


def _say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints text whose control characters are escaped: names and notes may be anybody's."""
    typer.echo(printable(str(text)), err=err, nl=nl)


def _write(text: str) -> None:
    """Prints text that ends with a newline; into a pipe or a file as it is."""
    import sys

    typer.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


# The jobs of the workflow.


def _run(run: Callable, stage: str, config_file: Path, **keys: str) -> None:
    """Runs a job of a checked configuration, and records it in the table `runs`."""
    from stepaudit.audit import config, jobs, plan, planning
    from stepaudit.running import job_notes, run_records
    from stepaudit.store.plain_files import require_inside

    settings = planning.planned(config.load(config_file))
    job = jobs.checked(settings, stage, **keys)
    require_inside(settings.folder, job.record, *job.writes)
    plan.save(settings.plan, settings.folder)
    with job_notes.noted(job), run_records.recorded(job):
        run(job)


@app.command()
def index(config: ConfigFile, dataset: DatasetName) -> None:
    """Read a data set: stretches of its videos, and their annotations."""
    from stepaudit.stages import index

    _run(index.run, "index", config, dataset=dataset)


@app.command()
def extract(config: ConfigFile, dataset: DatasetName, size: Size, shard: Shard) -> None:
    """Cut the clips of a shard out of their videos."""
    from stepaudit.stages import extract

    _run(extract.run, "extract", config, dataset=dataset, size=size, shard=shard)


@app.command()
def train(config: ConfigFile, dataset: DatasetName, model: ModelName) -> None:
    """Fine-tune a model on a data set."""
    from stepaudit.stages import train

    _run(train.run, "train", config, dataset=dataset, model=model)


@app.command()
def predict(config: ConfigFile, dataset: DatasetName, model: ModelName, shard: Shard) -> None:
    """Let a model classify the test clips of a shard."""
    from stepaudit.stages import predict

    _run(predict.run, "predict", config, dataset=dataset, model=model, shard=shard)


@app.command()
def attribute(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Make a method's maps of a model on the test clips of a shard."""
    from stepaudit.stages import attribute

    _run(attribute.run, "attribute", config, dataset=dataset, model=model, method=method, shard=shard)


@app.command()
def preserve(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Search the minimum preservation ratio of the test clips of a shard."""
    from stepaudit.stages import preserve

    _run(preserve.run, "preserve", config, dataset=dataset, model=model, method=method, shard=shard)


@app.command()
def score(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Score the maps of a shard."""
    from stepaudit.stages import score

    _run(score.run, "score", config, dataset=dataset, model=model, method=method, shard=shard)


@app.command()
def report(results: Results) -> None:
    """Write the report of an audit: CSV tables, index.html and audit.duckdb."""
    from stepaudit.stages import report

    _say(f"report: {report.run(results)}")


# Rows and maps of an audit.


@app.command()
def sql(
    results: Results,
    query: Annotated[
        str | None,
        _argument(
            'A SQL query, such as "from failures", or a command, such as .questions; default: what is piped in, '
            "or a shell."
        ),
    ] = None,
    format: Annotated[Literal["table", "csv", "json", "md", "lines"], _option("--format", "Of the answer.")] = "table",
) -> None:
    """Ask the tables of an audit, read-only; at a terminal, without a query, in a shell."""
    from stepaudit.commands.sql import command

    command.run(results, query, format, _write)


@export.command("table")
def export_table(
    results: Results,
    name: Annotated[str, _argument("A table, view, report or question.")],
    format: RowFormat = None,
    out: OutFile = None,
    force: Force = False,
) -> None:
    """Write a table, view, report or worked question."""
    from stepaudit.commands.export import row_files

    _say(row_files.export(results, format, out, name=name, force=force, write=_write), err=True, nl=False)


@export.command("query")
def export_query(
    results: Results,
    query: Annotated[str, _argument('A SQL query, such as "from failures".')],
    format: RowFormat = None,
    out: OutFile = None,
    force: Force = False,
) -> None:
    """Write the answer to a query."""
    from stepaudit.commands.export import row_files

    _say(row_files.export(results, format, out, query=query, force=force, write=_write), err=True, nl=False)


@export.command("all")
def export_all(
    results: Results,
    out: OutFolder,
    format: Annotated[Literal["csv", "json", "latex", "parquet"], _option("--format", "Of the files.")] = "csv",
    views: Annotated[bool, _option("--views", "Views as well, most of which repeat rows.")] = False,
    force: Force = False,
) -> None:
    """Write every table, report and worked question into a folder, with an index."""
    from stepaudit.commands.export import everything

    _say(everything.export(results, format, out, views=views, force=force))


@export.command("maps")
def export_maps(
    results: Results,
    out: OutFolder,
    format: Annotated[Literal["npz", "mp4"], _option("--format", "Arrays, or videos of clip and map.")] = "npz",
    dataset: Annotated[list[str] | None, _option("--dataset", "Of this data set.", _DATASETS)] = None,
    model: Annotated[list[str] | None, _option("--model", "Of this model.", _MODELS)] = None,
    method: Annotated[list[str] | None, _option("--method", "Of this method.", _METHODS)] = None,
    clip: Annotated[list[str] | None, _option("--clip", "Of this clip.")] = None,
    ratio: Annotated[list[float] | None, _option("--ratio", "Of this ratio.")] = None,
    seed: Annotated[list[int] | None, _option("--seed", "Of this seed.")] = None,
    force: Force = False,
) -> None:
    """Write maps as NumPy arrays or videos, with an index; those of all clips, or by options that may be repeated."""
    from stepaudit.commands.export import maps

    given = {"dataset": dataset, "model": model, "method": method, "clip_id": clip, "ratio": ratio, "seed": seed}
    chosen = {name: values for name, values in given.items() if values}
    written, failed = maps.write(results, out, chosen, format=format, force=force)
    rest = f"; {failed:,} more could not be made (index.csv says why)" if failed else ""
    _say(f"{written:,} maps in {out}{rest}")


@export.command("fiftyone")
def export_fiftyone(
    results: Results,
    out: OutFolder,
    clip: Annotated[list[str] | None, _option("--clip", "This clip; default: those of the page's gallery.")] = None,
    every: Annotated[bool, _option("--all", "All clips that have maps.")] = False,
    dataset: Annotated[list[str] | None, _option("--dataset", "Of this data set.", _DATASETS)] = None,
    model: Annotated[list[str] | None, _option("--model", "Of this model.", _MODELS)] = None,
    method: Annotated[list[str] | None, _option("--method", "Of this method.", _METHODS)] = None,
    ratio: Annotated[list[float] | None, _option("--ratio", "Of this ratio.")] = None,
    seed: Annotated[list[int] | None, _option("--seed", "Of this seed.")] = None,
    force: Force = False,
) -> None:
    """Write frames, heat maps, answers and scores as a data set that FiftyOne opens."""
    from stepaudit.commands.export import fiftyone

    given = {"dataset": dataset, "model": model, "method": method, "clip_id": clip, "ratio": ratio, "seed": seed}
    chosen = {name: values for name, values in given.items() if values}
    made = fiftyone.write(results, out, chosen, every=every, force=force)
    failed = f"; {made.failed:,} maps failed or have no pixels" if made.failed else ""
    _say(f"{made.clips:,} of {made.of:,} clips, {made.frames:,} frames, {made.maps:,} heat maps in {out}{failed}")
    _say(fiftyone.opening(out))


@figure.command("methods")
def figure_methods(
    results: Results,
    out: Out,
    clip: ClipName = None,
    dataset: OfDataset = None,
    model: Annotated[str | None, _option("--model", "The model; default: the first.", _MODELS)] = None,
    methods: Annotated[str, _option("--methods", "Methods, such as step,ep3d; default: all.", _METHODS)] = "",
    ratio: Annotated[float, _option("--ratio", "Of the masks; the nearest there is.")] = 0.1,
    frames: Frames = 8,
) -> None:
    """Draw one clip as several methods explain it (Figure 3 of the paper)."""
    from stepaudit.commands.figure import clip_figures

    names = [name.strip() for name in methods.split(",") if name.strip()]
    drawing = clip_figures.of_methods(
        results, clip=clip, dataset=dataset, model=model, methods=names, ratio=ratio, frames=frames
    )
    _say(clip_figures.save(drawing, out))


@figure.command("compare")
def figure_compare(
    results: Results,
    out: Out,
    clip: ClipName = None,
    dataset: OfDataset = None,
    models: Annotated[tuple[str, str], _option("--models", "Two models; default: the first two.")] = ("", ""),
    method: Annotated[str | None, _option("--method", "Of the masks; default: the first EP-3D.", _METHODS)] = None,
    frames: Frames = 8,
) -> None:
    """Draw one clip as two models need it, at equal probability (Figure 2 of the paper)."""
    from stepaudit.commands.figure import clip_figures

    drawing = clip_figures.of_models(
        results, clip=clip, dataset=dataset, models=[name for name in models if name], method=method, frames=frames
    )
    _say(clip_figures.save(drawing, out))


@app.command()
def compare(
    a: Annotated[
        str, _argument("The reference: results of an audit, with a model after a colon: results/demo:max_over_time.")
    ],
    b: Annotated[str, _argument("The candidate, alike; `:model` is another of the same audit.")],
    more: Annotated[list[str] | None, _argument("Further ones in order, such as an audit a week: a line each.")] = None,
    fail_if: Annotated[
        list[str] | None,
        _option("--fail-if", 'End with status 1 if this is true, such as "need_times > 1.5".'),
    ] = None,
    out: Annotated[Path | None, _option("--out", "Folder for compare.html, .csv and .json.")] = None,
    dataset: Annotated[str | None, _option("--dataset", "Data set; default: the only one.")] = None,
    everything: Annotated[bool, _option("--list", "Show every quantity with its name and meaning.")] = False,
    against: Annotated[
        Literal["previous", "first"], _option("--against", "Of more than two: what each is compared with.")
    ] = "previous",
) -> None:
    """Compare two models, or two audits of one, or more, on the same clips: a gate for releases."""
    from stepaudit.commands.compare import command

    text, status = command.run(
        a, b, *(more or []), against=against, dataset=dataset, fail_if=fail_if or [], out=out, everything=everything
    )
    _say(text)
    if status:
        raise typer.Exit(status)


# One video.


@app.command()
def explain(
    video: Annotated[Path, _argument("A video, or a folder of numbered pictures.")],
    model: Annotated[str, _option("--model", "torchvision's weights, a checkpoint, a folder, or module:object.")],
    method: Annotated[str, _option("--method", "The method (`stepaudit list methods`).", _ALL_METHODS)] = "step",
    ratio: Annotated[float | None, _option("--ratio", "Share of the clip to keep; default: 0.05.")] = None,
    target: Annotated[str | None, _option("--target", "Class or its index; default: the top one.")] = None,
    out: Annotated[Path | None, _option("--out", "Folder; default: the video's name, _explained.")] = None,
    quick: Annotated[bool, _option("--quick", "Few iterations: a rough mask for a first look.")] = False,
    need: Annotated[bool, _option("--need", "Find how little of the clip is enough, in the place of a map.")] = False,
    background: Annotated[Path | None, _option("--background", "Video behind the masks of --need.")] = None,
    readings: Annotated[list[str] | None, _option("--reading", "Of --need: frames, tube or disjoint.")] = None,
    options: Annotated[list[str] | None, _option("--option", "Of the method, key=value.")] = None,
    weights: Annotated[str | None, _option("--weights", "Local file of the model's weights.")] = None,
    classes: Annotated[str | None, _option("--classes", "Of module:object: number, or a file.")] = None,
    layer: Annotated[str | None, _option("--layer", "Module that Grad-CAM and others read, such as blocks.4.")] = None,
    size: Annotated[str | None, _option("--size", "Frames, height and width; default: the model's.")] = None,
    fit: Annotated[Literal["stretch", "crop"] | None, _option("--fit", "Default: the model's.")] = None,
    start: Annotated[int | None, _option("--start", "First frame of the video to use, from 0.")] = None,
    stop: Annotated[int | None, _option("--stop", "Frame after the last to use.")] = None,
    window: Annotated[float | None, _option("--window", "Of long footage: print a line for each window, s.")] = None,
    stride: Annotated[float | None, _option("--stride", "From window to window, s; default: --window.")] = None,
    at: Annotated[float | None, _option("--at", "Second of the video whose window is also explained.")] = None,
    seed: Annotated[int, _option("--seed", "Of the method's randomness.", min=0)] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], _option("--device", "Where to compute.")] = "auto",
    overwrite: Annotated[bool, _option("--overwrite", "Replace files that it did not write.")] = False,
) -> None:
    """Explain one video: overlay video, animation, strip of frames, rows and a summary."""
    given = dict(locals())  # the arguments alone, before anything else has a name
    from stepaudit.commands.explain import arguments, command
    from stepaudit.errors import AuditError

    request = arguments.Request(**given | {"options": arguments.parse_options(options or [])})
    try:
        _print(command.run(request))
    except AuditError as error:
        _say(f"stepaudit: {error}", err=True)
        raise typer.Exit(1) from None


# Before, during and after an audit.


@app.command()
def init(
    folder: Annotated[Path | None, _argument("Folder of the videos.")] = None,
    out: Annotated[Path | None, _option("--out", "The YAML file to write; default: <audit>.yaml.")] = None,
    budget: Annotated[
        str | None, _option("--budget", "quick, overnight, standard or thorough; default: quick.")
    ] = None,
    audit: Annotated[str | None, _option("--audit", "Name of the audit; default: the folder's.")] = None,
    model: Annotated[str | None, _option("--model", "Name of a model, or module:object.", _ALL_MODELS)] = None,
    weights: Annotated[
        str | None, _option("--weights", "torchvision's name, a file, or none; default: by budget.")
    ] = None,
    methods: Annotated[str | None, _option("--methods", "Methods, such as step,rise.", _ALL_METHODS)] = None,
    size: Annotated[str | None, _option("--size", "Frames, height and width, such as 16x112x112.")] = None,
    yes: Annotated[bool, _option("--yes", "Ask nothing; what is not given is chosen.")] = False,
    force: Force = False,
) -> None:
    """Write a configuration for your own videos, by looking at their folder and asking, or from options alone."""
    import sys

    from stepaudit.commands.init import command

    ask = typer.prompt if sys.stdin.isatty() and not yes else None
    given = {"budget": budget, "audit": audit, "model": model, "weights": weights, "methods": methods, "size": size}
    command.run(folder, out, given, force=force, ask=ask, echo=_say)


@app.command()
def doctor(
    config: Annotated[Path | None, _argument("Configuration file to check as well.")] = None,
    slurm: Annotated[bool, _option("--slurm", "The Slurm profile is to be used.")] = False,
    json: Annotated[bool, _option("--json", "Print a list in JSON.")] = False,
) -> None:
    """Check Python, PyTorch, GPU, ffmpeg, disk and data, and print the next steps. Status 1: an audit would fail."""
    from stepaudit.commands.doctor import command, findings

    results = []
    for each in command.examine(config, slurm=slurm):
        results.append(each)
        if not json:
            _say(findings.line(each))
    _say(findings.to_json(results) if json else findings.summary(results))
    if findings.has_problem(results):
        raise typer.Exit(1)


@app.command()
def plan(config: ConfigFile) -> None:
    """Print an audit's jobs by stage, and their estimated time."""
    from stepaudit.audit import config as configuration
    from stepaudit.audit import planning
    from stepaudit.store.formats import format_rows

    _write(format_rows(*planning.overview(planning.planned(configuration.load(config)))))


@app.command()
def status(
    results: Results,
    watch: Annotated[bool, _option("--watch", "Look again every five seconds until all is done.")] = False,
) -> None:
    """Print an audit's finished, running and failed jobs by stage, and the time left."""
    import time

    from rich.console import Console

    from stepaudit.commands import status as state

    while True:
        current = state.of_folder(results)
        if watch:
            Console().clear()  # of a terminal; a file gets one table after the other
        _say(state.text(current), nl=False)
        if not watch or current.finished:
            break
        time.sleep(5)


@app.command()
def check(
    path: Annotated[Path, _argument("Configuration file, or results of an audit, such as results/demo.")],
    delete: Annotated[bool, _option("--delete", "Remove damaged, foreign and orphaned files.")] = False,
    targets: Annotated[bool, _option("--targets", "Only list the files to make again.")] = False,
) -> None:
    """Check a configuration and ask its networks; or check an audit for damaged, missing and foreign files."""
    from stepaudit.commands.check import command

    if command.run(path, delete=delete, targets=targets, say=_say, write=_write):
        raise typer.Exit(1)


@app.command("list")
def list_components(
    kind: Annotated[Literal["methods", "models", "datasets", "metrics"] | None, _argument("Default: all.")] = None,
) -> None:
    """List the components with their options and defaults."""
    from stepaudit.commands import list as components

    _print(components.lines(kind))


if __name__ == "__main__":
    main()
