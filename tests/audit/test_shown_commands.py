"""Every command that the documentation shows is run: here, or by a test that is named here with the reason."""

import re
from dataclasses import dataclass

import pytest
from shown_commands import PAGES, ROOT, Command, blocks, commands, run

LANGUAGES = {"bash", "text", "python", "yaml", "sql", "csv", "toml", "r", "json", "latex"}


@dataclass(frozen=True)
class Elsewhere:
    """Commands that are not run here.

    Args:
        pattern: regular expression that the whole command matches, written on one line without its comment.
        reason: why.
        test: `path::name` of the test that runs it, or an equal one; None if nothing can.
        pages: where; default: everywhere.
    """

    pattern: str
    reason: str
    test: str | None = None
    pages: tuple[str, ...] = ()

    def covers(self, command: Command) -> bool:
        here = not self.pages or command.page in self.pages
        return here and re.fullmatch(self.pattern, command.short, re.S) is not None


AUDITS = "tests/audit"
PLANNED = "tests/audit/workflow/test_dry_run.py"
WHOLE = "tests/audit/workflow/test_whole_audit.py"
ELSEWHERE = [
    Elsewhere(
        r".*",
        "a whole audit, in the order of the page",
        f"{AUDITS}/test_tutorial.py::test_the_tutorial_runs_as_it_is_written",
        ("docs/tutorial.md",),
    ),
    Elsewhere(r"(python3 -m venv|\. \.venv/bin/activate|pip install).*", "installs, for which tests have no network"),
    Elsewhere(r"(mkdir -p data|ln -s \"\$HOME/.*)", "links data that a test does not have"),
    Elsewhere(
        r"make (?!demo).*",
        "for developers and CI",
        "tests/test_documentation.py::test_every_target_of_make_that_is_mentioned_exists",
    ),
    Elsewhere(
        r"make demo",
        "installs, and takes minutes; the same in small",
        f"{WHOLE}::test_the_run_ends_with_the_name_of_the_report",
    ),
    Elsewhere(
        r"snakemake --cores all",
        "the default audit takes minutes; the same in small",
        f"{WHOLE}::test_a_second_run_has_nothing_to_do",
    ),
    Elsewhere(
        r"snakemake -n --configfile (my|config/ucf101_24)\.yaml",
        "the same in small",
        f"{PLANNED}::test_a_configuration_given_by_name_replaces_the_default_and_is_not_merged_with_it",
    ),
    Elsewhere(
        r"(CUDA_VISIBLE_DEVICES=0,1 )?snakemake --cores (8|all) --configfile (my|my_methods)\.yaml",
        "an audit of one's own; the same in small",
        f"{WHOLE}::test_a_new_method_runs_its_own_jobs_only",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile config/ucf101_24\.yaml",
        "a whole audit of real videos",
        f"{AUDITS}/test_real_video.py::test_the_report_is_there",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile config/paper\.yaml",
        "days on GPUs; planned in full",
        f"{PLANNED}::test_the_papers_experiments_are_planned_without_a_look_at_any_video",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile config/paper_cut\.yaml",
        "an audit of real videos; with fewer of them, and of all three data sets",
        f"{AUDITS}/test_paper_experiments.py::test_every_data_set_is_explained_to_both_models_and_nothing_is_missing",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile config/benchmark\.yaml",
        "takes minutes; the same in small",
        "tests/test_jobs.py::test_the_planted_benchmark_scores_every_registered_method",
    ),
    Elsewhere(
        r"stepaudit sql results/benchmark .*",
        "asks that audit",
        "tests/test_documentation.py::test_every_query_that_is_shown_is_valid",
    ),
    Elsewhere(
        r"snakemake --cores all --profile slurm",
        "needs a cluster",
        "tests/slurm/undisturbed.py::test_a_fresh_checkout_comes_to_its_report",
    ),
    Elsewhere(
        r"snakemake --cores all --profile slurm --default-resources .*",
        "needs a cluster",
        "tests/slurm/undisturbed.py::"
        "test_account_partition_and_constraint_of_the_user_arrive_and_ctrl_c_cancels_the_jobs",
    ),
    Elsewhere(
        r"scancel --name RUN_ID",
        "needs a cluster",
        "tests/slurm/faults.py::test_a_run_whose_login_node_was_lost_goes_on_once_its_jobs_are_cancelled",
    ),
    Elsewhere(
        r"stepaudit doctor --slurm",
        "ends with 1 where there is no cluster",
        "tests/test_doctor.py::test_slurm_is_a_problem_only_if_it_is_wanted",
    ),
    Elsewhere(
        r"snakemake (--unlock|--cores all --rerun-incomplete)",
        "after Snakemake was killed",
        "tests/audit/workflow/test_interrupted.py::"
        "test_an_audit_that_is_stopped_again_and_again_gives_the_tables_of_one_that_was_left_alone",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile results/demo/config\.yaml( --force .*)?",
        "mends an audit",
        "tests/faults/injected.py::test_a_shard_is_damaged_on_the_disk",
    ),
    Elsewhere(
        r"snakemake --cores all --configfile release\.yaml --config audit=this_week",
        "an audit of one's own, under another name",
        f"{PLANNED}::test_overrides_on_the_command_line_reach_nested_keys_with_their_types",
    ),
    Elsewhere(
        r"stepaudit compare results/last_week:max_over_time results/this_week:candidate .*",
        "needs a model of that name",
        "tests/test_compare.py::test_a_side_is_an_audit_or_a_model_of_one",
    ),
    Elsewhere(
        r"stepaudit compare results/week_1 results/week_2 results/week_3",
        "needs three audits",
        "tests/test_compare_series.py::test_each_week_has_a_line_with_its_change_against_the_week_before",
    ),
    Elsewhere(
        r"stepaudit sql results/demo",
        "a shell needs a terminal",
        "tests/test_sql_shell.py::test_a_shell_takes_statements_of_several_lines_and_goes_on_after_an_error",
    ),
    Elsewhere(
        r"python tests/fuzz/campaign\.py .*",
        "takes hours",
        "tests/fuzz/test_readers.py::test_every_damaged_file_ends_in_a_status_or_a_clear_error",
    ),
]
ENDS = {  # exit status, where it is not 0
    'stepaudit compare results/last_week results/this_week --fail-if "needless_increase.lower > 0"': 1,
}


