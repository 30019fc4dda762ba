"""Names from files that others have made: of splits and clips, which must not lead out of their folder."""

from __future__ import annotations

import os


def is_plain_name(name: object) -> bool:
    """Whether a name is that of an entry of a folder, and of nothing outside it."""
    return isinstance(name, str) and name not in ("", ".", "..") and not {"/", "\0", os.sep} & set(name)
