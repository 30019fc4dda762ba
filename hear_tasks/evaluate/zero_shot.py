"""Zero-shot classification: the class of a clip is that whose prompt is most similar to it."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.commands.sound_options import format_csv
from hear_cacophony.files.atomic_write import write_file, write_text
from hear_tasks.evaluate.evaluator import Computed, EmbeddingEvaluator, Scored
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.model import AudioTextModel

TOP = 5

_DOTS_PER_INCH = 150
_LARGEST_INCHES = 40.0


class ZeroShot(EmbeddingEvaluator):
    """Zero-shot classification."""

    def check(self) -> None:
        _check_plot()

    def score(self, model: AudioTextModel, computed: Computed, folder: pathlib.Path) -> Scored:
        clips, classes = computed.clips, computed.classes
        texts = model.embed_labels(classes, template=self.request.templates, max_tokens=self.request.limits.tokens)
        found = classify(
            computed.values, texts, float(np.exp(model.logit_scale)), classes, [clip.texts[0] for clip in clips]
        )
        self._write(folder, clips, found)
        scores = {"top1": found.top(1), f"top{TOP}": found.top(TOP)}
        per_class = {
            name: {"clips": found.count(i), "top1": found.top(1, i), f"top{TOP}": found.top(TOP, i)}
            for i, name in enumerate(classes)
        }
        prompt = " and ".join(map(repr, self.request.templates))
        few = [f"top{TOP} says nothing of {len(classes)} classes"] if len(classes) <= TOP else []
        details = {"templates": list(self.request.templates), "classes": len(classes), "per_class": per_class}
        return Scored(scores, details, [f"{len(classes)} classes, prompt {prompt}", *few])

    def _write(self, folder: pathlib.Path, clips: Sequence[Clip], found: Classified) -> None:
        classes, matrix = found.classes, found.confusion()
        each = zip(clips, found.truths, found.ranked, found.probabilities, strict=True)
        predicted = [
            (clip.name, classes[truth], classes[row[0]], f"{probability:.6f}", int(np.argmax(row == truth)) + 1)
            for clip, truth, row, probability in each
        ]
        per_class = [(name, found.count(i), found.top(1, i), found.top(TOP, i)) for i, name in enumerate(classes)]
        confused = [(name, *row) for name, row in zip(classes, matrix.tolist(), strict=True)]
        for name, header, rows in (
            ("predictions.csv", ("file", "class", "predicted", "probability", "rank_of_class"), predicted),
            ("per_class.csv", ("class", "clips", "top1", f"top{TOP}"), per_class),
            ("confusion.csv", ("class \\ taken for", *classes), confused),
        ):
            write_text(folder / name, format_csv(header, rows))
        title = f"{self.request.dataset.title}, zero-shot"
        write_file(folder / "confusion.png", lambda part: _plot_confusion(part, matrix, classes, title))


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a classifier made of clips.

    Attributes:
        classes: names of the classes.
        truths: index of the class of each clip, shape (clips,).
        ranked: indices of the classes from the likeliest on, shape (clips, classes).
        probabilities: of the likeliest class, shape (clips,).
    """

    classes: tuple[str, ...]
    truths: np.ndarray
    ranked: np.ndarray
    probabilities: np.ndarray

    def top(self, k: int, index: int | None = None) -> float:
        """Part of the clips (of those of one class) whose class is among the `k` likeliest; nan without a clip."""
        chosen = np.ones(len(self.truths), bool) if index is None else self.truths == index
        hits = (self.ranked[chosen, :k] == self.truths[chosen, None]).any(axis=1)
        return float(hits.mean()) if len(hits) else float("nan")

    def count(self, index: int) -> int:
        """Clips of a class."""
        return int((self.truths == index).sum())

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
    best = logits.max(axis=1, keepdims=True)
    probabilities = 1 / np.exp(logits - best).sum(axis=1)
    index = {name: i for i, name in enumerate(classes)}
    return Classified(tuple(classes), np.array([index[name] for name in truths]), ranked, probabilities)


def _check_plot() -> None:
    """Raise ModuleNotFoundError, before any work, where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError("the picture of confusions needs matplotlib: pip install 'hear_cacophony[tasks]'")


def _plot_confusion(path: pathlib.Path, matrix: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Draw a confusion matrix as PNG: the part of each class's clips that was taken for each class."""
    import matplotlib
    from matplotlib.figure import Figure

    parts = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    inches = min(_LARGEST_INCHES, 2.5 + 0.14 * len(classes))
    with matplotlib.rc_context({"font.size": 6, "text.parse_math": False}):
        figure = Figure(figsize=(inches + 1, inches), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("taken for")
        axes.set_ylabel("class")
        axes.set_title(title)
        figure.colorbar(image, label="part of the class's clips", shrink=0.6)
        figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
