"""Retrieval: clips by their captions, and captions by their clips; recall at k and mean average precision.

Both directions rank by stable descending sort of the similarities. Equal captions are told apart by nothing that a
model could know, so by default they are one caption: a query by it is right with any clip that has it, and it
takes one place in the ranking of captions. The published metric knows one clip for each caption text, the last one,
and lets copies of a caption take places of their own, of which only the first counts as right.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import statistics
from collections import Counter
from collections.abc import Sequence

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.files.atomic_write import write_text
from hear_cacophony.printable import as_text
from hear_tasks.evaluate.evaluator import Computed, EmbeddingEvaluator, Scored
from hear_tasks.evaluate.listing import Clip

RANKS = (1, 5, 10)
DEPTH = 10
"""Places of a ranking that count."""

_Z95 = statistics.NormalDist().inv_cdf(0.975)

_SHOWN = 10
"""Clips in the table of the best ones."""


class Retrieval(EmbeddingEvaluator):
    """Retrieval both ways."""

    def check(self) -> None:
        pass

    def score(self, model: AudioTextModel, computed: Computed, folder: pathlib.Path) -> Scored:
        clips = computed.clips
        captions = Captions(
            tuple(text for clip in clips for text in clip.texts),
            tuple(i for i, clip in enumerate(clips) for _ in clip.texts),
        )
        similarities = self._embed_captions(model, captions) @ computed.values.T
        published = self.request.published
        _write_best(folder, captions, clips, similarities, published=published)
        both = {
            "text-to-audio": text_to_audio(similarities, captions, published=published),
            "audio-to-text": audio_to_text(similarities, captions, published=published),
        }
        named = {f"{way} {name}": each for way, found in both.items() for name, each in found.items()}
        details = {
            "captions": len(captions.texts),
            "equal_captions": captions.equal,
            "estimates": {
                way: {k: {**dataclasses.asdict(v), "interval95": v.bounded} for k, v in found.items()}
                for way, found in both.items()
            },
        }
        return Scored(
            {name: each.estimate for name, each in named.items()},
            details,
            [self._describe(captions)],
            {name: each.bounded for name, each in named.items()},
        )

    def _embed_captions(self, model: AudioTextModel, captions: Captions) -> np.ndarray:
        """Embeddings of the captions, equal ones exactly alike."""
        distinct = list(dict.fromkeys(captions.texts))
        embedded = model.embed_texts(distinct, max_tokens=self.request.limits.tokens)
        row = {text: i for i, text in enumerate(distinct)}
        return embedded[[row[text] for text in captions.texts]]

    def _describe(self, captions: Captions) -> str:
        how = "each mapped to one clip, as published" if self.request.published else "never counted against their clips"
        return f"{len(captions.texts)} captions, {captions.equal} of them equal to another ({how})"


def _write_best(
    folder: pathlib.Path, captions: Captions, clips: Sequence[Clip], similarities: np.ndarray, *, published: bool
) -> None:
    """What was found by each caption, and by each clip, with the rank of the first right one."""
    found = [f"found_{i}" for i in range(1, _SHOWN + 1)]
    right = captions.right_clips(published=published)
    rows = []
    for text, owner, row in zip(captions.texts, captions.owners, similarities, strict=True):
        places = np.argsort(-row, kind="stable")
        names = (clips[place].name for place in places[:_SHOWN])
        padding = [""] * (_SHOWN - len(clips))
        rank = _rank([place in right[text] for place in places.tolist()])
        rows.append((text, clips[owner].name, *names, *padding, rank))
    write_text(folder / "text_to_audio.csv", format_csv(("caption", "file", *found, "rank"), rows))
    texts, by_text = captions.ranked_texts(similarities, published=published)
    owners = captions.clips_by_text
    rows = []
    for number, (clip, row) in enumerate(zip(clips, by_text.T, strict=True)):
        listed = [texts[place] for place in np.argsort(-row, kind="stable").tolist()]
        rank = _rank([number in owners[text] for text in listed])
        rows.append((clip.name, as_text(str(clip.path)), rank, *listed[:_SHOWN]))
    write_text(folder / "audio_to_text.csv", format_csv(("file", "path", "rank", *found), rows))


def _rank(right: Sequence[bool]) -> int:
    """The place, from 1, of the first that is right."""
    return right.index(True) + 1


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over queries.

    Attributes:
        estimate: the mean; the jackknife finds no bias in a mean.
        std_err: jackknife standard error, the deviation (n - 1) over root n; nan of one query.
        interval95: estimate -+ 1.96 standard errors, which may reach beyond [0, 1].
    """

    estimate: float
    std_err: float
    interval95: tuple[float, float]

    @property
    def bounded(self) -> tuple[float, float]:
        """The interval, as far as it lies in [0, 1]: the mean of fractions is one."""
        low, high = self.interval95
        return max(0.0, low), min(1.0, high)  # of one query NaN: the largest and the least possible ones