def elsewhere(command: Command) -> Elsewhere | None:
    return next((entry for entry in ELSEWHERE if entry.covers(command)), None)


def shown_here(page: str) -> list[Command]:
    return [command for command in commands(page) if not elsewhere(command)]


@pytest.mark.parametrize("page", [page for page in PAGES if shown_here(page)])
def test_the_commands_of_a_page_run_as_they_are_written(page, working_folder):
    for command in shown_here(page):
        status, printed = run(command)
        expected = next((number for start, number in ENDS.items() if command.short.startswith(start)), 0)
        assert status == expected, f"{page}:{command.line}: {command.text}: status {status}: {printed}"


def test_what_is_not_run_here_is_shown_somewhere_and_the_test_that_runs_it_exists():
    shown = [command for page in PAGES for command in commands(page)]
    assert not [entry.pattern for entry in ELSEWHERE if not any(entry.covers(command) for command in shown)]
    assert not [entry.test for entry in ELSEWHERE if entry.test and not exists(entry.test)]


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    return re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M) is not None


def test_every_block_says_its_language():
    """Only commands in `bash` blocks are sure to be found."""
    pages = [page for page in PAGES if page.startswith("docs/")]
    others = {page: names for page in pages if (names := {block.language for block in blocks(page)} - LANGUAGES)}
    assert not others
    fences = {page: len(re.findall(r"^ *```", (ROOT / page).read_text(), re.M)) for page in pages}
    assert fences == {page: 2 * len(blocks(page)) for page in pages}


def test_commands_are_found_as_a_shell_would_read_them(tmp_path, monkeypatch):
    shown = "stepaudit a \\\n  --b 'c\nd'   # why\n\n# a remark\nif true; then\n  ls\nfi\n"
    (tmp_path / "page.md").write_text(f"```bash\n{shown}```\n```text\nno command\n```\n")
    monkeypatch.setattr("shown_commands.ROOT", tmp_path)
    found = commands("page.md")
    assert [(command.line, command.words[0]) for command in found] == [(2, "stepaudit"), (7, "if")]
    assert found[0].words == ["stepaudit", "a", "--b", "c\nd"]
