"""Bringing the published weights and the tokenizer to this machine."""
