"""heareval's runners, with our patches, in this process, which has imported all of it for others, too."""

from __future__ import annotations

import contextlib
import os
import pathlib
import warnings

import pytest

from hear_tasks import heareval


def run_heareval(name: str, *arguments: str, folder: pathlib.Path) -> None:
    """Run a runner in `folder`, on one thread; what it and the patches set for the whole process is as it was then.

    It takes 9 s of a processor to import all of heareval in a process of its own.
    """
    import torch

    threads, deterministic, environment = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        dict(os.environ),
    )
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings(), contextlib.chdir(folder):
        warnings.simplefilter("ignore")
        for function in ("is_available", "device_count"):
            patched.setattr(torch.cuda, function, getattr(torch.cuda, function))
        if name == "embeddings":
            from heareval.embeddings import runner

            patched.setattr(runner, "task_embeddings", runner.task_embeddings)
        else:
            from pytorch_lightning.loops import FitLoop

            patched.setattr(FitLoop, "current_epoch", None, raising=False)
        torch.set_num_threads(1)
        try:
            heareval.RUNNERS[name]().main(list(arguments), standalone_mode=False)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            os.environ.clear()
            os.environ.update(environment)
