"""The command line: a command for each stage of the workflow, and those that people call.

Heavy imports live in the commands.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stepaudit.errors import UsageError
from stepaudit.version import __version__


class _Commands(TyperGroup):
    """All commands: `--debug` may stand anywhere, and output that nobody reads any more ends them without a word."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        others = [each for each in args if each != "--debug"]
        return super().parse_args(ctx, ["--debug", *others] if len(others) < len(args) else args)

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            from stepaudit.commands import _exit_codes

            _exit_codes.close_output(error)
            raise typer.Exit(int(_exit_codes.CLOSED)) from None
        except typer.Abort:  # the end of the input, where an answer was to come
            raise UsageError(
                "no answer, so that nothing was done; give options instead, `--yes` asks nothing"
            ) from None


def _completed(section: str) -> Callable:
    """Completes names of the configuration, or of the audit, that the command line names."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from stepaudit.commands import _completion

        return _completion.names(section, ctx.params, ctx.args, incomplete)

    return complete


def _registered(incomplete: str) -> list[str]:
    from stepaudit.commands import _completion

    return _completion.registered("methods", incomplete)


def _models(incomplete: str) -> list[str]:
    from stepaudit.commands import _completion

    return _completion.registered("models", incomplete)


def _kinds(incomplete: str) -> list[str]:
    from stepaudit.commands import _completion

    return _completion.kinds(incomplete)


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
_DATASETS, _MODELS, _METHODS = map(_completed, ("datasets", "models", "methods"))
ConfigFile = Annotated[Path, typer.Argument(help="Configuration file, such as config/config.yaml.", show_default=False)]
Results = Annotated[Path, typer.Argument(help="Results of an audit, such as results/demo.", show_default=False)]
DatasetName = Annotated[
    str,
    typer.Option("--dataset", help="Name of the data set in the configuration.", autocompletion=_DATASETS),
]
ModelName = Annotated[
    str, typer.Option("--model", help="Name of the model in the configuration.", autocompletion=_MODELS)
]
MethodName = Annotated[
    str, typer.Option("--method", help="Name of the method in the configuration.", autocompletion=_METHODS)
]
Size = Annotated[str, typer.Option("--size", help="Frames, height and width of the clips, such as 16x112x112.")]
Shard = Annotated[str, typer.Option("--shard", help="Part of the clips, such as test-000.")]
ClipName = Annotated[str | None, typer.Option("--clip", help="The clip; by default one is chosen by rule.")]
OfDataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Data set of the clip; default: the first with it.", autocompletion=_DATASETS),
]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames to show, spread evenly over the clip.")]
Out = Annotated[Path, typer.Option("--out", help="The PNG file to write.")]
RowFormat = Annotated[
    str | None, typer.Option("--format", help="csv, json, latex or parquet; default: by the file's ending, or csv.")
]
OutFile = Annotated[Path | None, typer.Option("--out", help="The file to write; default: print.")]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write into, new or empty.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]


def main() -> None:
    """Runs a command. It ends with a status of `exit_codes`; an error is told in a line, a job's bug in a traceback."""
    import os
    import sys

    from stepaudit.commands import _exit_codes
    from stepaudit.running import interruption

    try:
        with interruption.heeded():
            app()
    except Exception as error:  # noqa: BLE001 (the last place that can tell it)
        status, text = _exit_codes.ending(error, sys.argv[1:], os.environ)
        typer.echo(text, err=True)
        raise SystemExit(status) from None


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of errors, and details.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if debug:
        logging.getLogger("stepaudit").setLevel(logging.DEBUG)
    if version:
        typer.echo(__version__)
        raise typer.Exit


@contextmanager
def _job(config_file: Path, stage: str, **keys: str) -> Iterator[Any]:
    """A job of the checked configuration, while it runs and is recorded in the table `runs`."""
    from stepaudit.audit import config, jobs, plan, planning
    from stepaudit.running import job_notes, run_records

    settings = planning.planned(config.load(config_file))
    job = jobs.checked(settings, stage, **keys)
    plan.save(settings.plan, settings.folder)
    with job_notes.noted(job), run_records.recorded(job):
        yield job


