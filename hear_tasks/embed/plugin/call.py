"""Loading and calling any HEAR plugin: NumPy arrays in and out, whatever its framework.

This file is also the script of a worker process in an environment of the plugin's own. So it imports nothing of this
package, and keeps to what Python 3.7 understands.

A message between the processes is a head (JSON with a magic number) and the bytes of the arrays that it lists with
dtype and shape. It goes through a descriptor of its own, the worker's argument: standard output is anybody's.
"""

import atexit
import contextlib
import importlib
import json
import os
import sys
from multiprocessing.connection import Connection

import numpy as np

SCENE, TIMESTAMPS = "scene", "timestamps"
_FUNCTIONS = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
_MODEL_FACTS = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")
_MAGIC = "HEAR plugin 2"
_LONGEST_HEAD = 1 << 24  # bytes
_MOST_TOLD = 10000  # characters of an error of a plugin
_PROCESS, _end_process = os.getpid(), os._exit


class PluginError(Exception):
    """A plugin that cannot be used, or that failed; the message says how."""


class PluginApiError(PluginError):
    """A plugin whose results are not what the HEAR API asks for, whatever the clips."""


class PluginMemoryError(PluginError, MemoryError):
    """A plugin for whose batch there is not enough memory."""


class Plugin:
    """A loaded plugin.

    Attributes:
        facts: sample_rate (Hz), scene_embedding_size, timestamp_embedding_size, device ("cpu" or the name of a GPU),
            version (of the installed distribution, "" if unknown) and file (of the module, None if there is none).
    """

    def __init__(self, name, path, options):
        """Load a plugin.

        Args:
            name: its module, installed or in the current folder.
            path: for its `load_model`, absolute where there is such a file; "" to call it with options alone.
            options: keyword arguments for its `load_model`, a dictionary.

        Raises:
            PluginError: it cannot be imported or loaded, or lacks something of the HEAR API.
        """
        self._place = os.getcwd()
        if path and os.path.exists(path):
            path = os.path.abspath(path)  # also where the plugin goes to another folder
        with self._at_work(f"{name}: cannot be imported: "):
            self._module = _import(name)
        with self._at_work(f"{name}.load_model failed: "):
            self._model = self._module.load_model(*([path] if path else []), **options)
            self._framework = _framework(name, self._model)
            self._device, device = _device(self._framework, self._model)
            self.facts = {fact: _positive(name, self._model, fact) for fact in _MODEL_FACTS}
            self.facts.update(device=device, version=_version(name), file=getattr(self._module, "__file__", None))

    def call(self, kind, audio):
        """The arrays that the plugin gives for clips of equal lengths.

        Args:
            kind: `SCENE` or `TIMESTAMPS`.
            audio: float32, shape (clips, samples).

        Returns:
            [embeddings], or [embeddings, timestamps], as the plugin made them.

        Raises:
            PluginMemoryError: there is not enough memory.
            PluginApiError: it gave something that is no array.
            PluginError: it raised something else.
        """
        try:
            with self._at_work():
                return self._call(kind, audio)
        except PluginMemoryError:
            if self._framework == "torch":
                import torch

                torch.cuda.empty_cache()  # which keeps what the batch took
            raise

    @contextlib.contextmanager
    def _at_work(self, what=""):
        """Code of the plugin, in a working directory of its own: it may choose another, and so may we.

        What it raises ends no more than that code, nor does an attempt to end the process; Ctrl-C does.

        Raises:
            PluginError: `what`, and what it has raised.
        """
        ours, end = os.getcwd(), os._exit
        os.chdir(self._place)
        os._exit = _refuse_to_end
        try:
            yield
        except (PluginError, KeyboardInterrupt):
            raise
        except BaseException as error:
            kind = PluginMemoryError if is_out_of_memory(error) else PluginError
            raise kind(what + _told(error)) from error
        finally:
            os._exit = end
            atexit.unregister(_keep_status)
            atexit.register(_keep_status)  # the last one, which comes before those of the plugin
            with contextlib.suppress(FileNotFoundError):  # the plugin has removed it
                self._place = os.getcwd()
            os.chdir(ours)

    def _call(self, kind, audio):
        if kind == SCENE:
            return [_as_array(self._run(self._module.get_scene_embeddings, audio), "get_scene_embeddings")]
        result = self._run(self._module.get_timestamp_embeddings, audio)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise PluginApiError("get_timestamp_embeddings: expected embeddings and timestamps, got " + _kind(result))
        return [_as_array(each, "get_timestamp_embeddings") for each in result]

    def _run(self, function, audio):
        if self._framework == "torch":
            import torch

            with torch.no_grad():
                return function(torch.tensor(audio, device=self._device), self._model)
        import tensorflow

        return function(tensorflow.convert_to_tensor(audio), self._model)


def _refuse_to_end(status):
    """What code of a plugin finds in place of `os._exit`."""
    if os.getpid() != _PROCESS:  # a child, which may end as it likes
        _end_process(status)
    raise SystemExit(f"os._exit({status!r})")


def _keep_status():
    """Let what a plugin does at the end of the process not change its exit status."""
    os._exit = _refuse_to_end


