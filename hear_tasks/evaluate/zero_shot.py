"""Zero-shot classification: the class of a clip is that whose prompt is most similar to it."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.files.atomic_write import write_file
from hear_tasks.evaluate import confusion_plot
from hear_tasks.evaluate.accuracy import TOP, Classified, classify
from hear_tasks.evaluate.listing import Clip
from hear_tasks.evaluate.model import AudioTextModel
from hear_tasks.evaluate.result_files import write_csv
from hear_tasks.evaluate.results import EmbeddingEvaluator, Scored


class ZeroShot(EmbeddingEvaluator):
    """Zero-shot classification."""

    def check(self) -> None:
        confusion_plot.check_plot()

    def score(
        self,
        model: AudioTextModel,
        clips: Sequence[Clip],
        values: np.ndarray,
        classes: Sequence[str],
        folder: pathlib.Path,
    ) -> Scored:
        texts = model.embed_labels(classes, template=self.request.templates, max_tokens=self.request.limits.tokens)
        found = classify(values, texts, float(np.exp(model.logit_scale)), classes, [clip.texts[0] for clip in clips])
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
        write_csv(
            folder / "predictions.csv",
            ("file", "class", "predicted", "probability", "rank_of_class"),
            (
                (clip.name, classes[truth], classes[row[0]], f"{probability:.6f}", int(np.argmax(row == truth)) + 1)
                for clip, truth, row, probability in zip(
                    clips, found.truths, found.ranked, found.probabilities, strict=True
                )
            ),
        )
        write_csv(
            folder / "per_class.csv",
            ("class", "clips", "top1", f"top{TOP}"),
            ((name, found.count(i), found.top(1, i), found.top(TOP, i)) for i, name in enumerate(classes)),
        )
        rows = ((name, *row) for name, row in zip(classes, matrix.tolist(), strict=True))
        write_csv(folder / "confusion.csv", ("class \\ taken for", *classes), rows)
        title = f"{self.request.dataset.title}, zero-shot"
        write_file(folder / "confusion.png", lambda part: confusion_plot.plot_confusion(part, matrix, classes, title))
