"""Reading the pickles that predictions leave: tensors, arrays and plain values, and nothing that could do harm."""

from __future__ import annotations

import io
import pathlib
import pickle
from typing import Any

_ALLOWED = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
}


class DamagedPickle(ValueError):
    """A file that is no pickle of predictions; the message says why."""


def read_tensor_pickle(file: pathlib.Path) -> Any:
    """The content of a pickle with tensors.

    Raises:
        DamagedPickle: it is damaged, cut short, or holds something else.
        FileNotFoundError: it is not there.
        ModuleNotFoundError: torch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError("reading predictions needs torch: pip install 'hear_cacophony[hear]'") from None
    with file.open("rb") as opened:
        try:
            return _Unpickler(opened).load()
        except OSError:
            raise
        except Exception as error:  # a damaged file raises almost anything
            raise DamagedPickle(f"{file}: damaged, cut short or none of predictions ({error})") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _load_storage
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which predictions do not hold")
        return super().find_class(module, name)


def _load_storage(content: bytes) -> Any:
    import torch

    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
