"""The command `hear-cacophony classify`."""

from __future__ import annotations

import argparse
import pathlib

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
from hear_cacophony.commands.sound_options import (
    add_output_options,
    add_paths,
    format_csv,
    format_json,
    take_options_between,
)
from hear_cacophony.sounds.names import as_text, on_one_line
from hear_cacophony.text_table import GAP, text_table


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `classify` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "classify",
        help="label audio files with words of your own",
        description="Tell which of some labels fits each audio file, without training. What was interrupted goes on "
        "where it was; files that cannot be read are listed at the end, and the exit status is then 1.",
    )
    add_paths(parser)
    labels = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", metavar="A,B,...", help="the labels, such as dog,rain,speech")
    labels.add_argument("--labels-file", type=pathlib.Path, metavar="F", help="a file with a label in each line")
    parser.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help="the prompt, {} for the label (default: 'This is a sound of {}'); given again, prompts are averaged",
    )
    parser.add_argument("--top", type=int, default=3, metavar="N", help="labels to show of each file (default: 3)")
    add_output_options(parser)
    add_tokenizer_option(parser)
    add_model_options(parser)
    take_options_between(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.zero_shot import TEMPLATE, Classification, check_labels, check_templates, probabilities
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.chunks import open_embeddings, tell_faults
    from hear_cacophony.sounds.find import find_sounds

    labels, templates = _labels(args), args.template or [TEMPLATE]
    check_labels(labels)
    check_templates(templates)
    if args.top < 1:
        raise ValueError(f"--top: expected 1 or more, got {args.top}")
    sounds = find_sounds(args.paths)
    summary = summarize_text_model(args)
    options = engine_options(args)
    model = load_text_side(args)
    texts = model.embed_labels(labels, template=templates)
    found: dict[str, list[tuple[str, float]]] = {}
    with open_embeddings(sounds, scene_identity(summary, options), "classify") as embeddings:
        embeddings.compute(scene_embeddings(audio_side_loader(args)), "classify")
        for chunk in embeddings:
            if chunk.sounds:
                similar = model.similarities(chunk.arrays["embeddings"], texts)
                ranked = Classification(tuple(labels), probabilities(similar, model.logit_scale)).best(args.top)
                found |= zip((sound.name for sound in chunk.sounds), ranked, strict=True)
        faults = embeddings.faults
    about = {**identify_model(summary, options), "labels": labels, "templates": templates}
    print(_formatted(args, found, about), end="", flush=True)
    tell_untrained(summary, "classify")
    return tell_faults(faults, "classify")


def _labels(args: argparse.Namespace) -> list[str]:
    if args.labels_file is None:
        return [label.strip() for label in args.labels.split(",")]
    try:
        lines = args.labels_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"--labels-file {args.labels_file}: expected a text file in UTF-8, a label in each line: {error}"
        ) from None
    return [line.strip() for line in lines if line.strip()]


def _formatted(args: argparse.Namespace, found: dict[str, list[tuple[str, float]]], about: dict) -> str:
    if args.json:
        return format_json(
            about, {name: [{"label": label, "probability": p} for label, p in best] for name, best in found.items()}
        )
    if args.csv:
        rows = [
            (as_text(name), rank, label, f"{p:.6f}")
            for name, best in found.items()
            for rank, (label, p) in enumerate(best, 1)
        ]
        return format_csv(("file", "rank", "label", "probability"), rows)
    cells = [(on_one_line(name), GAP.join(f"{label} {p:.3f}" for label, p in best)) for name, best in found.items()]
    return "".join(f"{line}\n" for line in text_table(cells))
