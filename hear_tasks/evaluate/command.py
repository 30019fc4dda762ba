"""The command `hear-cacophony evaluate`."""

from __future__ import annotations

import argparse
import pathlib
import sys
import textwrap

from hear_cacophony.commands.model_options import (
    add_tokenizer_option,
    add_window_options,
    device_indices,
    window_options,
)
from hear_cacophony.engine.options import PROTOCOLS
from hear_cacophony.printable import on_one_line
from hear_tasks.evaluate import RESULTS_FILE
from hear_tasks.evaluate.datasets import DATASETS, Evaluation, find_dataset
from hear_tasks.text_files import first_lines

_WHAT = {
    Evaluation.ZERO_SHOT: "classify clips by the words for their classes: top-1 and top-5",
    Evaluation.RETRIEVAL: "find clips by captions and captions by clips: R@1, R@5, R@10, mAP@10",
    Evaluation.CAPTIONING: "caption clips: CIDEr-D, BLEU, ROUGE-L",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `evaluate` to the commands of a parser; `func` of what it parses runs it and gives the exit status."""
    parser = subparsers.add_parser(
        "evaluate",
        help="zero-shot classification, retrieval and captioning on published data sets",
        description="Evaluate zero-shot classification, retrieval or captioning on a published data set, in the "
        "layout of its publisher, beside the published figures. What was computed of clips is kept: the same command "
        "goes on where an interrupted one was. Clips that are missing or cannot be read are named, and the exit "
        "status is then 1 (but for missing clips of VGGSound and AudioCaps, which everyone fetches alone).",
    )
    evaluations = parser.add_subparsers(required=True, metavar="EVALUATION")
    for evaluation in Evaluation:
        _add_evaluation(evaluations, evaluation)


def _add_evaluation(evaluations: argparse._SubParsersAction, evaluation: Evaluation) -> None:
    fitting = [dataset for dataset in DATASETS if evaluation in dataset.evaluations]
    layouts = [f"{dataset.name}: {dataset.layout}; clips of any form that can be read" for dataset in fitting]
    wrapped = "\n".join(textwrap.fill(each, 110, initial_indent="  ", subsequent_indent="    ") for each in layouts)
    parser = evaluations.add_parser(
        evaluation.value,
        help=_WHAT[evaluation],
        description=f"{_WHAT[evaluation][0].upper()}{_WHAT[evaluation][1:]}.",
        epilog=f"The folder DIR of --data holds, for\n{wrapped}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(dataset.name for dataset in fitting)
    parser.add_argument("--dataset", required=True, metavar="NAME", help=f"one of {names}")
    parser.add_argument("--data", required=True, type=pathlib.Path, metavar="DIR", help="folder of the data set")
    parser.add_argument("--model", default="", metavar="FILE", help="a checkpoint, or random or random-tiny")
    add_tokenizer_option(parser)
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="hear",
        help="hear takes clips whole, in windows; published takes clips and texts as the published evaluation",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("evaluations"),
        metavar="DIR",
        help="where to write DIR/MODEL/EVALUATION-NAME-PROTOCOL, and behind that the options that change results "
        "(default: evaluations)",
    )
    _add_particulars(parser, evaluation)
    parser.set_defaults(func=_run, goes_on=True, evaluation=evaluation)


def _add_particulars(parser: argparse.ArgumentParser, evaluation: Evaluation) -> None:
    if evaluation == Evaluation.ZERO_SHOT:
        parser.add_argument(
            "--template",
            action="append",
            default=[],
            metavar="TEXT",
            help="prompt with {} for the class; repeated, the prompts are an ensemble (default: the published one)",
        )
    if evaluation == Evaluation.CAPTIONING:
        parser.add_argument(
            "--beams", type=int, metavar="N", help="beams of the search under hear (default: 1, greedy)"
        )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="draws the patches of longer clips under published (default: 0)",
    )
    add_window_options(parser)


def _run(args: argparse.Namespace) -> int:
    from hear_tasks.evaluate.request import Request
    from hear_tasks.evaluate.run import evaluate

    tokenizer = {} if args.tokenizer is None else {"tokenizer": args.tokenizer}
    request = Request(
        args.evaluation,
        find_dataset(args.dataset, args.evaluation),
        args.data,
        args.model,
        args.out,
        args.protocol,
        templates=tuple(getattr(args, "template", ())),
        seed=args.seed,
        beams=getattr(args, "beams", None),
        devices=device_indices(args.devices),
        options=window_options(args) | tokenizer,
    )
    report = evaluate(request)
    print(report.as_text())
    for line in first_lines(report.faults, f": see {RESULTS_FILE}"):
        print(f"evaluate: {on_one_line(line)}", file=sys.stderr)
    return 1 if report.faults else 0
