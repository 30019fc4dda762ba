"""The command `hear-cacophony reconstruct`."""

from __future__ import annotations

import argparse
import pathlib
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `reconstruct` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "reconstruct",
        help="draw what the masked autoencoder of stage 1 restores of audio files",
        description="Draw the log-mel spectrogram of each file, what is kept of it, what the decoder of stage 1 makes "
        "of that, and the error beside that of each patch's mean.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files of any format and rate")
    parser.add_argument(
        "--model", default="", metavar="FILE", help="a checkpoint of stage 1 with its decoder, such as AudioMAE.ckpt"
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="F", help="a .png, .pdf or .svg to write")
    parser.add_argument(
        "--mask-ratio",
        type=float,
        nargs="+",
        default=[0.8],
        metavar="R",
        help="share of the patches to restore (default: 0.8); several give a row each",
    )
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each file at most (default: 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the patches to keep (default: 0)")
    parser.add_argument(
        "--normalised", action="store_true",
        help="the model was trained on patches of mean 0 and variance 1; files of `train` tell it themselves",
    )  # fmt: skip
    parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.checkpoint.find import find_weights
    from hear_cacophony.frontend.audio_checks import describe_loud, is_loud
    from hear_cacophony.frontend.read_audio import read_audio
    from hear_cacophony.frontend.spectrogram import SAMPLE_RATE, STEP_LENGTH
    from hear_cacophony.model.stages import AUDIOMAE
    from hear_cacophony.training.reconstruction_picture import check_picture, draw_reconstructions

    if args.seed < 0:
        raise ValueError(f"--seed: expected 0 or more, got {args.seed}")
    wrong = [ratio for ratio in args.mask_ratio if not 0 < ratio < 1]
    if wrong:
        raise ValueError(f"--mask-ratio: expected shares above 0 and below 1, got {wrong[0]}")
    if not args.seconds * SAMPLE_RATE >= STEP_LENGTH:
        raise ValueError(f"--seconds: expected {STEP_LENGTH / SAMPLE_RATE} or more, a patch, got {args.seconds}")
    check_picture(args.out, len(args.files) * len(args.mask_ratio))
    clips = [(name, read_audio(name)) for name in args.files]
    from hear_cacophony.training.reconstruction import Reconstructor  # behind the checks, as jax is slow to import

    model = Reconstructor(args.model or find_weights(AUDIOMAE), normalised=args.normalised)
    rows = []
    for name, clip in clips:
        part = clip[: round(min(args.seconds * SAMPLE_RATE, len(clip)))]
        if is_loud([part]):
            print(f"reconstruct: {name}: {describe_loud([part])}", file=sys.stderr)
        if len(part) < len(clip):
            told = f"the first {len(part) / SAMPLE_RATE:g} of {len(clip) / SAMPLE_RATE:.1f} s; --seconds"
            print(f"reconstruct: {name}: {told}", file=sys.stderr)
        for ratio in args.mask_ratio:
            found = model.reconstruct(part, ratio, args.seed)
            rows.append((f"{pathlib.PurePath(name).name}\n{ratio:.0%} to restore", found))
            print(f"{name}: {ratio:g} to restore: mean squared error {found.error:.6f}", end="")
            print(f", of each patch's mean {found.error_of_means:.6f}")
    draw_reconstructions(args.out, rows, f"{model.source}: what stage 1 restores")
    print(args.out)
    return 0
