"""What a run is asked for, checked before any work."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import pathlib
from collections.abc import Sequence
from typing import Any

from hear_cacophony.model.stages import STAGES
from hear_tasks.grids import GRID_POINTS, GRIDS, SEEDS
from hear_tasks.module_options import add_module_options, add_task_option
from hear_tasks.registry import TASKS, find_tasks
from hear_tasks.reproduce.models import RunModel, choose_models
from hear_tasks.table_plugins import TABLE_PLUGINS
from hear_tasks.task_folder import SAMPLE_RATES, choose_tasks

MEMORY_FRACTION = 0.9
"""Of a card's memory for JAX, which has the card to itself while it embeds: the rest is for the driver and compiler."""

PUBLISHED_RATE = 48_000
"""Sample rate in Hz of the tarballs."""

_TABLE_RATES = (16_000, 32_000, 44_100, 48_000)
"""Of the models of the published table."""


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
class Fetching:
    """How tasks and weights are fetched that are not there.

    Attributes:
        keep_archives: whether tarballs and audio stay when they are used.
        rates: sample rates in Hz that the models take.
        mirror: URL or folder that has everything, in the place of its own hosts.
        alone: whether nothing is run.
        used: folders of tasks that others have embedded, of whose audio nobody needs more than what stays.
    """

    keep_archives: bool
    rates: tuple[int, ...]
    mirror: str | None
    alone: bool
    used: tuple[pathlib.Path, ...] = ()

    @property
    def passing(self) -> frozenset[int]:
        """Rates in Hz of the audio that goes when it is embedded: all that models take but the lowest, and 48000."""
        return frozenset() if self.keep_archives else frozenset(self.rates) - ({min(self.rates)} - {PUBLISHED_RATE})

    @property
    def going(self) -> frozenset[int]:
        """Those of audio that goes meanwhile: none, where it is others that embed."""
        return frozenset() if self.alone else self.passing

    @property
    def staying(self) -> frozenset[int]:
        """Rates in Hz of the audio that stays."""
        return frozenset({*self.rates, *((PUBLISHED_RATE,) if self.keep_archives else ())}) - self.going


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
        fetching: how what is not there is fetched; None where all has to be there.
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
    fetching: Fetching | None = None

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
    fetching = parser.add_argument_group("what is not there yet")
    fetching.add_argument(
        "--download",
        action="store_true",
        help="fetch weights to --checkpoints, and tasks to --tasks-dir, each embedded and predicted while others come",
    )
    fetching.add_argument("--download-only", action="store_true", help="fetch and prepare, and run nothing")
    fetching.add_argument(
        "--used",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="with --download-only, tasks that others have embedded: first what goes of them, as with --download, goes",
    )
    fetching.add_argument(
        "--keep-archives",
        action="store_true",
        help="keep tarballs and all audio; otherwise tarballs, and audio at 48 kHz and at all --rates but the lowest, "
        "go when they are used, if it was this that brought them",
    )
    fetching.add_argument(
        "--mirror", metavar="URL", help="a server's folder, or one of a file system, that has all of it"
    )
    fetching.add_argument(
        "--rates",
        type=parse_rates,
        metavar="HZ,HZ",
        help="sample rates of the models (default: 16000; with --table: those of its models)",
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
    fetching = _fetching(args)
    models = choose_models(args)
    tasks = choose_tasks(args.tasks_dir.absolute(), args.task) if fetching is None else _registered(args, args.task)
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
        fetching=fetching,
    )


def _fetching(args: argparse.Namespace) -> Fetching | None:
    if not (args.download or args.download_only):
        if args.keep_archives or args.mirror or args.rates or args.used:
            raise ValueError("--keep-archives, --mirror, --rates and --used are for --download")
        return None
    if args.used and not args.download_only:
        raise ValueError("--used is for --download-only: --download itself sees what is embedded")
    if args.module is not None and not args.rates:
        raise ValueError(f"--download --module {args.module}: expected the plugin's sample rate, --rates HZ")
    rates = args.rates or (_TABLE_RATES if args.table else (16_000,))
    used = _registered(args, args.used) if args.used else []
    return Fetching(args.keep_archives, rates, args.mirror, args.download_only, tuple(used))


def parse_rates(text: str) -> tuple[int, ...]:
    """Sample rates in Hz with commas between, as `--rates` takes them."""
    rates = tuple(int(rate) if rate.isdigit() else 0 for rate in text.split(","))
    if not set(rates) <= set(SAMPLE_RATES):
        known = ", ".join(map(str, SAMPLE_RATES))
        raise argparse.ArgumentTypeError(f"expected rates in Hz of {known}, with commas between, got {text!r}")
    return rates


def _registered(args: argparse.Namespace, names: Sequence[str]) -> list[pathlib.Path]:
    """The folders of HEAR's tasks, all without a name, which need not be there yet."""
    wanted = {task for name in names for task in find_tasks(name)} if names else set(TASKS)
    return [args.tasks_dir.absolute() / task.directory for task in TASKS if task in wanted]
