"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from hear_cacophony.files import atomic_write
from hear_cacophony.files.atomic_write import sync_tree, write_file, write_json, write_text, write_text_once

RACE = """
import pathlib, sys
from hear_cacophony.files.atomic_write import write_text_once
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
for i in range(100):
    file = folder / str(i) / "note"
    write_text_once(file, name * 1000)
    text = file.read_text()
    assert len(set(text)) == 1 and len(text) == 1000, text
"""


def test_a_file_is_replaced_whole(tmp_path):
    write_text(tmp_path / "new" / "a", "one")
    write_text(tmp_path / "new" / "a", "zwei, ü")
    assert (tmp_path / "new" / "a").read_text(encoding="utf-8") == "zwei, ü"
    assert os.listdir(tmp_path / "new") == ["a"]


def test_what_was_there_stays_where_writing_fails(tmp_path):
    write_text(tmp_path / "a", "before")

    def write(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_file(tmp_path / "a", write)
    assert (tmp_path / "a").read_text() == "before"
    assert os.listdir(tmp_path) == ["a"]


def test_a_pipe_takes_the_content_and_stays(tmp_path):
    """A file in place of /dev/null, as the administrator can put it there, is in the way of all programs."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "one, ü")
    assert os.read(reader, 100).decode() == "one, ü"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_an_open_file_is_written_to_and_not_replaced(tmp_path):
    """That /dev/stdout leads to a file does not make it one."""
    write = "import pathlib, sys; from hear_cacophony.files.atomic_write import write_text; write_text(pathlib.Path"
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-c", f"{write}('/proc/self/fd/1'), 'one')"]
        subprocess.run(command, stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "one"
    assert os.listdir(tmp_path) == ["out"]


def test_the_first_of_several_processes_wins_and_all_can_read_it(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), name]) for name in "abcd"]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]


def test_what_a_killed_process_has_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    """However long that takes: the age of a folder says nothing."""

    def write(part):
        part.write_text("slow")
        os.utime(part.parent, (1, 1))
        write_text(tmp_path / "b", "meanwhile")
        assert part.read_text() == "slow"

    left = tmp_path / f"{atomic_write.PREFIX}left"
    left.mkdir()
    (left / "half").write_text("ha")
    write_file(tmp_path / "a", write)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "slow"


def test_a_second_note_is_not_written(tmp_path):
    assert write_text_once(tmp_path / "note", "first")
    before = os.stat(tmp_path).st_mtime_ns
    assert not write_text_once(tmp_path / "note", "second")
    assert (tmp_path / "note").read_text() == "first"
    assert os.stat(tmp_path).st_mtime_ns == before


def test_without_hard_links_the_note_is_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "Operation not supported")))
    assert write_text_once(tmp_path / "note", "first")
    assert (tmp_path / "note").read_text() == "first"


def test_the_entry_of_the_folder_is_synced_after_the_file(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(atomic_write, "_sync", lambda path: synced.append((path.name, sorted(os.listdir(tmp_path)))))
    write_text(tmp_path / "a", "text")
    assert [name for name, _ in synced] == ["a", tmp_path.name]
    assert synced[-1][1] == ["a"]


def test_a_tree_is_synced_with_all_folders(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("")
    synced = []
    monkeypatch.setattr(atomic_write, "_sync", lambda path: synced.append(str(path.relative_to(tmp_path))))
    sync_tree(tmp_path)
    assert sorted(synced) == [".", "a", "a/b", "a/b/c"]


def test_links_in_a_tree_need_not_lead_anywhere(tmp_path):
    (tmp_path / "licence").symlink_to(tmp_path / "not there")
    sync_tree(tmp_path)
    assert (tmp_path / "licence").is_symlink()


def test_json_holds_what_is_no_number_and_names_that_are_no_text(tmp_path):
    content = {"score": float("nan"), "scores": (0.5, float("nan")), "caf\u00e9": os.fsdecode(b"a\xff.wav")}
    write_json(tmp_path / "a.json", content)
    told = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert '"caf\u00e9"' in told
    assert json.loads(told) == {"score": None, "scores": [0.5, None], "caf\u00e9": os.fsdecode(b"a\xff.wav")}
