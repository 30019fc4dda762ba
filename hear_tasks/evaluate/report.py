"""The report of an evaluation, as text and as JSON, beside the published figures (`published.csv`)."""

from __future__ import annotations

import csv
import dataclasses
import importlib.resources
from collections.abc import Sequence
from typing import Any

from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.printable import on_one_line
from hear_cacophony.text_table import text_table
from hear_tasks.evaluate.evaluator import Scored
from hear_tasks.evaluate.listing import Listing
from hear_tasks.evaluate.request import Request

_FILE = "published.csv"


@dataclasses.dataclass(frozen=True)
class Report:
    """An evaluation and what it found.

    Attributes:
        request: what was asked for.
        model: what was evaluated; its MD5 is that of the file that its weights were published in, else of the file they
            are in, "" of untrained ones.
        tokenizer: digests of the files of its tokenizer, by their paths.
        listing: what the data set holds.
        unreadable: why clips could not be used, by file.
        shortened: names of clips of which a subset of patches counts.
        scored: what was found.
    """

    request: Request
    model: AudioTextModel
    tokenizer: dict[str, str]
    listing: Listing
    unreadable: dict[str, str]
    shortened: Sequence[str]
    scored: Scored

    @property
    def faults(self) -> list[str]:
        """What the evaluation should have had and had not: one line each."""
        lines = [f"{self.request.data}: {fault}" for fault in self.listing.faults]
        lines += [f"unreadable: {file}: {reason}" for file, reason in self.unreadable.items()]
        if self.request.dataset.complete:
            lines += [f"missing: {name}" for name in self.listing.missing]
        return lines

    @property
    def comparisons(self) -> list[Comparison]:
        """The scores beside every published figure that there is of them: fractions from 0 to 1."""
        alike = self.request.published and not self.model.untrained
        compared = (self.request.evaluation, self.request.dataset.title)
        text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
        found = []
        for row in csv.DictReader(text.splitlines()):
            ours = self.scored.scores.get(row["measure"])
            if ours is not None and (row["task"], row["dataset"]) == compared:
                published = float(row["value"])
                difference = ours - published if alike else None
                found.append(Comparison(row["measure"], ours, published, difference, row["source"]))
        return found

    @property
    def used(self) -> int:
        """Clips that the scores are of."""
        return self.listing.listed - len(self.listing.missing) - len(self.unreadable)

    def as_json(self) -> dict[str, Any]:
        """The whole report."""
        request, model = self.request, self.model
        return {
            "evaluation": str(request.evaluation),
            "dataset": request.dataset.title,
            "data": str(request.data),
            "protocol": request.protocol,
            "limits": {**dataclasses.asdict(request.limits), "patches": request.limits.patches},
            "options": dict(request.options),
            "model": {"source": model.source, "md5": model.md5, "untrained": model.untrained},
            "tokenizer": self.tokenizer,
            "clips": {
                "listed": self.listing.listed,
                "used": self.used,
                "missing": list(self.listing.missing),
                "unreadable": self.unreadable,
                "shortened": list(self.shortened),
                "seed_of_shortened": request.patch_seed,
            },
            "remarks": list(self.listing.remarks),
            "scores": dict(self.scored.scores),
            "intervals95": {name: list(interval) for name, interval in self.scored.intervals.items()},
            **self.scored.details,
            "published": [dataclasses.asdict(each) for each in self.comparisons],
        }

    def as_text(self) -> str:
        """What is printed."""
        parts = [self._head(), _score_table(self.scored), self._published_table()]
        return "\n\n".join(part for part in parts if part)

    def _head(self) -> str:
        request, model, listing = self.request, self.model, self.listing
        known = "untrained: a baseline, not a result" if model.untrained else f"MD5 {model.md5 or 'unknown'}"
        missing, unreadable = len(listing.missing), len(self.unreadable)
        lines = [
            f"{request.dataset.title}, {request.evaluation}, protocol {request.protocol}, {model.source} ({known})",
            f"clips: {self.used} of {listing.listed}, {missing} missing, {unreadable} unreadable",
            f"tokenizer: {' and '.join(self.tokenizer)}",
            *listing.remarks,
            self._limit_line(),
            *self.scored.lines,
        ]
        return "\n".join(map(on_one_line, lines))

    def _limit_line(self) -> str:
        limits = self.request.limits
        if limits.seconds is None:
            return "clips whole, in windows where they are long"
        line = f"clips limited to {limits.patches} patches ({limits.seconds} s), texts to {limits.tokens} tokens"
        if not self.shortened:
            return f"{line}; no clip is longer"
        return (
            f"{line}; longer clips: {len(self.shortened)}, of each of which a random subset of patches counts, sorted "
            f"by time, drawn with seed {self.request.patch_seed} where the published code draws without one"
        )

    def _published_table(self) -> str:
        rows = [
            (each.measure, f"{each.ours:.4f}", f"{each.published:.3f}", _signed(each.difference), each.source)
            for each in self.comparisons
        ]
        if not rows:
            return f"no published figures of {self.request.evaluation} on {self.request.dataset.title}"
        table = "\n".join(text_table([("", "ours", "published", "difference", "source"), *rows], right=(1, 2, 3)))
        but = [] if self.request.published else ["the published figures are of the published protocol"]
        but += ["ours of untrained weights"] if self.model.untrained else []
        missing = len(self.listing.missing)
        but += [f"missing from ours: {missing} of {self.listing.listed} clips"] if missing else []
        return f"{table}\n({'; '.join(but)})" if but else table


def _signed(difference: float | None) -> str:
    return "" if difference is None else f"{difference:+.4f}"


def _score_table(scored: Scored) -> str:
    def interval(name: str) -> str:
        if name not in scored.intervals:
            return ""
        low, high = scored.intervals[name]
        return f"[{low:.4f}, {high:.4f}]"

    header = ("", "score", "95% interval") if scored.intervals else ("", "score", "")
    rows = [header, *((name, f"{value:.4f}", interval(name)) for name, value in scored.scores.items())]
    return "\n".join(text_table(rows, right=(1,)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A score beside a published figure.

    The difference is ours less the published one; None where they are not of the same protocol, or ours are of
    untrained weights.
    """

    measure: str
    ours: float
    published: float
    difference: float | None
    source: str
