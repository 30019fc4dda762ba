"""The command `hear-cacophony features`."""

from __future__ import annotations

import argparse
import pathlib

from hear_cacophony.commands.model_options import (
    add_model_options,
    device_indices,
    engine_options,
    identify_model,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import add_paths, take_options_between


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `features` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "features",
        help="embed audio files of your own, of any format and rate",
        description="Embed audio files, and all those in folders, of any format and rate, into one file. What was "
        "interrupted goes on where it was. Files that cannot be read are listed at the end; the exit status is then 1.",
    )
    add_paths(parser)
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="F", help="a .npz, .parquet or .safetensors file to write"
    )
    parser.add_argument("--timestamps", action="store_true", help="embeddings along each clip (default: one a clip)")
    add_model_options(parser, hop=True)
    take_options_between(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.embedding import load_embedding_model
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings, timestamp_embeddings
    from hear_cacophony.sounds.chunks import open_chunks, read_clips, tell_faults
    from hear_cacophony.sounds.feature_files import check_feature_file, write_features
    from hear_cacophony.sounds.find import find_sounds

    if args.hop is not None and not args.timestamps:
        raise ValueError("--hop goes with --timestamps: without it there is one embedding a file")
    check_feature_file(args.out)
    sounds = find_sounds(args.paths)
    options = engine_options(args)
    model = load_embedding_model(args.model, devices=device_indices(args.devices), **options)
    about = {"kind": "timestamp" if args.timestamps else "scene", **identify_model(model, options)}
    with open_chunks(sounds, about, "features") as chunks:
        compute = timestamp_embeddings(model) if args.timestamps else scene_embeddings(model)
        chunks.compute(read_clips(model.check_length), compute, "features")
        faults = chunks.faults
        status = tell_faults(faults, "features")
        written = write_features(args.out, chunks, about)
    tell_untrained(model, "features")
    print(f"{args.out}: {about['kind']} embeddings of {written} files, {about['model']}")
    return status
