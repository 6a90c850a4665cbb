"""The command line: a command a stage, and `benchmark`, `check`, `figure`, `list`, `report`, `sql`.

Heavy imports live in the commands.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stepaudit import __version__
from stepaudit.errors import UsageError

app = typer.Typer(
    help="Audit what video classifiers look at, and how little they need.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
figure = typer.Typer(help="Draw one clip with its maps as a PNG for a publication.", no_args_is_help=True)
app.add_typer(figure, name="figure")
benchmark = typer.Typer(help="Run a benchmark whose answer is known.", no_args_is_help=True)
app.add_typer(benchmark, name="benchmark")
ConfigFile = Annotated[Path, typer.Argument(help="Configuration file, such as config/config.yaml.", show_default=False)]
Results = Annotated[Path, typer.Argument(help="Results of an audit, such as results/demo.", show_default=False)]
DatasetName = Annotated[str, typer.Option("--dataset", help="Name of the data set in the configuration.")]
ModelName = Annotated[str, typer.Option("--model", help="Name of the model in the configuration.")]
MethodName = Annotated[str, typer.Option("--method", help="Name of the method in the configuration.")]
Size = Annotated[str, typer.Option("--size", help="Frames, height and width of the clips, such as 16x112x112.")]
Shard = Annotated[str, typer.Option("--shard", help="Part of the clips, such as test-000.")]
ClipName = Annotated[str | None, typer.Option("--clip", help="The clip; by default one is chosen by rule.")]
OfDataset = Annotated[str | None, typer.Option("--dataset", help="Data set of the clip; default: the first with it.")]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames to show, spread evenly over the clip.")]
BENCHMARK = Path("config/benchmark.yaml")
Out = Annotated[Path, typer.Option("--out", help="The PNG file to write.")]


def main() -> None:
    """Runs a command; bad input ends in its message and exit status 2."""
    try:
        app()
    except UsageError as error:
        typer.echo(f"stepaudit: {error}", err=True)
        raise SystemExit(2) from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if version:
        typer.echo(__version__)
        raise typer.Exit


@contextmanager
def _job(config_file: Path, stage: str, **keys: str) -> Iterator:
    """The checked configuration, its names checked as well, while a job runs that is recorded in the table `runs`."""
    from stepaudit import config, provenance

    settings = config.load(config_file)
    for key, value in keys.items():
        config.require(settings, key, value)
    with provenance.recorded(settings, stage, keys):
        yield settings


@app.command()
def index(config: ConfigFile, dataset: DatasetName) -> None:
    """Read a data set: which stretch of which video, and what is annotated there."""
    from stepaudit.stages import index

    with _job(config, "index", dataset=dataset) as settings:
        index.run(settings, dataset)


@app.command()
def extract(config: ConfigFile, dataset: DatasetName, size: Size, shard: Shard) -> None:
    """Cut the clips of a shard out of their videos."""
    from stepaudit.stages import extract

    with _job(config, "extract", dataset=dataset, size=size, shard=shard) as settings:
        extract.run(settings, dataset, size, shard)


@app.command()
def train(config: ConfigFile, dataset: DatasetName, model: ModelName) -> None:
    """Fine-tune a model on a data set."""
    from stepaudit.stages import train

    with _job(config, "train", dataset=dataset, model=model) as settings:
        train.run(settings, dataset, model)


@app.command()
def predict(config: ConfigFile, dataset: DatasetName, model: ModelName) -> None:
    """Let a model classify the test clips."""
    from stepaudit.stages import predict

    with _job(config, "predict", dataset=dataset, model=model) as settings:
        predict.run(settings, dataset, model)


@app.command()
def attribute(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Explain what a model says of the test clips of a shard."""
    from stepaudit.stages import attribute

    with _job(config, "attribute", dataset=dataset, model=model, method=method, shard=shard) as settings:
        attribute.run(settings, dataset, model, method, shard)


