"""The command `hear-cacophony search`."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import TYPE_CHECKING

from hear_cacophony.commands.model_options import (
    add_model_options,
    device_indices,
    engine_options,
    identify_model,
    tell_untrained,
)
from hear_cacophony.commands.text_options import add_tokenizer_option

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.engine.audio_text import AudioTextModel


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
        "--index", type=pathlib.Path, metavar="F.safetensors", help="keep the embeddings there (default: in the cache)"
    )
    add_tokenizer_option(parser)
    add_model_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.load_audio_text import load_audio_text_model
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.chunks import tell_faults
    from hear_cacophony.sounds.find import find_sounds
    from hear_cacophony.sounds.search_index import default_index_file, read_index, update_index

    _check(args)
    sounds = find_sounds([args.folder])
    options = engine_options(args)
    model = load_audio_text_model(args.model, tokenizer=args.tokenizer, devices=device_indices(args.devices), **options)
    query = _embed_query(args, model)
    identity = identify_model(model.audio, options)
    file = args.index or default_index_file(args.folder, identity)
    read_index(file, identity)
    index, faults = update_index(file, sounds, identity, scene_embeddings(model.audio), model.audio.check_length)
    matches = index.nearest(query, args.top) if index.sounds else []
    if args.json:
        found = [{"file": sound.name, "score": score} for sound, score in matches]
        print(json.dumps({"query": args.text or args.audio, "model": identity["model"], "matches": found}, indent=1))
    else:
        for sound, score in matches:
            print(f"{score:7.4f}  {sound.name}")
    tell_untrained(model.audio, "search")
    return tell_faults(faults, "search")


def _check(args: argparse.Namespace) -> None:
    if (args.text is None) == (args.audio is None):
        raise ValueError("expected one thing to search for: TEXT before FOLDER, or --audio FILE")
    if args.audio is not None and args.tokenizer is not None:
        raise ValueError("--tokenizer goes with TEXT: a search by --audio reads no text")
    if args.top < 1:
        raise ValueError(f"--top: expected 1 or more, got {args.top}")
    if not pathlib.Path(args.folder).is_dir():
        raise ValueError(f"{args.folder}: expected a folder of audio files")


def _embed_query(args: argparse.Namespace, model: AudioTextModel) -> np.ndarray:
    """The embedding of what is searched for, shape (size,)."""
    from hear_cacophony.frontend.read_audio import read_audio

    if args.audio is not None:
        return model.embed_audio([read_audio(args.audio)])[0]
    if not args.text.strip():
        raise ValueError("expected a text to search for, got an empty one")
    return model.embed_texts([args.text])[0]
