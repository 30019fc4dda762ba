"""What one evaluation is to do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.engine.options import (
    DEFAULT_WINDOW_OVERLAP_SECONDS,
    DEFAULT_WINDOW_SECONDS,
    PRECISIONS,
    PROTOCOLS,
)
from hear_cacophony.text.characters import check_characters
from hear_tasks.evaluate.datasets import Dataset, Evaluation
from hear_tasks.evaluate.protocols import Limits, limits

PLACEHOLDER = "{}"
"""Stands for the class in a prompt."""

_AUDIO_DEFAULTS = {
    "window_seconds": DEFAULT_WINDOW_SECONDS,
    "window_overlap_seconds": DEFAULT_WINDOW_OVERLAP_SECONDS,
    "precision": PRECISIONS[0],
}
"""Options of the model that change what it makes of a clip, and their values unless given."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What one evaluation is to do, checked.

    Attributes:
        evaluation: zero-shot, retrieval or captioning.
        dataset: of what.
        data: folder that holds it.
        model: as `load_audio_text_model` takes it.
        out: folder to write to.
        protocol: "hear" or "published".
        templates: prompts of zero-shot classification; the published one unless given.
        seed: of the patches that count in long clips, under the published protocol; 0 unless given.
        beams: beams of captions under "hear"; 1, greedy, unless given.
        devices: indices of the devices to use; all of them unless given.
        options: further options of the model.
    """

    evaluation: Evaluation
    dataset: Dataset
    data: pathlib.Path
    model: str
    out: pathlib.Path
    protocol: str = "hear"
    templates: tuple[str, ...] = ()
    seed: int | None = None
    beams: int | None = None
    devices: Sequence[int] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"unknown protocol {self.protocol!r}; expected one of {', '.join(PROTOCOLS)}")
        self._check_templates()
        self._check_beams()
        if self.seed is not None and not self.published:
            raise ValueError("--seed draws patches of longer clips under --protocol published; hear takes clips whole")
        object.__setattr__(self, "templates", self.templates or (self.dataset.template,))

    @property
    def published(self) -> bool:
        """Whether it is done as the published evaluation was."""
        return self.protocol == "published"

    @property
    def audio_options(self) -> dict[str, Any]:
        """Options of the model that change what it makes of a clip, but for those that are as they are by default."""
        given = {name: self.options.get(name, default) for name, default in _AUDIO_DEFAULTS.items()}
        return {name: value for name, value in given.items() if value != _AUDIO_DEFAULTS[name]}

    @property
    def folder_name(self) -> str:
        """A name for the folder of the results, another one wherever results may be others."""
        special = [f"{name.removesuffix('_seconds')}-{value}" for name, value in self.audio_options.items()]
        special += [f"beams-{self.num_beams}"] if self.num_beams > 1 else []
        special += [f"seed-{self.patch_seed}"] if self.patch_seed else []
        if self.templates != (self.dataset.template,):
            special.append(f"template-{hashlib.sha256(json.dumps(self.templates).encode()).hexdigest()[:8]}")
        return "-".join([self.evaluation, self.dataset.name, self.protocol, *special])

    @property
    def limits(self) -> Limits:
        """What of clips and texts is used."""
        return limits(self.protocol, self.evaluation, self.dataset)

    @property
    def patch_seed(self) -> int:
        """The seed of the patches that count in long clips."""
        return 0 if self.seed is None else self.seed

    @property
    def num_beams(self) -> int:
        """Beams of captions, 1 being greedy."""
        return 1 if self.beams is None else self.beams

    def _check_templates(self) -> None:
        if not self.templates:
            return
        if self.evaluation != Evaluation.ZERO_SHOT:
            raise ValueError(f"--template goes with zero-shot evaluation, not with {self.evaluation}")
        if self.published:
            raise ValueError(
                "--template does not go with --protocol published, whose prompt is "
                f"{self.dataset.template!r}; leave it out, or use --protocol hear"
            )
        for template in self.templates:
            if template.count(PLACEHOLDER) != 1:
                raise ValueError(f"--template: expected a prompt with {PLACEHOLDER} for the class, got {template!r}")
            check_characters(template, "--template")
        if len(set(self.templates)) < len(self.templates):
            raise ValueError("--template: expected different prompts, got one of them twice")

    def _check_beams(self) -> None:
        if self.beams is None:
            return
        if self.beams < 1:
            raise ValueError(f"--beams: expected 1 or more, got {self.beams}")
        if self.published or self.evaluation != Evaluation.CAPTIONING:
            raise ValueError("--beams goes with captioning under --protocol hear only")
