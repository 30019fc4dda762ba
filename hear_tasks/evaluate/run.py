"""One evaluation from the folder of a data set to its report."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hear_cacophony.commands.model_options import check_tokenizer
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.engine.devices import Devices
from hear_cacophony.engine.load_audio_text import load_audio_text_model
from hear_cacophony.files.atomic_write import write_json
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.installed import check_installed
from hear_cacophony.printable import on_one_line
from hear_cacophony.sounds.chunks import Chunks
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.kept_results import KeptResults, Values, open_kept
from hear_cacophony.text.tokenizer import tokenizer_digests
from hear_tasks.evaluate import RESULTS_FILE
from hear_tasks.evaluate.captioning import Captioning
from hear_tasks.evaluate.datasets import Evaluation
from hear_tasks.evaluate.evaluator import Computed, Evaluator
from hear_tasks.evaluate.listing import Clip, Listing
from hear_tasks.evaluate.protocols import is_longer, read_published
from hear_tasks.evaluate.report import Report
from hear_tasks.evaluate.request import Request
from hear_tasks.evaluate.retrieval import Retrieval
from hear_tasks.evaluate.zero_shot import ZeroShot
from hear_tasks.text_files import read_object_if_whole

_EVALUATORS: dict[Evaluation, type[Evaluator]] = {
    Evaluation.ZERO_SHOT: ZeroShot,
    Evaluation.RETRIEVAL: Retrieval,
    Evaluation.CAPTIONING: Captioning,
}


def load_model(path: str, **options: Any) -> AudioTextModel:
    """Load a model with its text side.

    As `hear_cacophony.load_audio_text_model`, with its options.

    Raises:
        FileNotFoundError: no such file, or no tokenizer.
        ValueError: the file has no text side, or the tokenizer is that of another model.
    """
    check_tokenizer(path, options.get("tokenizer"))
    model = load_audio_text_model(path, **options)
    _ = model.tokenizer  # read now, since without one all that is computed of clips would wait for it
    return model


def evaluate(
    request: Request,
    *,
    load: Callable[..., AudioTextModel] = load_model,
    tell: Callable[[str], None] = lambda message: print(f"evaluate: {message}", file=sys.stderr, flush=True),
) -> Report:
    """Evaluate a model, and write the results to a folder of their own in `request.out`.

    Raises:
        LayoutError: the folder does not hold the data set.
        ValueError: no clip could be used.
        ModuleNotFoundError: a package is not installed that will be needed.
        OSError: `request.out` cannot be written to.
    """
    evaluator = _EVALUATORS[request.evaluation](request)
    evaluator.check()
    _check_out(request.out)
    check_installed("resampling needs", "scipy" if request.published else "soxr")
    listing = request.dataset.read(request.data)
    tell(f"{request.dataset.title}: {len(listing.clips)} of {listing.listed} clips, {len(listing.missing)} missing")
    model = load(request.model, protocol=request.protocol, devices=Devices(request.devices), **request.options)
    tokenizer = tokenizer_digests(model.tokenizer.files)
    folder = request.out / _folder_name(model) / request.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    before = read_object_if_whole(folder / RESULTS_FILE)
    _check_tokenizer(folder, before, tokenizer)
    with open_kept(folder.parent / "kept", _identity(evaluator, model), tell) as kept:
        clips, found, faults = _compute(evaluator, listing, model, kept)
        (folder / RESULTS_FILE).unlink(missing_ok=True)  # not to stand beside files of this evaluation, if it is killed
        scored = evaluator.score(model, Computed(clips, found.values, listing.classes), folder)
        limit = request.limits.patches
        shortened = [clip.name for clip, samples in zip(clips, found.samples, strict=True) if is_longer(samples, limit)]
        report = Report(request, model, tokenizer, listing, listing.unreadable | faults, shortened, scored)
        write_json(folder / RESULTS_FILE, report.as_json())
    replaced = before.get("data")
    tell(f"{folder}: replaced what was of {replaced}" if replaced else f"{folder}: written")
    return report


def _folder_name(model: AudioTextModel) -> str:
    """A name for the folder of what is made with the weights of a model."""
    stem = re.sub(r"[^\w.-]+", "_", pathlib.PurePath(model.source).stem)
    return f"{stem}-{model.md5[:8]}" if model.md5 else stem


def _check_tokenizer(folder: pathlib.Path, before: Mapping[str, Any], tokenizer: Mapping[str, str]) -> None:
    """Raise ValueError where results with another tokenizer are there, which the name of the folder does not tell."""
    other = before.get("tokenizer", tokenizer)
    if not (isinstance(other, dict) and all(isinstance(digest, str) for digest in other.values())):
        raise ValueError(
            f"{folder / RESULTS_FILE}: damaged: expected digests by files as its tokenizer, got {other!r}; move it away"
        )
    if sorted(other.values()) != sorted(tokenizer.values()):
        raise ValueError(
            f"{folder}: holds results with another tokenizer ({' and '.join(other)}, of other content than "
            f"{' and '.join(tokenizer)}); choose another --out, or move them away"
        )


def _check_out(out: pathlib.Path) -> None:
    """Raise OSError, before any work, where results cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--out {out}: expected a folder, or a place where one can be made: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionError(f"--out {out}: expected a folder that you may write to")


def _compute(
    evaluator: Evaluator, listing: Listing, model: AudioTextModel, kept: KeptResults
) -> tuple[list[Clip], Values, dict[str, str]]:
    """The clips that have a value, what is kept of them, and what is wrong with the others, by file."""
    by_file = {str(clip.path): clip for clip in listing.clips}
    sounds = [Sound.at(file, evaluator.tag(clip)) for file, clip in by_file.items()]

    def compute(samples: list[np.ndarray], some: list[Sound]) -> dict[str, np.ndarray]:
        return {"values": evaluator.compute(model, samples, [by_file[sound.name] for sound in some])}

    chunks = Chunks(kept, kept.missing(sounds))
    read = read_published if evaluator.request.published else read_audio
    chunks.compute(read, lambda: compute, evaluator.request.evaluation)
    found, faults = kept.values(sounds, "values"), chunks.faults
    if not found.sounds:
        file, reason = next(iter(faults.items()))
        raise ValueError(f"none of the {len(sounds)} clips could be used; the first one, {on_one_line(file)}: {reason}")
    return [by_file[sound.name] for sound in found.sounds], found, faults


def _identity(evaluator: Evaluator, model: AudioTextModel) -> dict[str, Any]:
    """All that a clip's value depends on but the clip."""
    request = evaluator.request
    seed = {"seed_of_patches": request.patch_seed} if request.published else {}
    return {
        "weights": model.md5 or model.source,
        "dataset": request.dataset.name,
        "protocol": request.protocol,
        "seconds": request.limits.seconds,
        "options": request.audio_options,
        **seed,
        **evaluator.identity(model),
    }
