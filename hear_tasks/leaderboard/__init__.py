"""`hear-cacophony leaderboard`: scores of any number of models, side by side."""
