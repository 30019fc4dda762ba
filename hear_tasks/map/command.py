"""The command `hear-cacophony map`."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

from hear_cacophony.commands.model_options import (
    add_engine_options,
    add_tokenizer_option,
    audio_side_loader,
    device_indices,
    engine_options,
    load_text_side,
    scene_identity,
    summarize_text_model,
    tell_untrained,
)
from hear_cacophony.commands.sound_options import add_errors_option, read_lines, split_labels
from hear_cacophony.printable import on_one_line
from hear_tasks.module_options import add_module_options, merge_options

if TYPE_CHECKING:
    from hear_cacophony.sounds.find import Sound
    from hear_tasks.map.colours import Table
    from hear_tasks.map.points import Colours, Points

    _Found = tuple[Points, Colours, list[str]]


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `map` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "map",
        help="draw a folder of sounds as points, alike ones near each other",
        description="Make a page on which each sound is a point, and alike sounds are near each other; a point plays "
        "when it is pointed at. Or of a task that is embedded, EMBEDDINGS/MODULE/TASK: its clips, or its events, "
        "by their labels.",
    )
    parser.add_argument("paths", nargs="+", metavar="SOUNDS", help="audio files, or folders of them; or such a task")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="F.html", help="the page to write")
    colours = parser.add_argument_group(
        "colours (default: by folder; of a task by label)"
    ).add_mutually_exclusive_group()
    colours.add_argument("--labels", metavar="A,B,...", help="by the label that fits best, as `classify` has it")
    colours.add_argument("--labels-file", type=pathlib.Path, metavar="F", help="the same, a label in each line")
    colours.add_argument(
        "--table", nargs=2, metavar=("F.csv", "COLUMN"), help="by a column of a CSV file with a row for each sound"
    )
    parser.add_argument("--tasks-dir", type=pathlib.Path, metavar="DIR", help="of a task: where its audio is")
    add_errors_option(parser)
    add_module_options(parser)
    add_tokenizer_option(parser)
    add_engine_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.pages import check_page
    from hear_cacophony.sounds.faults import check_errors_file, tell, tell_faults
    from hear_tasks.map.layout import lay_out
    from hear_tasks.map.page import write_map
    from hear_tasks.map.task_points import is_embedded_task

    check_page(args.out)
    check_errors_file(args.errors)
    of_task = is_embedded_task(pathlib.Path(args.paths[0]))
    points, colours, remarks = (_read_task if of_task else _embed_sounds)(args)
    good = points.finite()
    points, colours = points.kept(good), colours.kept(good)
    for remark in remarks:
        tell(f"map: {remark}")
    status = tell_faults(points.faults, "map", args.errors)
    if not len(points.names):
        raise ValueError(f"none of the {points.what} has an embedding, so there is no map to draw")
    places, told = lay_out(points.embeddings)
    write_map(args.out, points, places, colours, told, remarks)
    print(on_one_line(f"{args.out}: {len(points.names)} {points.what} by {told}, coloured by {colours.title}"))
    return status


def _read_task(args: argparse.Namespace) -> _Found:
    from hear_tasks.map.task_points import read_task_points

    if len(args.paths) > 1 or args.labels or args.labels_file or args.module or args.model:
        raise ValueError(
            "a task that is embedded is drawn by itself and by its labels, without --model, --module and --labels"
        )
    points, colours, remarks = read_task_points(pathlib.Path(args.paths[0]), args.tasks_dir)
    if args.tasks_dir is None:
        remarks.append("the points do not play, as --tasks-dir does not tell where the audio is")
    elif gone := sum(not file for file in points.files):
        remarks.append(f"{gone} clips have no audio in {args.tasks_dir}, and do not play")
    if args.table:
        colours, told = _by_table(_read_table(args), points)
        remarks += told
    return points, colours, remarks


def _embed_sounds(args: argparse.Namespace) -> _Found:
    from hear_cacophony.sounds.find import find_sounds
    from hear_tasks.map.colours import by_folder

    labels = _labels(args)
    if args.tasks_dir is not None:
        raise ValueError("--tasks-dir goes with a task that is embedded, EMBEDDINGS/MODULE/TASK")
    if args.module and (labels or args.tokenizer):
        raise ValueError("--labels and --tokenizer go with our own model, which knows words: without --module")
    table = _read_table(args) if args.table else None
    sounds = find_sounds(args.paths)
    if labels:
        return *_embed_and_label(args, sounds, labels), []
    points = _module_points(args, sounds) if args.module else _own_points(args, sounds)
    return (points, by_folder(points.files), []) if table is None else (points, *_by_table(table, points))


def _labels(args: argparse.Namespace) -> list[str]:
    from hear_cacophony.engine.zero_shot import check_labels

    if args.labels_file is not None:
        return check_labels(read_lines(args.labels_file, "--labels-file", "a label"))
    return check_labels(split_labels(args.labels)) if args.labels is not None else []


def _read_table(args: argparse.Namespace) -> Table:
    from hear_tasks.map.colours import Table

    return Table(pathlib.Path(args.table[0]), args.table[1])


def _by_table(table: Table, points: Points) -> tuple[Colours, list[str]]:
    colours, missing = table.colours(points.names)
    return colours, [f"{missing} of {len(points.names)} {points.what} are not in the table"] if missing else []


def _module_points(args: argparse.Namespace, sounds: list[Sound]) -> Points:
    from hear_tasks.embed import load_module
    from hear_tasks.map.sound_points import module_points

    options = merge_options(args.module, args.model_options, engine_options(args))
    return module_points(
        sounds, load_module(args.module, args.model, options, device_indices(args.devices), args.python)
    )


def _own_points(args: argparse.Namespace, sounds: list[Sound]) -> Points:
    import functools

    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.engine.embedding import load_embedding_model
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_tasks.map.sound_points import own_points

    options = merge_options(None, args.model_options, engine_options(args))
    summary, devices = load_summary(args.model), device_indices(args.devices)
    load = functools.cache(lambda: load_embedding_model(args.model, devices=devices, **options))
    tell_untrained(summary, "map")
    return own_points(sounds, scene_identity(summary, options), scene_embeddings(load))


def _embed_and_label(args: argparse.Namespace, sounds: list[Sound], labels: list[str]) -> tuple[Points, Colours]:
    """Sounds with the label that fits each best."""
    from hear_cacophony.sounds.chunk_embeddings import scene_embeddings
    from hear_tasks.map.points import Colours
    from hear_tasks.map.sound_points import own_points

    if args.model_options:
        raise ValueError("--model-options does not go with --labels; the options of the engine do")
    summary = summarize_text_model(args)
    model = load_text_side(args, summary, len(labels))
    texts = model.embed_labels(labels)
    identity = scene_identity(summary, engine_options(args))
    points = own_points(sounds, identity, scene_embeddings(audio_side_loader(args)))
    tell_untrained(summary, "map")
    best = model.similarities(points.embeddings, texts).argmax(axis=1) if points.names else []
    return points, Colours("label", [labels[i] for i in best])
