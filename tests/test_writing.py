"""Files are written whole or not at all, never through a link, and a disk that refuses them is named."""

import ast
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


def test_a_file_written_in_place_is_no_link_no_folder_and_no_device(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "nowhere").symlink_to(tmp_path / "new")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "nowhere", "pipe", "."):
        with pytest.raises(StorageError, match="writes through no link"):
            writing.append(tmp_path / name, "ours")
    assert outside.read_text() == "theirs"
    assert not (tmp_path / "new").exists()


def test_removing_a_link_leaves_what_it_leads_to(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/file").write_text("theirs")
    (tmp_path / "ours/inner").mkdir(parents=True)
    (tmp_path / "ours/inner/link").symlink_to(tmp_path / "theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    for name in ("link", "ours", "missing"):
        writing.remove(tmp_path / name)
    assert names(tmp_path) == ["theirs"]
    assert (tmp_path / "theirs/file").read_text() == "theirs"


CHANGING = {
    *("write_text", "write_bytes", "mkdir", "makedirs", "unlink", "rmdir", "rmtree", "removedirs", "touch", "rename"),
    *("mkfifo", "symlink_to", "hardlink_to", "symlink", "fdopen", "mkstemp", "mkdtemp", "NamedTemporaryFile"),
}
LIBRARIES = {"write_table", "ParquetWriter", "save_file", "savez_compressed", "write_history_file"}
SHORT = {*CHANGING, "remove", "replace", "link", "copy", "copy2", "copyfile", "copytree", "move"}


def calls(path: Path) -> list[tuple[ast.Call, str, str]]:
    """Calls in a file: the node, what it is called on, and the function's name."""
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {node: node.func for node in found if isinstance(node.func, ast.Attribute | ast.Name)}
    return [
        (node, ast.unparse(f.value), f.attr) if isinstance(f, ast.Attribute) else (node, "", f.id)
        for node, f in names.items()
    ]


def mode_of(call: ast.Call, owner: str) -> str:
    """Mode of a call of `open`: the second argument, of `Path.open` the first."""
    given = {key.arg: key.value for key in call.keywords}
    place = 1 if owner in ("", "Image", "os") else 0
    mode = call.args[place] if len(call.args) > place else given.get("mode", ast.Constant("r"))
    return str(mode.value) if isinstance(mode, ast.Constant) else "w: unknown"


def test_only_one_module_opens_files_for_writing_makes_folders_or_removes():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        for call, owner, function in calls(path):
            opens = function == "open" and (owner == "os" or set(mode_of(call, owner)) & set("wax+"))
            changes = function in (SHORT if owner in ("shutil", "os") else CHANGING) and owner not in ("writing", "")
            replaces = function == "replace" and len(call.args) == 1 and not call.keywords
            elsewhere = function in LIBRARIES and not {"temporary", "path"} & set(map(ast.unparse, call.args))
            if name != "store/writing.py" and (opens or changes or replaces or elsewhere):
                found.append(f"{name}: {ast.unparse(call)}")
    standard = [each for each in found if each.startswith("running/fork_child.py: os.fdopen(")]
    assert len(standard) == 3  # the standard streams of a job
    assert [each for each in found if each not in standard] == [
        "commands/_exit_codes.py: os.open(os.devnull, os.O_WRONLY)"
    ]
