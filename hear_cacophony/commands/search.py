"""The command `hear-cacophony search`."""

from __future__ import annotations

import argparse
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
from hear_cacophony.commands.sound_options import (
    add_errors_option,
    add_html_option,
    add_output_options,
    as_json,
    check_html,
    format_csv,
    read_lines,
)
from hear_cacophony.printable import as_text, on_one_line

if TYPE_CHECKING:
    import numpy as np

    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.sounds.duplicates import Duplicate
    from hear_cacophony.sounds.find import Sound
    from hear_cacophony.sounds.matches import Matches


_TOP, _DUPLICATES = 10, 0.99
_MEANING = (
    "Scores are cosine similarities of embeddings, from -1 to 1. What is high depends on the model, and is not "
    "the same for a text and a sound as for two sounds."
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `search` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "search",
        help="find the audio files of a folder that a text describes, or that sound alike",
        description="List the audio files of a folder that fit a text best, or that sound alike. The embeddings of the "
        "folder are kept, so that the next search embeds only what is new or has changed.",
        epilog=_MEANING,
    )
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help='such as "glass breaking"; or --audio, --queries or --duplicates'
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of audio files, searched to its depth")
    parser.add_argument("--audio", metavar="FILE", help="look for what sounds like this file")
    parser.add_argument("--queries", type=pathlib.Path, metavar="FILE", help="a file with a text in each line")
    parser.add_argument(
        "--duplicates", type=float, nargs="?", const=_DUPLICATES, metavar="T",
        help="list groups of sounds that are equal, or whose cosine similarity is at least T "
        f"(default: {_DUPLICATES:g})",
    )  # fmt: skip
    parser.add_argument("--top", type=int, metavar="N", help=f"matches to show of each query (default: {_TOP})")
    add_output_options(parser)
    add_html_option(parser)
    add_errors_option(parser)
    parser.add_argument(
        "--index",
        type=pathlib.Path,
        metavar="F.safetensors",
        help="keep the embeddings there alone (default: in the cache)",
    )
    add_tokenizer_option(parser)
    add_model_options(parser)
    parser.set_defaults(func=_run, goes_on=True)


def _run(args: argparse.Namespace) -> int:
    from hear_cacophony.sounds.duplicates import find_duplicates
    from hear_cacophony.sounds.faults import check_errors_file, tell, tell_faults
    from hear_cacophony.sounds.find import find_sounds

    _check(args)
    check_errors_file(args.errors)
    check_html(args.html)
    texts = _texts(args)
    sounds = find_sounds([args.folder])
    summary = summarize_text_model(args, text=bool(texts))
    queries = _embed_queries(args, texts, summary)
    found = _find_in_index(args, sounds, summary) if args.index else _find_kept(args, sounds, summary)
    model = identify_model(summary, {})["model"]
    if args.duplicates is None:
        matches = [(query, found.nearest(embedding, args.top or _TOP)) for query, embedding in queries]
        print(_formatted(args, matches, model), end="", flush=True)
        if args.html:
            _write_page(args, matches, model)
    else:
        groups = find_duplicates(found, args.duplicates)
        print(_formatted_duplicates(args, groups, model), end="", flush=True)
        if args.html:
            _write_page_of_duplicates(args, groups, model)
        if not groups:
            tell(f"search: no two of {len(found.sounds)} sounds have a similarity of {args.duplicates:g} or more")
    tell_untrained(summary, "search")
    return tell_faults(found.faults, "search", args.errors)


def _check(args: argparse.Namespace) -> None:
    ways = (args.text, args.audio, args.queries, args.duplicates)
    if sum(way is not None for way in ways) != 1:
        raise ValueError(
            "expected one thing to search for: TEXT before FOLDER, or --audio FILE, --queries FILE or --duplicates"
        )
    if args.tokenizer is not None and (args.audio is not None or args.duplicates is not None):
        raise ValueError("--tokenizer goes with TEXT: a search by --audio or for --duplicates reads no text")
    if args.duplicates is not None and not -1 <= args.duplicates <= 1:
        raise ValueError(f"--duplicates: expected a cosine similarity, from -1 to 1, got {args.duplicates:g}")
    if args.duplicates is not None and args.top is not None:
        raise ValueError("--top does not go with --duplicates, which lists all")
    if args.top is not None and args.top < 1:
        raise ValueError(f"--top: expected 1 or more, got {args.top}")
    if not pathlib.Path(args.folder).is_dir():
        raise ValueError(f"{args.folder}: expected a folder of audio files")


