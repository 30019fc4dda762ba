"""The report of evaluations (`evaluate`): a page for each, and one over all."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hear_cacophony.files.json_file import read_json
from hear_cacophony.pages import Column, Facts, Page, PageFolder, SoundCells, Table, Text, check_pages, write_pages
from hear_cacophony.pages.blocks import Block, Heading
from hear_tasks.evaluate import RESULTS_FILE
from hear_tasks.report.evaluated_clips import captioned_blocks, classified_blocks, retrieved_blocks
from hear_tasks.report.settings import Settings
from hear_tasks.text_files import first_lines

_KINDS = ("zero-shot", "retrieval", "captioning")
_DEPTHS = (RESULTS_FILE, f"*/{RESULTS_FILE}", f"*/*/{RESULTS_FILE}")
_OVERVIEW = ("all evaluations", "index.html")


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """One evaluation.

    Attributes:
        folder: of its files.
        content: of its results file.
    """

    folder: pathlib.Path
    content: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Its weights, for people."""
        model = self.content["model"]
        return f"{model['source']} (untrained)" if model["untrained"] else str(model["source"])

    @property
    def setting(self) -> str:
        """How it was done: what stands behind evaluation and data set in the name of its folder."""
        return f"{self.content['protocol']} ({self.folder.name})"

    @property
    def title(self) -> str:
        """For the head of its page."""
        return f"{self.content['dataset']}, {self.content['evaluation']}: {self.model}, {self.content['protocol']}"


def holds_evaluations(folder: pathlib.Path) -> bool:
    """Whether results of evaluations lie in a folder, or in the folders in it."""
    return any(_is_evaluation(file) for pattern in _DEPTHS for file in folder.glob(pattern))


def _is_evaluation(file: pathlib.Path) -> bool:
    # The name of its folder tells, also where the file is damaged.
    return file.parent.name.startswith(_KINDS)


def write_evaluations(
    folders: Sequence[pathlib.Path],
    out: pathlib.Path,
    settings: Settings,
    tell: Callable[[str], object] = lambda message: print(f"report: {message}", file=sys.stderr, flush=True),
) -> bool:
    """Write a report of all evaluations in some folders.

    Args:
        folders: what `evaluate --out` was given, or folders in it.
        out: a new folder, an empty one, or an earlier report, which it replaces.
        settings: what it is to hold.
        tell: takes remarks.

    Returns:
        Whether all results could be read.

    Raises:
        OSError, ValueError: no results are there, or `out` holds something else.
        ModuleNotFoundError: a package is not installed.
    """
    existed = check_pages(out)
    files = sorted({file for folder in folders for pattern in _DEPTHS for file in folder.glob(pattern)})
    found, problems = _read(file for file in files if _is_evaluation(file))
    for problem in problems:
        tell(problem)
    if not found:
        raise ValueError("none of the evaluations could be read; run them again")
    write_pages(out, lambda pages: _write_all(pages, found, problems, settings))
    tell(f"{out}: {'replaced' if existed else 'written'}; open {out / 'index.html'}")
    return not problems


