"""The command `hear-cacophony train`."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hear_cacophony.printable import on_one_line

if TYPE_CHECKING:
    from hear_cacophony.model.stages import Stage
    from hear_cacophony.text.tokenizer import Tokenizer
    from hear_cacophony.training.initial import Parameters
    from hear_cacophony.training.options import TrainOptions
    from hear_cacophony.training.processes import Processes
    from hear_cacophony.training.shards import Shards
    from hear_cacophony.training.sizes import Sizes

STOPPED = 75
"""Exit status of a run that a signal has stopped, and that the same command goes on with (EX_TEMPFAIL)."""

_STAGES = {
    "audiomae": "stage 1, the masked autoencoder: needs sounds alone",
    "cacophony": "stage 2, the contrastive model that writes captions: needs sounds with captions",
}
_BASE = "base"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `train` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "train",
        help="train a model of either stage on sounds of your own",
        description="Train a model. The same command goes on with a run that was interrupted; one that SIGTERM or "
        f"SIGUSR1 stops is saved first, with exit status {STOPPED}.",
    )
    stages = parser.add_subparsers(required=True, metavar="STAGE", dest="stage")
    for name, told in _STAGES.items():
        stage = stages.add_parser(name, help=told, description=f"Train {told}.")
        _add_run_options(stage)
        (_add_stage_1_options if name == "audiomae" else _add_stage_2_options)(stage)
        stage.set_defaults(func=_run)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument(
        "--data", nargs="+", required=True, metavar="SHARDS",
        help="a folder that `hear-cacophony pack` made; or what that takes, which is then packed into RUN/shards",
    )  # fmt: skip
    files.add_argument("--out", type=pathlib.Path, required=True, metavar="RUN", help="folder of the run")
    files.add_argument(
        "--start", default="", metavar="CKPT", help="go on from all towers of a checkpoint of this stage"
    )
    files.add_argument("--keep", type=int, default=3, metavar="N", help="checkpoints that stay (default: 3)")
    together = parser.add_argument_group(
        "several processes", "One for each node, or each GPU; Slurm's srun and Open MPI's mpirun tell all of this."
    )
    together.add_argument("--processes", type=int, metavar="N", help="how many train together")
    together.add_argument("--process", type=int, metavar="I", help="which one this is, from 0 to N - 1")
    together.add_argument(
        "--coordinator", metavar="HOST:PORT",
        help="where process 0 listens, the same for all (default: JAX_COORDINATOR_ADDRESS)",
    )  # fmt: skip
    sizes = parser.add_argument_group("sizes")
    sizes.add_argument("--size", choices=("tiny", "small", "base"), help="base is the published one, and the default")
    for name, told in (
        ("width", "hidden size of all towers"),
        ("layers", "layers of the audio encoder"),
        ("heads", "heads of the audio encoder"),
        ("decoder-layers", "layers of the decoder"),
        ("text-layers", "layers of the text encoder"),
    ):
        sizes.add_argument(f"--{name}", type=int, metavar="N", help=f"{told} (default: by the size)")
    how = parser.add_argument_group("training")
    how.add_argument(
        "--steps", type=int, help="updates of the parameters (default: base 100000, small 10000, tiny 5000)"
    )
    how.add_argument(
        "--stop-at", type=int, metavar="STEP",
        help="end early after this step, with the checkpoint of it; the same command with a later one, or without, "
        "goes on",
    )  # fmt: skip
    how.add_argument("--batch", type=int, default=64, help="clips in each, over all devices (default: 64)")
    how.add_argument("--accumulate", type=int, help="parts that a batch is computed in, one by one (default: 1)")
    how.add_argument("--learning-rate", type=float, help="the highest (default: base 2e-4, others 1e-3)")
    how.add_argument("--warmup", type=int, help="steps in which it rises (default: a tenth of all, at most 500)")
    how.add_argument("--weight-decay", type=float, help="of kernels (default: 1e-4)")
    how.add_argument("--clip", type=float, help="largest norm of a gradient (default: 1)")
    how.add_argument(
        "--seconds", type=float, help="longest excerpt of a clip (default: base 10, in stage 2 30; others 2, 10)"
    )
    how.add_argument(
        "--patches", type=int, help="most patches of a clip that are encoded (default: 500; stage 2, but for base: 200)"
    )
    how.add_argument("--held-out", type=float, help="share of the sounds that is not trained on (default: 0.05)")
    how.add_argument("--checkpoint-every", type=int, metavar="STEPS", help="(default: 500)")
    how.add_argument("--precision", choices=("float32", "bfloat16"), help="of the products (default: float32)")
    how.add_argument("--remat", action="store_true", help="less memory, more computation")
    how.add_argument("--seed", type=int, help="of all that is drawn (default: 0)")


def _add_stage_1_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("stage 1")
    group.add_argument("--mask-ratio", type=float, help="share of the patches that are not encoded (default: 0.8)")
    group.add_argument(
        "--restore", type=int, metavar="N", help="most patches that are restored (default: base 150, others 40)"
    )
    group.add_argument(
        "--normalise", action=argparse.BooleanOptionalAction,
        help="restore patches of mean 0 and variance 1 (default: not with base; from --start on as before)",
    )  # fmt: skip


def _add_stage_2_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("stage 2")
    group.add_argument("--audio", default="", metavar="CKPT", help="audio encoder to start from: AudioMAE.ckpt")
    group.add_argument(
        "--text", default="", metavar="F", help="text encoder to start from: roberta-base's .safetensors"
    )
    group.add_argument(
        "--tokenizer", metavar="PATH", help="tokenizer.json, or its folder (default: that in the weights folder)"
    )
    group.add_argument("--tokens", type=int, help="longest caption, with its marks (default: 77)")
    group.add_argument("--synthetic-share", type=float, help="how often a synthetic caption is drawn (default: 0.8)")
    group.add_argument("--caption-weight", type=float, help="of the captioning loss (default: 1)")


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.training import require_extra

    require_extra()
    from hear_cacophony.engine import compilation_cache
    from hear_cacophony.training.join import joined

    compilation_cache.enable()
    options, tokenizer = _checked_options(args)
    with joined(args.coordinator, args.processes, args.process):
        return _train(args, options, tokenizer)


def _checked_options(args: argparse.Namespace) -> tuple[TrainOptions, Tokenizer | None]:
    """The options of a run, and in stage 2 its tokenizer; what is wrong with any argument but the data is told."""
    from hear_cacophony.training.record import check_place
    from hear_cacophony.training.shards import check_folder

    check_folder(args.out)
    check_place(args.out)
    if args.keep < 1:
        raise ValueError(f"--keep {args.keep}: expected at least 1")
    if args.stop_at is not None and args.stop_at < 0:
        raise ValueError(f"--stop-at {args.stop_at}: expected 0 or more")
    sizes, tokenizer = _sizes_and_tokenizer(args)
    return _options(args, sizes), tokenizer


def _train(args: argparse.Namespace, options: TrainOptions, tokenizer: Tokenizer | None) -> int:
    from hear_cacophony.training.processes import Processes
    from hear_cacophony.training.run import Stopped, train

    processes = Processes()
    shards = _open_shards(args, processes)
    try:
        file = train(
            options,
            shards,
            lambda: _first_parameters(options),
            args.out,
            tokenizer=tokenizer,
            keep=args.keep,
            stop_at=args.stop_at,
        )
    except Stopped as stopped:
        if processes.index == 0:
            print(f"train: {stopped}", file=sys.stderr)
        return STOPPED
    if processes.index == 0:
        early = args.stop_at is not None and args.stop_at < options.steps
        steps = f"{args.stop_at} of {options.steps}" if early else f"{options.steps}"
        print(f"{file}: stage {options.of.number}, {options.of.title}, after {steps} steps")
    return 0


def check_arguments(args: argparse.Namespace) -> int:
    """What a run would say of its arguments before it begins; how many steps it would take, all told."""
    from hear_cacophony.training import require_extra

    require_extra()
    from hear_cacophony.training.shards import Shards
    from hear_cacophony.training.sources import find_sources

    options, _ = _checked_options(args)
    if _are_packed(args.data):
        Shards(args.data[0])
    else:
        find_sources(args.data)
    return options.steps


def _sizes(args: argparse.Namespace) -> Sizes:
    """Sizes of all towers; the vocabulary is that of the checkpoint it starts from, or of RoBERTa."""
    from hear_cacophony.model.stages import find_stage
    from hear_cacophony.training.initial import read_start
    from hear_cacophony.training.sizes import SIZES, change_sizes

    changes = {name: getattr(args, name) for name in ("width", "layers", "heads", "decoder_layers", "text_layers")}
    if not args.start:
        return change_sizes(SIZES[args.size or _BASE], **changes)
    if args.size or any(changes.values()):
        raise ValueError("--start takes its sizes from the checkpoint: leave --size and the like away")
    return read_start(find_stage(args.stage), args.start)[0]


def _sizes_and_tokenizer(args: argparse.Namespace) -> tuple[Sizes, Tokenizer | None]:
    """Sizes of all towers, and in stage 2 the tokenizer, whose vocabulary is that of the text towers."""
    import dataclasses

    from hear_cacophony.model.stages import find_stage
    from hear_cacophony.text.tokenizer import load_tokenizer

    sizes = _sizes(args)
    if not find_stage(args.stage).text_paths:
        return sizes, None
    fixed = sizes.text.vocabulary_size if args.start or args.text else None
    tokenizer = load_tokenizer(args.tokenizer, beside=args.start or None, size=fixed)
    text = dataclasses.replace(sizes.text, vocabulary_size=tokenizer.size)
    return dataclasses.replace(sizes, text=text), tokenizer


def _options(args: argparse.Namespace, sizes: Sizes) -> TrainOptions:
    import dataclasses

    from hear_cacophony.checkpoint.decoder import restores_normalised
    from hear_cacophony.model.stages import find_stage
    from hear_cacophony.training.defaults import default_options, nearest_name
    from hear_cacophony.training.options import TrainOptions

    stage = find_stage(args.stage)
    names = {field.name for field in dataclasses.fields(TrainOptions)}
    given: dict[str, Any] = {name: x for name, x in vars(args).items() if name in names and x is not None}
    size = nearest_name(sizes) if args.start else args.size or _BASE
    defaults = default_options(stage, size, args.steps)
    if args.start and not stage.text_paths:
        defaults["normalise"] = restores_normalised(args.start)
    return TrainOptions(**{**defaults, **given, "sizes": sizes})


def _open_shards(args: argparse.Namespace, processes: Processes) -> Shards:
    """The shards that are named; what is none is packed first."""
    from hear_cacophony.training.pack import pack
    from hear_cacophony.training.processes import say
    from hear_cacophony.training.record import PACKED
    from hear_cacophony.training.shards import Shards
    from hear_cacophony.training.sources import find_sources

    if _are_packed(args.data):
        return Shards(args.data[0])
    target = args.out / PACKED

    def pack_all() -> None:
        for why in pack(find_sources(args.data), target, tell=say).left_out.values():
            print(f"left out: {on_one_line(why)}", file=sys.stderr)

    processes.first(f"it packs the sounds into {target}", pack_all)
    return Shards(target)


def _are_packed(data: Sequence[str]) -> bool:
    from hear_cacophony.training.shards import read_plan

    packed = [each for each in data if pathlib.Path(each).is_dir() and read_plan(pathlib.Path(each)) is not None]
    if packed and len(data) > 1:
        raise ValueError(f"--data: {packed[0]} is packed, and goes alone; pack all sounds into one folder")
    return bool(packed)


def _first_parameters(options: TrainOptions) -> Parameters:
    """What a run starts from."""
    from hear_cacophony.training.initial import drawn_parameters, read_audio_start, read_roberta, read_start

    stage: Stage = options.of
    if options.start:
        return read_start(stage, options.start)[1]
    parameters = drawn_parameters(stage, options.sizes, options.seed)
    if options.audio:
        parameters |= read_audio_start(options.audio, options.sizes.encoder)
    if options.text:
        parameters |= read_roberta(options.text, options.sizes.text)
    return parameters
