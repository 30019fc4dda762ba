"""The published evaluations of audio-text models: zero-shot classification, retrieval and captioning."""

RESULTS_FILE = "results.json"
"""In the folder of an evaluation: all that was found, and how."""
