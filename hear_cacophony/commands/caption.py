"""The command `hear-cacophony caption`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hear_cacophony.commands.model_options import (
    add_model_options,
    device_indices,
    engine_options,
    identify_model,
    tell_untrained,
)
from hear_cacophony.commands.text_options import add_output_options, add_tokenizer_option, format_csv, format_json

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.engine.audio_text import AudioTextModel
    from hear_cacophony.sounds.chunks import Compute


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `caption` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "caption",
        help="describe audio files in a sentence each",
        description="Describe each audio file in a sentence. What was interrupted goes on where it was; files that "
        "cannot be read are listed at the end, and the exit status is then 1.",
    )
    parser.add_argument("paths", nargs="+", metavar="FILE", help="audio files, or folders of them")
    parser.add_argument(
        "--method", choices=("greedy", "sample", "beam"), default="greedy", help="of generation (default: greedy)"
    )
    parser.add_argument("--temperature", type=float, metavar="T", help="of sample (default: 0.1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of sample (default: 42)")
    parser.add_argument("--beams", type=int, metavar="N", help="of beam (default: 4)")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest caption, both marks included (100)")
    add_output_options(parser)
    add_tokenizer_option(parser)
    add_model_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.caption_keys import CAPTION_SEED, choose_keys
    from hear_cacophony.engine.generation import Generation
    from hear_cacophony.engine.load_audio_text import load_audio_text_model
    from hear_cacophony.sounds.chunks import open_chunks, tell_faults
    from hear_cacophony.sounds.find import find_sounds

    chosen = _chosen(args)
    Generation(args.method, **chosen)
    sounds = find_sounds(args.paths)
    keys = choose_keys(args.method, len(sounds), args.seed, None)
    options = engine_options(args)
    model = load_audio_text_model(args.model, tokenizer=args.tokenizer, devices=device_indices(args.devices), **options)
    tokenizer = model.tokenizer
    seed = {"seed": CAPTION_SEED if args.seed is None else args.seed} if args.method == "sample" else {}
    about = {**identify_model(model.audio, options), "method": args.method, **seed, **chosen}
    compute = _captions(model, args.method, keys, chosen)
    found: dict[str, str] = {}
    with open_chunks(sounds, {"command": "caption", **about}) as chunks:
        chunks.compute(compute, model.audio.check_length, "caption")
        for chunk in chunks:
            for sound, ids in zip(chunk.sounds, chunk.arrays.get("ids", ()), strict=True):
                found[sound.name] = tokenizer.decode(ids[1:].tolist()).strip()
        faults = chunks.faults
        print(_formatted(args, found, about), end="")
    tell_untrained(model.audio, "caption")
    return tell_faults(faults, "caption")


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    given = {"temperature": args.temperature, "beams": args.beams, "max_tokens": args.max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def _captions(model: AudioTextModel, method: str, keys: np.ndarray, chosen: dict[str, Any]) -> Compute:
    def compute(clips: list[np.ndarray], places: list[int]) -> dict[str, np.ndarray]:
        fresh = model.with_options(model.audio.options)
        mine = keys[places] if method == "sample" else None
        return {"ids": fresh.caption_tokens(clips, method, keys=mine, **chosen)}

    return compute


def _formatted(args: argparse.Namespace, found: dict[str, str], about: dict[str, Any]) -> str:
    if args.json:
        return format_json(about, found)
    if args.csv:
        return format_csv(("file", "caption"), list(found.items()))
    return "".join(f"{name}: {caption}\n" for name, caption in found.items())
