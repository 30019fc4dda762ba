"""What was to be fetched and did not come, weights and tasks, noted for whoever reports on the run, perhaps later."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from hear_cacophony.files.atomic_write import write_json
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.text_files import read_object_if_whole


def note(out: pathlib.Path, name: str, reason: str) -> None:
    """Note why a model or a task of the run in `out` did not come.

    Raises:
        OSError: it cannot be written.
    """
    file = _file(out, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"reason": reason})


def forget(out: pathlib.Path, name: str) -> None:
    """It came after all."""
    _file(out, name).unlink(missing_ok=True)


def noted(out: pathlib.Path, name: str) -> str:
    """Why it did not come; "" where nothing is noted."""
    return str(read_object_if_whole(_file(out, name)).get("reason", ""))


def _file(out: pathlib.Path, name: str) -> pathlib.Path:
    return out / "state" / f"{name}.fetch.json"


def without_weights(models: Sequence[RunModel]) -> list[RunModel]:
    """The models whose file of weights is not there."""
    files = {model.name: pathlib.Path(model.file) for model in models}
    return [each for each in models if files[each.name].is_absolute() and not files[each.name].exists()]


def left_out(options: Options, jobs: Sequence[Job]) -> dict[str, str]:
    """Of models that cannot be run, by name, why, and what to do, for people. Those that are done need no weights."""
    left = {job.model.name for job in jobs if not job.is_done(Phase.PREDICT)}
    absent = [model for model in without_weights(options.models) if model.name in left]
    return {model.name: _told(options, model) for model in absent}


def _told(options: Options, model: RunModel) -> str:
    folder = pathlib.Path(model.file).parent
    reason = "; ".join(noted(options.out, model.name).splitlines())
    because = f": {reason}" if reason else ""
    again = f"hear-cacophony download {' '.join(weights_words(model))} --to {folder}"
    return (
        f"{model.title}: not run: its weights did not come{because}. The same command fetches them again, and so does "
        f"{again!r}"
    )


def weights_words(model: RunModel) -> list[str]:
    """What `hear-cacophony download` calls the weights of a model of the published table."""
    if model.stage is None:
        return ["peers", model.title]
    return ["weights", "--stage", str(model.stage.number)]


def missing_tasks(options: Options, jobs: Sequence[Job]) -> Mapping[str, str]:
    """By the names of jobs, why their tasks did not come."""
    reasons = {task: noted(options.out, task.name) for task in options.tasks}
    return {job.name: reasons[job.task] for job in jobs if reasons[job.task] and not job.is_done(Phase.EMBED)}