@app.command()
def index(config: ConfigFile, dataset: DatasetName) -> None:
    """Read a data set: which stretch of which video, and what is annotated there."""
    from stepaudit.stages import index

    with _job(config, "index", dataset=dataset) as job:
        index.run(job)


@app.command()
def extract(config: ConfigFile, dataset: DatasetName, size: Size, shard: Shard) -> None:
    """Cut the clips of a shard out of their videos."""
    from stepaudit.stages import extract

    with _job(config, "extract", dataset=dataset, size=size, shard=shard) as job:
        extract.run(job)


@app.command()
def train(config: ConfigFile, dataset: DatasetName, model: ModelName) -> None:
    """Fine-tune a model on a data set."""
    from stepaudit.stages import train

    with _job(config, "train", dataset=dataset, model=model) as job:
        train.run(job)


@app.command()
def predict(config: ConfigFile, dataset: DatasetName, model: ModelName, shard: Shard) -> None:
    """Let a model classify the test clips of a shard."""
    from stepaudit.stages import predict

    with _job(config, "predict", dataset=dataset, model=model, shard=shard) as job:
        predict.run(job)


@app.command()
def attribute(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Explain what a model says of the test clips of a shard."""
    from stepaudit.stages import attribute

    with _job(config, "attribute", dataset=dataset, model=model, method=method, shard=shard) as job:
        attribute.run(job)


@app.command()
def preserve(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Search the minimum preservation ratio of the test clips of a shard."""
    from stepaudit.stages import preserve

    with _job(config, "preserve", dataset=dataset, model=model, method=method, shard=shard) as job:
        preserve.run(job)


@app.command()
def score(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Score the maps of a shard."""
    from stepaudit.stages import score

    with _job(config, "score", dataset=dataset, model=model, method=method, shard=shard) as job:
        score.run(job)


@app.command()
def report(results: Results) -> None:
    """Write the report of an audit: CSV tables, index.html and audit.duckdb."""
    from stepaudit.stages import report

    typer.echo(f"report: {report.run(results)}")


@app.command()
def sql(
    results: Results,
    query: Annotated[
        str | None,
        typer.Argument(
            help='A SQL query, such as "from failures", or a command, such as .questions; default: what is piped in, '
            "or a shell.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file of SQL.")] = None,
    format: Annotated[str, typer.Option("--format", help="table, csv, json, md or lines.")] = "table",
) -> None:
    """Ask the tables of an audit, read-only; at a terminal, without a query, in a shell."""
    from stepaudit.commands.sql import shell

    shell.run(results, query, file, format, lambda text: typer.echo(text, nl=False))


@export.command("table")
def export_table(
    results: Results,
    name: Annotated[str, typer.Argument(help="A table, view, report or question.", show_default=False)],
    format: RowFormat = None,
    out: OutFile = None,
    force: Force = False,
) -> None:
    """Write a table, view, report or worked question."""
    from stepaudit.commands.export import sources
    from stepaudit.store import database

    with database.connect(results, small=True) as connection:
        _write_rows(connection, sources.find(connection, name), format, out, force)


@export.command("query")
def export_query(
    results: Results,
    query: Annotated[str, typer.Argument(help='A SQL query, such as "from failures".', show_default=False)],
    format: RowFormat = None,
    out: OutFile = None,
    force: Force = False,
) -> None:
    """Write the answer to a query."""
    from stepaudit.commands.export import sources
    from stepaudit.store import database

    with database.connect(results, small=True) as connection:
        _write_rows(connection, sources.Source("", "query", "", "", query), format, out, force)


def _write_rows(connection: Any, source: Any, format: str | None, out: Path | None, force: bool) -> None:
    """Rows to a file, or to standard output."""
    from stepaudit.commands.export import rows

    chosen = rows.format_of(format, out)
    if out is None:
        for text in rows.texts(connection, source, chosen):
            typer.echo(text, nl=False)
    else:
        count = rows.write(connection, source, chosen, out, force=force)
        typer.echo(f"{count:,} rows: {out}", err=True)


@export.command("all")
def export_all(
    results: Results,
    out: OutFolder,
    format: Annotated[str, typer.Option("--format", help="csv, json, latex or parquet.")] = "csv",
    views: Annotated[bool, typer.Option("--views", help="Views as well, most of which repeat rows.")] = False,
    force: Force = False,
) -> None:
    """Write every table, report and worked question into a folder, with an index."""
    from stepaudit.commands.export import everything
    from stepaudit.store import database

    with database.connect(results, small=True) as connection:
        lines = everything.write(connection, format, out, views=views, force=force)
    written = sum(line[0] is not None for line in lines)
    rest = f", {len(lines) - written} left out (index.csv says why)" if written < len(lines) else ""
    typer.echo(f"{written} files in {out}{rest}")


@export.command("maps")
def export_maps(
    results: Results,
    out: OutFolder,
    format: Annotated[str, typer.Option("--format", help="npz (arrays) or mp4 (clip and map).")] = "npz",
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="Of this data set.", autocompletion=_DATASETS)
    ] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Of this model.", autocompletion=_MODELS)] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Of this method.", autocompletion=_METHODS)
    ] = None,
    clip: Annotated[list[str] | None, typer.Option("--clip", help="Of this clip.")] = None,
    ratio: Annotated[list[float] | None, typer.Option("--ratio", help="Of this ratio.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Of this seed.")] = None,
    force: Force = False,
) -> None:
    """Write maps as NumPy arrays or videos, with an index; those of all clips, or by options that may be repeated."""
    from rich.progress import track

    from stepaudit.commands.export import map_source, maps
    from stepaudit.running.progress import console

    chosen = map_source.Chosen(dataset or (), model or (), method or (), clip or (), ratio or (), seed or ())
    written, failed = maps.write(
        results, out, chosen, format=format, force=force,
        track=lambda files: track(files, "maps", console=console, transient=True, disable=not console.is_terminal),
    )  # fmt: skip
    typer.echo(
        f"{written:,} maps in {out}" + (f"; {failed:,} more could not be made (index.csv says why)" if failed else "")
    )


@app.command()
def explain(
    video: Annotated[Path, typer.Argument(help="A video, or a folder of numbered pictures.", show_default=False)],
    model: Annotated[
        str, typer.Option("--model", help="torchvision's weights, an audit's checkpoint, or module:object.")
    ],
    method: Annotated[
        str,
        typer.Option("--method", help="The method (`stepaudit list methods`).", autocompletion=_registered),
    ] = "step",
    ratio: Annotated[float, typer.Option("--ratio", help="Share of the clip to keep, between 0 and 1.")] = 0.05,
    target: Annotated[str | None, typer.Option("--target", help="Class or its index; default: the top one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; default: the video's name, _explained.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few iterations: a rough mask for a first look.")] = False,
    option: Annotated[list[str] | None, typer.Option("--option", help="Of the method, key=value.")] = None,
    weights: Annotated[str | None, typer.Option("--weights", help="Local file of the model's weights.")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="Of module:object: number, or a file.")] = None,
    size: Annotated[str | None, typer.Option("--size", help="Frames, height and width; default: the model's.")] = None,
    fit: Annotated[str | None, typer.Option("--fit", help="stretch or crop; default: the model's.")] = None,
    start: Annotated[int | None, typer.Option("--start", help="First frame of the video to use, from 0.")] = None,
    stop: Annotated[int | None, typer.Option("--stop", help="Frame after the last to use.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the method's randomness.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that it did not write.")] = False,
) -> None:
    """Explain one video: overlay video, animation, strip of frames, rows and a summary."""
    from stepaudit.commands.explain import arguments, command
    from stepaudit.errors import AuditError

    options = arguments.parse_options(option or [])
    asked = arguments.Asked(
        video=video, model=model, method=method, ratio=ratio, target=target, out=out, quick=quick, options=options,
        weights=weights, classes=classes, size=size, fit=fit, start=start, stop=stop, seed=seed, device=device,
        overwrite=overwrite,
    )  # fmt: skip
    try:
        for line in command.run(asked):
            typer.echo(line)
    except AuditError as error:
        typer.echo(f"stepaudit: {error}", err=True)
        raise typer.Exit(1) from None


@figure.command("methods")
def figure_methods(
    results: Results,
    out: Out,
    clip: ClipName = None,
    dataset: OfDataset = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The model; default: the first.", autocompletion=_MODELS)
    ] = None,
    methods: Annotated[
        str,
        typer.Option("--methods", help="Methods, such as step,ep3d; default: all.", autocompletion=_METHODS),
    ] = "",
    ratio: Annotated[float, typer.Option("--ratio", help="Of the masks; the nearest there is.")] = 0.1,
    frames: Frames = 8,
) -> None:
    """Draw one clip as several methods explain it (Figure 3 of the paper)."""
    from stepaudit.commands.figure import clip_figures

    names = [name.strip() for name in methods.split(",") if name.strip()]
    drawn = clip_figures.of_methods(
        results, clip=clip, dataset=dataset, model=model, methods=names, ratio=ratio, frames=frames
    )
    typer.echo(clip_figures.save(drawn, out))


@figure.command("compare")
def figure_compare(
    results: Results,
    out: Out,
    clip: ClipName = None,
    dataset: OfDataset = None,
    models: Annotated[tuple[str, str], typer.Option("--models", help="Two models; default: the first two.")] = ("", ""),
    method: Annotated[
        str | None,
        typer.Option("--method", help="Of the masks; default: the first EP-3D.", autocompletion=_METHODS),
    ] = None,
    frames: Frames = 8,
) -> None:
    """Draw one clip as two models need it, at equal probability (Figure 2 of the paper)."""
    from stepaudit.commands.figure import clip_figures

    drawn = clip_figures.of_models(
        results, clip=clip, dataset=dataset, models=[name for name in models if name], method=method, frames=frames
    )
    typer.echo(clip_figures.save(drawn, out))


@app.command()
def check(
    path: Annotated[
        Path,
        typer.Argument(help="Configuration file, or results of an audit, such as results/demo.", show_default=False),
    ],
    delete: Annotated[bool, typer.Option("--delete", help="Remove damaged, foreign and orphaned files.")] = False,
    targets: Annotated[bool, typer.Option("--targets", help="Only list the files to make anew.")] = False,
) -> None:
    """Check a configuration and say how much it asks for; or whether an audit is sound, and what to run if not."""
    from stepaudit.audit import config as configuration

    if path.is_dir():
        _check_audit(path, delete, targets)
    elif delete or targets:
        raise UsageError(
            "--delete and --targets are for the results of an audit; name its folder, such as results/demo"
        )
    else:
        settings = configuration.load(path)
        typer.echo(
            f"{path}: audit '{settings.audit}' is valid: {len(settings.datasets)} data sets, "
            f"{len(settings.models)} models, {len(settings.methods)} methods, "
            f"{len(settings.metrics)} metrics, {settings.shards} shards"
        )


def _check_audit(folder: Path, delete: bool, targets: bool) -> None:
    """Exit status 1 if the audit has a problem."""
    from stepaudit.audit import audit_folder
    from stepaudit.commands.check import integrity, remedies

    if delete and any(Path(".snakemake/locks").glob("*")):
        raise UsageError("the workflow is running here, or was killed: wait for it, or run `snakemake --unlock`, first")
    audit = audit_folder.of_folder(folder)
    found = integrity.problems(audit)
    gone = remedies.delete(audit, found) if delete else []
    for line in remedies.targets(audit, found) if targets else remedies.lines(audit, found):
        typer.echo(line)
    if gone:
        typer.echo(f"removed: {len(gone)} of these files")
    if found:
        raise typer.Exit(1)


@app.command()
def init(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the videos.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The YAML file to write; default: <audit>.yaml.")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="quick, standard or thorough; default: quick.")] = None,
    audit: Annotated[str | None, typer.Option("--audit", help="Name of the audit; default: the folder's.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of a model, or module:object.", autocompletion=_models)
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="torchvision's name, a file, or none; default: by budget.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", help="Methods, such as step,rise.", autocompletion=_registered)
    ] = None,
    size: Annotated[str | None, typer.Option("--size", help="Frames, height and width, such as 16x112x112.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is not given is chosen.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a configuration for your own videos, by looking at their folder and asking, or from options alone."""
    import sys

    from stepaudit.commands.init import command

    ask = typer.prompt if sys.stdin.isatty() and not yes else None
    given = {"budget": budget, "audit": audit, "model": model, "weights": weights, "methods": methods, "size": size}
    command.run(folder, out, given, force=force, ask=ask, echo=typer.echo)


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="Configuration file to check as well.", show_default=False)
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="The Slurm profile is to be used.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a list in JSON.")] = False,
) -> None:
    """Look at Python, PyTorch, GPU, ffmpeg, disk and data, and say what to do. Status 1: an audit would fail."""
    from stepaudit.commands.doctor import doctor, findings

    found = []
    for each in doctor.examine(config, slurm=slurm):
        found.append(each)
        if not json:
            typer.echo(findings.line(each))
    typer.echo(findings.to_json(found) if json else findings.summary(found))
    if findings.has_problem(found):
        raise typer.Exit(1)


