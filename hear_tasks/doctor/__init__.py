"""`hear-cacophony doctor`: whether HEAR tasks, the machine and a checkpoint are fit for a long run.

Nothing is written, and no content of a file stops a check: what is wrong becomes a finding.
"""
