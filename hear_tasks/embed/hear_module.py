"""A model under the name of its HEAR module, ours or any plugin, with its options: what tasks are embedded with."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.files.atomic_write import write_text_once
from hear_cacophony.files.json_file import read_json_object
from hear_tasks.embed.model import Model
from hear_tasks.embed.plugin.call import PluginError
from hear_tasks.embed.plugin.model import PluginModel
from hear_tasks.module_options import OURS, folder_name, is_ours
from hear_tasks.task_folder import WEIGHTS_FILE

BASELINE = "hear_cacophony.logmel"


@dataclasses.dataclass(frozen=True)
class HearModule:
    """A model under the name of its HEAR module.

    Attributes:
        name: such as "hear_cacophony.cacophony" or "hearbaseline".
        model: what it loads.
        options: those that were given, as `load_model` takes them.
    """

    name: str
    model: Model
    options: Mapping[str, Any]

    @property
    def folder_name(self) -> str:
        """The folder of its embeddings, named as heareval does."""
        return folder_name(self.name, self.options)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells its embeddings from others."""
        return {"module": self.name, **self.model.identity, "options": dict(self.options)}


def load_module(
    name: str | None = None,
    path: str = "",
    options: Mapping[str, Any] | None = None,
    devices: Sequence[int] | None = None,
    python: str | None = None,
) -> HearModule:
    """Load a model.

    Args:
        name: a HEAR module: of this package, or any plugin; that of the checkpoint's stage unless given.
        path: as for its `load_model`; "" for none.
        options: keyword arguments for its `load_model`.
        devices: indices of local devices to run on, for modules of this package; all unless given.
        python: interpreter of another environment to run a plugin in; this one unless given.

    Raises:
        ValueError: no such module, one that does not keep to the HEAR API, or impossible options or devices.
        OSError: the checkpoint cannot be read.
    """
    if name is None or is_ours(name):
        if python:
            raise ValueError(f"--python is for plugins of other packages, {name or OURS} runs where it is")
        return _load_own(name, path, options or {}, devices)
    if devices is not None:
        raise ValueError(
            f"--devices: devices are chosen by {name} itself; CUDA_VISIBLE_DEVICES hides some of them from it"
        )
    try:
        return HearModule(name, PluginModel(name, path, options or {}, python), options or {})
    except PluginError as error:
        raise ValueError(str(error)) from error


def _load_own(name: str | None, path: str, options: Mapping[str, Any], devices: Sequence[int] | None) -> HearModule:
    from hear_cacophony.engine import compilation_cache
    from hear_cacophony.engine.devices import Devices
    from hear_cacophony.engine.embedding import load_embedding_model
    from hear_cacophony.engine.logmel_baseline import LogMelModel
    from hear_cacophony.engine.options import parse_options
    from hear_cacophony.model.stages import STAGES
    from hear_tasks.embed.own_model import OwnModel

    stages = {stage.module: stage for stage in STAGES}
    if name not in (None, OURS, BASELINE, *stages):
        raise ValueError(f"unknown module {name!r}; expected one of {', '.join([*stages, BASELINE])}")
    try:
        if name != BASELINE:
            model = load_embedding_model(path, stage=stages.get(name or ""), devices=Devices(devices), **options)
            return HearModule(name or model.stage.module, OwnModel(model), options)
        if path:
            raise ValueError(f"expected no checkpoint, as the log-mel baseline has no weights, got {path}")
        parsed = parse_options({key: options[key] for key in options if key == "timestamp_hop_ms"})
        if len(options) > ("timestamp_hop_ms" in options):
            raise ValueError(f"the log-mel baseline takes the option timestamp_hop_ms only, got {', '.join(options)}")
        compilation_cache.enable()
        return HearModule(name, OwnModel(LogMelModel(parsed, Devices(devices))), options)
    except TypeError as error:
        raise ValueError(str(error)) from error


def claim_folder(folder: pathlib.Path, identity: Mapping[str, Any]) -> None:
    """Note beside the embeddings what they are made with.

    Args:
        folder: folder of a model's embeddings.
        identity: what tells the model from others, for JSON.

    Raises:
        ValueError: those that are there were made with something else; the message says what differs.
    """
    file = folder / WEIGHTS_FILE
    try:
        write_text_once(file, json.dumps(identity, indent=1) + "\n")
    except OSError as error:  # that of a full disk names no file
        raise OSError(error.errno, f"could not be written ({error.strerror})", str(file)) from error
    try:
        earlier = read_json_object(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read ({error}); which weights made these embeddings?") from error
    differing = [key for key in identity if key in earlier and earlier[key] != identity[key]]
    if differing:
        told = "; ".join(f"{key} {earlier[key]!r} there, {identity[key]!r} now" for key in differing)
        raise ValueError(f"{folder}: holds embeddings of another model ({told}); choose another --embeddings-dir")
