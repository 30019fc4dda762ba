"""What a run is asked for, checked before any work."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import pathlib
from typing import Any

from hear_cacophony.model.stages import STAGES
from hear_tasks.grids import GRID_POINTS, GRIDS, SEEDS
from hear_tasks.module_options import add_module_options, add_task_option
from hear_tasks.reproduce.models import RunModel, choose_models
from hear_tasks.table_plugins import TABLE_PLUGINS
from hear_tasks.task_folder import choose_tasks

MEMORY_FRACTION = 0.9
"""Of a card's memory for JAX, which has the card to itself while it embeds: the rest is for the driver and compiler."""


class Predictor(enum.StrEnum):
    """What trains and scores predictors: our engine, or heareval's runner. The scores are the same."""

    OWN = "own"
    HEAREVAL = "heareval"


class Phase(enum.StrEnum):
    """The phases of a run, in their order."""

    DOCTOR = "doctor"
    EMBED = "embed"
    PREDICT = "predict"
    LEADERBOARD = "leaderboard"


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes:
        models: what is run.
        table: whether they are those of the published table, beside which they are shown.
        tasks: HEAR task directories.
        tasks_dir: the folder that they are in.
        out: folder for all that is written.
        protocol: "hear" or "published".
        grid: heareval's grid of hyperparameters.
        grid_points: how many of them are tried.
        seeds: "heareval", or "independent": a seed for each training, whose scores are no official ones.
        phases: the phases to take.
        predictor: what trains and scores predictors.
        devices: processes at a time, None for one on each card, or as many as share the cores well.
        require_gpu: whether a process that sees no GPU is an error.
        memory_fraction: of a card's memory for JAX, None for what the environment says, or else `MEMORY_FRACTION`.
    """

    models: tuple[RunModel, ...]
    table: bool
    tasks: tuple[pathlib.Path, ...]
    tasks_dir: pathlib.Path
    out: pathlib.Path
    protocol: str
    grid: str
    grid_points: int
    seeds: str
    phases: tuple[Phase, ...]
    predictor: Predictor
    devices: int | None
    require_gpu: bool
    memory_fraction: float | None

    @property
    def scoring(self) -> dict[str, str | int]:
        """What scores depend on besides weights and tasks."""
        names = ("protocol", "grid", "grid_points", "seeds")
        return {name: getattr(self, name) for name in names}


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is to be done, in whatever order and place."""
    parser.add_argument(
        "--checkpoints",
        metavar="DIR",
        help=f"folder with {' and '.join(stage.release.file_name for stage in STAGES)} (or the same as .safetensors); "
        "or random, or random-tiny, for untrained weights",
    )
    add_module_options(
        parser,
        model="what load_model of --module takes",
        module="a HEAR plugin, in the place of --checkpoints",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="all rows of the published table whose weights are in --checkpoints: ours, and "
        + ", ".join(plugin.file for plugin in TABLE_PLUGINS),
    )
    parser.add_argument("--only", metavar="NAME", help="only this model of the run, such as audiomae, or a module")
    parser.add_argument("--tasks-dir", type=pathlib.Path, required=True, metavar="DIR", help="folder of HEAR tasks")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR", help="folder for all that is written")
    parser.add_argument("--stage", type=int, choices=[stage.number for stage in STAGES], help="only this stage")
    add_task_option(parser, "directories, names or leaderboard columns of tasks (default: all in --tasks-dir)")
    parser.add_argument(
        "--protocol",
        choices=("hear", "published"),
        default="hear",
        help="published pads as the published evaluation (default: hear)",
    )
    parser.add_argument(
        "--grid",
        choices=GRIDS,
        default="default",
        help="heareval's grid of hyperparameters; the leaderboard asks for the default one",
    )
    parser.add_argument(
        "--grid-points",
        type=int,
        default=GRID_POINTS,
        metavar="N",
        help=f"points of the grid to try (default: {GRID_POINTS}, which the leaderboard asks for)",
    )
    parser.add_argument(
        "--seeds",
        choices=SEEDS,
        default=SEEDS[0],
        help="independent: each training has a seed of its own, and several share their computations; such scores are "
        "marked and kept out of the official CSV (default: heareval, its random numbers and so its scores)",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which phases are taken, and on what hardware."""
    phases = [phase.value for phase in Phase]
    given: dict[str, Any] = {"choices": phases, "metavar": "PHASE"}
    helped = f"the first phase to take, of {', '.join(phases)} (default: {phases[0]})"
    parser.add_argument("--from-phase", default=phases[0], help=helped, **given)
    parser.add_argument("--to-phase", default=phases[-1], help=f"the last (default: {phases[-1]})", **given)
    parser.add_argument(
        "--predictor",
        choices=[predictor.value for predictor in Predictor],
        default=Predictor.OWN.value,
        help="what trains and scores predictors: own, which is `hear-cacophony predict`, or heareval's runner, which "
        "gives the same scores in more time (default: own)",
    )
    parser.add_argument(
        "--devices",
        type=int,
        metavar="N",
        help="processes at a time, each with a card, or a share of the cores, of its own (default: all cards)",
    )
    parser.add_argument(
        "--require-gpu", action="store_true", help="fail where JAX, or torch for the predictions, sees no GPU"
    )
    parser.add_argument(
        "--memory-fraction",
        type=float,
        metavar="F",
        help="of a card's memory for JAX while it embeds (default: what XLA_PYTHON_CLIENT_MEM_FRACTION says, or "
        f"{MEMORY_FRACTION})",
    )


def parse_options(args: argparse.Namespace) -> Options:
    """Check what was given.

    Raises:
        FileNotFoundError: no task, or no checkpoint of a stage.
        ValueError: anything else that cannot be.
    """
    if args.grid_points < 1:
        raise ValueError(f"--grid-points: expected 1 or more, got {args.grid_points}")
    models = choose_models(args)
    tasks = choose_tasks(args.tasks_dir.absolute(), args.task)
    out = args.out.absolute()
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: expected a folder, got a file")
    if args.seeds != SEEDS[0] and args.predictor == Predictor.HEAREVAL:
        raise ValueError(f"--seeds {args.seeds} goes with --predictor own: heareval knows its own seeds alone")
    if args.devices is not None and args.devices < 1:
        raise ValueError(f"--devices: expected 1 or more, got {args.devices}")
    if args.memory_fraction is not None and not 0 < args.memory_fraction <= 1:
        raise ValueError(f"--memory-fraction: expected a fraction above 0, up to 1, got {args.memory_fraction}")
    phases = list(Phase)
    first, last = phases.index(Phase(args.from_phase)), phases.index(Phase(args.to_phase))
    if first > last:
        raise ValueError(f"--from-phase {args.from_phase} comes after --to-phase {args.to_phase}")
    return Options(
        models=models,
        table=args.table,
        tasks=tuple(tasks),
        tasks_dir=args.tasks_dir.absolute(),
        out=out,
        protocol=args.protocol,
        grid=args.grid,
        grid_points=args.grid_points,
        seeds=args.seeds,
        phases=tuple(phases[first : last + 1]),
        predictor=Predictor(args.predictor),
        devices=args.devices,
        require_gpu=args.require_gpu,
        memory_fraction=args.memory_fraction,
    )
