"""A HEAR module: whether it is there, loads, and keeps to the HEAR API."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from typing import Any

from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.resources import ModelFacts
from hear_tasks.doctor.text_files import listed
from hear_tasks.module_options import OURS, is_ours
from hear_tasks.task_folder import SAMPLE_RATES

MODULE = "module"
"""Name of what is checked here, in its findings."""

_FIX = "mend the plugin, its file or its options; embed would end with the same"


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
        module = load_module(request.name, request.path, request.options, python=request.python)
    except Exception as error:  # whatever a plugin raises
        message = f"expected a HEAR module that loads, got: {error}"
        findings.error("module", request.name, message, _fix_loading(request, str(error)))
        return None
    if request.path and "://" not in request.path and not os.path.exists(request.path):
        message = f"expected the file or folder {request.path}, found none; the module loaded all the same"
        findings.warn(
            "module-file", request.name, message, "correct --model, unless it is a name that the module knows"
        )
    if module.sample_rate not in SAMPLE_RATES:
        message = (
            f"expected a sample rate of {listed([str(rate) for rate in SAMPLE_RATES])} Hz, got {module.sample_rate}"
        )
        findings.error("module-rate", request.name, message, "let the module resample from one of these")
    for problem in module.model.find_problems():
        findings.error(
            "module-api", request.name, f"expected embeddings as the HEAR API has them, got: {problem}", _FIX
        )
    return ModelFacts(module.sample_rate, module.model.scene_embedding_size, module.model.timestamp_embedding_size)


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
