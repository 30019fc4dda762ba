"""The report of a run: the leaderboard as text, markdown, CSV and plot, what is not finished and why, the manifest."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Mapping, Sequence

from hear_cacophony.files.atomic_write import write_json, write_text
from hear_tasks.leaderboard import Outputs, write_leaderboard
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.manifest import make_manifest
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import State, read_state
from hear_tasks.reproduce.run_job import summary

TEXT, MARKDOWN, CSV, PLOT = (f"leaderboard.{suffix}" for suffix in ("txt", "md", "csv", "png"))
MANIFEST = "manifest.json"


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
    options: Options, jobs: Sequence[Job], started: str, unnoted: Mapping[str, str]
) -> tuple[str, list[str], bool]:
    """Write OUT/report.

    `unnoted` are failures that could not be noted, by the name of the job.

    Returns:
        The leaderboard as text, what is not finished, and whether all is whole.
    """
    report = options.out / "report"
    report.mkdir(parents=True, exist_ok=True)
    open_ends = [line for job in jobs if (line := unfinished(job, (Phase.EMBED, Phase.PREDICT), unnoted))]
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
