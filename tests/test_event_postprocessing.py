"""Events made from predictions against those of heareval."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from later import Later
from repeats import first

from hear_tasks.predict.event_postprocessing import (
    DEFAULT_GRID,
    choose_postprocessing,
    list_postprocessings,
    make_events,
)
from hear_tasks.predict.events import Frames

torch, task_predictions = Later("torch"), Later("heareval.predictions.task_predictions")

LABELS = ("a", "b", "c", "d", "e")
FILTERS_MS = (0, 10, 62, 125, 150, 250, 500, 1000)
DURATIONS_MS = (0, 47.3, 60.0, 125, 250, 500)
THRESHOLDS = (0.5, 0.3, 0.75)


@pytest.fixture(autouse=True)
def _no_progress_bars(monkeypatch):
    monkeypatch.setattr(task_predictions.module, "tqdm", lambda points, **_: points)


def make_ours(predictions, filenames, timestamps, grid) -> dict[tuple, dict[str, list[dict[str, Any]]]]:
    frames, labels = Frames.from_rows(filenames, timestamps), LABELS[: predictions.shape[1]]
    made = make_events(predictions, frames, labels, list_postprocessings(grid))
    return {point: events.to_lists() for point, events in made.items()}


def make_theirs(predictions, filenames, timestamps, grid) -> dict[tuple, dict[str, list[dict[str, Any]]]]:
    times = torch.tensor(timestamps, dtype=torch.float64)
    labels = dict(enumerate(LABELS))
    return task_predictions.get_events_for_all_files(torch.tensor(predictions), filenames, times, labels, grid)


def assert_same(predictions, filenames, timestamps, grid) -> int:
    """The same events in the same order and types, under the same points in the same order; how many they are."""
    ours = make_ours(predictions, filenames, timestamps, grid)
    assert repr(ours) == repr(make_theirs(predictions, filenames, timestamps, grid))
    return sum(len(events) for clips in ours.values() for events in clips.values())


def random_times(random: np.random.Generator, count: int) -> np.ndarray:
    times = np.arange(count) * random.choice([40.0, 47.3, 50.0, 100.0]) + random.choice([0.0, 25.0])
    if random.random() < 0.2:
        times = times + random.uniform(-5, 5, count)
    if random.random() < 0.2:
        times[random.integers(count)] = times[0]
    return random.permutation(times) if random.random() < 0.2 else times


def random_predictions(random: np.random.Generator, n_rows: int) -> np.ndarray:
    logits = random.standard_normal((n_rows, random.integers(1, len(LABELS) + 1)))
    for _ in range(random.integers(4)):  # the smoother, the longer the events
        logits[1:] = (logits[1:] + logits[:-1]) / 1.5
    predictions = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return np.round(4 * predictions) / 4 if random.random() < 0.3 else predictions  # ties, at thresholds too


def random_grid(random: np.random.Generator) -> Any:
    values = {"median_filter_ms": FILTERS_MS, "min_duration": DURATIONS_MS, "threshold": THRESHOLDS}
    chosen = {
        name: [choices[i] for i in random.integers(len(choices), size=random.integers(1, 4))]
        for name, choices in values.items()
        if random.random() < 0.7
    }
    return [chosen, {"min_duration": [1]}] if random.random() < 0.1 else chosen


def random_split(seed: int) -> tuple[np.ndarray, list[str], list[float], Any]:
    """Predictions of a few clips, by rows that may be mixed, and a grid."""
    random = np.random.default_rng(seed)
    filenames, timestamps = [], []
    for number in range(random.integers(1, 5)):
        times = random_times(random, random.integers(4, 60))
        folder = random.choice(["", "x/", "/x/y/"])
        filenames += [f"{folder}{number if random.random() < 0.9 else 0}.wav"] * len(times)
        timestamps += times.tolist()
    if random.random() < 0.2:
        order = random.permutation(len(filenames))
        filenames, timestamps = [filenames[i] for i in order], [timestamps[i] for i in order]
    return random_predictions(random, len(filenames)), filenames, timestamps, random_grid(random)


@pytest.mark.parametrize("seeds", first(1, (range(100 * part, 100 * (part + 1)) for part in range(6))), ids=str)
def test_events_of_random_predictions_are_those_of_heareval(seeds):
    counts = [assert_same(*random_split(seed)) for seed in seeds]
    assert np.count_nonzero(counts) > 90


def test_nan_among_the_predictions_is_placed_as_in_scipy():
    for seed in range(100):
        predictions, *rest = random_split(seed)
        predictions[np.random.default_rng(seed).random(predictions.shape) < 0.05] = np.nan
        assert_same(predictions, *rest)


def test_predictions_of_nothing_but_nan_make_no_events():
    predictions = np.full((20, 2), np.nan, dtype=np.float32)
    assert assert_same(predictions, ["x.wav"] * 20, [50.0 * i for i in range(20)], DEFAULT_GRID) == 0


ONE_FRAME = pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
"""What NumPy says of heareval's mean of no spacing."""

