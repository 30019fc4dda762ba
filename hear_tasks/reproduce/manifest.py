"""The manifest: all that it takes to make a row of the leaderboard again."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.checkpoint import UNTRAINED, summarize_checkpoint
from hear_tasks.doctor import REQUIREMENTS
from hear_tasks.leaderboard import Score, read_models
from hear_tasks.reproduce.jobs import EMBEDDING_PROFILE, Job, embeddings_folder
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import now, read_attempts, read_state
from hear_tasks.task_folder import WEIGHTS_FILE

_PACKAGES = (
    "hear_cacophony",
    *(name for requirement in REQUIREMENTS for name in requirement.names),
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
    "scikit-learn",
)


def make_manifest(options: Options, jobs: Sequence[Job], started: str, unfinished: Sequence[str]) -> dict[str, Any]:
    """The manifest of a run, for JSON."""
    scores = {job.embeddings: _scores(job.embeddings) for job in jobs}
    return {
        "command": [sys.executable, *sys.argv],
        "started": started,
        "ended": now(),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **_versions()},
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


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


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
    noted = _read(embeddings_folder(options, model) / WEIGHTS_FILE)
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
        "embedding": _read(job.target / EMBEDDING_PROFILE),
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


def _read(file: pathlib.Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
