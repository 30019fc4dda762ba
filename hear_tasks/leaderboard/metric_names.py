"""heareval's names of scores, as people read them."""

from __future__ import annotations

import re

_NAMES = {
    "top1_acc": "accuracy",
    "pitch_acc": "pitch accuracy",
    "chroma_acc": "chroma accuracy",
    "mAP": "mAP",
    "aucroc": "ROC AUC",
    "d_prime": "d-prime",
    "test_score": "score",
}
_PATTERNS = (
    (r"event_onset_(\d+)ms_fms", r"onset F1, \1 ms"),
    (r"event_onset_offset_(\d+)ms_(\d+)perc_fms", r"onset-offset F1, \1 ms, \2 %"),
    (r"segment_(\d+)s_er", r"segment error rate, \1 s"),
)


def readable_metric(name: str) -> str:
    """The name of a score for tables, such as "onset F1, 200 ms" for "event_onset_200ms_fms"; others stay."""
    for pattern, readable in _PATTERNS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, readable, name)
    return _NAMES.get(name, name)
