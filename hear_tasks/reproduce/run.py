"""All phases of a run."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from hear_tasks.doctor import CHECKPOINT, ENVIRONMENT, MODULE, ModuleRequest, Severity, examine, format_text
from hear_tasks.entry_point import Command
from hear_tasks.reproduce.fetch import FetchError, TaskFetcher, fetch_weights
from hear_tasks.reproduce.hardware import make_slots
from hear_tasks.reproduce.jobs import Job, check_out, check_unchanged, claim_out, make_jobs
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.not_come import left_out, missing_tasks, without_weights
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import now
from hear_tasks.reproduce.report import free_room, unfinished, write_report
from hear_tasks.reproduce.run_job import Stop, interrupted_by, tidy
from hear_tasks.reproduce.schedule import run_jobs

_SAYING = threading.Lock()


class DoctorError(ValueError):
    """Something is wrong that every task would fail of."""


def run(options: Options, command: Command) -> int:
    """Run the phases that are asked for; 1 if anything failed, the status of a signal that has ended it.

    Raises:
        OSError, ValueError: what every task would fail of.
    """
    stop = Stop()

    def hear(number: int) -> None:
        if number == signal.SIGUSR1:
            reason = (
                "stopped by the time limit of its job; give it more time, and submit again: it goes on where it was"
            )
            stop.request(reason, 1)
        else:
            stop.request(interrupted_by(number), 128 + number)
        command.farewell = f"reproduce: {stop.reason}"

    command.hear = hear
    command.listen_to(signal.SIGUSR1)
    try:
        return _run(options, stop, command)
    except KeyboardInterrupt:
        if not stop.final:
            raise
        command.say_farewell()
        return stop.status


def _run(options: Options, stop: Stop, command: Command) -> int:
    started = now()
    check_out(options)
    jobs = make_jobs(options)
    check_unchanged(jobs)
    options.out.mkdir(parents=True, exist_ok=True)
    count = len(options.tasks)
    models = " and ".join(model.title for model in options.models)
    _say(f"{count} task{'s' * (count > 1)}, {models}; {free_room(options)}")
    fetcher: TaskFetcher | None = None
    not_run: Mapping[str, str] = {}
    if options.fetching is not None:
        fetcher = TaskFetcher(options, jobs, stop, _say)
        if options.fetching.alone:
            return _fetch_alone(fetcher, options, jobs, stop, command)
        if Phase.EMBED in options.phases:
            _plan_fetching(fetcher, options, stop, command)
        else:
            fetcher.remove_used([task for task in options.tasks if fetcher.is_settled(task)])
            fetcher = None
        not_run = {} if stop.is_requested() else left_out(options, jobs)
        options = dataclasses.replace(
            options, models=tuple(each for each in options.models if each.name not in not_run)
        )
        jobs = [job for job in jobs if job.model.name not in not_run]
    if Phase.DOCTOR in options.phases and not stop.is_requested():
        _ask_doctor(options)
    claim_out(options)
    unnoted = {**missing_tasks(options, jobs), **_work(options, jobs, stop, command, fetcher)}
    jobs = make_jobs(options) if fetcher is not None else jobs  # their sizes are known now
    tidy(jobs)
    if stop.is_requested():
        command.say_farewell()
        return stop.status
    if Phase.LEADERBOARD in options.phases:
        text, open_ends, whole = write_report(options, jobs, started, unnoted, list(not_run.values()))
        print(f"\n{text}", flush=True)
        _say(f"the report is in {options.out / 'report'}")
    else:
        open_ends = [line for each in jobs if (line := unfinished(each, options.phases, unnoted))]
        open_ends += not_run.values()
        whole = not open_ends
    for line in open_ends:
        _say(line)
    return 0 if whole else 1


def _plan_fetching(fetcher: TaskFetcher, options: Options, stop: Stop, command: Command) -> None:
    """Tell what the tasks take, and bring the weights that are not there."""
    grace, command.grace = command.grace, None  # what fetches looks for the request
    fetcher.plan()
    try:
        fetch_weights(options, stop, _say)
    except FetchError:
        if not stop.is_requested():
            raise
    command.grace = grace


def _fetch_alone(fetcher: TaskFetcher, options: Options, jobs: Sequence[Job], stop: Stop, command: Command) -> int:
    """Fetch and prepare all tasks, and run nothing; what did not come is noted for the run itself."""
    assert options.fetching is not None
    fetcher.remove_used(options.fetching.used)
    _plan_fetching(fetcher, options, stop, command)
    command.grace = None
    fetcher.start(jobs)
    for task in fetcher.ready():
        fetcher.release(task)
    if stop.is_requested():
        command.say_farewell()
        return stop.status
    for task, failure in fetcher.failures.items():
        _say(f"{task.name}: {failure}")
    not_run = left_out(options, jobs)
    for line in not_run.values():
        _say(line)
    return 1 if fetcher.failures or not_run else 0


def _ask_doctor(options: Options) -> None:
    """Have everything examined; what one task alone would fail of does not stop the others.

    Raises:
        DoctorError: there is an error in the environment or in a checkpoint, or in the only plugin.
    """
    _say("doctor: examining tasks, environment and models")
    log = options.out / "logs" / "doctor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    texts, errors, hopeless = [], [], False
    every_task: Sequence[pathlib.Path] = options.tasks if options.fetching is None else ()  # which still come
    tasks = every_task
    environment = None
    done = [] if options.fetching is None else without_weights(options.models)  # those of others are left out
    every = [_examined(model) for model in options.models if model not in done]
    for model in [asked for number, asked in enumerate(every) if asked not in every[:number]]:
        plugin = model["module"] is not None  # for which the audio has to be of its own rate
        folder = options.out / "embeddings"
        report = examine(every_task if plugin else tasks, **model, embeddings_dir=folder, environment=environment)
        environment = environment or report.environment
        texts.append(format_text(report))
        found = [finding for finding in report.findings if finding.severity is Severity.ERROR]
        errors += [f"{finding.task} {finding.file}: {finding.message}; fix: {finding.fix}" for finding in found]
        fatal = (ENVIRONMENT, CHECKPOINT, MODULE) if len(options.models) == 1 else (ENVIRONMENT, CHECKPOINT)
        hopeless = hopeless or any(finding.task in fatal for finding in found)
        tasks = tasks if plugin else ()
    log.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    for error in dict.fromkeys(errors):
        _say(f"doctor: ERROR {error}")
    for text in texts[:1]:
        _say(f"doctor: {text.splitlines()[-1]} (see {log})")
    if hopeless:
        raise DoctorError("every task would fail of that; --from-phase embed goes on all the same")


def _examined(model: RunModel) -> dict[str, Any]:
    """What the doctor is to look at of a model."""
    if model.stage is None:
        return {"checkpoint": None, "module": ModuleRequest(model.module, model.file, model.options, model.python)}
    file = pathlib.Path(model.file)
    return {"checkpoint": file if file.is_absolute() else None, "module": None}


def _work(
    options: Options, jobs: Sequence[Job], stop: Stop, command: Command, fetcher: TaskFetcher | None
) -> Mapping[str, str]:
    """Embed and predict, as far as that is asked for; failures that could not be noted, by the name of the job."""
    both = (Phase.EMBED, Phase.PREDICT)
    phases: list[Phase] = [phase for phase in both if phase in options.phases]
    if not phases or stop.is_requested():
        return {}
    slots = {phase: make_slots(phase, options, len(jobs)) for phase in phases}
    for phase, used in slots.items():
        labels = ", ".join(slot.label for slot in used)
        _say(f"{phase}: {len(jobs)} jobs on {labels}, up to {used[0].threads} CPU threads each")
    grace, command.grace = command.grace, None  # the jobs look for the request, and have what is noted of them
    if fetcher is not None:
        fetcher.start(jobs)
    unnoted = run_jobs(jobs, slots, options, stop, _say, fetcher)
    command.grace = grace
    return unnoted


def _say(message: str) -> None:
    with _SAYING:
        print(f"reproduce: {message}", file=sys.stderr, flush=True)
