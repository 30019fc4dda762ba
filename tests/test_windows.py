from __future__ import annotations

import pytest

from hear_cacophony.engine.windows import CONTEXT_STEPS, WINDOW_STEPS, cut_spans


@pytest.mark.parametrize("steps", [1, 186, 187, 188, 189, 349, 350, 351, 1000, 3750, 16875])
def test_every_step_is_kept_once_with_context_on_both_sides(steps):
    spans = cut_spans(steps)
    kept = [step for span in spans for step in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(steps))
    assert len({span.steps for span in spans}) == 1
    for span in spans:
        assert span.steps <= WINDOW_STEPS
        assert span.start == 0 or span.keep_start - span.start >= CONTEXT_STEPS
        assert span.stop == steps or span.stop - span.keep_stop >= CONTEXT_STEPS


def test_cost_of_a_long_clip_is_linear():
    seen = sum(span.steps for span in cut_spans(3750))
    assert seen < 1.2 * 3750
