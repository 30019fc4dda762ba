"""The command `hear-cacophony features`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hear_cacophony.commands.model_options import (
    add_model_options,
    device_indices,
    engine_options,
    identify_model,
    scene_identity,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import add_errors_option, add_paths

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.engine.embedding import EmbeddingModel
    from hear_cacophony.files.file_identity import FileState
    from hear_cacophony.sounds.chunks import Results
    from hear_cacophony.sounds.feature_update import Updated
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
    parser.add_argument("--out", type=pathlib.Path, metavar="F", help="a .npz, .parquet or .safetensors file to write")
    parser.add_argument(
        "--update", type=pathlib.Path, metavar="F",
        help="add to such a file what is new, replace what has changed, and say what is gone",
    )  # fmt: skip
    parser.add_argument("--timestamps", action="store_true", help="embeddings along each clip (default: one a clip)")
    add_errors_option(parser)
    add_model_options(parser, hop=True)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.files.file_identity import FileState
    from hear_cacophony.sounds.faults import check_errors_file, tell_faults
    from hear_cacophony.sounds.feature_files import check_feature_file, write_features
    from hear_cacophony.sounds.feature_update import Updated, new_or_changed, read_features
    from hear_cacophony.sounds.find import find_sounds

    if (args.out is None) == (args.update is None):
        raise ValueError("expected one of --out F, to write a file, and --update F, to add to one")
    if args.hop is not None and not args.timestamps:
        raise ValueError("--hop goes with --timestamps: without it there is one embedding a file")
    file = args.out or args.update
    check_feature_file(file, replace=args.update is not None)
    check_errors_file(args.errors)
    if args.errors is not None and os.path.realpath(args.errors) == os.path.realpath(file):
        raise ValueError(f"--errors {args.errors}: expected another file than that of the features")
    sounds = find_sounds(args.paths)
    summary = load_summary(args.model)
    about = {"kind": "timestamp" if args.timestamps else "scene", **identify_model(summary, engine_options(args))}
    state = FileState.of(file) if args.update is not None and file.is_file() else None
    old = None if args.update is None else read_features(file, about)
    if old is not None and args.timestamps:  # which are not kept
        sounds = new_or_changed(sounds, old)
    with (_open_timestamps if args.timestamps else _open_scenes)(args, sounds, summary) as results:
        status = tell_faults(results.faults, "features", args.errors)
        if old is None:
            written = write_features(file, results, about)
            print(f"{file}: {about['kind']} embeddings of {written} files, {about['model']}")
        else:
            updated = Updated(old, results)
            if updated.new or updated.changed:
                _replace(file, state, updated, about)
            _tell_update(file, updated)
    tell_untrained(summary, "features")
    return status


def _replace(file: pathlib.Path, read: FileState | None, updated: Updated, about: Mapping[str, Any]) -> None:
    """Write a file of features anew, unless it is another one by now than was read."""
    from hear_cacophony.files.file_identity import FileState
    from hear_cacophony.files.lock import locked_file
    from hear_cacophony.sounds.faults import tell
    from hear_cacophony.sounds.feature_files import write_features

    with locked_file(file, lambda message: tell(f"features: {message}")):
        if FileState.of(file) != read:
            raise ValueError(f"{file}: was changed by another process meanwhile; run the same command again")
        write_features(file, updated, about, replace=True)


def _tell_update(file: pathlib.Path, updated: Updated) -> None:
    from hear_cacophony.printable import on_one_line
    from hear_cacophony.sounds.faults import tell

    for name in updated.changed:
        tell(f"features: {on_one_line(name)}: has changed, and is replaced")
    for name in updated.unreadable:
        tell(f"features: {on_one_line(name)}: cannot be read any more; what {file} has of it stays")
    for name, found in updated.gone.items():
        there = "leads to another sound of them now" if os.path.exists(name) else "is gone"
        gone = f"features: {on_one_line(name)}: {there}; what {file} has of it stays"
        if found is not None:
            gone += f", as well as {on_one_line(found)}, which is new and the same sound"
            gone += f"; is this the folder that {file} was made in?"
        tell(gone)
    counts = {"new": updated.new, "changed": updated.changed, "gone": updated.gone}
    counts |= {"unreadable": updated.unreadable} if updated.unreadable else {}
    print(
        f"{file}: {', '.join(f'{len(names)} {kind}' for kind, names in counts.items())}, {updated.unchanged} as before"
    )


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
        results.compute(read_clips(model.check_length), lambda: timestamp_embeddings(model), "features")
        yield results


def _loader(args: argparse.Namespace) -> Callable[[], EmbeddingModel]:
    from hear_cacophony.engine.embedding import load_embedding_model

    devices, options = device_indices(args.devices), engine_options(args)
    return functools.cache(lambda: load_embedding_model(args.model, devices=devices, **options))
