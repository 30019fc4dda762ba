"""What one does with HEAR tasks, one folder for each command: from audio to embeddings, scores and tables.

More words, beside those of `hear_cacophony`, each for one thing:

    task        a HEAR task directory; its clips are in splits, which are folds in some tasks
    plugin      a HEAR module with a model of somebody else
    row         an embedding, with its labels, in the files that heareval reads: of a clip, or of a timestamp in it
    frame       in `predict`, a row that has a timestamp; elsewhere as in `hear_cacophony`
    grid        the hyperparameters of predictors that are tried
    job         a model and a task, in `reproduce`
    phase       one of the parts of a run that follow each other: to embed, to predict, to make the leaderboard
    settings    what unfinished or finished work was made with, kept beside it, so that nothing is mixed
"""

from __future__ import annotations

import signal
import sys


def leave_ctrl_c_to_system() -> None:
    """Until a command listens to signals, let Ctrl-C end the process without a word: Python would tell where it was."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not so where it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if sys.argv[:1] == ["-m"]:  # `python -m hear_tasks...`, whose module is looked for
    leave_ctrl_c_to_system()
