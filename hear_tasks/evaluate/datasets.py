"""The data sets of the published evaluations, and how each of them was evaluated."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import pathlib
from collections.abc import Callable

from hear_tasks.evaluate import captioned_datasets as captioned
from hear_tasks.evaluate import labelled_datasets as labelled
from hear_tasks.evaluate.listing import Listing


class Evaluation(enum.StrEnum):
    """What is evaluated."""

    ZERO_SHOT = "zero-shot"
    RETRIEVAL = "retrieval"
    CAPTIONING = "captioning"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        name: its name on the command line.
        title: its name in the table of published figures.
        evaluations: what it is for.
        read: reads a folder that holds it.
        layout: what this folder has to hold.
        complete: whether its audio is distributed as a whole, so that a missing clip is a fault; for the others
            everyone fetches the clips that are still there.
        template: the published prompt of zero-shot classification, {} being the class; "" without.
        published_seconds: audio that the published retrieval or classification took of each clip.
        published_tokens: longest text in it.
    """

    name: str
    title: str
    evaluations: tuple[Evaluation, ...]
    read: Callable[[pathlib.Path], Listing]
    layout: str
    complete: bool
    template: str
    published_seconds: int
    published_tokens: int


_CLASSES = (Evaluation.ZERO_SHOT,)
_CAPTIONS = (Evaluation.RETRIEVAL, Evaluation.CAPTIONING)
_OF, _ON = "This is a sound of {}", "This is a sound on {}"

# One row a data set; Dataset names the fields.
# fmt: off
DATASETS = tuple(Dataset(*row) for row in (
    ("esc50", "ESC-50", _CLASSES, labelled.read_esc50, labelled.ESC50_LAYOUT, True, _OF, 10, 77),
    ("urbansound8k", "UrbanSound8K",
     _CLASSES, labelled.read_urbansound8k, labelled.URBANSOUND8K_LAYOUT, True, _OF, 10, 77),
    ("tut2017", "TUT Acoustic Scenes 2017",
     _CLASSES, labelled.read_tut2017, labelled.TUT2017_LAYOUT, True, _ON, 10, 77),
    ("vggsound", "VGGSound test", _CLASSES, labelled.read_vggsound, labelled.VGGSOUND_LAYOUT, False, _OF, 10, 77),
    ("audiocaps", "AudioCaps test",
     _CAPTIONS, captioned.read_audiocaps, captioned.AUDIOCAPS_LAYOUT, False, "", 10, 77),
    ("clotho", "Clotho evaluation", _CAPTIONS, captioned.read_clotho, captioned.CLOTHO_LAYOUT, True, "", 30, 100),
))
# fmt: on


def find_dataset(name: str, evaluation: Evaluation) -> Dataset:
    """The data set of this name or title, in any case and with any punctuation.

    Raises:
        ValueError: there is none, or it is not for this evaluation; the message lists those that are.
    """
    fitting = [dataset for dataset in DATASETS if evaluation in dataset.evaluations]
    found = next((each for each in DATASETS if _plain(name) in (_plain(each.name), _plain(each.title))), None)
    if found in fitting:
        return found
    listed = ", ".join(dataset.name for dataset in fitting)
    if found is not None:
        raise ValueError(f"{name} is not for {evaluation} evaluation; expected one of {listed}")
    near = difflib.get_close_matches(_plain(name), [dataset.name for dataset in DATASETS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown data set {name!r}; expected one of {listed}{hint}")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
