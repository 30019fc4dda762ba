"""Zero-shot classification: labels become prompts, similarities become probabilities."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hear_cacophony.engine.text_checks import check_embeddings
from hear_cacophony.text.characters import check_characters

TEMPLATE = "This is a sound of {}"
"""The published prompt."""


@dataclasses.dataclass(frozen=True)
class Classification:
    """Which labels fit clips.

    Attributes:
        labels: those that were given.
        probabilities: shape (clips, labels), float32; each row sums to 1.
    """

    labels: tuple[str, ...]
    probabilities: np.ndarray

    def best(self, count: int = 1) -> list[list[tuple[str, float]]]:
        """The most probable labels of each clip with their probabilities, best first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.labels[i], float(row[i])) for i in chosen]
            for row, chosen in zip(self.probabilities, order, strict=True)
        ]


def embed_labels(
    embed_texts: Callable[[Sequence[str]], np.ndarray], labels: Sequence[str], template: str | Sequence[str]
) -> np.ndarray:
    """One embedding for each label: that of its prompt, or the mean of several, again of unit norm.

    Args:
        embed_texts: embeds texts, shape (texts, size).
        labels, template: as `check_labels`, which takes a single label here, and `check_templates` have them.

    Returns:
        Shape (labels, size), float32.
    """
    checked, templates = check_labels(labels, least=1), check_templates(template)
    prompts = [each.replace("{}", label) for each in templates for label in checked]
    embedded = embed_texts(prompts)
    mean = embedded.reshape(len(templates), len(checked), -1).mean(axis=0)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def similarities(audio_embeddings: np.ndarray, text_embeddings: np.ndarray, size: int) -> np.ndarray:
    """Cosine similarity of each clip with each text.

    Args:
        audio_embeddings: shape (clips, size).
        text_embeddings: shape (texts, size).
        size: values in an embedding.

    Returns:
        Shape (clips, texts), float32.

    Raises:
        ValueError: other shapes, or values that are not finite.
    """
    audio = check_embeddings("audio", audio_embeddings, size)
    return audio @ check_embeddings("text", text_embeddings, size).T


def probabilities(similarities: np.ndarray, logit_scale: float) -> np.ndarray:
    """Softmax over the labels of exp(logit_scale) times their similarities, shape (clips, labels), float32."""
    logits = np.exp(logit_scale) * similarities.astype(np.float64)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def check_labels(labels: Sequence[str], least: int = 2) -> list[str]:
    """The labels as a list.

    Args:
        labels: the labels.
        least: how many there have to be: two where they compete, one where each is for itself.

    Raises:
        ValueError: no label, a single one, equal or empty ones, or one with half a character.
        TypeError: a single text, or something else than texts.
    """
    if isinstance(labels, str):
        raise TypeError(f"expected a list of labels, got the text {labels[:40]!r}")
    if not isinstance(labels, Sequence | np.ndarray):
        raise TypeError(f"expected a list of labels, got {type(labels).__name__}")
    for i, label in enumerate(labels):
        if not isinstance(label, str):
            raise TypeError(f"expected labels that are texts, got {type(label).__name__} as label {i}")
        check_characters(label, f"label {i}")
        if not label.strip():
            raise ValueError(f"expected labels with a word in them, got {label!r} as label {i}")
    if len(labels) < least:
        hint = (
            f"{labels[0]!r}, whose probability would be 1 whatever the sound: add what else it could be, or take "
            "similarities() with one text"
            if len(labels)
            else "none"
        )
        raise ValueError(f"expected at least {'two labels' if least > 1 else 'one label'}, got {hint}")
    twice = [label for label, count in collections.Counter(labels).items() if count > 1]
    if twice:
        raise ValueError(f"expected different labels, got {', '.join(map(repr, twice))} more than once")
    return list(labels)


def check_templates(template: str | Sequence[str]) -> list[str]:
    """The templates as a list.

    Raises:
        ValueError: none, equal ones, one with half a character, or without exactly one {} for the label.
        TypeError: something else than texts.
    """
    templates = [template] if isinstance(template, str) else list(template)
    if not templates:
        raise ValueError("expected at least one template, got none")
    for each in templates:
        if not isinstance(each, str):
            raise TypeError(f"expected templates that are texts, got {type(each).__name__}")
        check_characters(each, "a template")
        if each.count("{}") != 1:
            raise ValueError(f"expected a template with one {{}} for the label, such as {TEMPLATE!r}, got {each!r}")
    if len(set(templates)) < len(templates):
        raise ValueError("expected different templates, got one of them twice")
    return templates
