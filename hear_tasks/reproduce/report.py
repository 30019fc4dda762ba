"""The report of a run: the leaderboard as text, markdown, CSV and plot, what is not finished and why, the manifest."""

from __future__ import annotations

import dataclasses
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.checkpoint import UNTRAINED, summarize_checkpoint
from hear_cacophony.files.atomic_write import write_json, write_text
from hear_cacophony.installed import installed_versions
from hear_tasks.doctor import REQUIREMENTS
from hear_tasks.leaderboard import Outputs, Score, read_models, write_leaderboard
from hear_tasks.reproduce.jobs import EMBEDDING_PROFILE, Job, embeddings_folder
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import State, now, read_attempts, read_state
from hear_tasks.reproduce.run_job import summary
from hear_tasks.task_folder import WEIGHTS_FILE
from hear_tasks.text_files import read_object_if_whole

TEXT, MARKDOWN, CSV, PLOT = (f"leaderboard.{suffix}" for suffix in ("txt", "md", "csv", "png"))
MANIFEST = "manifest.json"
"""All that it takes to make a row of the leaderboard again."""

_PACKAGES = (
    "hear_cacophony",
    *(name for requirement in REQUIREMENTS for name in requirement.names),
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
    "scikit-learn",
)


def unfinished(job: Job, phases: Sequence[Phase], unnoted: Mapping[str, str]) -> str | None:
    """What keeps a job from being finished; None where all of these phases are done."""
    for phase in (Phase.EMBED, Phase.PREDICT):
        if phase not in phases:
            continue
        state, cause = read_state(job, phase)
        if state is not State.DONE:
            reason = unnoted.get(job.name) or (summary(cause) if cause else "")
            log = f" (log: {job.log(phase)})" if job.log(phase).exists() else ""
            return f"{job.title}: {phase} {state}{f': {reason}' if reason else ''}{log}"
    return None


def write_report(
    options: Options, jobs: Sequence[Job], started: str, unnoted: Mapping[str, str], not_run: Sequence[str]
) -> tuple[str, list[str], bool]:
    """Write OUT/report.

    `unnoted` are failures that are not in the records, by the name of the job, `not_run` what to say of models that
    were left out.

    Returns:
        The leaderboard as text, what is not finished, and whether all is whole.
    """
    report = options.out / "report"
    report.mkdir(parents=True, exist_ok=True)
    open_ends = [
        *not_run,
        *(line for job in jobs if (line := unfinished(job, (Phase.EMBED, Phase.PREDICT), unnoted))),
    ]
    text, whole = _write_tables(options, report)
    if open_ends:
        text += "\n" + "\n".join(["not finished:", *(f"  {line}" for line in open_ends)]) + "\n"
        _append(report / MARKDOWN, ["", "Not finished:", "", *(f"- {line}" for line in open_ends)])
    write_text(report / TEXT, text)
    write_json(report / MANIFEST, make_manifest(options, jobs, started, open_ends))
    return text, open_ends, whole and not open_ends


def _write_tables(options: Options, report: pathlib.Path) -> tuple[str, bool]:
    """Write the leaderboard in every form but text; its text with its remarks, and whether it had nothing to object."""
    outputs = Outputs(report / MARKDOWN, report / CSV, report / PLOT)
    parts: list[str] = []
    remarks: list[str] = []
    try:
        whole = write_leaderboard(
            [options.out / "embeddings"],
            outputs,
            parts.append,
            remarks.append,
            published=not options.table,
            published_table=options.table,
        )
    except (OSError, ValueError, ModuleNotFoundError) as error:
        remarks.append(str(error))
        whole = False
        for name in (MARKDOWN, CSV, PLOT):  # those of an earlier report would be taken for this one's
            (report / name).unlink(missing_ok=True)
    remarks = [line for line in remarks if not line.startswith(str(report))]
    return "\n".join([*parts, *remarks, ""]), whole


def _append(file: pathlib.Path, lines: list[str]) -> None:
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    write_text(file, before + "\n".join(lines) + "\n")


def free_room(options: Options) -> str:
    """How much room is left in --out, for people."""
    return f"{shutil.disk_usage(options.out).free / 1e9:.1f} GB are free in {options.out}"


def make_manifest(options: Options, jobs: Sequence[Job], started: str, unfinished: Sequence[str]) -> dict[str, Any]:
    """The manifest of a run, for JSON."""
    scores = {job.embeddings: _scores(job.embeddings) for job in jobs}
    return {
        "command": [sys.executable, *sys.argv],
        "started": started,
        "ended": now(),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **installed_versions(_PACKAGES)},
        "commit": _commit(),
        "options": {
            **options.scoring,
            "tasks_dir": str(options.tasks_dir),
            "out": str(options.out),
            "predictor": options.predictor,
            "devices": options.devices,
            "memory_fraction": options.memory_fraction,
        },
        "models": {model.name: _model(options, model) for model in options.models},
        "jobs": [_job(job, scores[job.embeddings].get(job.task.name)) for job in jobs],
        "unfinished": list(unfinished),
    }


def _commit() -> str | None:
    """The commit of this checkout, with a "+" where files differ from it; None where it is none."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")


def _model(options: Options, model: RunModel) -> dict[str, Any]:
    """What a model is, by the note beside its embeddings where there is one."""
    noted = read_object_if_whole(embeddings_folder(options, model) / WEIGHTS_FILE)
    plugin = {"options": dict(model.options), "python": model.python, "version": noted.get("version")}
    return {"module": model.module, **_weights(model, noted), **({} if model.stage else plugin)}


def _weights(model: RunModel, noted: Mapping[str, Any]) -> dict[str, Any]:
    file = model.file
    if "md5" in noted:
        return {"file": file, "name": noted.get("weights"), "md5": noted["md5"]}
    if model.stage is None:
        return {"file": file, "name": None, "md5": None}
    if file in UNTRAINED:
        return {"file": file, "name": "untrained", "md5": ""}
    try:
        found = summarize_checkpoint(file)
    except (OSError, ValueError) as error:
        return {"file": file, "name": None, "md5": None, "error": str(error)}
    return {"file": file, "name": found.source, "md5": found.md5}


def _job(job: Job, score: Score | None) -> dict[str, Any]:
    return {
        "model": job.model.name,
        "task": job.task.name,
        "audio_bytes": job.size,
        "score": None if score is None else dataclasses.asdict(score),
        "embedding": read_object_if_whole(job.target / EMBEDDING_PROFILE),
        **{
            phase.value: {
                "state": read_state(job, phase)[0],
                "attempts": [dataclasses.asdict(attempt) for attempt in read_attempts(job, phase)],
            }
            for phase in (Phase.EMBED, Phase.PREDICT)
        },
    }


def _scores(embeddings: pathlib.Path) -> Mapping[str, Score]:
    """The scores of a model by task, with what keeps them from being official ones; {} where there are none."""
    try:
        (model,) = read_models([embeddings])
    except (OSError, ValueError):
        return {}
    return model.scores
