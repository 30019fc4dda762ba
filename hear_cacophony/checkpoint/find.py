"""Where the published files are on this machine."""

from __future__ import annotations

import os
import pathlib

from hear_cacophony.checkpoint.converted_file import SUFFIX, summarize_converted_file
from hear_cacophony.checkpoint.untrained import UNTRAINED
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.model.stages import STAGES, Stage

FOLDER_VARIABLE = "HEAR_CACOPHONY_WEIGHTS"
"""Environment variable: the folder of the published files, or the name of untrained weights."""

DRIVE_FOLDER = "1lZHJuClyn4FK_Fhn92ylQqyAd40uJv0Y"
PUBLISHED_FOLDER = f"the Google Drive folder {DRIVE_FOLDER}"


def find_weights(stage: Stage | None = None, *, with_text: bool = False) -> pathlib.Path:
    """The published file of `stage` on this machine, or its converted form, which loads faster.

    Where the text side is wanted, a converted file of the audio side alone counts only if there is no other.

    It is looked for in the folder that HEAR_CACOPHONY_WEIGHTS names, if it is set, then in the
    user's cache folder (`hear_cacophony` below XDG_CACHE_HOME, or below ~/.cache); the first
    folder that has it wins. Where either stage will do and it has both, stage 2 is taken.

    Raises:
        FileNotFoundError: none is there, or the variable names no folder.
    """
    folders = weights_folders()
    stages = STAGES if stage is None else (stage,)
    file = _first_file(folders, stages, with_text=True) if with_text else None
    file = file or _first_file(folders, stages, with_text=False)
    if file is None:
        raise FileNotFoundError(_where_to_get_weights(folders, stages))
    return file


def _first_file(folders: list[pathlib.Path], stages: tuple[Stage, ...], *, with_text: bool) -> pathlib.Path | None:
    for folder in folders:
        found = [file for stage in stages if (file := _find_in(folder, stage, with_text)) is not None]
        if found:
            return found[-1]
    return None


def weights_folders() -> list[pathlib.Path]:
    """Where published files are looked for, in order.

    Raises:
        FileNotFoundError: HEAR_CACOPHONY_WEIGHTS names no folder, and no untrained weights.
    """
    folder = default_folder()
    if not folder.is_dir() and folder != cache_folder():
        raise FileNotFoundError(
            f"{FOLDER_VARIABLE}={folder}: no such folder; expected the folder that holds the published files, "
            f"or {' or '.join(UNTRAINED)} for untrained weights"
        )
    return list(dict.fromkeys((folder, cache_folder())))


def default_folder() -> pathlib.Path:
    """Where published files belong on this machine: the first of `weights_folders`, which may not be there yet."""
    named = os.environ.get(FOLDER_VARIABLE)
    return pathlib.Path(named) if named and named not in UNTRAINED else cache_folder()


def _find_in(folder: pathlib.Path, stage: Stage, with_text: bool) -> pathlib.Path | None:
    published = folder / stage.release.file_name
    converted = published.with_suffix(SUFFIX)
    if converted.is_file() and not (with_text and summarize_converted_file(converted).text_config is None):
        return converted
    return published if published.is_file() else None


def _where_to_get_weights(folders: list[pathlib.Path], stages: tuple[Stage, ...]) -> str:
    files = " and ".join(f"{stage.release.file_name} (MD5 {stage.release.md5})" for stage in stages)
    return (
        f"no weights found in {' or '.join(map(str, folders))}. They are published in {PUBLISHED_FOLDER}: {files}. "
        "`hear-cacophony download` brings them; or put them there, or set "
        f"{FOLDER_VARIABLE} to their folder, or name a file: load_model(path). "
        'Untrained weights: load_model("random").'
    )
