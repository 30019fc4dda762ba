"""HEAR modules of the five models beside Cacophony in its published HEAR table.

`laion_clap`, `laion_clap_fusion`, `ms_clap`, `wavcaps_cnn14` and `wavcaps_htsat`; the docstring of each tells which
layer its embeddings are, where its weights come from, and under what licence. They need `pip install '.[plugins]'`.

All five share one way with time, as none has timestamp embeddings of its own finer than 200 ms:

- A scene embedding is the embedding that the model's own library computes. Clips shorter than the model's input are
  filled up as that library does. Where it would take one random excerpt of a longer clip, the clip is covered by as few
  excerpts as do, evenly spread, and their embeddings are averaged: nothing is random, and no part of a clip is lost.
- A timestamp embedding is the scene embedding of the second around it (`timestamp_window_ms`), with silence outside
  the clip. Timestamps lie at 0, 50, 100, ... milliseconds (`timestamp_hop_ms`), all inside the clip, each at the centre
  of its window. Each is filled up to the model's input, so that a second of an event task costs 20 passes of 10 s
  (MS-CLAP: 5 or 7 s), 200 times the sound of a scene task.
"""
