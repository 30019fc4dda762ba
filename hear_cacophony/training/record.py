"""What makes a run the run that it is: a folder keeps to one, and so do the processes that train it together."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax

from hear_cacophony.checkpoint.file_md5 import FileDigest
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

_TOKENIZER, STARTS = "tokenizer", "starts"
"""Entries of a record that those of earlier versions lack: digests of the files of the tokenizer, in stage 2, and of
those that it starts from, by the option.
"""

Record = dict[str, Any]


def make_record(options: TrainOptions, shards: Shards, tokenizer: Tokenizer | None) -> Record:
    """What the result of a run depends on, as it is read back from its file.

    Raises:
        OSError: a file of the tokenizer, or one that it starts from, cannot be read.
    """
    record = {"options": dataclasses.asdict(options), "data": shards.identity}
    if tokenizer is not None:
        record[_TOKENIZER] = tokenizer_digests(tokenizer.files)
    if starts := start_digests(options):
        record[STARTS] = starts
    return json.loads(json.dumps(record))


def check_record(out: pathlib.Path, record: Record) -> None:
    """Refuse a folder that holds another run, and note which one it holds from now on.

    That of a run that never began, as where what it was to start from was at fault, is replaced. A record of an earlier
    version that names no tokenizer, or not what the files held that it started from, gets what is given; this is told.

    Raises:
        ValueError: it does, or it holds files of something else; or its record is damaged.
    """
    file = out / RECORD
    check_place(out)
    if not _made(out):
        write_json(file, record)
        return
    try:
        known = read_json(file)
        lacking = {name: record[name] for name in (_TOKENIZER, STARTS) if name in record and name not in known}
        known |= lacking
        differences = list(_differences(known, record, "there", "was given"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file}: damaged ({error!r}); bring it back, or choose another --out") from error
    if differences:
        raise ValueError(f"{out}: holds a run of other options: {'; '.join(differences)}; choose another --out")
    if _TOKENIZER in lacking:
        given = " and ".join(record[_TOKENIZER])
        say(f"{file}: of an earlier version, which noted no tokenizer; going on with {given}, noted from now on")
    if STARTS in lacking:
        say(f"{file}: of an earlier version, which noted no content of what it started from; that of now is noted")
    if lacking:
        write_json(file, known)


def check_place(out: pathlib.Path) -> None:
    """Raise ValueError where a folder holds files of something else than a run."""
    made = _made(out) if out.is_dir() else []
    if made and not (out / RECORD).exists():
        raise ValueError(f"{out}: expected a new or empty folder, or that of a run, found {', '.join(made[:3])}")


def start_digests(options: TrainOptions) -> dict[str, str]:
    """MD5 of each file that a run starts from, by its option; of one that is gone, which is not needed twice, none."""
    files = {name: getattr(options, name) for name in ("start", "audio", "text")}
    digests = {}
    for name, path in files.items():
        if path and os.path.isfile(path):
            with FileDigest(pathlib.Path(path)) as digest:
                digests[name] = digest.md5()
    return digests


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
    one, other = known.get(STARTS, {}), given.get(STARTS, {})
    for name in one.keys() & other.keys():
        if one[name] != other[name]:
            yield f"--{name} is a file of MD5 {one[name]} {there}, {other[name]} {here}"


def _option_differences(known: Record, given: Record, there: str, here: str, above: str = "") -> Iterator[str]:
    for name in sorted(known.keys() | given.keys()):
        one, other = known.get(name), given.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _option_differences(one, other, there, here, f"{above}{name} ")
        elif one != other:
            yield f"{above}{name} is {one} {there}, {other} {here}"