@app.command()
def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="The reference: results of an audit, with a model after a colon: results/demo:r2plus1d.",
            show_default=False,
        ),
    ],
    b: Annotated[
        str, typer.Argument(help="The candidate, alike; `:model` is another of the same audit.", show_default=False)
    ],
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", help='End with status 1 if this is true, such as "median_ratio_increase > 0.05".'),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for compare.html, .csv and .json.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Data set; default: the only one.")] = None,
    everything: Annotated[bool, typer.Option("--list", help="Show every quantity by name, and what it means.")] = False,
) -> None:
    """Compare two models, or two audits of one, on the same clips: a gate for releases."""
    from stepaudit.commands.compare import command

    text, status = command.run(a, b, dataset=dataset, fail_if=fail_if or [], out=out, everything=everything)
    typer.echo(text)
    if status:
        raise typer.Exit(status)


@app.command()
def plan(config: ConfigFile) -> None:
    """Say how an audit is divided into jobs, and what they are estimated to take."""
    from stepaudit.audit import config as configuration
    from stepaudit.audit import planning
    from stepaudit.store import database

    names, rows = planning.overview(planning.planned(configuration.load(config)))
    typer.echo(database.format_rows(names, rows, "table"), nl=False)


@app.command()
def status(
    results: Results,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every five seconds until all is done.")] = False,
) -> None:
    """Say what of an audit is done, running and failed, by stage, and how long the rest takes."""
    import time

    from rich.console import Console

    from stepaudit.commands import status as state

    while True:
        current = state.of_folder(results)
        if watch:
            Console().clear()  # of a terminal; a file gets one table after the other
        typer.echo(state.text(current), nl=False)
        if not watch or current.finished:
            break
        time.sleep(5)


@app.command("list")
def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(help="methods, models, datasets or metrics.", show_default=False, autocompletion=_kinds),
    ] = None,
) -> None:
    """List the components with their options and defaults."""
    from stepaudit.audit import registry
    from stepaudit.errors import did_you_mean

    if kind is not None and kind not in registry.FUNCTIONS:
        raise UsageError(f"no kind of component '{kind}'{did_you_mean(kind, list(registry.FUNCTIONS))}")
    for shown in [kind] if kind else registry.FUNCTIONS:
        typer.echo(f"{shown}:")
        for component in registry.components(shown).values():
            typer.echo(f"  {component.name}: {component.summary}")
            for option, (annotation, default) in (component.options or {}).items():
                typer.echo(f"      {option}: {annotation} = {default}")


if __name__ == "__main__":
    main()
