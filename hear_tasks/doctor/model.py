"""What tasks are to be embedded with: a checkpoint of the encoders, or any HEAR module."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from hear_tasks.doctor.report import Findings
from hear_tasks.doctor.resources import ModelFacts
from hear_tasks.module_options import OURS, is_ours
from hear_tasks.task_folder import SAMPLE_RATES
from hear_tasks.text_files import listed

CHECKPOINT = "checkpoint"
MODULE = "module"
"""Names of what is checked here, in its findings."""

_FIX = "mend the plugin, its file or its options; embed would end with the same"


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


@dataclasses.dataclass(frozen=True)
class ModuleRequest:
    """A HEAR module, as `hear-cacophony embed` takes it.

    Attributes:
        name: of the module.
        path: for its `load_model`; "" for none.
        options: keyword arguments for its `load_model`.
        python: interpreter of the environment that it is installed in; this one unless given.
    """

    name: str
    path: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    python: str | None = None

    @property
    def of_this_package(self) -> bool:
        """Whether it is of this package, whose checkpoints have a check of their own."""
        return is_ours(self.name)


def check_module(request: ModuleRequest, findings: Findings) -> ModelFacts | None:
    """Load a HEAR plugin and embed a second of noise; what it takes and gives, None if it is of no use."""
    from hear_tasks.embed import load_module  # here, as it imports the encoders

    try:
        model = load_module(request.name, request.path, request.options, python=request.python).model
    except Exception as error:  # whatever a plugin raises
        message = f"expected a HEAR module that loads, got: {error}"
        findings.error("module", request.name, message, _fix_loading(request, str(error)))
        return None
    if request.path and "://" not in request.path and not os.path.exists(request.path):
        message = f"expected the file or folder {request.path}, found none; the module loaded all the same"
        findings.warn(
            "module-file", request.name, message, "correct --model, unless it is a name that the module knows"
        )
    if model.sample_rate not in SAMPLE_RATES:
        message = (
            f"expected a sample rate of {listed([str(rate) for rate in SAMPLE_RATES])} Hz, got {model.sample_rate}"
        )
        findings.error("module-rate", request.name, message, "let the module resample from one of these")
    for problem in model.find_problems():
        findings.error(
            "module-api", request.name, f"expected embeddings as the HEAR API has them, got: {problem}", _FIX
        )
    return ModelFacts(model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size)


def _fix_loading(request: ModuleRequest, error: str) -> str:
    if request.python and shutil.which(request.python) is None:
        return f"correct --python: there is no program {request.python}"
    if "no such module" in error or "is not installed in" in error:
        where = request.python or "this environment"
        return f"pip install it in {where}, or name the interpreter of its own environment with --python"
    if request.path and "://" not in request.path and not os.path.exists(request.path):
        return f"correct --model: there is no file or folder {request.path}"
    return _FIX


def check_own_module(request: ModuleRequest, findings: Findings) -> None:
    """Check name and options of a module of this package, whose weights are not loaded for that."""
    from hear_cacophony.engine.options import parse_options
    from hear_cacophony.model.stages import STAGES

    known = [OURS, *(stage.module for stage in STAGES), f"{OURS}.logmel"]
    if request.name not in known:
        message = f"expected one of {listed(known)}, got another name"
        findings.error("module", request.name, message, "correct --module")
    if request.python:
        message = "expected a module of another package with --python, as this one runs where it is installed"
        findings.error("module", request.name, message, "leave --python out")
    try:
        parse_options(dict(request.options))
    except (TypeError, ValueError) as error:
        findings.error("module-options", request.name, f"expected options of this module, got: {error}", "correct them")
