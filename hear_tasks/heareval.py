"""heareval and hear-validator on a current Python.

    python -m hear_tasks.heareval embeddings ARGUMENTS OF heareval.embeddings.runner
    python -m hear_tasks.heareval predictions ARGUMENTS OF heareval.predictions.runner

heareval 2021.1.3 was written for the libraries of 2021. Each function below that is called
`allow_...`, `hide_...`, `forget_...` or `load_...` mends one thing, most of them changed since then; `note_weights`
adds a file beside the embeddings. None changes a score.
hear-validator runs as it is.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Sequence

from hear_cacophony.installed import installed_versions
from hear_tasks.entry_point import Command, run
from hear_tasks.library_caches import use_cache_folder
from hear_tasks.task_folder import METADATA_FILE

VERSIONS = {"heareval": "2021.1.3", "pytorch-lightning": "1.9."}
"""Beginnings of the versions that the patches were written for."""


def check_versions() -> None:
    """Raise RuntimeError where heareval or Lightning is missing or of another version."""
    for package, expected in VERSIONS.items():
        found = installed_versions([package]).get(package, "none")
        if not found.startswith(expected):
            raise RuntimeError(
                f"expected {package} {expected.rstrip('.')}, found {found}: the patches that let heareval run on a "
                "current Python were written for that version; scripts/setup.sh installs it"
            )


def allow_setting_the_epoch() -> None:
    """Let `FitLoop.current_epoch` be set.

    For testing an event model heareval sets it to the best epoch, whose postprocessing it then
    looks up. Lightning 1.6 and later made it a property of the loop's progress, and the
    lookup of the last epoch fails with a KeyError.
    """
    from pytorch_lightning.loops import FitLoop

    class Epoch:
        """Reads and writes the number of completed epochs."""

        def __get__(self, loop, owner=None):
            return self if loop is None else loop.epoch_progress.current.completed

        def __set__(self, loop, epoch: int) -> None:
            loop.epoch_progress.current.completed = epoch

    FitLoop.current_epoch = Epoch()  # type: ignore[attr-defined]


def allow_own_checkpoints() -> None:
    """Let torch read the predictor checkpoints that heareval has just written.

    torch 2.6 and later refuse every class in a checkpoint that is not named as safe; these
    are the ones in heareval's grid of hyperparameters.
    """
    import torch

    torch.serialization.add_safe_globals(
        [
            torch.nn.BatchNorm1d,
            torch.nn.Identity,
            torch.nn.LayerNorm,
            torch.nn.init.xavier_normal_,
            torch.nn.init.xavier_uniform_,
            torch.optim.Adam,
            torch.optim.SGD,
        ]
    )


def allow_text_device_names() -> None:
    """Let the name of a GPU be text.

    heareval decodes it, as the NVML bindings once returned bytes; those of today return str.
    Nothing to do where torch sees no GPU, since heareval then never asks.
    """
    from heareval import gpu_max_mem

    if not hasattr(gpu_max_mem, "nvmlDeviceGetName"):
        return
    read_name = gpu_max_mem.nvmlDeviceGetName

    def read_name_as_bytes(handle) -> bytes:
        name = read_name(handle)
        return name.encode() if isinstance(name, str) else name

    gpu_max_mem.nvmlDeviceGetName = read_name_as_bytes


def load_triton_before_tensorflow() -> None:
    """Let plugins use triton, which comes with torch's builds for GPUs.

    It brings LLVM, as TensorFlow does, and ends the process in a segmentation fault where it is loaded second.
    """
    if "tensorflow" in sys.modules:
        return
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


def hide_gpus_from_torch() -> None:
    """Let only JAX see the GPU in the embedding process.

    heareval refuses to start where torch finds a GPU that TensorFlow does not, which is the
    case beside tensorflow-cpu; and the card's memory belongs to JAX here.
    """
    import torch

    torch.cuda.is_available = lambda: False
    torch.cuda.device_count = lambda: 0


def forget_slurm() -> None:
    """Let a request to terminate end predictions under Slurm: where Lightning finds its variables, it ignores one."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]


