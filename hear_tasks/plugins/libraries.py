"""The optional libraries of the plugins: how they are imported, and what to do where they are missing."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

MSCLAP = "msclap==1.3.4"
INSTALL = "pip install '.[plugins]'"
INSTALL_MSCLAP = f"{INSTALL} && pip install --no-deps {MSCLAP}"
"""Without dependencies, as msclap's metadata asks for older versions of numpy and transformers than ours; they are not
needed by its code."""

_INSTALL_LINES = {"torch": INSTALL, "transformers": INSTALL, "torchlibrosa": INSTALL, "librosa": INSTALL}
_INSTALL_LINES |= {"msclap": INSTALL_MSCLAP}


@contextlib.contextmanager
def explained_imports(model: str) -> Iterator[None]:
    """Tell how to install a library of the plugins that an import in this context does not find."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library not in _INSTALL_LINES:
            raise
        raise ModuleNotFoundError(
            f"{model} needs {library}, which is not installed: {_INSTALL_LINES[library]}", name=library
        ) from error


@dataclasses.dataclass(frozen=True)
class MsclapModules:
    """The modules of msclap that hold its networks: `msclap.models.audio`, `.clap`, `.htsat` and `.config`."""

    audio: ModuleType
    clap: ModuleType
    htsat: ModuleType
    config: ModuleType


def import_msclap() -> MsclapModules:
    """The networks of msclap, without msclap itself.

    Its `__init__` silences all warnings of the process and imports torchaudio, which only its reader of audio files
    needs. So it is not run, unless somebody already has; nothing of it stays in `sys.modules`.

    Raises:
        ModuleNotFoundError: msclap, or torchlibrosa, which it needs, is not installed.
    """
    if "msclap" in sys.modules:
        return _msclap_modules()
    spec = importlib.util.find_spec("msclap")
    if spec is None:
        raise ModuleNotFoundError("No module named 'msclap'", name="msclap")
    sys.modules["msclap"] = importlib.util.module_from_spec(spec)
    try:
        return _msclap_modules()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "msclap"]:
            del sys.modules[name]


def _msclap_modules() -> MsclapModules:
    names = (field.name for field in dataclasses.fields(MsclapModules))
    return MsclapModules(*(importlib.import_module(f"msclap.models.{name}") for name in names))


@contextlib.contextmanager
def quiet_construction() -> Iterator[None]:
    """Keep back what torch says of the way in which msclap makes its networks, which no user can change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
        yield