def _import(name):
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name + ".").startswith(error.name + "."):
            told = f"{name}: no such module in {sys.executable} ({error}); is the plugin installed there?"
        else:
            told = f"{name}: needs {error.name or 'a module'}, which is not installed in {sys.executable} ({error})"
        raise PluginError(told) from error
    missing = [function for function in _FUNCTIONS if not callable(getattr(module, function, None))]
    if missing:
        raise PluginError(f"{name}: expected the functions of the HEAR API, it has no {', '.join(missing)}")
    return module


def _framework(name, model):
    """The library that a model is of; each is looked for only where the plugin has loaded it."""
    for framework, library, path in (("torch", "torch", ("nn", "Module")), ("tf", "tensorflow", ("Module",))):
        kind = sys.modules.get(library)
        for part in path:
            kind = getattr(kind, part, None)
        if isinstance(kind, type) and isinstance(model, kind):
            return framework
    raise PluginError(
        f"{name}.load_model: expected a torch.nn.Module or a tensorflow.Module, as heareval does, got {_kind(model)}"
    )


def _device(framework, model):
    """The torch device of a model, which is brought to the GPU where there is one, and the name of its hardware.

    TensorFlow sees to its device itself.
    """
    if framework == "torch":
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model.to(device)
        return device, torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu"
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    details = tensorflow.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return None, details.get("device_name", "GPU") if gpus else "cpu"


def _positive(name, model, fact):
    value = getattr(model, fact, None)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        found = "none" if not hasattr(model, fact) else repr(value)
        raise PluginError(f"{name}: expected the model to have {fact}, a positive int, found {found}")
    return int(value)


def _version(name):
    try:
        from importlib import metadata

        return metadata.version(metadata.packages_distributions()[name.split(".")[0]][0])
    except Exception:  # not installed as a distribution, or a Python that cannot tell
        return ""


def _as_array(tensor, function):
    kind = str(getattr(tensor, "dtype", ""))
    try:
        if hasattr(tensor, "detach"):  # of torch
            tensor = tensor.detach().cpu()
        if hasattr(tensor, "numpy"):
            tensor = tensor.numpy()
    except (TypeError, NotImplementedError) as error:  # a type, or a layout, that NumPy has not
        raise PluginApiError(f"{function}: expected a float32 array, got a tensor of {kind}: {error}") from error
    if not isinstance(tensor, np.ndarray):
        raise PluginApiError(f"{function}: expected a tensor, got {_kind(tensor)}")
    if isinstance(tensor, np.ma.MaskedArray) or tensor.dtype.kind not in "fiubc":
        raise PluginApiError(f"{function}: expected a float32 array, got {_kind(tensor)} of {tensor.dtype}")
    return tensor


def is_out_of_memory(error):
    """Whether an error of torch or TensorFlow says that there is not enough memory."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError"):
        return True
    return isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))


def _told(error):
    kind = type(error).__name__
    try:
        text = str(error)[:_MOST_TOLD]
    except Exception:
        text = "without a text"
    return f"it tried to end the program ({kind}: {text})" if isinstance(error, SystemExit) else f"{kind}: {text}"


def _kind(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"


def send(connection, head, arrays=()):
    """Write a message."""
    arrays = [np.ascontiguousarray(array) for array in arrays]
    content = dict(head, magic=_MAGIC, arrays=[[array.dtype.str, array.shape] for array in arrays])
    connection.send_bytes(json.dumps(content).encode())
    for array in arrays:
        connection.send_bytes(array.tobytes())


def receive(connection):
    """Read a message: its head and its arrays.

    Raises:
        EOFError, ConnectionError: the other process has ended.
        OSError, ValueError: what came is no message.
    """
    head = json.loads(connection.recv_bytes(_LONGEST_HEAD).decode())
    if not isinstance(head, dict) or head.pop("magic", None) != _MAGIC:
        raise ValueError("expected a message, got something else")
    arrays = []
    for dtype, shape in head.pop("arrays"):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        arrays.append(np.frombuffer(bytearray(connection.recv_bytes(size)), dtype).reshape(shape))
    return head, arrays


def main():
    """Serve another process: what to load, then batch after batch, until it closes the connection."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # the GPU is shared with what its owner runs there
    number = int(sys.argv[1])
    try:
        os.set_inheritable(number, False)  # for no process that the plugin starts
    except OSError as error:
        sys.exit(f"{sys.executable}: the descriptor that it should inherit was closed on the way ({error})")
    owner = Connection(number)
    try:
        head, _ = receive(owner)
        os.chdir(head["folder"])
        del sys.path[: not getattr(sys.flags, "safe_path", False)]  # the folder of this file, which holds no plugins
        plugin = Plugin(head["name"], head["path"], head["options"])
        send(owner, {"facts": plugin.facts})
        while True:
            head, arrays = receive(owner)
            try:
                send(owner, {}, plugin.call(head["kind"], arrays[0]))
            except PluginError as error:
                send(owner, {"error": str(error), "kind": type(error).__name__})
    except PluginError as error:
        send(owner, {"error": str(error), "kind": "PluginError"})
    except (EOFError, ConnectionError):
        pass


if __name__ == "__main__":
    main()
