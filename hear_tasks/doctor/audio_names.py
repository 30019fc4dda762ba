"""Clips whose names in the split file and on the disk look the same, or differ in case alone."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection

from hear_tasks.doctor.finding import Findings
from hear_tasks.similar_names import look_the_same, match_names, unicode_form


def match_similar(
    task: pathlib.Path, folder: str, named: Collection[str], there: Collection[str], split_file: str, findings: Findings
) -> dict[str, str]:
    """Report names of a split file that are not in its folder, but much like one that is.

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
    matched = match_names(named, there)
    for name, file in matched.items():
        # A file that is another clip's is not this one's, whatever the file system says.
        opens = file not in named and is_there(task / folder / name)
        _report(f"{folder}/{file}", name, file, split_file, findings, opens=opens)
    return matched


def is_there(file: pathlib.Path) -> bool:
    """Whether the file system finds a file by this name."""
    return os.path.exists(file)


def _report(shown: str, name: str, file: str, split_file: str, findings: Findings, *, opens: bool) -> None:
    report = findings.warn if opens else findings.error
    where = "; this file system takes them for the same, others do not" if opens else ""
    if look_the_same(name, file):
        report(
            "audio-unicode",
            shown,
            f"expected the name {name!r} as {split_file} writes it (Unicode {unicode_form(name)}), found one that "
            f"looks the same and is written otherwise ({unicode_form(file)}){where}",
            "rename the files, such as with convmv -r -f utf8 -t utf8 --nfc (or --nfd) --notest FOLDER, or correct "
            f"{split_file}",
        )
    else:
        report(
            "audio-case",
            shown,
            f"expected the name {name!r} as {split_file} writes it, found {file!r}, which differs in upper and lower "
            f"case{where}",
            f"rename the file, or correct {split_file}; where two clips differ in case alone, rename one of them",
        )