@dataclasses.dataclass(frozen=True)
class Captions:
    """The captions of a set of clips.

    Attributes:
        texts: all captions, clip by clip.
        owners: index of the clip that each belongs to.
    """

    texts: tuple[str, ...]
    owners: tuple[int, ...]

    @property
    def equal(self) -> int:
        """Captions whose text is there more than once."""
        return sum(count for count in Counter(self.texts).values() if count > 1)

    @property
    def clips_by_text(self) -> dict[str, set[int]]:
        """Indices of the clips that have a text as caption."""
        clips: dict[str, set[int]] = {}
        for text, owner in zip(self.texts, self.owners, strict=True):
            clips.setdefault(text, set()).add(owner)
        return clips

    def right_clips(self, *, published: bool) -> dict[str, set[int]]:
        """Indices of the clips that are right for each text; the published metric knows the last one alone."""
        if published:
            return {text: {owner} for text, owner in zip(self.texts, self.owners, strict=True)}
        return self.clips_by_text

    def ranked_texts(self, similarities: np.ndarray, *, published: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """The texts that take places in a ranking, and the rows of similarities that belong to them."""
        if published:
            return self.texts, similarities
        first: dict[str, int] = {}
        for row, text in enumerate(self.texts):
            first.setdefault(text, row)
        return tuple(first), similarities[list(first.values())]


def text_to_audio(similarities: np.ndarray, captions: Captions, *, published: bool = False) -> dict[str, Estimate]:
    """Metrics of finding clips by their captions, one query for each caption.

    Similarities have the shape (captions, clips); as published, a text has one right clip, the last that it belongs to.

    Returns:
        Estimates by "R@1", "R@5", "R@10", "mAP@10".
    """
    clips = captions.right_clips(published=published)
    places = _ranked(similarities)
    hits = [[place in clips[text] for place in row] for text, row in zip(captions.texts, places, strict=True)]
    return _estimates(hits)


def audio_to_text(similarities: np.ndarray, captions: Captions, *, published: bool = False) -> dict[str, Estimate]:
    """As `text_to_audio`, of finding captions by their clips, one query for each clip.

    As published, copies of a text take places in the ranking.
    """
    texts, similarities = captions.ranked_texts(similarities, published=published)
    clips = captions.clips_by_text
    hits = []
    for clip, row in enumerate(_ranked(similarities.T)):
        ranked = [texts[place] for place in row]
        hits.append([clip in clips[text] and text not in ranked[:place] for place, text in enumerate(ranked)])
    return _estimates(hits)


def _ranked(similarities: np.ndarray) -> np.ndarray:
    """Indices of the first `DEPTH` of each row, best first, equal ones in their order; a few rows at a time."""
    rows = max(1, (1 << 22) // max(1, similarities.shape[1]))
    parts = [
        np.argsort(-similarities[start : start + rows], axis=1, kind="stable")[:, :DEPTH]
        for start in range(0, len(similarities), rows)
    ]
    return np.concatenate(parts)


def _estimates(hits: Sequence[Sequence[bool]]) -> dict[str, Estimate]:
    recalls = {f"R@{k}": jackknife([float(any(row[:k])) for row in hits]) for k in RANKS}
    return {**recalls, f"mAP@{DEPTH}": jackknife([_average_precision(row) for row in hits])}


def _average_precision(hits: Sequence[bool]) -> float:
    """Mean of the precisions at the hits that were found; 0 without one."""
    places = [place for place, hit in enumerate(hits, 1) if hit]
    return statistics.fmean(found / place for found, place in enumerate(places, 1)) if places else 0.0


def jackknife(values: Sequence[float]) -> Estimate:
    """Jackknife estimate of the mean (Efron and Stein, "The jackknife estimate of variance", 1981)."""
    mean, number = statistics.fmean(values), len(values)
    error = math.sqrt(statistics.variance(values, mean) / number) if number > 1 else math.nan
    return Estimate(mean, error, (mean - _Z95 * error, mean + _Z95 * error))