TIMES = [100.0 * i for i in range(8)]


def events_of(active: str, **point: Any) -> list[tuple[float, float]]:
    """Starts and ends for one clip with a frame in 100 ms, after comparison with heareval's."""
    predictions = np.array([[0.9 if frame == "x" else 0.1] for frame in active], dtype=np.float32)
    row = predictions, ["x.wav"] * len(active), TIMES[: len(active)], {name: [value] for name, value in point.items()}
    assert_same(*row)
    (clips,) = make_ours(*row).values()
    return [(event["start"], event["end"]) for event in clips["x.wav"]]


@pytest.mark.parametrize(
    ("active", "point", "expected"),
    [
        ("xxxxxxxx", {"median_filter_ms": 0, "min_duration": 0}, [(0, 700)]),
        ("x.xx...x", {"median_filter_ms": 0, "min_duration": 0}, [(0, 0), (200, 300), (700, 700)]),
        ("x.xx...x", {"median_filter_ms": 0, "min_duration": 100}, [(200, 300)]),
        ("x.xx...x", {"median_filter_ms": 0, "min_duration": 100.1}, []),
        ("x.xx...x", {"median_filter_ms": 300, "min_duration": 0}, [(0, 300), (700, 700)]),  # mirrored at the ends
        ("x.xx....", {"median_filter_ms": 200, "min_duration": 0}, [(0, 400)]),  # the larger of two
        ("...x....", {"median_filter_ms": 49, "min_duration": 0}, [(300, 300)]),  # less than half a frame
        ("...x....", {"median_filter_ms": 250, "min_duration": 0}, [(300, 400)]),  # 2.5 frames are 2
        ("..xx....", {"median_filter_ms": 350, "min_duration": 0}, [(200, 400)]),  # 3.5 frames are 4
        (".xxx....", {}, [(100, 400)]),  # heareval's own defaults, 150 ms and 60 ms
        (".x.x.x..", {}, [(100, 600)]),
        ("xx", {"median_filter_ms": 1500, "min_duration": 0}, [(0, 100)]),  # wider than the clip
        ("x", {"median_filter_ms": 0, "min_duration": 0}, [(0, 0)]),
    ],
)
@ONE_FRAME
def test_hand_made_activity(active, point, expected):
    assert events_of(active, **point) == expected


def test_events_of_a_clip_are_sorted_by_start_then_label():
    active = np.array([[0, 1, 0], [1, 1, 1], [1, 0, 1], [0, 0, 0]], dtype=np.float32)
    grid = {"median_filter_ms": [0], "min_duration": [0]}
    assert assert_same(active, ["x.wav"] * 4, TIMES[:4], grid) == 3
    ((_, clips),) = make_ours(active, ["x.wav"] * 4, TIMES[:4], grid).items()
    assert [event["label"] for event in clips["x.wav"]] == ["b", "a", "c"]


