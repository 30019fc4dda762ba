"""The command `hear-cacophony features`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hear_cacophony.commands.model_options import (
    add_model_options,
    device_indices,
    engine_options,
    identify_model,
    scene_identity,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import add_paths, take_options_between

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.engine.embedding import EmbeddingModel
    from hear_cacophony.sounds.chunks import Results
    from hear_cacophony.sounds.find import Sound


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
    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.sounds.chunks import tell_faults
    from hear_cacophony.sounds.feature_files import check_feature_file, write_features
    from hear_cacophony.sounds.find import find_sounds

    if args.hop is not None and not args.timestamps:
        raise ValueError("--hop goes with --timestamps: without it there is one embedding a file")
    check_feature_file(args.out)
    sounds = find_sounds(args.paths)
    summary = load_summary(args.model)
    about = {"kind": "timestamp" if args.timestamps else "scene", **identify_model(summary, engine_options(args))}
    with (_open_timestamps if args.timestamps else _open_scenes)(args, sounds, summary) as results:
        status = tell_faults(results.faults, "features")
        written = write_features(args.out, results, about)
    tell_untrained(summary, "features")
    print(f"{args.out}: {about['kind']} embeddings of {written} files, {about['model']}")
    return status


@contextlib.contextmanager
def _open_scenes(args: argparse.Namespace, sounds: list[Sound], summary: CheckpointSummary) -> Iterator[Results]:
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.chunks import open_embeddings

    with open_embeddings(sounds, scene_identity(summary, engine_options(args)), "features") as results:
        results.compute(scene_embeddings(_loader(args)), "features")
        yield results


@contextlib.contextmanager
def _open_timestamps(args: argparse.Namespace, sounds: list[Sound], summary: CheckpointSummary) -> Iterator[Results]:
    from hear_cacophony.sounds.chunk_embeddings import timestamp_embeddings
    from hear_cacophony.sounds.chunks import open_chunks, read_clips

    model = _loader(args)()
    about = {"kind": "timestamp", **identify_model(summary, engine_options(args))}
    with open_chunks(sounds, about, "features") as results:
        results.compute(read_clips(model.check_length), timestamp_embeddings(model), "features")
        yield results


def _loader(args: argparse.Namespace) -> Callable[[], EmbeddingModel]:
    from hear_cacophony.engine.embedding import load_embedding_model

    devices, options = device_indices(args.devices), engine_options(args)
    return functools.cache(lambda: load_embedding_model(args.model, devices=devices, **options))
