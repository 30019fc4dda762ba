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
