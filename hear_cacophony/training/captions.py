"""Files that tell which sounds there are, and their captions: lists, CSV and JSON lines."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hear_cacophony.files.csv_table import read_csv, read_utf8
from hear_cacophony.files.json_file import parse_json
from hear_cacophony.text.characters import check_characters

TABLES = (".csv", ".jsonl")
LISTS = (".txt", ".lst")

_NAMES = ("file", "caption", "captions", "synthetic")
_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


class Caption(NamedTuple):
    """A caption of a clip, and whether it was made by a machine."""

    text: str
    synthetic: bool = False


Captions = tuple[Caption, ...]


def read_list(file: pathlib.Path) -> dict[str, Captions]:
    """Sounds without captions: the path of one in each line, from the folder of the list on.

    Raises:
        ValueError: it is no regular file, not UTF-8, or empty.
    """
    names = [line.strip() for line in read_utf8(file).split("\n")]
    return _checked_table(file, {_place(file, name): () for name in names if name})


def read_table(file: pathlib.Path) -> dict[str, Captions]:
    """Sounds with captions: a CSV file with a header, or JSON lines.

    Each row has `file`, its path from the folder of the table on, and one of `caption`, a text, and `captions`, several
    (in CSV a JSON list). `synthetic` tells whether they were made by a machine: true or false; or in JSON lines also
    a list, of truth values, one for each caption, or of texts, which are further captions. Rows of the same file
    are put together. Other columns are left alone, but for those that may be meant as one of these.

    Returns:
        Captions by path, in the order of the table.

    Raises:
        ValueError: it is no regular file, not UTF-8, a column is missing, there twice or spelled in another way, a row
            is damaged, or a caption empty; the line is named.
    """
    rows = _csv_rows(file) if file.suffix.lower() == ".csv" else _json_rows(file)
    table: dict[str, Captions] = {}
    for line, row in rows:
        try:
            _check_names(row)
            name = row.get("file")
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"expected the path of a sound in 'file', got {name!r}")
            place = _place(file, name.strip())
            table[place] = table.get(place, ()) + read_captions(row)
        except ValueError as error:
            raise ValueError(f"{file}, line {line}: {error}") from error
    return _checked_table(file, table)


def each_name_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON of its names and values.

    Raises:
        ValueError: a name is there twice, of which the last value would count.
    """
    names = [name for name, _ in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"expected each name once, found {', '.join(map(repr, twice))} more often")
    return dict(members)


def _check_names(names: Iterable[str]) -> None:
    """Refuse what would be passed over: "Synthetic", or "caption_2" beside "caption"."""
    for name in names:
        meant = name.strip().lower().rstrip("0123456789_- ")
        if meant in _NAMES and name not in _NAMES:
            raise ValueError(
                f"expected {', '.join(map(repr, _NAMES))}, found {name!r}; rename it, or take it out. Several captions "
                "go into 'captions', or each into a row of its own"
            )


def read_captions(row: Mapping[str, Any]) -> Captions:
    """The captions of a row, see `read_table`.

    Raises:
        ValueError: there are none, one is empty, no text or holds half a character, or `synthetic` fits none
            of the forms.
    """
    texts = _texts(row)
    synthetic = row.get("synthetic", False)
    if isinstance(synthetic, list) and all(isinstance(each, str) and each.lower() not in _FLAGS for each in synthetic):
        return tuple(Caption(text) for text in texts) + tuple(Caption(_checked_text(each), True) for each in synthetic)
    flags = synthetic if isinstance(synthetic, list) else [synthetic] * len(texts)
    if len(flags) != len(texts):
        raise ValueError(f"expected one value of 'synthetic' for each of {len(texts)} captions, got {len(flags)}")
    return tuple(Caption(text, _flag(flag)) for text, flag in zip(texts, flags, strict=True))


def _texts(row: Mapping[str, Any]) -> list[str]:
    given = [name for name in ("caption", "captions") if row.get(name) not in (None, "")]
    if len(given) > 1:
        raise ValueError("expected either 'caption' or 'captions', got both")
    if not given:
        raise ValueError("expected a text in 'caption', or several in 'captions', got none")
    value = told = row[given[0]]
    if given[0] == "caption":
        return [_checked_text(value)]
    if isinstance(value, str):
        told = value[:60]
        try:
            value = parse_json(value)
        except ValueError:
            value = None
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of texts in 'captions', got {told!r}")
    return [_checked_text(each) for each in value]


def _checked_text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"expected a text as a caption, got {text!r}")
    check_characters(text, "a caption")
    return text.strip()


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value if value is not None else "").strip().lower())
    if flag is None:
        raise ValueError(f"expected true or false in 'synthetic', got {value!r}")
    return flag


def _csv_rows(file: pathlib.Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    columns, rows = read_csv(file)
    if "file" not in columns or not {"caption", "captions"} & set(columns):
        raise ValueError(
            f"{file}: expected the columns file and caption, or captions, found {', '.join(columns) or 'nothing'}"
            + ("; are its columns separated by commas?" if len(columns) == 1 else "")
        )
    yield from rows


def _json_rows(file: pathlib.Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(read_utf8(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, each_name_once)
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: expected a JSON object on each line ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{file}, line {number}: expected a JSON object, got {line.strip()[:60]}")
        yield number, row


def _place(file: pathlib.Path, name: str) -> str:
    return os.path.join(file.parent, name)


def _checked_table(file: pathlib.Path, table: dict[str, Captions]) -> dict[str, Captions]:
    if not table:
        raise ValueError(f"{file}: expected the paths of sounds, found none")
    packed = [name for name in table if name.lower().endswith((*TABLES, *LISTS, ".tar")) or os.path.isdir(name)]
    if packed:
        raise ValueError(
            f"{file}: expected the paths of sounds, found {packed[0]}; name folders, tar files, lists and tables by "
            "themselves"
        )
    missing = [name for name in table if not os.path.isfile(name)]
    if missing:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise ValueError(
            f"{file}: {len(missing)} of {len(table)} sounds are not there: {named}; paths are taken from the folder "
            f"{file.parent} on"
        )
    return table
