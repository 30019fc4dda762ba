"""`evaluation_params` of a task's metadata: the grids that heareval searches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hear_tasks.doctor.report import Findings
from hear_tasks.grids import DEFAULT_GRID, fault_of_values
from hear_tasks.registry import EmbeddingType
from hear_tasks.task_folder import METADATA_FILE
from hear_tasks.text_files import describe_type, is_moderate, shown

POSTPROCESSING = ("threshold", "median_filter_ms", "min_duration")
HYPERPARAMETERS = tuple(DEFAULT_GRID)
"""Names that heareval 2021.1.3 knows."""

_EVENT_GRID = "event_postprocessing_grid"


def check_parameters(fields: Mapping[str, Any], embedding_type: str | None, findings: Findings) -> tuple[int, ...]:
    """Check the grids, and whether the search may choose from them.

    Returns:
        Sizes of the batches that networks with batch normalization may be trained in, of which none may hold one row.
    """
    early = fields.get("use_scoring_for_early_stopping", True)
    if not isinstance(early, bool):
        message = f"expected 'use_scoring_for_early_stopping' to be true or false, got {shown(early)}"
        findings.error("metadata-field", METADATA_FILE, message, "set it to true, or delete it")
    parameters = fields.get("evaluation_params", {})
    if not isinstance(parameters, dict):
        message = f"expected 'evaluation_params' to be an object, got {describe_type(parameters)}"
        findings.error("metadata-field", METADATA_FILE, message, "correct it, or delete it")
        return ()
    if embedding_type == EmbeddingType.EVENT:
        _check_event_grid(parameters, findings, early=early)
    changes = _check_grid(parameters, "task_specific_param_grid", HYPERPARAMETERS, findings) or {}
    grid = {**DEFAULT_GRID, **changes}
    _check_validations(grid, findings)
    return tuple(grid["batch_size"]) if any(grid["hidden_layers"]) else ()


def _check_validations(grid: Mapping[str, Any], findings: Findings) -> None:
    epochs, every = min(grid["max_epochs"]), max(grid["check_val_every_n_epoch"])
    if every > epochs:
        findings.error(
            "metadata-grid",
            METADATA_FILE,
            f"expected a validation in each training of task_specific_param_grid, got max_epochs {epochs} with "
            f"check_val_every_n_epoch {every}",
            "take more epochs, or validate more often",
        )


def _check_event_grid(parameters: Mapping[str, Any], findings: Findings, *, early: object) -> None:
    if _EVENT_GRID not in parameters and early is False:
        findings.error(
            "metadata-grid",
            METADATA_FILE,
            "expected evaluation_params.event_postprocessing_grid, as 'use_scoring_for_early_stopping' is false, found "
            "none: heareval's own has several points, of which scores would choose",
            'add one with one value each, such as {"median_filter_ms": [150], "min_duration": [50]}',
        )
        return
    if _EVENT_GRID not in parameters:
        findings.note(
            "metadata-grid",
            METADATA_FILE,
            "expected evaluation_params.event_postprocessing_grid in an event task, found none: heareval takes its "
            "own, which was made for DCASE 2016",
            'add one, such as {"median_filter_ms": [150], "min_duration": [50]}',
        )
        return
    grid = _check_grid(parameters, _EVENT_GRID, POSTPROCESSING, findings)
    if grid and early is False and math.prod(map(len, grid.values())) != 1:
        findings.error(
            "metadata-grid",
            METADATA_FILE,
            "expected one value each in event_postprocessing_grid, as 'use_scoring_for_early_stopping' is false, "
            f"got {shown(grid)}",
            "leave one value in each list",
        )


def _check_grid(
    parameters: Mapping[str, Any], name: str, known: tuple[str, ...], findings: Findings
) -> dict[str, list] | None:
    """The grid, if it is there and right."""
    if name not in parameters:
        return None
    grid = parameters[name]
    fix = f"use lists of values for any of {', '.join(known)}"
    if not isinstance(grid, dict) or (name == _EVENT_GRID and not grid):
        message = f"expected {name} to be an object of lists, got {shown(grid)}"
        findings.error("metadata-grid", METADATA_FILE, message, fix)
        return None
    numeric = known == POSTPROCESSING
    bad = [key for key, values in grid.items() if key not in known or not _is_list_of_values(values, numeric=numeric)]
    faults = [
        f"expected {name} to hold lists of values of what heareval knows, got {k!r}: {shown(grid[k])}" for k in bad
    ]
    if not numeric:
        good = {key: values for key, values in grid.items() if key not in bad}
        faults += [fault for key, values in good.items() if (fault := fault_of_values(key, values))]
    for message in faults:
        findings.error("metadata-grid", METADATA_FILE, message, fix)
    return None if faults else grid


def _is_list_of_values(values: object, *, numeric: bool) -> bool:
    if not isinstance(values, list) or not values:
        return False
    return not numeric or all(is_moderate(value) and value >= 0 for value in values)
