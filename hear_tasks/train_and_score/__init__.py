"""`scripts/train_and_score.sh`: how the scores of HEAR tasks grow while a model is trained.

Each part is a command of its own, which goes on where it was stopped: `train --stop-at` to a step, `embed` and
`predict` with the checkpoint of that step. Table and picture are made anew after each step.
"""
