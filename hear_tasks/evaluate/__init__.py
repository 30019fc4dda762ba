"""The published evaluations of audio-text models: zero-shot classification, retrieval and captioning."""
