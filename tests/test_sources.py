"""A data set has changed if the content of its files has, not if they were touched."""

import os
import shutil
from pathlib import Path

import pytest

from stepaudit.audit import config, decides, planning, sources
from stepaudit.audit.audit_folder import of_folder
from stepaudit.audit.jobs import Job
from stepaudit.audit.sources import Sources
from stepaudit.commands import status
from stepaudit.commands.check import integrity
from stepaudit.errors import UsageError
from stepaudit.stages import index
from stepaudit.store import checksums

VIDEOS = [f"{label}/{name}.mp4" for label in ("dive", "goal") for name in "abcd"]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Eight files with other contents; nobody decodes them."""
    monkeypatch.chdir(tmp_path)
    for name in VIDEOS:
        path = Path("v", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    lines = [f"{name},{'test' if name[5] in 'cd' else 'train'}" for name in VIDEOS]
    Path("v/split.csv").write_text("\n".join(["video,split", *lines, ""]))
    return Path("v")


def audit(**changes: object) -> config.Config:
    """An audit of two test shards, as it is configured anew in each process."""
    return config.parse(
        {
            "audit": "a",
            "shards": 2,
            "datasets": {"own": {"use": "folder", "root": "v", "options": {"videos": "split.csv"}}},
            "models": {"m": {"use": "r2plus1d_18", "weights": "w.pt", "training": {"epochs": 1}}},
            "methods": {"center": None},
            **changes,
        }
    )


def started(indexed: bool = True) -> config.Config:
    """The audit after the workflow has started, and the data set was read."""
    made = planning.with_sources(audit())
    planning.save_sources(made)
    if indexed:
        index.run(Job(audit(), "index", "own"))
    config.save(made, made.folder / "config.yaml")
    return audit()


def changed() -> set[str]:
    """The jobs of `index` and `extract` that the next start of the workflow would run again."""
    before, after = audit(), planning.with_sources(audit())
    jobs = [job for group in planning.in_groups(after)[:2] for job in group]
    return {job.shard or job.stage for job in jobs if decides.changed(job, decides.settings(replaced(job, before)))}


def replaced(job: Job, settings: config.Config) -> Job:
    return Job(settings, job.stage, **job.keys)


def touch(path: Path) -> None:
    os.utime(path, (1e9, 1e9))


def test_nothing_has_changed_where_files_were_only_touched(root):
    started()
    for path in root.rglob("*.*"):
        touch(path)
    assert changed() == set()
    assert planning.changed_sources(audit()) == {}


def test_a_file_that_was_touched_before_its_checksum_was_taken_counts_as_changed(root):
    started(indexed=False)
    touch(root / "goal/d.mp4")
    assert changed() == {"index", "test-001"}


def test_another_content_of_the_same_size_and_an_older_time_is_seen(root):
    started()
    (root / "dive/c.mp4").write_bytes(b"DIVE/c.mp4" * 100)
    touch(root / "dive/c.mp4")
    assert changed() == {"index", "test-000"}
    assert planning.changed_sources(audit()) == {"own": "1 changed (v/dive/c.mp4)"}


def test_an_added_test_video_runs_the_shard_again_that_it_falls_into_and_no_training(root):
    started()
    (root / "goal/e.mp4").write_bytes(b"e")
    with (root / "split.csv").open("a") as file:
        file.write("goal/e.mp4,test\n")
    assert changed() == {"index", "test-000"}
    assert planning.changed_sources(audit()) == {"own": "1 added (v/goal/e.mp4); 1 changed (v/split.csv)"}


def test_a_class_more_is_what_has_changed_of_a_model_that_is_not_trained(root):
    untrained = {"models": {"m": {"use": "r2plus1d_18", "training": {"epochs": 0}}}}
    started()
    before = decides.settings(Job(audit(**untrained), "train", "own", "m"))
    (root / "goal/e.mp4").write_bytes(b"another")
    with (root / "split.csv").open("a") as file:
        file.write("goal/e.mp4,test\n")
    job = Job(planning.with_sources(audit(**untrained)), "train", "own", "m")
    assert decides.changed(job, before) == []
    (root / "save").mkdir()
    (root / "save/f.mp4").write_bytes(b"of another class")
    with (root / "split.csv").open("a") as file:
        file.write("save/f.mp4,test\n")
    job = Job(planning.with_sources(audit(**untrained)), "train", "own", "m")
    assert decides.changed(job, before) == ["data set 'own'"]


def test_a_removed_or_renamed_training_video_runs_all_training_shards_again(root):
    started()
    text = (root / "split.csv").read_text()
    (root / "goal/a.mp4").rename(root / "goal/aa.mp4")
    (root / "split.csv").write_text(text.replace("goal/a", "goal/aa"))
    training = {"index", "train-000", "train-001", "validation-000", "validation-001"}
    assert changed() == training
    (root / "goal/aa.mp4").unlink()
    (root / "split.csv").write_text(text.replace("goal/a.mp4,train\n", ""))
    assert changed() == training


def test_a_file_beside_the_videos_has_the_data_set_read_again_and_nothing_more(root):
    started()
    (root / "notes.txt").write_text("a new note")
    assert changed() == {"index"}


def test_pictures_of_a_folder_are_one_entry_that_changes_with_each_of_them(root):
    frames = root / "dive/frames"
    frames.mkdir()
    for number in range(3):
        (frames / f"{number}.png").write_bytes(bytes([number]))
    files = sources.now(Sources(), root, {}, Path("results"))
    assert str(frames) in files
    assert not [path for path in files if path.endswith(".png")]
    (frames / "1.png").write_bytes(b"x")
    touch(frames / "1.png")
    assert sources.now(Sources(files=files), root, {}, Path("results"))[str(frames)] != files[str(frames)]


def test_files_that_options_name_elsewhere_count_and_results_below_the_root_do_not(root, tmp_path):
    other = tmp_path / "boxes.csv"
    other.write_text("video\n")
    (root / "results").mkdir()
    (root / "results/table.parquet").write_bytes(b"rows")
    (root / "circle").symlink_to(root.absolute())
    found = sources.now(Sources(), root, {"boxes": str(other), "seed": 3}, root / "results")
    assert sorted(found) == sorted([str(other), *(f"v/{name}" for name in [*VIDEOS, "split.csv"])])


def test_a_pipe_is_no_file_of_the_data_set(root):
    os.mkfifo(root / "goal/pipe.mp4")
    assert "v/goal/pipe.mp4" not in sources.now(Sources(), root, {}, Path("results"))


def test_reading_results_ends_where_a_root_holds_far_more_files_than_it_did(root):
    with pytest.raises(UsageError, match="it holds more than 3 files now"):
        sources.now(Sources(), root, {}, Path("results"), most=3)


def test_saved_sources_are_read_as_they_were_and_damaged_ones_as_none(root):
    made = started()
    again = sources.read(made.folder, "own")
    assert again == made.sources("own")
    assert {file.content for file in again.files.values()} == {
        checksums.content(path) for path in root.rglob("*.*") if path.is_file()
    }
    path = made.folder / "sources/own.json"
    path.write_text(path.read_text()[:100])
    assert sources.read(made.folder, "own") == Sources()


def test_a_large_file_is_compared_by_blocks_all_over_it(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "WHOLE", 1000)
    monkeypatch.setattr(checksums, "BLOCK", 10)
    path = tmp_path / "large"
    content = bytearray(64 * 100)
    path.write_bytes(content)
    before = checksums.content(path)
    for place in (0, len(content) - 1):
        path.write_bytes(content[:place] + b"x" + content[place + 1 :])
        assert checksums.content(path) != before
    path.write_bytes(bytes(64 * 100))
    assert checksums.content(path) == before


def test_other_weights_are_what_has_changed_of_a_training(root):
    Path("w.pt").write_bytes(b"one")
    decides._checksum.cache_clear()
    job = Job(audit(), "train", "own", "m")
    before = decides.settings(job)
    touch(Path("w.pt"))
    decides._checksum.cache_clear()
    assert decides.changed(job, before) == []
    Path("w.pt").write_bytes(b"two")
    decides._checksum.cache_clear()
    assert decides.changed(job, before) == ["w.pt"]
    Path("w.pt").unlink()  # as on a colleague's machine
    decides._checksum.cache_clear()
    assert decides.changed(job, before) == []


def test_check_and_status_name_the_files_that_have_changed(root):
    folder = started().folder
    assert not list(integrity._source_problems(of_folder(folder)))
    assert status.of_folder(folder).causes == []
    (root / "goal/d.mp4").write_bytes(b"another")
    (problem,) = integrity._source_problems(of_folder(folder))
    assert (problem.kind, problem.name) == ("stale", "segments/dataset=own/all.parquet")
    assert problem.text == "files of data set 'own': 1 changed (v/goal/d.mp4)"
    assert "stale: data set 'own': 1 changed (v/goal/d.mp4)\n" in status.text(status.of_folder(folder))


def test_where_the_videos_are_not_there_nothing_is_said_of_them(root):
    folder = started().folder
    shutil.rmtree(root)
    assert not list(integrity._source_problems(of_folder(folder)))


@pytest.mark.parametrize("how", ["gone", "unmounted"])
def test_the_workflow_does_not_start_where_the_videos_of_its_tables_are_gone(root, how):
    """Snakemake removes the tables of `index` before a job that would fail."""
    started()
    shutil.rmtree(root)
    if how == "unmounted":
        root.mkdir()
    with pytest.raises(UsageError, match=rf"'own': {root.absolute()} is not there or empty, and results/a has tables"):
        planning.with_sources(audit())


def test_a_data_set_that_makes_its_own_videos_has_no_files(root):
    made = planning.with_sources(audit(datasets={"planted": {"root": "v"}}))
    assert made.sources("planted").files == {}
    assert made.sources("planted").of_shard("test", 0, 2) == made.sources("planted").version
