"""From checkpoints and a folder of tasks to the leaderboard: doctor, embed, predict, leaderboard.

    scripts/reproduce_leaderboard.sh --checkpoints DIR --tasks-dir DIR --out DIR

The work is cut into jobs, one for each pair of a stage and a task, each of which is embedded and then predicted
by processes of its own. What is finished is told by the marks of heareval beside the embeddings; what became of each
attempt is noted in OUT/state. The same command therefore goes on where it was stopped, and a Slurm job of
`scripts/slurm` is this command with one job and one phase.
"""
