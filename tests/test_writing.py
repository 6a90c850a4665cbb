"""Files are written whole or not at all, never through a link, and a disk that refuses them is named."""

import os
import re
from pathlib import Path

import pytest

from stepaudit.errors import StorageError
from stepaudit.store import writing
from tests.disks import fill, read_only, small_disk

PACKAGE = Path(writing.__file__).parents[1]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new/folder/f"
    writing.write_text(path, "old")
    with writing.written(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(path.parent) == ["f"]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), writing.written(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["f", ".f.tmp", f".f.{os.getpid()}.tmp"], ids=["file", "temporary", "own temporary"])
def test_a_link_is_replaced_and_what_it_leads_to_is_untouched(tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    with writing.written(folder / "f") as temporary:
        temporary.write_text("ours")
    writing.write_text(folder / "f", "ours")
    assert outside.read_text() == "theirs"
    assert not (folder / "f").is_symlink()
    assert (folder / "f").read_text() == "ours"


def test_what_a_killed_writer_left_is_not_part_of_the_file(tmp_path):
    (tmp_path / ".f.tmp").write_text("left over")
    with writing.written(tmp_path / "f") as temporary:
        assert not temporary.exists()
        temporary.write_text("new")
    assert names(tmp_path) == ["f"]


def test_a_full_disk_is_named_and_nothing_half_written_is_left(tmp_path):
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        fill(disk)
        with pytest.raises(StorageError, match=rf"{re.escape(str(disk))}: the disk is full \(0 MB are free\)"):
            writing.write_text(disk / "f", "x" * 10_000)
        assert names(disk) == ["ballast"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with (
        read_only(tmp_path / "disk") as disk,
        pytest.raises(StorageError, match=f"{re.escape(str(disk))}.*cannot be written"),
    ):
        writing.write_text(disk / "new/f", "x")


def test_nothing_else_in_the_package_writes_a_file_in_place():
    """Exceptions: what lies in a folder that its writer moves or removes, and logs that only grow."""
    direct = re.compile(r"\.write_(?:text|bytes)\(|\.open\(\"[wax]b?\"|\bopen\([^)]*, \"[wax]b?\"|\.replace\(path\)")
    inside = re.compile(r"\b(?:temporary|path)\.(?:write_|open\()|\(Path\(hidden\)|\bfolder / ")
    allowed = {"store/writing.py", "commands/doctor/audit_checks.py", "commands/doctor/video_checks.py"}
    found = {
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if str(path.relative_to(PACKAGE)) not in allowed
        for line in path.read_text().splitlines()
        if direct.search(line) and "writing.write_text(" not in line and not inside.search(line)
    }
    assert found == {
        'running/ledger.py: with writing.explained(self.path(LEDGER)), self.path(LEDGER).open("a") as ledger:',
        'running/watchdog.py: self._note = self._under_way.open("wb", buffering=0)',
    }
