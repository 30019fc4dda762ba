"""File names that look the same, or differ in case alone, and are other names to Linux.

macOS writes an accented letter as two characters (NFD), most other systems as one (NFC); file systems of
Windows and macOS take names that differ in case alone for the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection


def match_names(named: Collection[str], there: Collection[str]) -> dict[str, str]:
    """By each name that is not among the files, the name of a file that is much like it."""
    by_key: dict[str, str] = {}
    for name in there:
        by_key.setdefault(_key(name), name)
    return {name: by_key[_key(name)] for name in sorted(set(named) - set(there)) if _key(name) in by_key}


def describe_similar(named: Collection[str], there: Collection[str], split_file: str) -> dict[str, str]:
    """By each name of a clip that is not there, but whose name is much like a file's, what is to be said of it."""
    told = {}
    for name, similar in match_names(named, there).items():
        forms = f"in Unicode {unicode_form(similar)}, there {unicode_form(name)}"
        kind = f"looks the same ({forms})" if look_the_same(name, similar) else "differs in upper and lower case"
        told[name] = f"{similar!r} is, whose name {kind}: rename the file, or correct {split_file}"
    return told


def unicode_form(name: str) -> str:
    """NFC, NFD, or what it is otherwise."""
    forms = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, name)]
    return forms[0] if len(forms) == 1 else "a mixed form"


def look_the_same(first: str, second: str) -> bool:
    """Whether two names are one in another Unicode form."""
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
