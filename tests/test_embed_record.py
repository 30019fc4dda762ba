"""Tasks that change after they were embedded, names that lead elsewhere, and names that are too long."""

from __future__ import annotations

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from hear_tasks_on_disk import make_scene_task

from hear_cacophony.files import file_identity
from hear_tasks.cli import main
from hear_tasks.doctor.examination import _check_embedded
from hear_tasks.doctor.report import Severity
from hear_tasks.embed.hear_module import claim_folder
from hear_tasks.embed.record import RECORD_FILE, compare_with_task
from hear_tasks.embed.task import read_task
from hear_tasks.embed.work_folder import WorkFolder, is_done
from hear_tasks.task_folder import EMBEDDED_FILE, TaskError


@pytest.fixture
def task(tmp_path) -> pathlib.Path:
    return make_scene_task(tmp_path / "tasks")


def embed(tmp_path: pathlib.Path, *options: str) -> int:
    places = ["--tasks-dir", str(tmp_path / "tasks"), "--embeddings-dir", str(tmp_path / "out")]
    return main(["embed", "--module", "hear_cacophony.logmel", *places, *options])


def edit(file: pathlib.Path, change) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps(change(content)))


def first_split(task: pathlib.Path) -> str:
    return json.loads((task / "task_metadata.json").read_text())["splits"][0]


def other_labels(content: dict) -> dict:
    name, labels = next(iter(content.items()))
    return {**content, name: next(each for each in content.values() if each != labels)}


def other_samples(task: pathlib.Path, split: str) -> None:
    """Change a clip, but neither its size nor its times."""
    file = sorted((task / "16000" / split).iterdir())[0]
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    data = file.read_bytes()
    file.write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))
    os.utime(file, ns=times)


