"""The command `hear-cacophony caption`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hear_cacophony.commands.model_options import (
    add_model_options,
    add_tokenizer_option,
    engine_options,
    identify_model,
    load_text_model,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import (
    add_errors_option,
    add_html_option,
    add_output_options,
    add_paths,
    check_html,
    format_csv,
    format_json,
)
from hear_cacophony.printable import as_text, on_one_line

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.engine.audio_text import AudioTextModel
    from hear_cacophony.sounds.chunks import Compute
    from hear_cacophony.sounds.find import Sound


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `caption` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "caption",
        help="describe audio files in a sentence each",
        description="Describe each audio file in a sentence. What was interrupted goes on where it was; files that "
        "cannot be read are listed at the end, and the exit status is then 1.",
    )
    add_paths(parser)
    parser.add_argument(
        "--method", choices=("greedy", "sample", "beam"), default="greedy", help="of generation (default: greedy)"
    )
    parser.add_argument("--temperature", type=float, metavar="T", help="of sample (default: 0.1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of sample (default: 42)")
    parser.add_argument("--beams", type=int, metavar="N", help="of beam (default: 4)")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest caption, both marks included (100)")
    add_output_options(parser)
    add_html_option(parser)
    add_errors_option(parser)
    add_tokenizer_option(parser)
    add_model_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.caption_keys import CAPTION_SEED, choose_keys
    from hear_cacophony.engine.generation import Generation
    from hear_cacophony.sounds.chunks import open_chunks, read_clips
    from hear_cacophony.sounds.faults import check_errors_file, tell_faults
    from hear_cacophony.sounds.find import find_sounds

    check_errors_file(args.errors)
    check_html(args.html)
    chosen = _chosen(args)
    Generation(args.method, **chosen)
    sounds = find_sounds(args.paths)
    keys = choose_keys(args.method, len(sounds), args.seed, None)
    model = load_text_model(args)
    tokenizer = model.tokenizer
    seed = {"seed": CAPTION_SEED if args.seed is None else args.seed} if args.method == "sample" else {}
    about = {**identify_model(model.audio, engine_options(args)), "method": args.method, **seed, **chosen}
    compute = _captions(model, args.method, dict(zip((sound.name for sound in sounds), keys, strict=True)), chosen)
    found: dict[str, str] = {}
    with open_chunks(sounds, {"command": "caption", **about}, "caption") as chunks:
        chunks.compute(read_clips(model.audio.check_length), lambda: compute, "caption")
        for chunk in chunks:
            for sound, ids in zip(chunk.sounds, chunk.arrays.get("ids", ()), strict=True):
                found[sound.name] = tokenizer.decode(ids[1:].tolist()).strip()
        faults = chunks.faults
        print(_formatted(args, found, about), end="", flush=True)  # before the results are removed
        if args.html:
            _write_page(args, found, about)
    tell_untrained(model.audio, "caption")
    return tell_faults(faults, "caption", args.errors)


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    given = {"temperature": args.temperature, "beams": args.beams, "max_tokens": args.max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def _captions(model: AudioTextModel, method: str, keys: dict[str, np.ndarray], chosen: dict[str, Any]) -> Compute:
    import numpy as np

    def compute(clips: list[np.ndarray], sounds: list[Sound]) -> dict[str, np.ndarray]:
        fresh = model.with_options(model.audio.options)
        mine = np.stack([keys[sound.name] for sound in sounds]) if method == "sample" else None
        return {"ids": fresh.caption_tokens(clips, method, keys=mine, **chosen)}

    return compute


def _formatted(args: argparse.Namespace, found: dict[str, str], about: dict[str, Any]) -> str:
    if args.json:
        return format_json(about, found)
    if args.csv:
        return format_csv(("file", "caption"), [(as_text(name), caption) for name, caption in found.items()])
    return "".join(f"{on_one_line(name)}: {on_one_line(caption)}\n" for name, caption in found.items())


def _write_page(args: argparse.Namespace, found: dict[str, str], about: dict[str, Any]) -> None:
    from hear_cacophony.pages import Column
    from hear_cacophony.pages.sound_list import write_sound_list

    facts = [("model", about["model"]), ("method", about["method"])]
    rows = [(name, [caption]) for name, caption in found.items()]
    write_sound_list(args.html, "Captions of sounds", facts, [Column("caption", wide=True)], rows)
