"""The card of a trained model: what it was trained on, how, and what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import pathlib
from collections.abc import Mapping, Sequence

import jax

from hear_cacophony.training.batches import Batches
from hear_cacophony.training.metrics import PATCH_MEAN
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.shards import Shards, describe

_PACKAGES = ("hear_cacophony", "jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def card(
    options: TrainOptions,
    shards: Shards,
    batches: Batches,
    steps: int,
    rows: Sequence[Mapping[str, str]],
    looked_at: str,
    file: pathlib.Path,
    starts: Mapping[str, str],
) -> str:
    """A text in Markdown.

    Args:
        options: those of the run.
        shards: what it was trained on.
        batches: of the run.
        steps: that were made.
        rows: of `metrics.csv`.
        looked_at: how many of the held-out clips its losses are of.
        file: the checkpoint.
        starts: MD5 of each file that it started from, by the option.
    """
    stage = options.of
    data = [("folder", str(shards.folder)), *describe(shards.clips), ("digest", shards.identity)]
    data.append(("held out", f"{len(batches.split.held_out):,} clips"))
    data.append(("looked at of these", looked_at))
    cut, longest = batches.cut_captions
    if cut:
        data.append((f"captions cut at {options.tokens} tokens", f"{cut:,}, the longest of {longest}"))
    told = dataclasses.asdict(options)
    sizes = told.pop("sizes")
    told |= {name: f"{told[name]} (MD5 {md5})" for name, md5 in starts.items()}
    used = ("encoder", "decoder") if stage.number == 1 else ("encoder", "text")
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}, {jax.process_count()} processes"
    versions = [(name, importlib.metadata.version(name)) for name in _PACKAGES]
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    return "\n".join(
        [
            f"# {file.name}",
            "",
            f"Stage {stage.number}, {stage.title}, trained with hear_cacophony. It is not the published model.",
            f"`{file.name}` (MD5 {digest}) has the published layout; `{file.with_suffix('.safetensors').name}` holds",
            "what inference needs of it.",
            *_section("Data", data),
            *_section("Result", [("steps", str(steps)), *_losses(rows)]),
            *_section("Sizes", [(name, _listed(sizes[name])) for name in used]),
            *_section("Options", [(name, str(value)) for name, value in told.items()]),
            *_section("Made with", [*versions, ("devices", devices)]),
            "",
        ]
    )


def _losses(rows: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """What came of the steps that were made, as far as rows tell of any."""
    told = []
    looked = [row for row in rows if row["held_out_loss"]]
    if looked:
        told += [("training loss, last step", rows[-1]["loss"]), ("held-out loss", looked[-1]["held_out_loss"])]
        if looked[-1]["patch_mean_loss"]:
            told.append((PATCH_MEAN, looked[-1]["patch_mean_loss"]))
        if looked[-1]["recall_at_1"]:
            told.append(("held-out retrieval R@1", looked[-1]["recall_at_1"]))
    return told


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    return ["", f"## {title}", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sizes.items())
