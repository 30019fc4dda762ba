"""The command `hear-cacophony classify`."""

from __future__ import annotations

import argparse
import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    add_errors_option,
    add_html_option,
    add_output_options,
    add_paths,
    check_html,
    format_csv,
    format_json,
    read_lines,
    split_labels,
)
from hear_cacophony.printable import as_text, on_one_line
from hear_cacophony.progress import clock
from hear_cacophony.text_table import GAP, text_table

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.engine.text_model import TextModel
    from hear_cacophony.sounds.find import Sound
    from hear_cacophony.sounds.kept_texts import KeptTexts
    from hear_cacophony.sounds.labelled import Labelled

_TOP = 3
_EXCERPT = 5.0


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `classify` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "classify",
        help="label audio files with words of your own",
        description="Tell which of some labels fits each audio file, without training. What was interrupted goes on "
        "where it was; files that cannot be read are listed at the end, and the exit status is then 1.",
        epilog="What scores mean: without --multi the labels compete, and their probabilities sum to 1, also where "
        "none fits; the more labels, the smaller each. With --multi each label is scored for itself, by the cosine "
        "similarity of sound and label, from -1 to 1, which other labels do not change. What is high depends on the "
        "model and the label: look at the scores of some sounds, with --sort LABEL, before you choose a --threshold.",
    )
    add_paths(parser)
    labels = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", metavar="A,B,...", help="the labels; one with a comma in quotes")
    labels.add_argument("--labels-file", type=pathlib.Path, metavar="F", help="a file with a label in each line")
    parser.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help="the prompt, {} for the label (default: 'This is a sound of {}'); given again, prompts are averaged",
    )
    parser.add_argument(
        "--multi", action="store_true", help="several labels to a sound, each scored for itself by cosine similarity"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="T",
        help="show labels of this score or more: a probability, with --multi a cosine similarity",
    )  # fmt: skip
    parser.add_argument(
        "--top", type=int, metavar="N", help=f"labels to show of each file (default: {_TOP}; with --threshold all)"
    )
    parser.add_argument("--sort", metavar="LABEL", help="the files with the highest score of this label first")
    parser.add_argument(
        "--along", type=float, nargs="?", const=_EXCERPT, metavar="SECONDS",
        help=f"scores along time, of excerpts of so many seconds (default: {_EXCERPT:g})",
    )  # fmt: skip
    parser.add_argument(
        "--plot", type=pathlib.Path, metavar="F", help="with --along: a .png, .pdf or .svg of the scores along time"
    )
    add_output_options(parser)
    add_html_option(parser)
    add_errors_option(parser)
    add_tokenizer_option(parser)
    add_model_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.engine.zero_shot import TEMPLATE
    from hear_cacophony.sounds.faults import tell_faults
    from hear_cacophony.sounds.find import find_sounds

    labels, templates = _labels(args), args.template or [TEMPLATE]
    _check(args, labels, templates)
    sounds = find_sounds(args.paths)
    if args.plot:
        _check_plot(args, sounds, labels)
    summary = summarize_text_model(args)
    model = load_text_side(args, summary, len(labels) * len(templates))
    texts = model.embed_labels(labels, template=templates)
    about = {**identify_model(summary, engine_options(args)), "labels": labels, "templates": templates}
    work = _Work(args, sounds, summary, model, texts, about)
    faults = _classify(work) if args.along is None else _classify_along(work)
    tell_untrained(summary, "classify")
    return tell_faults(faults, "classify", args.errors)


def _labels(args: argparse.Namespace) -> list[str]:
    if args.labels_file is None:
        return split_labels(args.labels)
    return read_lines(args.labels_file, "--labels-file", "a label")


def _check(args: argparse.Namespace, labels: list[str], templates: list[str]) -> None:
    from hear_cacophony.engine.zero_shot import check_labels, check_templates
    from hear_cacophony.sounds.excerpts import LEAST_SECONDS
    from hear_cacophony.sounds.faults import check_errors_file

    check_labels(labels, least=1 if args.multi else 2)
    check_templates(templates)
    if args.top is not None and args.top < 1:
        raise ValueError(f"--top: expected 1 or more, got {args.top}")
    low = -1 if args.multi else 0
    if args.threshold is not None and not low <= args.threshold <= 1:
        kind = "a cosine similarity, from -1 to 1" if args.multi else "a probability, from 0 to 1"
        raise ValueError(f"--threshold: expected {kind}, got {args.threshold:g}")
    if args.sort is not None and args.sort not in labels:
        raise ValueError(f"--sort: expected one of the labels, {', '.join(labels)}, got {args.sort!r}")
    if args.along is not None and not LEAST_SECONDS <= args.along < math.inf:
        raise ValueError(f"--along: expected {LEAST_SECONDS:g} seconds or more, got {args.along:g}")
    if args.along is not None and args.sort is not None:
        raise ValueError("--sort does not go with --along, whose excerpts stay in the order of time")
    if args.plot and args.along is None:
        raise ValueError("--plot goes with --along: it shows scores along time")
    check_errors_file(args.errors)
    check_html(args.html)


