"""Zero-shot classification: the class of a clip is that whose prompt is most similar to it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.files.atomic_write import write_file, write_text
from hear_cacophony.installed import check_installed
from hear_cacophony.pages.confusion import confused_pairs
from hear_cacophony.printable import as_text
from hear_tasks.evaluate.confusion_picture import draw_confusion
from hear_tasks.evaluate.evaluator import Computed, EmbeddingEvaluator, Scored
from hear_tasks.evaluate.listing import Clip

TOP = 5


class ZeroShot(EmbeddingEvaluator):
    """Zero-shot classification."""

    def check(self) -> None:
        check_installed("the picture of confusions needs", "matplotlib")
        check_installed("intervals of scores need", "scipy")

    def score(self, model: AudioTextModel, computed: Computed, folder: pathlib.Path) -> Scored:
        clips, classes = computed.clips, computed.classes
        texts = model.embed_labels(classes, template=self.request.templates, max_tokens=self.request.limits.tokens)
        found = classify(
            computed.values, texts, float(np.exp(model.logit_scale)), classes, [clip.texts[0] for clip in clips]
        )
        self._write(folder, clips, found, self._title(model, found))
        scores = {f"top{k}": found.top(k) for k in (1, TOP)}
        intervals = {f"top{k}": found.interval(k) for k in (1, TOP)}
        folds = _folds(found, [clip.fold for clip in clips])
        prompt = " and ".join(map(repr, self.request.templates))
        few = [f"top{TOP} says nothing of {len(classes)} classes"] if len(classes) <= TOP else []
        counted = {"classes": len(classes), "per_class": found.per_class}
        details = {"templates": list(self.request.templates), **counted, **folds}
        lines = [f"{len(classes)} classes, prompt {prompt}", *few, *_describe_folds(folds)]
        return Scored(scores, details, lines, intervals)

    def _title(self, model: AudioTextModel, found: Classified) -> str:
        request = self.request
        untrained = " (untrained)" if model.untrained else ""
        return (
            f"{model.source}{untrained}: {request.dataset.title}, zero-shot, protocol {request.protocol}, "
            f"top-1 {found.top(1):.1%} of {len(found.truths):,} clips"
        )

    def _write(self, folder: pathlib.Path, clips: Sequence[Clip], found: Classified, title: str) -> None:
        classes, matrix = found.classes, found.confusion()
        shown = min(TOP, len(classes))
        predicted = []
        for clip, truth, row, values in zip(clips, found.truths, found.ranked, found.probabilities, strict=True):
            rank = int(np.argmax(row == truth))
            first = (classes[row[0]], f"{values[0]:.6f}", rank + 1, f"{values[rank]:.6f}")
            best = (cell for i in range(shown) for cell in (classes[row[i]], f"{values[i]:.6f}"))
            predicted.append((clip.name, classes[truth], *first, *best, clip.fold, as_text(str(clip.path))))
        ranked = (f"{what}_{i}" for i in range(1, shown + 1) for what in ("best", "probability"))
        columns = ("file", "class", "predicted", "probability", "rank_of_class", "probability_of_class", *ranked)
        per_class = [(name, *each.values()) for name, each in found.per_class.items()]
        confused = [(name, *row) for name, row in zip(classes, matrix.tolist(), strict=True)]
        for name, header, rows in (
            ("predictions.csv", (*columns, "fold", "path"), predicted),
            ("per_class.csv", ("class", "clips", "top1", f"top{TOP}"), per_class),
            ("confusion.csv", ("class \\ taken for", *classes), confused),
            ("confused_pairs.csv", ("class", "taken_for", "clips", "part"), confused_pairs(matrix, classes)),
        ):
            write_text(folder / name, format_csv(header, rows))
        write_file(folder / "confusion.png", lambda part: draw_confusion(part, matrix, classes, title))


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a classifier made of clips.

    Attributes:
        classes: names of the classes.
        truths: index of the class of each clip, shape (clips,).
        ranked: indices of the classes from the likeliest on, shape (clips, classes).
        probabilities: of these, shape (clips, classes).
    """

    classes: tuple[str, ...]
    truths: np.ndarray
    ranked: np.ndarray
    probabilities: np.ndarray

    def top(self, k: int, chosen: np.ndarray | slice = slice(None)) -> float:
        """Part of the clips, or of the chosen ones, whose class is among the `k` likeliest; nan without a clip."""
        hits = self._hits(k)[chosen]
        return float(hits.mean()) if len(hits) else float("nan")

    def _hits(self, k: int) -> np.ndarray:
        return (self.ranked[:, :k] == self.truths[:, None]).any(axis=1)

    def scores(self, chosen: np.ndarray) -> dict[str, float]:
        """How many clips are chosen, by a bool for each, and `top` of them."""
        return {"clips": int(chosen.sum()), **{f"top{k}": self.top(k, chosen) for k in (1, TOP)}}

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """`scores` of the clips of each class, by its name."""
        return {name: self.scores(self.truths == i) for i, name in enumerate(self.classes)}

    def interval(self, k: int) -> tuple[float, float]:
        """95% interval of `top(k)` of all clips, by Wilson's score, which lies in [0, 1]."""
        from scipy.stats import binomtest  # takes long to load

        found = binomtest(int(self._hits(k).sum()), len(self.truths)).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)

    def confusion(self) -> np.ndarray:
        """Numbers of clips, shape (classes, classes): rows are their classes, columns what they were taken for."""
        matrix = np.zeros((len(self.classes),) * 2, np.int64)
        np.add.at(matrix, (self.truths, self.ranked[:, 0]), 1)
        return matrix


def classify(
    audio: np.ndarray, texts: np.ndarray, scale: float, classes: Sequence[str], truths: Sequence[str]
) -> Classified:
    """Rank the classes of each clip by the similarity of their texts, equal ones in their order.

    Embeddings are of unit norm, shapes (clips, size) and (classes, size); `scale` is the model's factor of
    similarities.
    """
    logits = scale * (audio @ texts.T).astype(np.float64)
    ranked = np.argsort(-logits, axis=1, kind="stable")
    ordered = np.take_along_axis(logits, ranked, axis=1)
    weights = np.exp(ordered - ordered[:, :1])
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    index = {name: i for i, name in enumerate(classes)}
    return Classified(tuple(classes), np.array([index[name] for name in truths]), ranked, probabilities)


def _folds(found: Classified, folds: Sequence[str]) -> dict[str, Any]:
    """The scores of each fold, and their mean and standard deviation (n - 1); {} of a data set without folds."""
    names = sorted(set(folds) - {""}, key=lambda name: (len(name), name))
    if len(names) < 2:
        return {}
    scores = {name: found.scores(np.array(folds) == name) for name in names}
    top1 = [each["top1"] for each in scores.values()]
    summary = {"top1_mean": float(np.mean(top1)), "top1_std": float(np.std(top1, ddof=1))}
    return {"folds": scores, "over_folds": summary}


def _describe_folds(folds: dict[str, Any]) -> list[str]:
    if not folds:
        return []
    mean, deviation = folds["over_folds"].values()
    return [f"top1 over {len(folds['folds'])} folds: {mean:.4f} \N{PLUS-MINUS SIGN} {deviation:.4f}"]