def test_of_two_rows_at_one_time_the_last_counts():
    frames = Frames.from_rows(["a/x.wav", "y.wav", "b/x.wav", "x.wav"], [50.0, 0.0, 50.0, 0.0])
    assert frames.clips == ("x.wav", "y.wav")
    assert frames.rows.tolist() == [3, 2, 1]
    assert frames.time.tolist() == [0.0, 50.0, 0.0]
    assert frames.spacing[0] == 50.0
    assert math.isnan(frames.spacing[1])


def test_a_clip_far_shorter_than_the_filter_is_mirrored_as_often_as_needed():
    """From eight times the clip on, SciPy reads outside of its input."""
    assert events_of("x.", median_filter_ms=1500, min_duration=0) == [(100, 100)]
    predictions = np.array([[0.9], [0.1]], dtype=np.float32)
    for width in 16, 32, 400:  # whole numbers of clip and mirror image, so that half of each window is active
        grid = {"median_filter_ms": [100 * width], "min_duration": [0]}
        (clips,) = make_ours(predictions, ["x.wav"] * 2, [0.0, 100.0], grid).values()
        assert [(event["start"], event["end"]) for event in clips["x.wav"]] == [(0, 100)]


def test_points_of_a_grid_are_listed_once_in_heareval_s_order():
    grid = {"min_duration": [125, 250, 125.0], "median_filter_ms": [250, 0]}
    points = [(250, 125), (250, 250), (0, 125), (0, 250)]
    expected = [(("median_filter_ms", ms), ("min_duration", duration)) for ms, duration in points]
    assert list_postprocessings(grid) == expected
    assert list_postprocessings([grid, {}]) == [*expected, ()]


def test_the_best_postprocessing_is_the_highest_score_then_the_highest_parameters():
    low, high = (("min_duration", 125),), (("min_duration", 250),)
    assert choose_postprocessing({low: 0.5, high: 0.25}) == low
    assert choose_postprocessing({low: 0.5, high: 0.5}) == high
    assert choose_postprocessing({low: math.nan, high: 0.0}) == high
    assert choose_postprocessing({low: 0.0, high: math.nan}) == high
    assert choose_postprocessing({low: 1e-9, high: math.nan}) == low


def refusal(message: str) -> Any:
    return pytest.raises(ValueError, match=re.escape(message))


@ONE_FRAME
def test_what_heareval_could_not_work_with_is_refused():
    one_frame = np.ones((1, 1), dtype=np.float32), ["x.wav"], [0.0], {"median_filter_ms": [250]}
    with refusal("expected two frames or more in x.wav to filter them, got one; is the clip cut short?"):
        make_ours(*one_frame)
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        make_theirs(*one_frame)
    two_frames = np.ones((2, 1), dtype=np.float32), ["x.wav"] * 2, [0.0, 50.0]
    with refusal("expected median_filter_ms of 0 or more, got -250"):
        make_ours(*two_frames, {"median_filter_ms": [-250]})
    with refusal("(threshold, median_filter_ms, min_duration), got 'min_length'"):
        make_ours(*two_frames, {"min_length": [1]})
    with refusal("expected a list of values for min_duration in event postprocessing, got 125"):
        make_ours(*two_frames, {"min_duration": 125})
    with refusal("expected predictions of shape (2, 1), got (3, 1)"):
        make_ours(np.ones((3, 1), dtype=np.float32), ["x.wav"] * 2, [0.0, 50.0], DEFAULT_GRID)
    with refusal("expected finite timestamps, got nan in y.wav"):
        Frames.from_rows(["x.wav", "y.wav"], [0.0, math.nan])
    with refusal("expected a file name for each of 1 timestamps, got 2"):
        Frames.from_rows(["x.wav", "y.wav"], [0.0])
