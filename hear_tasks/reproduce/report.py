"""The report of a run: the leaderboard as text, markdown, CSV and plot, what is not finished and why, the manifest."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from hear_tasks.reproduce.jobs import Job, write_json
from hear_tasks.reproduce.manifest import make_manifest
from hear_tasks.reproduce.options import Options, Phase
from hear_tasks.reproduce.record import State, read_state
from hear_tasks.reproduce.run_job import summary

TABLES = ("leaderboard.txt", "leaderboard.md", "leaderboard.csv", "leaderboard.png")
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

    Args:
        options: of the run.
        jobs: all of them.
        started: when the run began.
        unnoted: failures that could not be noted, by the name of the job.

    Returns:
        The leaderboard as text, what is not finished, and whether all is whole.
    """
    report = options.out / "report"
    report.mkdir(parents=True, exist_ok=True)
    open_ends = [line for job in jobs if (line := unfinished(job, (Phase.EMBED, Phase.PREDICT), unnoted))]
    with tempfile.TemporaryDirectory(dir=report, prefix=".new-") as folder:
        made = pathlib.Path(folder)
        text, whole = _make_tables(options.out / "embeddings", made)
        if open_ends:
            text += "\n" + "\n".join(["not finished:", *(f"  {line}" for line in open_ends)]) + "\n"
            _append(made / "leaderboard.md", ["", "Not finished:", "", *(f"- {line}" for line in open_ends)])
        (made / "leaderboard.txt").write_text(text, encoding="utf-8")
        for name in TABLES:
            if (made / name).exists():
                (made / name).replace(report / name)
            else:
                (report / name).unlink(missing_ok=True)
    write_json(report / MANIFEST, make_manifest(options, jobs, started, open_ends))
    return text, open_ends, whole and not open_ends


def _make_tables(embeddings: pathlib.Path, folder: pathlib.Path) -> tuple[str, bool]:
    """Have the leaderboard written into a folder; its text with its remarks, and whether it had nothing to object."""
    outputs = [
        f"--{option}={folder / f'leaderboard.{suffix}'}"
        for option, suffix in (("markdown", "md"), ("csv", "csv"), ("plot", "png"))
    ]
    command = [
        sys.executable,
        "-m",
        "hear_tasks.cli",
        "leaderboard",
        "--published",
        *outputs,
        "--",
        str(embeddings),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=folder)
    remarks = [line.removeprefix("leaderboard: ") for line in done.stderr.splitlines() if str(folder) not in line]
    return "\n".join([done.stdout, *remarks, ""]), done.returncode == 0


def _append(file: pathlib.Path, lines: list[str]) -> None:
    with file.open("a", encoding="utf-8") as output:
        output.write("\n".join(lines) + "\n")


def free_room(options: Options) -> str:
    """How much room is left in --out, for people."""
    return f"{shutil.disk_usage(options.out).free / 1e9:.1f} GB are free in {options.out}"
