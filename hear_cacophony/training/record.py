"""What makes a run the run that it is: a folder keeps to one, and so do the processes that train it together."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import jax

from hear_cacophony.files.atomic_write import PREFIX, write_json
from hear_cacophony.files.json_file import read_json
from hear_cacophony.text.tokenizer import Tokenizer, tokenizer_digests
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.processes import Processes, SharedError, say
from hear_cacophony.training.shards import Shards

RECORD = "run.json"

CHECKPOINTS = "checkpoints"

PACKED = "shards"
"""Folder in that of a run, for sounds that come unpacked."""

_MAY_BE_THERE = ("lock", PACKED, "slurm", "logs")
"""In a new folder, the last two of jobs that were submitted to Slurm."""

_TOKENIZER = "tokenizer"
"""Entry of a record, in stage 2, that those of earlier versions lack."""

Record = dict[str, Any]


def make_record(options: TrainOptions, shards: Shards, tokenizer: Tokenizer | None) -> Record:
    """What the result of a run depends on, as it is read back from its file.

    Raises:
        OSError: a file of the tokenizer cannot be read.
    """
    record = {"options": dataclasses.asdict(options), "data": shards.identity}
    if tokenizer is not None:
        record[_TOKENIZER] = tokenizer_digests(tokenizer.files)
    return json.loads(json.dumps(record))


def check_record(out: pathlib.Path, record: Record) -> None:
    """Refuse a folder that holds another run, and note which one it holds from now on.

    That of a run that never began, as where what it was to start from was at fault, is replaced. A record of an earlier
    version that names no tokenizer gets that which is given; this is told.

    Raises:
        ValueError: it does, or it holds files of something else; or its record is damaged.
    """
    file = out / RECORD
    made = _made(out)
    if made and not file.exists():
        raise ValueError(f"{out}: expected a new or empty folder, or that of a run, found {', '.join(made[:3])}")
    if not made:
        write_json(file, record)
        return
    try:
        known = read_json(file)
        names_none = _TOKENIZER in record and _TOKENIZER not in known
        if names_none:
            known[_TOKENIZER] = record[_TOKENIZER]
        differences = list(_differences(known, record, "there", "was given"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file}: damaged ({error!r}); bring it back, or choose another --out") from error
    if differences:
        raise ValueError(f"{out}: holds a run of other options: {'; '.join(differences)}; choose another --out")
    if names_none:
        given = " and ".join(record[_TOKENIZER])
        say(f"{file}: of an earlier version, which noted no tokenizer; going on with {given}, noted from now on")
        write_json(file, record)


def _made(out: pathlib.Path) -> list[str]:
    """What is in a folder that the beginning of a run does not leave there."""
    names = {each.name for each in out.iterdir() if not each.name.startswith(PREFIX)} - {RECORD, *_MAY_BE_THERE}
    if CHECKPOINTS in names and not any((out / CHECKPOINTS).iterdir()):
        names.remove(CHECKPOINTS)
    return sorted(names)


def check_agreement(processes: Processes, record: Record, out: pathlib.Path) -> None:
    """Refuse processes that were started unlike each other.

    Raises:
        SharedError: their options, data, folders or numbers of devices differ.
    """
    own = {"record": record, "out": str(out.absolute()), "devices": jax.local_device_count()}
    told = [json.loads(each) for each in processes.gather("it opens the data", json.dumps(own))]
    for index, other in enumerate(told):
        here = f"in process {index}"
        differences = list(_differences(told[0]["record"], other["record"], "in process 0", here))
        for name in ("out", "devices"):
            if other[name] != told[0][name]:
                differences.append(f"{name} is {told[0][name]} in process 0, {other[name]} {here}")
        if differences:
            raise SharedError(f"expected processes that are started alike, but {'; '.join(differences)}")


def _differences(known: Record, given: Record, there: str, here: str) -> Iterator[str]:
    yield from _option_differences(known["options"], given["options"], there, here)
    if known["data"] != given["data"]:
        yield "the data are others"
    one, other = known.get(_TOKENIZER, {}), given.get(_TOKENIZER, {})
    if sorted(one.values()) != sorted(other.values()):
        yield f"tokenizer is {' and '.join(one)} {there}, {' and '.join(other)}, of other content, {here}"


def _option_differences(known: Record, given: Record, there: str, here: str, above: str = "") -> Iterator[str]:
    for name in sorted(known.keys() | given.keys()):
        one, other = known.get(name), given.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _option_differences(one, other, there, here, f"{above}{name} ")
        elif one != other:
            yield f"{above}{name} is {one} {there}, {other} {here}"