@app.command()
def preserve(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Search the minimum preservation ratio of the test clips of a shard."""
    from stepaudit.stages import preserve

    with _job(config, "preserve", dataset=dataset, model=model, method=method, shard=shard) as settings:
        preserve.run(settings, dataset, model, method, shard)


@app.command()
def score(config: ConfigFile, dataset: DatasetName, model: ModelName, method: MethodName, shard: Shard) -> None:
    """Score the maps of a shard."""
    from stepaudit.stages import score

    with _job(config, "score", dataset=dataset, model=model, method=method, shard=shard) as settings:
        score.run(settings, dataset, model, method, shard)


@app.command()
def report(results: Results) -> None:
    """Write the report of an audit: CSV tables, index.html and audit.duckdb."""
    from stepaudit.stages import report

    typer.echo(f"report: {report.run(results)}")


@app.command()
def sql(
    results: Results,
    query: Annotated[str, typer.Argument(help='A SQL query, such as "select * from failures".', show_default=False)],
    format: Annotated[str, typer.Option("--format", help="table, csv, json or md.")] = "table",
) -> None:
    """Ask the tables of an audit, read-only."""
    from stepaudit import database

    typer.echo(database.format_rows(*database.query(results, query), format), nl=False)


@figure.command("methods")
def figure_methods(
    results: Results,
    out: Out,
    clip: ClipName = None,
    dataset: OfDataset = None,
    model: Annotated[str | None, typer.Option("--model", help="The model; default: the first.")] = None,
    methods: Annotated[str, typer.Option("--methods", help="Methods, such as step,ep3d; default: all.")] = "",
    ratio: Annotated[float, typer.Option("--ratio", help="Of the masks; the nearest there is.")] = 0.1,
    frames: Frames = 8,
) -> None:
    """Draw one clip as several methods explain it (Figure 3 of the paper)."""
    from stepaudit import clip_figures

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
    method: Annotated[str | None, typer.Option("--method", help="Of the masks; default: the first EP-3D.")] = None,
    frames: Frames = 8,
) -> None:
    """Draw one clip as two models need it, at equal probability (Figure 2 of the paper)."""
    from stepaudit import clip_figures

    drawn = clip_figures.of_models(
        results, clip=clip, dataset=dataset, models=[name for name in models if name], method=method, frames=frames
    )
    typer.echo(clip_figures.save(drawn, out))


@benchmark.command("methods")
def benchmark_methods(
    out: Annotated[Path | None, typer.Option("--out", help="Also write the tables, as .md or .csv.")] = None,
    methods: Annotated[str, typer.Option("--methods", help="Methods, such as step,rise; default: all.")] = "",
    cores: Annotated[int, typer.Option("--cores", min=1, help="Processes side by side.")] = 2,
    config: Annotated[Path, typer.Option("--config", help="The benchmark's configuration.")] = BENCHMARK,
) -> None:
    """Score every method on videos whose evidence is known, and on networks whose support is known."""
    from stepaudit import benchmark
    from stepaudit.stages import attribute, extract, index, predict, preserve, report, score, train

    if out is not None:
        benchmark.check(out)
    names = [name.strip() for name in methods.split(",") if name.strip()]
    settings = benchmark.settings(config, names)
    stages = (index, extract, train, predict, attribute, preserve, score)
    benchmark.run(settings, dict(zip(benchmark.STAGES, (stage.run for stage in stages), strict=True)), cores)
    page = report.run(settings.folder)
    answers = benchmark.answers(settings.folder)
    for name in benchmark.SHOWN:
        typer.echo(benchmark.shown(answers[name]))
    for path in [page, *(benchmark.write(out, answers) if out else [])]:
        typer.echo(path)


@app.command()
def check(config: ConfigFile) -> None:
    """Check a configuration and say how much it asks for."""
    from stepaudit import config as configuration

    settings = configuration.load(config)
    typer.echo(
        f"{config}: audit '{settings.audit}' is valid: {len(settings.datasets)} data sets, "
        f"{len(settings.models)} models, {len(settings.methods)} methods, "
        f"{len(settings.metrics)} metrics, {settings.shards} shards"
    )


@app.command("list")
def list_components(
    kind: Annotated[
        str | None, typer.Argument(help="methods, models, datasets or metrics.", show_default=False)
    ] = None,
) -> None:
    """List the components with their options and defaults."""
    from stepaudit import registry
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