def note_weights() -> None:
    """Have heareval's embeddings say which weights they are of, and refuse to mix them with those of others.

    heareval names their folder by the module alone: another checkpoint would go to the same folder, and
    nothing would tell an untrained model from a trained one.
    """
    from heareval.embeddings import runner

    embed = runner.task_embeddings

    def note_and_embed(embedding, task_path, embed_task_dir) -> None:
        from hear_tasks.embed import OwnModel, claim_folder

        embedder = getattr(embedding.model, "embedder", None)
        if embedder is not None:
            claim_folder(embed_task_dir.parent, {"module": embedding.name, **OwnModel(embedder).identity})
        embed(embedding, task_path, embed_task_dir)

    runner.task_embeddings = note_and_embed


def check_arguments(name: str, arguments: Sequence[str]) -> None:
    """Check the folders that a runner of heareval is given, of which it would end in a traceback, after long imports.

    Raises:
        ValueError: there are none, or they are no tasks or no finished embeddings; a line for each.
    """
    places, options = split_arguments(arguments)
    if "--help" in options:
        return
    if name == "embeddings":
        folder = pathlib.Path(options.get("--tasks-dir", "tasks"))
        if places and not folder.is_dir():
            raise ValueError(f"--tasks-dir {folder}: no such folder; expected one of HEAR tasks")
        return
    problems = [problem for place in places if (problem := _what_is_wrong(pathlib.Path(place)))]
    if not places:
        problems = ["expected folders of tasks' embeddings, EMBEDDINGS_DIR/MODEL/TASK ..., got none"]
    if problems:
        raise ValueError("\n".join(problems))


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The places among arguments of heareval's runners, and the options, each of which but --help has a value."""
    places: list[str] = []
    options: dict[str, str] = {}
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            places += waiting
        elif argument.startswith("--"):
            option, equals, value = argument.partition("=")
            options[option] = value if equals or option == "--help" else next(waiting, "")
        else:
            places.append(argument)
    return places, options


def _what_is_wrong(folder: pathlib.Path) -> str:
    if not folder.exists():
        return f"{folder}: no such folder; expected one of a task's embeddings, EMBEDDINGS_DIR/MODEL/TASK"
    if not folder.is_dir():
        return f"{folder}: expected a folder of a task's embeddings, got a file"
    if (folder / METADATA_FILE).exists():
        if any(folder.glob("*.embedding-dimensions.json")):  # which heareval writes last
            return ""
        return f"{folder}: no embeddings in it; is it the task itself, or were its embeddings not finished?"
    below = sorted(each.parent for each in folder.glob(f"*/{METADATA_FILE}"))
    if below:
        return f"{folder}: expected the folder of one task; did you mean {folder}/*/, such as {below[0]}?"
    return f"{folder}: no {METADATA_FILE} in it; expected a folder of a task's embeddings, EMBEDDINGS_DIR/MODEL/TASK"


def embeddings() -> Callable[[], None]:
    """heareval's embedding runner, made to run."""
    check_versions()
    load_triton_before_tensorflow()
    hide_gpus_from_torch()
    note_weights()
    from heareval.embeddings.runner import runner

    return runner


def predictions() -> Callable[[], None]:
    """heareval's prediction runner, made to run."""
    check_versions()
    forget_slurm()
    allow_setting_the_epoch()
    allow_own_checkpoints()
    allow_text_device_names()
    from heareval.predictions.runner import runner

    return runner


RUNNERS = {"embeddings": embeddings, "predictions": predictions}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the heareval runner that the first argument names; the others are its own."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or [""]
    if name not in RUNNERS:
        given = f"unknown runner {name!r}" if name else "no runner named"
        sys.exit(f"{given}; expected: python -m hear_tasks.heareval {{{','.join(RUNNERS)}}} ... (--help for the rest)")
    return run(name, lambda command: _run(command, arguments), whole_process=argv is None)


def _run(command: Command, arguments: Sequence[str]) -> int:
    # Lightning takes an interrupt for the end of training, after which heareval would score the half-trained predictor
    # and note the task as done.
    command.grace = 0
    use_cache_folder()
    check_arguments(command.name, arguments)
    try:
        runner = RUNNERS[command.name]()
    except RuntimeError as error:
        raise ValueError(error) from None
    sys.argv = [f"hear_tasks.heareval {command.name}", *arguments]
    try:
        runner()
    except (OSError, ValueError, ModuleNotFoundError):  # which tell little where they come from
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
