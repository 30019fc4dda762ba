"""The models of a run: our two stages, any HEAR plugin, or all rows of the published table whose weights are there."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.machinery
import importlib.util
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.model.stages import STAGES, Stage
from hear_tasks.module_options import folder_name, is_ours
from hear_tasks.table_plugins import TABLE_PLUGINS


@dataclasses.dataclass(frozen=True)
class RunModel:
    """A model of a run.

    Attributes:
        name: for names of files, and for --only.
        title: for people.
        module: its HEAR module.
        file: what `load_model` takes: a checkpoint, the name of untrained weights, "" for nothing.
        options: keyword arguments for `load_model`.
        python: interpreter that it runs in; this one unless given.
        stage: of our models, None of others.
    """

    name: str
    title: str
    module: str
    file: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    python: str | None = None
    stage: Stage | None = None

    @property
    def folder_name(self) -> str:
        """The folder of its embeddings, named as heareval does."""
        return folder_name(self.module, self.options)


def choose_models(args: argparse.Namespace) -> tuple[RunModel, ...]:
    """The models that the arguments ask for.

    Raises:
        FileNotFoundError: a checkpoint is not there.
        ValueError: options that do not go together, or no model of a name.
    """
    _check_combination(args)
    if args.module is not None:
        models: Sequence[RunModel] = [_plugin(args)]
    else:
        wanted = [stage for stage in STAGES if args.stage in (None, stage.number)]
        options = {} if args.protocol == "hear" else {"protocol": args.protocol}
        coming = args.download or args.download_only
        found = (_coming if coming else find_checkpoints)(args.checkpoints, wanted, all_needed=not args.table)
        models = [own_model(stage, file, options) for stage, file in found.items()]
        if args.table:
            models = [*_table_plugins(pathlib.Path(args.checkpoints), coming=coming), *models]
            _check_any(models, args.checkpoints)
    return tuple(_only(models, args.only))


def own_model(stage: Stage, file: str, options: Mapping[str, Any]) -> RunModel:
    """One of our stages."""
    return RunModel(stage.name, stage.title, stage.module, file, options, stage=stage)


def _check_combination(args: argparse.Namespace) -> None:
    if (args.module is None) == (args.checkpoints is None):
        raise ValueError(
            "expected --checkpoints DIR, for the models of this package, or --module NAME, for a HEAR plugin, got "
            + ("neither" if args.module is None else "both")
        )
    if args.module is None and (args.model or args.model_options or args.python):
        raise ValueError("--model, --model-options and --python are for a plugin; name it with --module")
    if args.module is None:
        return
    if is_ours(args.module):
        raise ValueError(f"--module {args.module}: a module of this package; --checkpoints DIR runs those")
    if args.table or args.stage or args.protocol != "hear":
        raise ValueError("--table, --stage and --protocol are for --checkpoints; a plugin has none of them")


def _plugin(args: argparse.Namespace) -> RunModel:
    _check_there(args.module, args.python)
    python = str(pathlib.Path(args.python).absolute()) if args.python and "/" in args.python else args.python
    path = pathlib.Path(args.model)
    file = str(path.absolute()) if args.model and path.exists() else args.model
    name = folder_name(args.module, args.model_options)
    return RunModel(name, name, args.module, file, args.model_options, python)


def _check_there(module: str, python: str | None) -> None:
    """Raise ValueError where this Python would not find a plugin; another one may have its own.

    The jobs look where this process does: among what is installed, in PYTHONPATH, and in the current folder.
    """
    name = module.partition(".")[0]
    here = importlib.machinery.PathFinder.find_spec(name, [os.getcwd()])
    if python is None and here is None and importlib.util.find_spec(name) is None:
        raise ValueError(
            f"--module {module}: no module {name}: it is neither installed, nor in PYTHONPATH, nor in the current "
            f"folder, {os.getcwd()}"
        )


def _coming(where: str, stages: Sequence[Stage], *, all_needed: bool) -> dict[Stage, str]:
    """As `find_checkpoints`, of checkpoints that are fetched where they are not there."""
    from hear_cacophony.checkpoint import SUFFIX, UNTRAINED

    if where in UNTRAINED:
        return find_checkpoints(where, stages, all_needed=all_needed)
    files = {stage: pathlib.Path(where).absolute() / stage.release.file_name for stage in stages}
    converted = {stage: file.with_suffix(SUFFIX) for stage, file in files.items()}
    return {stage: str(converted[stage] if converted[stage].is_file() else file) for stage, file in files.items()}


def _table_plugins(folder: pathlib.Path, *, coming: bool) -> list[RunModel]:
    return [
        RunModel(plugin.module, plugin.title, plugin.module, str((folder / plugin.file).absolute()))
        for plugin in TABLE_PLUGINS
        if coming or (folder / plugin.file).exists()
    ]


def _check_any(models: Sequence[RunModel], folder: str) -> None:
    if not models:
        expected = [*(stage.release.file_name for stage in STAGES), *(plugin.file for plugin in TABLE_PLUGINS)]
        raise FileNotFoundError(f"--checkpoints {folder}: expected one or more of {', '.join(expected)}, found none")


def _only(models: Sequence[RunModel], name: str | None) -> Sequence[RunModel]:
    chosen = [model for model in models if name in (None, model.name)]
    if not chosen:
        raise ValueError(f"--only {name}: expected one of {', '.join(model.name for model in models)}")
    return chosen


def find_checkpoints(where: str, stages: Sequence[Stage], *, all_needed: bool = True) -> dict[Stage, str]:
    """The checkpoint of each stage; the converted form is preferred, as it loads faster.

    Args:
        where: folder of checkpoints, or the name of untrained weights.
        stages: those that are wanted.
        all_needed: whether a stage without a checkpoint is an error; it is left out otherwise.

    Raises:
        FileNotFoundError: there is no such folder, or a stage that is needed has none in it.
    """
    from hear_cacophony.checkpoint import PUBLISHED_FOLDER, SUFFIX, UNTRAINED

    if where in UNTRAINED:
        return dict.fromkeys(stages, where)
    folder = pathlib.Path(where).absolute()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"--checkpoints {where}: no such folder; expected one with the checkpoints, or {' or '.join(UNTRAINED)}"
        )
    found: dict[Stage, str] = {}
    missing = []
    for stage in stages:
        published = folder / stage.release.file_name
        file = next((each for each in (published.with_suffix(SUFFIX), published) if each.is_file()), None)
        if file is None:
            missing.append(f"{published.name} (stage {stage.number})")
        else:
            found[stage] = str(file)
    if missing and all_needed:
        alone = f"; --stage {next(iter(found)).number} runs the other stage alone" if found else ""
        raise FileNotFoundError(
            f"--checkpoints {folder}: expected {' and '.join(missing)}, found none. They are published in "
            f"{PUBLISHED_FOLDER}{alone}"
        )
    return found