CHANGES = {
    "labels": (lambda task, split: edit(task / f"{split}.json", other_labels), "labels of"),
    "order": (
        lambda task, split: edit(task / f"{split}.json", lambda content: dict(reversed(content.items()))),
        "in another order",
    ),
    "removed": (
        lambda task, split: edit(task / f"{split}.json", lambda content: dict(list(content.items())[1:])),
        "removed",
    ),
    "audio": (lambda task, split: other_samples(task, split), "is another"),
    "gone": (lambda task, split: next(iter(sorted((task / "16000" / split).iterdir()))).unlink(), "is gone"),
    "split gone": (lambda task, split: (task / f"{split}.json").unlink(), "is gone, or cannot be read"),
    "split damaged": (lambda task, split: (task / f"{split}.json").write_text("{"), "is gone, or cannot be read"),
    "vocabulary gone": (lambda task, _: (task / "labelvocabulary.csv").unlink(), "labelvocabulary.csv is gone"),
    "vocabulary": (
        lambda task, _: (task / "labelvocabulary.csv").write_text("idx,label\n0,x\n"),
        "labelvocabulary.csv differs",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_finished_task_that_has_changed_is_refused_with_what_differs(change, task, tmp_path, capsys):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    assert compare_with_task(target, task) == []
    before = {file: file.stat().st_mtime_ns for file in target.rglob("*")}
    make, told = CHANGES[change]
    make(task, first_split(task))
    assert embed(tmp_path) == 1
    message = capsys.readouterr().err
    assert "has changed since it was embedded" in message
    assert told in message
    assert {file: file.stat().st_mtime_ns for file in target.rglob("*")} == before


def test_the_doctor_compares_finished_embeddings_with_their_task(task, tmp_path):
    assert embed(tmp_path) == 0
    assert _check_embedded([task], tmp_path / "out") == []
    CHANGES["labels"][0](task, first_split(task))
    (finding,) = _check_embedded([task], tmp_path / "out")
    assert finding.severity is Severity.ERROR
    assert f"{first_split(task)}.json: labels of" in finding.message
    assert _check_embedded([task], tmp_path / "nosuch") == []


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_note_of_the_weights_that_is_damaged_is_no_leave_to_mix_models(content, tmp_path):
    claim_folder(tmp_path, {"md5": "1"})
    (tmp_path / "weights.json").write_text(content)
    with pytest.raises(ValueError, match=r"weights\.json: cannot be read .*; which weights made these embeddings\?"):
        claim_folder(tmp_path, {"md5": "2"})


def test_the_record_tells_the_rate(task, tmp_path):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    record = json.loads((target / RECORD_FILE).read_text())
    split = first_split(task)
    assert f"16000/{split}" in record["audio"]
    clips = record["audio"][f"16000/{split}"]
    shutil.copytree(task / "16000", task / "44100")  # of another model
    (target / RECORD_FILE).write_text(json.dumps({**record, "audio": {f"44100/{split}": clips}}))
    assert compare_with_task(target, task) == []
    (task / "44100" / split / sorted(clips)[0]).unlink()
    assert compare_with_task(target, task) == [f"{split}: audio of {sorted(clips)[0]} is gone, or cannot be read"]


@pytest.mark.parametrize(
    ("named", "there", "told"),
    [
        ("caf\u00e9.wav", "cafe\u0301.wav", "looks the same (in Unicode NFD, there NFC)"),
        ("Dog.wav", "dog.wav", "differs in upper and lower case"),
    ],
)
def test_a_clip_that_is_there_by_a_similar_name_is_told(task, named, there, told):
    split = first_split(task)
    edit(
        task / f"{split}.json", lambda content: {**dict(list(content.items())[1:]), named: next(iter(content.values()))}
    )
    audio = task / "16000" / split
    next(iter(sorted(audio.iterdir()))).rename(audio / there)
    with pytest.raises(TaskError) as caught:
        read_task(task, 16_000)
    assert f"{named}: no such file; {there!r} is, whose name {told}: rename the file, or" in str(caught.value)


@pytest.mark.parametrize("copy", [shutil.copy2, shutil.copyfile])
def test_copies_are_the_same_task_whatever_their_times(copy, task, tmp_path, capsys):
    assert embed(tmp_path) == 0
    (tmp_path / "tasks").rename(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "tasks", copy_function=copy)
    assert embed(tmp_path) == 0
    assert f"{task.name}: was done already" in capsys.readouterr().err
    assert read_task(task, 16_000).fingerprint == read_task(tmp_path / "before" / task.name, 16_000).fingerprint


def test_a_task_of_equal_names_sizes_and_times_is_another(task, tmp_path, capsys):
    assert embed(tmp_path) == 0
    (tmp_path / "tasks").rename(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "tasks")
    other_samples(task, first_split(task))
    assert embed(tmp_path) == 1
    assert "audio of fold00-0.wav is another" in capsys.readouterr().err
    assert read_task(task, 16_000).fingerprint != read_task(tmp_path / "before" / task.name, 16_000).fingerprint


def test_audio_is_read_again_only_where_it_may_have_changed(task, tmp_path, monkeypatch):
    assert embed(tmp_path) == 0
    read = []
    digest = file_identity.content_digest
    monkeypatch.setattr(
        file_identity, "content_digest", lambda path: read.append(pathlib.Path(path).name) or digest(path)
    )
    assert embed(tmp_path) == 0
    assert read == []
    (task / "16000" / first_split(task) / "fold00-3.wav").touch()
    assert embed(tmp_path) == 0
    assert read == ["fold00-3.wav"]


def only_the_mark(target: pathlib.Path) -> None:
    for file in target.iterdir():
        if file.name != EMBEDDED_FILE:
            file.unlink()


LOSSES = {
    "removed": (lambda target: (target / "fold00.embeddings.npy").unlink(), "fold00.embeddings.npy (gone)"),
    "emptied": (lambda target: os.truncate(target / "fold01.embeddings.npy", 0), "fold01.embeddings.npy (empty)"),
    "cut": (
        lambda target: os.truncate(target / "fold02.embeddings.npy", 5000),
        "fold02.embeddings.npy (5000 of 12288 bytes)",
    ),
    "labels": (lambda target: (target / "fold01.target-labels.pkl").unlink(), "fold01.target-labels.pkl (gone)"),
    "metadata": (lambda target: os.truncate(target / "task_metadata.json", 0), "task_metadata.json (empty)"),
    "clips": (lambda target: os.truncate(target / "fold00.json", 9), "fold00.json (9 of "),
    "of a clip": (
        lambda target: (target / "fold02" / "fold02-4.wav.embedding.npy").unlink(),
        "fold02-4.wav.embedding.npy",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_embeddings_are_told_and_made_again_beside_their_scores(loss, task, tmp_path, capsys):
    assert embed(tmp_path, "--clip-files") == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    before = {file: file.read_bytes() for file in target.rglob("*") if file.is_file()}
    (target / "test.predicted-scores.json").write_text("scores")
    make, told = LOSSES[loss]
    make(target)
    assert not is_done(target)
    (finding,) = _check_embedded([task], tmp_path / "out")
    assert finding.severity is Severity.WARNING
    assert told in finding.message
    capsys.readouterr()
    assert embed(tmp_path, "--clip-files") == 0
    assert told in capsys.readouterr().err
    assert (target / "test.predicted-scores.json").read_text() == "scores"
    assert all(file.read_bytes() == data for file, data in before.items() if "profile" not in file.name)
    assert _check_embedded([task], tmp_path / "out") == []
    assert embed(tmp_path) == 0
    assert "was done already" in capsys.readouterr().err


def test_a_mark_alone_is_no_finished_task(task, tmp_path, capsys):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    only_the_mark(target)
    assert embed(tmp_path) == 0
    assert (
        "labelvocabulary.csv (gone), fold00.json (gone) and 11 more files; embedding it again"
        in capsys.readouterr().err
    )
    assert is_done(target)


def test_embeddings_of_heareval_itself_are_done_while_their_files_are_there(task, tmp_path, capsys):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    (target / RECORD_FILE).unlink()
    os.truncate(target / EMBEDDED_FILE, 0)
    times = {file: file.stat().st_mtime_ns for file in target.rglob("*")}
    assert embed(tmp_path) == 0
    assert {file: file.stat().st_mtime_ns for file in target.rglob("*")} == times
    os.truncate(target / "fold02.embeddings.npy", 5000)
    assert embed(tmp_path) == 0
    assert "fold02.embeddings.npy (5000 of 12288 bytes)" in capsys.readouterr().err
    assert is_done(target)


def test_a_kill_while_lost_embeddings_take_their_place_loses_no_scores(task, tmp_path, monkeypatch):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    (target / "scores").write_text("scores")
    (target / "fold00.embeddings.npy").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(WorkFolder, "remove", lambda self: None)
        assert embed(tmp_path) == 0
    assert not (target / "scores").exists()
    assert embed(tmp_path) == 0
    assert (target / "scores").read_text() == "scores"
    assert [each.name for each in sorted(target.parent.iterdir())] == [task.name, "weights.json"]


def test_the_fingerprint_tells_order_and_audio(task):
    before = read_task(task, 16_000).fingerprint
    edit(task / f"{first_split(task)}.json", lambda content: dict(reversed(content.items())))
    reordered = read_task(task, 16_000).fingerprint
    CHANGES["audio"][0](task, first_split(task))
    assert len({before, reordered, read_task(task, 16_000).fingerprint}) == 3


def test_embeddings_of_heareval_itself_are_compared_by_their_labels(task, tmp_path):
    assert embed(tmp_path) == 0
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    (target / RECORD_FILE).unlink()
    CHANGES["audio"][0](task, first_split(task))
    assert compare_with_task(target, task) == []
    CHANGES["labels"][0](task, first_split(task))
    assert "labels of" in compare_with_task(target, task)[0]


@pytest.mark.parametrize("name", ["../../../esc.wav", "/etc/passwd", "a/b.wav", "..", "", "nul\0.wav"])
def test_clips_outside_the_task_are_refused_before_anything_is_read(name, task, tmp_path):
    edit(task / f"{first_split(task)}.json", lambda content: {**content, name: next(iter(content.values()))})
    with pytest.raises(TaskError, match="expected plain names, which stay in the task's folder"):
        read_task(task, 16_000)
    assert embed(tmp_path) == 1
    assert not list((tmp_path / "out").rglob("*.npy"))


def test_splits_outside_the_task_are_refused(task):
    edit(task / "task_metadata.json", lambda content: {**content, "splits": ["../../esc"]})
    with pytest.raises(TaskError, match=r"splits: expected plain names.*'\.\./\.\./esc'"):
        read_task(task, 16_000)


def test_names_too_long_for_clip_files_are_told_before_the_embedding(task, tmp_path, capsys):
    split = first_split(task)
    old = sorted(os.listdir(task / "16000" / split))[0]
    new = "n" * 240 + ".wav"
    (task / "16000" / split / old).rename(task / "16000" / split / new)
    edit(task / f"{split}.json", lambda content: {new if name == old else name: x for name, x in content.items()})
    assert embed(tmp_path, "--clip-files") == 1
    assert "expected names of at most 236 bytes with --clip-files" in capsys.readouterr().err
    assert embed(tmp_path) == 0


def test_a_read_only_data_set_gives_files_of_the_usual_modes(task, tmp_path):
    for path in [*task.rglob("*"), task]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert embed(tmp_path, "--clip-files") == 0
    finally:
        for path in [task, *task.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    target = tmp_path / "out" / "hear_cacophony.logmel" / task.name
    assert all(file.stat().st_mode & 0o200 for file in target.rglob("*"))
    embeddings = np.fromfile(target / f"{first_split(task)}.embeddings.npy", np.float32)
    assert np.isfinite(embeddings).all()
