"""The command `hear-cacophony search`."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import TYPE_CHECKING

from hear_cacophony.commands.model_options import (
    add_model_options,
    add_tokenizer_option,
    audio_side_loader,
    engine_options,
    identify_model,
    load_text_side,
    scene_identity,
    summarize_text_model,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import take_options_between
from hear_cacophony.sounds.names import on_one_line

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.sounds.find import Sound
    from hear_cacophony.sounds.matches import Matches


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `search` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "search",
        help="search a folder of sounds by a sentence, or by a sound",
        description="Search a folder of sounds by a sentence, or for sounds that sound alike. The embeddings of the "
        "folder are kept, so that the next search embeds only what is new or has changed.",
    )
    parser.add_argument("text", nargs="?", metavar="TEXT", help='such as "glass breaking"; or --audio')
    parser.add_argument("folder", metavar="FOLDER", help="folder of audio files, searched to its depth")
    parser.add_argument("--audio", metavar="FILE", help="look for what sounds like this file")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="matches to show (default: 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--index",
        type=pathlib.Path,
        metavar="F.safetensors",
        help="keep the embeddings there alone (default: in the cache)",
    )
    add_tokenizer_option(parser)
    add_model_options(parser)
    take_options_between(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.sounds.chunks import tell_faults
    from hear_cacophony.sounds.find import find_sounds

    _check(args)
    sounds = find_sounds([args.folder])
    summary = summarize_text_model(args, text=args.audio is None)
    query = _embed_query(args)
    found = _find_in_index(args, sounds, summary) if args.index else _find_kept(args, sounds, summary)
    print(_formatted(args, found.nearest(query, args.top), identify_model(summary, {})["model"]), end="")
    tell_untrained(summary, "search")
    return tell_faults(found.faults, "search")


def _find_kept(args: argparse.Namespace, sounds: list[Sound], summary: CheckpointSummary) -> Matches:
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.chunks import open_embeddings
    from hear_cacophony.sounds.matches import Matches

    with open_embeddings(sounds, scene_identity(summary, engine_options(args)), "search") as embeddings:
        embeddings.compute(scene_embeddings(audio_side_loader(args)), "search")
        return Matches.of(embeddings)


def _find_in_index(args: argparse.Namespace, sounds: list[Sound], summary: CheckpointSummary) -> Matches:
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.search_index import check_index, find_embeddings

    identity = identify_model(summary, engine_options(args))
    check_index(args.index, identity)
    return find_embeddings(args.index, sounds, identity, scene_embeddings(audio_side_loader(args)))


def _formatted(args: argparse.Namespace, matches: list[tuple[Sound, float]], model: str) -> str:
    if args.json:
        found = [{"file": sound.name, "score": score} for sound, score in matches]
        return json.dumps({"query": args.text or args.audio, "model": model, "matches": found}, indent=1) + "\n"
    return "".join(f"{score:7.4f}  {on_one_line(sound.name)}\n" for sound, score in matches)


def _check(args: argparse.Namespace) -> None:
    if (args.text is None) == (args.audio is None):
        raise ValueError("expected one thing to search for: TEXT before FOLDER, or --audio FILE")
    if args.audio is not None and args.tokenizer is not None:
        raise ValueError("--tokenizer goes with TEXT: a search by --audio reads no text")
    if args.top < 1:
        raise ValueError(f"--top: expected 1 or more, got {args.top}")
    if not pathlib.Path(args.folder).is_dir():
        raise ValueError(f"{args.folder}: expected a folder of audio files")


def _embed_query(args: argparse.Namespace) -> np.ndarray:
    """The embedding of what is searched for, shape (size,)."""
    from hear_cacophony.frontend.read_audio import read_audio

    if args.audio is not None:
        return audio_side_loader(args)().embed_scenes([read_audio(args.audio)])[0]
    if not args.text.strip():
        raise ValueError("expected a text to search for, got an empty one")
    return load_text_side(args).embed_texts([args.text])[0]
