from __future__ import annotations

import pytest

from hear_cacophony.engine.windows import CONTEXT_STEPS, WINDOW_STEPS, cut_windows


@pytest.mark.parametrize("steps", [1, 186, 187, 188, 189, 349, 350, 351, 1000, 3750, 16875])
def test_every_step_is_kept_once_with_context_on_both_sides(steps):
    windows = cut_windows(steps)
    kept = [step for window in windows for step in range(window.keep_start, window.keep_stop)]
    assert kept == list(range(steps))
    assert len({window.steps for window in windows}) == 1
    for window in windows:
        assert window.steps <= WINDOW_STEPS
        assert window.start == 0 or window.keep_start - window.start >= CONTEXT_STEPS
        assert window.stop == steps or window.stop - window.keep_stop >= CONTEXT_STEPS


def test_cost_of_a_long_clip_is_linear():
    seen = sum(window.steps for window in cut_windows(3750))
    assert seen < 1.2 * 3750