def _texts(args: argparse.Namespace) -> list[str]:
    """The texts to search for."""
    if args.text is not None:
        if not args.text.strip():
            raise ValueError("expected a text to search for, got an empty one")
        return [args.text]
    return [] if args.queries is None else read_lines(args.queries, "--queries", "a text")


def _embed_queries(
    args: argparse.Namespace, texts: list[str], summary: CheckpointSummary
) -> list[tuple[str, np.ndarray]]:
    """What is searched for, with its embedding, shape (size,)."""
    from hear_cacophony.sounds.find import Sound

    if args.audio is not None:
        found = _find_kept(args, [Sound.at(args.audio)], summary)
        for fault in found.faults.values():
            raise ValueError(f"{args.audio}: {fault}")
        return [(args.audio, found.embeddings[0])]
    if not texts:
        return []
    return list(zip(texts, load_text_side(args, summary, len(texts)).embed_texts(texts), strict=True))


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


def _formatted(args: argparse.Namespace, matches: list[tuple[str, list[tuple[Sound, float]]]], model: str) -> str:
    if args.json:
        listed = [
            {"query": query, "matches": [{"file": sound.name, "score": score} for sound, score in nearest]}
            for query, nearest in matches
        ]
        return as_json({"model": model, "queries": listed} if args.queries else {"model": model, **listed[0]})
    if args.csv:
        rows = [
            (as_text(query), rank, as_text(sound.name), f"{score:.6f}")
            for query, nearest in matches
            for rank, (sound, score) in enumerate(nearest, 1)
        ]
        return format_csv(("query", "rank", "file", "similarity"), rows)
    parts = ["".join(f"{score:7.4f}  {on_one_line(sound.name)}\n" for sound, score in near) for _, near in matches]
    if not args.queries:
        return parts[0]
    return "\n".join(f"{on_one_line(query)}\n{part}" for (query, _), part in zip(matches, parts, strict=True))


def _formatted_duplicates(args: argparse.Namespace, groups: list[list[Duplicate]], model: str) -> str:
    if args.json:
        listed = [
            [{"file": each.sound.name, "score": each.similarity, "same_content": each.same_content} for each in group]
            for group in groups
        ]
        return as_json({"model": model, "threshold": args.duplicates, "groups": listed})
    if args.csv:
        rows = [
            (number, as_text(each.sound.name), f"{each.similarity:.6f}", "yes" if each.same_content else "no")
            for number, group in enumerate(groups, 1)
            for each in group
        ]
        return format_csv(("group", "file", "similarity", "same content"), rows)
    return "\n".join("".join(map(_duplicate_line, group)) for group in groups)


def _write_page(args: argparse.Namespace, matches: list[tuple[str, list[tuple[Sound, float]]]], model: str) -> None:
    from hear_cacophony.pages import Column
    from hear_cacophony.pages.sound_list import write_sound_list

    queries = [query for query, _ in matches]
    facts = [("model", model), ("sounds in", args.folder)]
    facts.append(("searched for", queries[0]) if len(queries) == 1 else ("queries", str(len(queries))))
    columns = [Column("query", labels=queries), Column("rank", "number", digits=0), Column("similarity", "bar")]
    rows = [
        (sound.name, [number, rank, score])
        for number, (_, nearest) in enumerate(matches)
        for rank, (sound, score) in enumerate(nearest, 1)
    ]
    write_sound_list(args.html, "Sounds that were found", facts, columns, rows, [_MEANING])


def _write_page_of_duplicates(args: argparse.Namespace, groups: list[list[Duplicate]], model: str) -> None:
    from hear_cacophony.pages import Column
    from hear_cacophony.pages.sound_list import write_sound_list

    facts = [("model", model), ("sounds in", args.folder), ("least similarity", f"{args.duplicates:g}")]
    columns = [
        Column("group", "number", digits=0),
        Column("similarity to the first of the group", "bar"),
        Column("same file as that"),
    ]
    rows = [
        (each.sound.name, [number, each.similarity, "yes" if each.same_content else "no"])
        for number, group in enumerate(groups, 1)
        for each in group
    ]
    write_sound_list(args.html, "Sounds that are there more than once", facts, columns, rows, [_MEANING])


def _duplicate_line(each: Duplicate) -> str:
    told = "same file" if each.same_content else ""
    return f"{each.similarity:7.4f}  {told:9}  {on_one_line(each.sound.name)}\n"