def _read(files: Any) -> tuple[list[Evaluated], list[str]]:
    found, problems = [], []
    for file in files:
        try:
            content = read_json(file)
            _check(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{file}: damaged, or no results of an evaluation ({error!r}); run the evaluation again")
        else:
            found.append(Evaluated(file.parent, content))
    return found, problems


def _check(content: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError of what is not as `evaluate` writes it."""
    if content["evaluation"] not in _KINDS:
        raise ValueError(f"evaluation: expected {', '.join(_KINDS)}, got {content['evaluation']!r}")
    if content["model"]["source"] is None or content["model"]["untrained"] is None or not content["dataset"]:
        raise ValueError("expected the source of the model, whether it is untrained, and the data set")
    _check_numbers(content["scores"].values(), or_none=True)
    _check_numbers(content["clips"][name] for name in ("used", "listed"))
    for low, high in content.get("intervals95", {}).values():
        _check_numbers((low, high))
    for parts in (content.get("per_class", {}), content.get("folds", {})):
        measures = list(next(iter(parts.values()), {}))
        _check_numbers((each[measure] for each in parts.values() for measure in ("clips", *measures)), or_none=True)
    if content.get("folds"):
        _check_numbers(content["over_folds"][name] for name in ("top1_mean", "top1_std"))
    for figure in content["published"]:
        _check_numbers((figure.get("published"), figure.get("difference")), or_none=True)
    clips = content["clips"]
    texts = [content["protocol"], *(figure["measure"] for figure in content["published"])]
    texts += [*content.get("templates", ()), *content.get("remarks", ()), *clips.get("missing", ())]
    if other := [text for text in (*texts, *clips.get("unreadable", {}).values()) if not isinstance(text, str)]:
        raise TypeError(f"expected a text, got {other[0]!r}")


def _check_numbers(values: Iterable[Any], or_none: bool = False) -> None:
    for value in values:
        if not isinstance(value, int | float) and not (or_none and value is None):
            raise TypeError(f"expected a number, got {value!r}")


def _write_all(pages: PageFolder, found: Sequence[Evaluated], problems: Sequence[str], settings: Settings) -> None:
    cells = SoundCells(pages, settings.audio)
    names = [f"{number}-{each.content['evaluation']}" for number, each in enumerate(found, 1)]
    for name, each in zip(names, found, strict=True):
        pages.write(name, Page(each.title, _blocks(each, cells, settings.pictures), [_OVERVIEW]))
    blocks: list[Block] = [Text(problems, warns=True)] if problems else []
    for kind in _KINDS:
        rows = [(name, each) for name, each in zip(names, found, strict=True) if each.content["evaluation"] == kind]
        blocks += [Heading(kind), _table(kind, rows)] if rows else []
    pages.write("index", Page("Evaluations", blocks))


def _table(kind: str, rows: Sequence[tuple[str, Evaluated]]) -> Table:
    measures = list(dict.fromkeys(measure for _, each in rows for measure in each.content["scores"]))
    columns = [
        Column("data set", "link"),
        Column("model"),
        Column("protocol and setting", wide=True),
        Column("clips", "number"),
        *(Column(measure, "number", digits=4, wide=True) for measure in measures),
    ]
    cells = [
        [
            [each.content["dataset"], f"{name}.html"],
            each.model,
            each.setting,
            _clips_cell(each.content["clips"]),
            *(_score_cell(each.content, measure) for measure in measures),
        ]
        for name, each in rows
    ]
    return Table(columns, cells, f"{kind}: scores, in brackets their 95% intervals; untrained models are baselines")


def _clips_cell(clips: Mapping[str, Any]) -> list[Any]:
    return [clips["used"], f"{clips['used']:,} of {clips['listed']:,}"]


def _score_cell(content: Mapping[str, Any], measure: str) -> Any:
    value = content["scores"].get(measure)
    interval = content.get("intervals95", {}).get(measure)
    if value is None or interval is None:
        return value
    return [value, f"{value:.4f} [{interval[0]:.3f}, {interval[1]:.3f}]"]


def _blocks(each: Evaluated, cells: SoundCells, pictures: int) -> list[Block]:
    content = each.content
    clips, model = content["clips"], content["model"]
    facts = [
        ("model", each.model),
        ("MD5", model.get("md5") or "none"),
        ("protocol", content["protocol"]),
        ("clips", f"{clips['used']:,} of {clips['listed']:,}"),
        ("data", content.get("data", "")),
        ("results", str(each.folder)),
    ]
    if content.get("templates"):
        facts.append(("prompts", "; ".join(content["templates"])))
    blocks: list[Block] = []
    faults = [f"missing: {name}" for name in clips.get("missing", [])]
    faults += [f"unreadable: {file}: {reason}" for file, reason in clips.get("unreadable", {}).items()]
    if faults:
        blocks.append(Text(first_lines(faults, f": see {RESULTS_FILE}"), warns=True))
    if content.get("remarks"):
        blocks.append(Text(content["remarks"]))
    blocks += [Facts(facts), Heading("Scores"), _scores(content)]
    if content.get("folds"):
        blocks += [Heading("Folds"), _folds(content)]
    makers = {"zero-shot": classified_blocks, "retrieval": retrieved_blocks, "captioning": captioned_blocks}
    return [*blocks, *makers[content["evaluation"]](each.folder, each.title, content, cells, pictures)]


def _scores(content: Mapping[str, Any]) -> Table:
    published: dict[str, list[Mapping[str, Any]]] = {}
    for figure in content["published"]:
        published.setdefault(figure["measure"], []).append(figure)
    comparable = content["protocol"] == "published" and not content["model"]["untrained"]
    rows = []
    for measure, value in content["scores"].items():
        low, high = content.get("intervals95", {}).get(measure, (None, None))
        for figure in published.get(measure) or [{}]:
            difference = figure.get("difference") if comparable else None
            rows.append([measure, value, low, high, figure.get("published"), difference, figure.get("source")])
    columns = [
        Column("score"),
        *(Column(title, "number", digits=4) for title in ("value", "95% from", "to", "published", "difference")),
        Column("source", wide=True),
    ]
    why = (
        "" if comparable else "; no differences, as the weights are untrained or the protocol is not the published one"
    )
    return Table(columns, rows, f"scores beside the published ones{why}")


def _folds(content: Mapping[str, Any]) -> Table:
    measures = [name for name in next(iter(content["folds"].values())) if name != "clips"]
    columns = [Column("fold"), Column("clips", "number", digits=0)]
    columns += [Column(measure, "number", digits=4) for measure in measures]
    rows = [[name, fold["clips"], *(fold[measure] for measure in measures)] for name, fold in content["folds"].items()]
    summary = content["over_folds"]
    return Table(columns, rows, f"folds: top1 {summary['top1_mean']:.4f} ± {summary['top1_std']:.4f} (n - 1)")
