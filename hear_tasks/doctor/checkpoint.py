"""A checkpoint of the encoders."""

from __future__ import annotations

import dataclasses
import pathlib

from hear_tasks.doctor.finding import Findings

CHECKPOINT = "checkpoint"
"""Name of what is checked here, in its findings."""


@dataclasses.dataclass(frozen=True)
class CheckpointReport:
    """What a checkpoint is: number and title of its stage, the MD5 of the published file, and which that is."""

    file: str
    stage: int
    title: str
    md5: str
    release: str | None
    untrained: bool


def check_checkpoint(file: pathlib.Path, findings: Findings) -> CheckpointReport | None:
    """Check a checkpoint file; what it is, None if it is of no use."""
    try:
        from hear_cacophony.checkpoint import summarize_checkpoint  # here, as a missing JAX is to be a finding

        summary = summarize_checkpoint(file)
    except ImportError as error:
        message = f"expected the encoders to read it with, could not import them: {error}"
        findings.error("checkpoint", str(file), message, "pip install .")
        return None
    except (OSError, ValueError) as error:
        message = f"expected a checkpoint, got: {str(error).removeprefix(f'{file}: ')}"
        findings.error("checkpoint", str(file), message, "download it again, and compare its MD5 with README.md")
        return None
    release = summary.release.file_name if summary.release else None
    if summary.untrained:
        message = "expected a published file, got untrained weights"
        findings.warn("checkpoint", str(file), message, "use them for a baseline alone")
    elif release is None:
        message = f"expected a published file, got MD5 {summary.md5 or 'none'}, which is not that of a published file"
        findings.note("checkpoint", str(file), message, "nothing, if it is a checkpoint of your own")
    stage = summary.stage
    return CheckpointReport(str(file), stage.number, stage.title, summary.md5, release, summary.untrained)
