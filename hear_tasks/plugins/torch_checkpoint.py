"""Checkpoint files of torch: read without running code from them, and compared with the network they are for."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping

import torch

from hear_tasks.text_files import listed
from hear_tasks.torch_file import (
    LEGACY_MAGIC,
    ForeignContentError,
    StoredTensor,
    TorchFileError,
    UnreadTensor,
    damaged,
    read_torch_file,
)

SHOWN = 20
"""Names that a message lists in full; of more, it tells how many there are."""


AUDIO_SIDE = "audio_"
"""What the names of all parameters begin with that an audio embedding depends on."""


class CheckpointError(ValueError):
    """A file that does not hold the weights it should. The message says what it holds."""


@dataclasses.dataclass(frozen=True)
class CheckpointKind:
    """A kind of checkpoint, told from others by the names in it.

    Attributes:
        title: what it is.
        prefix: what all names of its audio encoder begin with.
        part: a name that is in no other kind contains this behind the prefix.
        module: the HEAR module that loads it; "" if none does.
        renamed: beginnings of names in our encoders, and what they are in the checkpoint.
    """

    title: str
    prefix: str
    part: str
    module: str = ""
    renamed: tuple[tuple[str, str], ...] = ()

    def their_name(self, name: str) -> str:
        """What a parameter of our encoder is called in a checkpoint of this kind."""
        for ours, theirs in self.renamed:
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
        return name

    def holds(self, state: Iterable[str]) -> bool:
        """Whether `state` has names of this kind."""
        return any(name.startswith(self.prefix + self.part) for name in state)


def read_state(path: str | os.PathLike[str], source: str) -> dict[str, StoredTensor]:
    """The parameters in a checkpoint file, by name; their values are left in the file, as is the optimizer.

    Args:
        path: a file written with `torch.save`: a dict of tensors, or a dict that has one under "model".
        source: where the file is to be had, for the message where it is missing.

    Raises:
        FileNotFoundError: no file is named, or there is none.
        CheckpointError: not a file of torch, or no parameters in it.
    """
    file = _existing_file(path, source)
    try:
        content = read_torch_file(file)
    except Exception as error:  # bytes that are no checkpoint make the reader raise whatever they happen to lead to
        raise CheckpointError(f"{file}: {_why_unreadable(file, error)}") from error
    return _parameters(content, file)


def load_state(
    network: torch.nn.Module,
    state: Mapping[str, StoredTensor],
    kind: CheckpointKind,
    file: str,
    *,
    constants: Iterable[str],
    heads: Iterable[str],
) -> None:
    """Put the audio side of a checkpoint into a network; one parameter at a time is held besides.

    Args:
        state: parameters by the checkpoint's names.
        file: for messages.
        constants: parts of the names of what training does not change, which a file may leave out.
        heads: parts of the names of what embeddings do not depend on, which is left aside.

    Raises:
        CheckpointError: parameters are missing, unexpected, misshapen or not finite; all are listed. The network is
            of no use then.
    """
    ours = {kind.their_name(name): name for name in network.state_dict()}
    targets = network.state_dict()
    expected = {name: targets[ours[name]] for name in ours if not _has_part(name, heads)}
    given = {name: x for name, x in state.items() if name.startswith(AUDIO_SIDE) and not _has_part(name, heads)}
    report_mismatch(
        file,
        missing=[name for name in expected if name not in given and not _has_part(name, constants)],
        unexpected=[name for name in given if name not in expected],
        misshapen=[
            f"{name} {list(x.shape)}, expected {list(expected[name].shape)}"
            for name, x in given.items()
            if name in expected and x.shape != expected[name].shape
        ],
        not_finite=[
            name
            for name, x in given.items()
            if name in expected and x.shape == expected[name].shape and not _copy(x, expected[name], file)
        ],
    )


def _copy(stored: StoredTensor, target: torch.Tensor, file: str) -> bool:
    """Read a parameter into its place in a network; whether it is finite."""
    try:
        value = stored.read()
    except TorchFileError as error:
        raise CheckpointError(f"{file}: {error}") from error
    with torch.no_grad():
        target.copy_(value)
    return bool(torch.isfinite(value).all())


def report_mismatch(file: str, **problems: list[str]) -> None:
    """Raise CheckpointError if there are problems, with all of them; keywords are their kinds."""
    found = {kind.replace("_", " "): names for kind, names in problems.items() if names}
    if found:
        lines = [f"  {kind} ({len(names)}): {listed(names, SHOWN)}" for kind, names in found.items()]
        raise CheckpointError(f"{file}: its parameters are not those of the model:\n" + "\n".join(lines))


def check_kind(
    state: Iterable[str], expected: Iterable[CheckpointKind], known: Iterable[CheckpointKind], file: str
) -> CheckpointKind:
    """Which of the expected kinds a checkpoint is.

    Raises:
        CheckpointError: none of them; it is named if it is in `known`.
    """
    names = list(state)
    for kind in expected:
        if kind.holds(names):
            return kind
    wanted = " or ".join(kind.title for kind in expected)
    found = next((kind for kind in known if kind.holds(names)), None)
    if found is None:
        raise CheckpointError(f"{file}: expected {wanted}, found parameters of no known model, such as {_few(names)}")
    advice = f"; load it with {found.module}" if found.module else ""
    raise CheckpointError(f"{file}: expected {wanted}, found {found.title}{advice}")


def _existing_file(path: str | os.PathLike[str], source: str) -> pathlib.Path:
    if not os.fspath(path):
        raise FileNotFoundError(
            f"expected a checkpoint file, as none comes with the module: load_model(path). {source}"
        )
    file = pathlib.Path(path)
    if file.is_dir():
        raise CheckpointError(f"{file}: expected a checkpoint file, found a folder; name the file inside it. {source}")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such checkpoint file. {source}")
    if file.stat().st_size == 0:
        raise CheckpointError(f"{file}: the file is empty; an interrupted download or copy? fetch it again")
    return file


def _why_unreadable(file: pathlib.Path, error: Exception) -> str:
    with file.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; fetch it with git lfs pull"
    if start.lstrip()[:1] == b"<":
        return "a web page, not a checkpoint; was a sign-in or a warning page saved in its place?"
    if isinstance(error, ForeignContentError):
        return (
            f"more than weights is in it ({error.name}), and reading that would run code from the file; if you trust "
            "it, save its weights alone: torch.save(torch.load(path, weights_only=False)['model'], new_path)"
        )
    if isinstance(error, TorchFileError):
        return str(error)
    if start.startswith(b"PK") or LEGACY_MAGIC in start:
        return str(damaged(str(error) or type(error).__name__))
    return "not a checkpoint of torch; a file that torch.save wrote is expected"


def _parameters(content: object, file: pathlib.Path) -> dict[str, StoredTensor]:
    state = content.get("model", content) if isinstance(content, dict) else content
    state = state if isinstance(state, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    if not tensors and not any(isinstance(value, UnreadTensor) for value in state.values()):
        found = f"a dict with {_few(content)}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise CheckpointError(f"{file}: expected a dict of parameters, alone or under 'model', found {found}")
    for name, value in state.items():
        if isinstance(value, UnreadTensor):
            raise CheckpointError(f"{file}: {name} is a tensor {value.kind}; save it as a plain one: x.to_dense()")
    wrapper = "module."  # of parameters that were saved from DistributedDataParallel
    wrapped = all(name.startswith(wrapper) for name in tensors)
    return {name.removeprefix(wrapper) if wrapped else name: value for name, value in tensors.items()}


def _has_part(name: str, parts: Iterable[str]) -> bool:
    return any(part in name for part in parts)


def _few(names: Iterable[object]) -> str:
    return ", ".join(map(repr, list(names)[:3])) or "nothing"
