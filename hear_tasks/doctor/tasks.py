"""Finding the tasks in a folder, and checking one."""

from __future__ import annotations

import collections
import dataclasses
import difflib
import os
import pathlib
from collections.abc import Iterable, Sequence

from hear_tasks.doctor.audio import Audio, check_audio
from hear_tasks.doctor.events import check_events
from hear_tasks.doctor.labels import check_scene_labels, check_scores, check_use
from hear_tasks.doctor.metadata import Metadata, check_metadata
from hear_tasks.doctor.report import Finding, Findings
from hear_tasks.doctor.resources import ENCODERS, ModelFacts, Needs, estimate_needs
from hear_tasks.doctor.splits import Split, check_duplicates, check_rows, read_splits
from hear_tasks.doctor.vocabulary import Vocabulary, check_vocabulary
from hear_tasks.registry import TASKS, EmbeddingType
from hear_tasks.task_folder import METADATA_FILE, SAMPLE_RATES, VOCABULARY_FILE
from hear_tasks.text_files import listed

_MARKS = (METADATA_FILE, VOCABULARY_FILE, "train.json", "fold00.json", *map(str, SAMPLE_RATES))


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """What became of one task.

    Attributes:
        folder: its directory.
        clips: number of its clips that are there.
        seconds: length of all of them together; of those that were not read, by their size.
        read: number of the clips that were read, or whose headers were.
        whole: whether all samples of all clips were read.
        needs: disk and memory that a run takes.
        findings: what is wrong.
    """

    folder: pathlib.Path
    clips: int
    seconds: float
    read: int
    whole: bool
    needs: Needs
    findings: tuple[Finding, ...]


def find_tasks(
    folders: Iterable[pathlib.Path], names: Sequence[str] = ()
) -> tuple[list[pathlib.Path], tuple[Finding, ...]]:
    """Task directories in folders, and what is wrong with the folders.

    Args:
        folders: each a task directory, or a folder of them, also with hear-VERSION/tasks/ or tasks/ between.
        names: directory names or task names to choose; all tasks if there are none.
    """
    tasks: dict[pathlib.Path, None] = {}
    findings: list[Finding] = []
    for folder in folders:
        # A folder such as "." has no name of its own.
        found, faults = _look_into(folder if folder.name not in ("", "..") else folder.resolve())
        tasks |= dict.fromkeys(found)
        findings += faults
    if not names:
        return list(tasks), tuple(findings)
    chosen = [task for task in tasks if any(_is_called(task, name) for name in names)]
    findings += [_unknown(name, list(tasks)) for name in names if not any(_is_called(task, name) for task in tasks)]
    return chosen, tuple(findings)


def _is_called(task: pathlib.Path, name: str) -> bool:
    known = next((each for each in TASKS if each.directory == task.name), None)
    return task.name == name or task.name.startswith(f"{name}-") or bool(known and known.column == name)


def _unknown(name: str, tasks: list[pathlib.Path]) -> Finding:
    findings = Findings(name)
    present = [task.name for task in tasks]
    near = difflib.get_close_matches(name, present) or present
    fix = f"choose from {listed(near)}" if near else "name a folder of tasks"
    findings.error("task-unknown", "", "expected a task of this name in the folders, found none", fix)
    return findings.found[0]


def _look_into(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[Finding]]:
    findings = Findings(str(folder))
    fix = "name a task directory, or a folder of them"
    try:
        if not folder.exists():
            findings.error("tasks-missing", "", "expected a folder of HEAR tasks, found nothing", fix)
        elif not folder.is_dir():
            findings.error(
                "tasks-missing", "", "expected a folder of HEAR tasks, found a file", f"{fix}; unpack tarballs"
            )
        elif _is_task(folder):
            return [folder], []
        else:
            return _look_below(folder, findings), findings.found
    except OSError as error:
        message = f"expected a folder that can be read, got: {error.strerror}"
        findings.error("tasks-missing", "", message, "give yourself leave to read it")
    return [], findings.found


def _look_below(folder: pathlib.Path, findings: Findings) -> list[pathlib.Path]:
    for above in (folder, folder / "tasks", *sorted(folder.glob("hear-*/tasks"))):
        entries = sorted(above.iterdir()) if above.is_dir() else []
        tasks = [entry for entry in entries if _is_task(entry)]
        strange = [entry.name for entry in entries if entry not in tasks]
        if tasks and strange:
            findings.warn(
                "tasks-foreign",
                "",
                f"expected task directories alone, as heareval takes every entry for one, found {listed(strange)}",
                "move what is no task elsewhere, or give heareval --task",
            )
        if tasks:
            return tasks
    findings.error(
        "tasks-missing",
        "",
        f"expected HEAR tasks (folders with {METADATA_FILE}), found none",
        "name a task directory, or a folder of them; tarballs are unpacked by hear-cacophony prepare",
    )
    return []


def _is_task(folder: pathlib.Path) -> bool:
    if not os.path.isdir(folder):
        return False
    locked = not os.access(folder, os.R_OK | os.X_OK)  # the check of the task will tell
    return locked or any(os.path.lexists(folder / mark) for mark in _MARKS)


def check_task(folder: pathlib.Path, *, deep: bool = False, model: ModelFacts = ENCODERS) -> TaskReport:
    """Check one task directory.

    `deep` reads every sample of every clip, also of a large task.
    """
    findings = Findings(folder.name)
    try:
        return _check(folder, model, findings, deep=deep)
    except Exception as error:  # whatever one task holds, the others are to be checked
        message = f"expected a task that can be checked, got {type(error).__name__}: {error}"
        findings.error("task-unchecked", "", message, "mend what is named above it; if nothing is, report this")
        return TaskReport(folder, 0, 0.0, 0, False, Needs(0, 0), tuple(findings.found))


def _check(folder: pathlib.Path, model: ModelFacts, findings: Findings, *, deep: bool) -> TaskReport:
    metadata = check_metadata(folder, findings)
    vocabulary = check_vocabulary(folder, metadata, findings)
    splits = read_splits(folder, metadata, findings)
    check_rows(splits, metadata, findings)
    audio = check_audio(folder, model.sample_rate, splits, metadata, findings, deep=deep)
    _check_labels(splits, vocabulary, metadata, audio, findings)
    check_duplicates(audio, metadata, findings)
    return TaskReport(
        folder=folder,
        clips=len(audio.files),
        seconds=sum(audio.seconds(*key) or 0 for key in audio.files),
        read=len(audio.clips),
        whole=audio.whole,
        needs=estimate_needs(splits, audio, metadata, len(vocabulary.read) if vocabulary else 0, model),
        findings=tuple(findings.found),
    )


def _check_labels(
    splits: list[Split], vocabulary: Vocabulary | None, metadata: Metadata, audio: Audio, findings: Findings
) -> None:
    used: dict[str, collections.Counter[str]]
    events = metadata.embedding_type == EmbeddingType.EVENT
    events = events or (metadata.embedding_type is None and _hold_events(splits))
    if events:
        used = check_events(splits, vocabulary, audio.seconds, findings)
    else:
        used = check_scene_labels(splits, vocabulary, metadata, findings)
    if vocabulary is not None and all(split.clips for split in splits) and splits:
        check_use(used, vocabulary.read, metadata, findings)
        if not events:
            check_scores(splits, vocabulary.read, metadata, findings)


def _hold_events(splits: Iterable[Split]) -> bool:
    """Whether the split files are those of an event task; for tasks whose metadata do not say."""
    entries = [labels for split in splits for labels in (split.clips or {}).values()]
    return any(isinstance(labels, list) and any(isinstance(label, dict) for label in labels) for labels in entries)
