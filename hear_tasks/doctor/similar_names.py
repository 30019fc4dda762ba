"""File names that look the same, or differ in case alone, and are other names to Linux."""

from __future__ import annotations

import os
import pathlib
import unicodedata
from collections.abc import Collection

from hear_tasks.doctor.finding import Findings


def match_similar(
    task: pathlib.Path, folder: str, named: Collection[str], there: Collection[str], split_file: str, findings: Findings
) -> dict[str, str]:
    """Report names of a split file that are not in its folder, but much like one that is.

    macOS writes an accented letter as two characters (NFD), most other systems as one (NFC); file systems of
    Windows and macOS take names that differ in case alone for the same.

    Args:
        task: the task directory.
        folder: the folder of the split's audio, relative to the task.
        named: the names of the split file.
        there: the names of its files.
        split_file: the split file, relative to the task.
        findings: where to add what is wrong.

    Returns:
        The file's name by each name that was reported.
    """
    by_key: dict[str, str] = {}
    for name in there:
        by_key.setdefault(_key(name), name)
    missing = sorted(set(named) - set(there))
    matched = {name: by_key[_key(name)] for name in missing if _key(name) in by_key}
    for name, file in matched.items():
        # A file that is another clip's is not this one's, whatever the file system says.
        opens = file not in named and is_there(task / folder / name)
        _report(f"{folder}/{file}", name, file, split_file, findings, opens=opens)
    return matched


def is_there(file: pathlib.Path) -> bool:
    """Whether the file system finds a file by this name."""
    return os.path.exists(file)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _form(name: str) -> str:
    forms = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, name)]
    return forms[0] if len(forms) == 1 else "a mixed form"


def _report(shown: str, name: str, file: str, split_file: str, findings: Findings, *, opens: bool) -> None:
    report = findings.warn if opens else findings.error
    where = "; this file system takes them for the same, others do not" if opens else ""
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", file):
        report(
            "audio-unicode",
            shown,
            f"expected the name {name!r} as {split_file} writes it (Unicode {_form(name)}), found one that looks the "
            f"same and is written otherwise ({_form(file)}){where}",
            f"rename the files: convmv -r -f utf8 -t utf8 --{_form(name).lower()} --notest FOLDER",
        )
    else:
        report(
            "audio-case",
            shown,
            f"expected the name {name!r} as {split_file} writes it, found {file!r}, which differs in upper and lower "
            f"case{where}",
            f"rename the file, or correct {split_file}; where two clips differ in case alone, rename one of them",
        )