def _check_plot(args: argparse.Namespace, sounds: list[Sound], labels: list[str]) -> None:
    from hear_cacophony.sounds.along_picture import check_along_picture

    check_along_picture(args.plot, len(sounds), len(labels))


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is labelled, and with what."""

    args: argparse.Namespace
    sounds: list[Sound]
    summary: CheckpointSummary
    model: KeptTexts | TextModel
    texts: np.ndarray
    about: dict[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        return scene_identity(self.summary, engine_options(self.args))

    def label(self, names: list[str], embeddings: np.ndarray) -> Labelled:
        """Embeddings with the score of each label."""
        from hear_cacophony.engine.zero_shot import probabilities
        from hear_cacophony.sounds.labelled import Labelled

        similar = self.model.similarities(embeddings, self.texts)
        scores = similar if self.args.multi else probabilities(similar, self.model.logit_scale)
        return Labelled(names, self.about["labels"], scores, self.args.multi)

    def shown(self, labelled: Labelled) -> list[list[tuple[int, str, float]]]:
        """Rank, label and score of the labels to show."""
        top = self.args.top or (None if self.args.threshold is not None else _TOP)
        return labelled.best(top, self.args.threshold, self.args.sort)


def _classify(work: _Work) -> Mapping[str, str]:
    """Print the labels of each sound; what is wrong with those that have none."""
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_cacophony.sounds.chunks import open_embeddings
    from hear_cacophony.sounds.matches import Matches

    args = work.args
    with open_embeddings(work.sounds, work.identity, "classify") as embeddings:
        embeddings.compute(scene_embeddings(audio_side_loader(args)), "classify")
        found = Matches.of(embeddings)
    rows = found.embeddings if found.sounds else found.embeddings.reshape(0, work.model.embedding_size)
    labelled = work.label([sound.name for sound in found.sounds], rows)
    if args.sort:
        labelled = labelled.sorted_by(args.sort)
    print(_formatted(work, labelled), end="", flush=True)
    if args.html:
        _write_page(work, labelled)
    return found.faults


def _formatted(work: _Work, labelled: Labelled) -> str:
    found, measure = list(zip(labelled.names, work.shown(labelled), strict=True)), labelled.measure
    if work.args.json:
        listed = {name: [{"label": label, measure: score} for _, label, score in best] for name, best in found}
        return format_json(work.about, listed)
    if work.args.csv:
        rows: list[tuple[Any, ...]] = []
        for name, best in found:
            rows += [(as_text(name), rank, label, f"{score:.6f}") for rank, label, score in best]
            rows += [] if best else [(as_text(name), "", "", "")]
        return format_csv(("file", "rank", "label", measure), rows)
    return "".join(f"{line}\n" for line in text_table([(name, _listed(best)) for name, best in found]))


def _write_page(work: _Work, labelled: Labelled) -> None:
    from hear_cacophony.pages.labelled_sounds import write_labelled_sounds

    write_labelled_sounds(work.args.html, _facts(work), labelled, work.shown(labelled), work.args.sort)


def _facts(work: _Work) -> list[tuple[str, str]]:
    """What a page tells of how the sounds were labelled."""
    args, about = work.args, work.about
    facts = [
        ("model", about["model"]),
        ("labels", str(len(about["labels"]))),
        ("prompts", "; ".join(about["templates"])),
    ]
    facts += [("threshold", f"{args.threshold:g}")] if args.threshold is not None else []
    return [*facts, ("seconds of an excerpt", f"{args.along:g}")] if args.along is not None else facts


def _listed(best: list[tuple[int, str, float]]) -> str:
    return GAP.join(f"{label} {score:.3f}" for _, label, score in best) or "-"


def _classify_along(work: _Work) -> Mapping[str, str]:
    """Print the labels along each sound; what is wrong with those that have none."""
    import numpy as np

    from hear_cacophony.sounds.along_picture import draw_along
    from hear_cacophony.sounds.chunk_embeddings import excerpt_embeddings
    from hear_cacophony.sounds.chunks import open_embeddings
    from hear_cacophony.sounds.excerpts import excerpt_times

    args, found = work.args, []
    with open_embeddings(work.sounds, {**work.identity, "kind": "excerpts", "seconds": args.along}, "classify") as kept:
        kept.compute(excerpt_embeddings(audio_side_loader(args), args.along), "classify")
        for chunk in kept:
            ends = np.cumsum(chunk.arrays["lengths"])[:-1] if chunk.sounds else ()
            parts = np.split(chunk.arrays["embeddings"], ends) if chunk.sounds else ()
            for sound, samples, part in zip(chunk.sounds, chunk.samples, parts, strict=True):
                times = excerpt_times(samples, args.along)
                found.append((times, work.label([sound.name] * len(times), part)))
    if args.plot and found:
        drawn = [(labelled.names[0], times, labelled.scores) for times, labelled in found]
        draw_along(args.plot, drawn, work.about["labels"], found[0][1].measure)
    print(_formatted_along(work, found), end="", flush=True)
    if args.html:
        from hear_cacophony.pages.labelled_sounds import write_labels_along

        sounds = [(times, labelled, work.shown(labelled)) for times, labelled in found]
        write_labels_along(args.html, _facts(work), sounds, work.about["labels"], args.multi)
    return kept.faults


def _formatted_along(work: _Work, found: list[tuple[list[tuple[float, float]], Labelled]]) -> str:
    labels = work.about["labels"]
    if work.args.json:
        listed = {
            labelled.names[0]: [
                {"start": start, "end": end, "scores": dict(zip(labels, row.tolist(), strict=True))}
                for (start, end), row in zip(times, labelled.scores, strict=True)
            ]
            for times, labelled in found
        }
        return format_json({**work.about, "seconds": work.args.along, "multi": work.args.multi}, listed)
    if work.args.csv:
        rows = [
            (as_text(name), f"{start:.3f}", f"{end:.3f}", *(f"{score:.6f}" for score in row))
            for times, labelled in found
            for name, (start, end), row in zip(labelled.names, times, labelled.scores, strict=True)
        ]
        return format_csv(("file", "start", "end", *labels), rows)
    cells = [
        (on_one_line(name), clock(start), clock(end), _listed(best))
        for times, labelled in found
        for name, (start, end), best in zip(labelled.names, times, work.shown(labelled), strict=True)
    ]
    return "".join(f"{line}\n" for line in text_table(cells, right=(1, 2))) if cells else ""
