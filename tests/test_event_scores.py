"""Scores of events against heareval's own, which sed_eval computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from later import Later
from repeats import first

from hear_tasks.predict.event_scores import EVENT_SCORES, Statistics
from hear_tasks.predict.events import Events

heareval_score = Later("heareval.score")

EventLists = dict[str, list[dict[str, Any]]]

VOCABULARY = ("a", "b", "c", "d e", "7")
STEPS = (0.0, 10.0, 50.0)
"""What times are multiples of, 0 for none: with the collars' divisors come ties, and times at the very collar."""


def score_ours(name: str, predicted: EventLists, targets: EventLists, vocabulary=VOCABULARY) -> Statistics:
    return EVENT_SCORES[name].compute(Events.from_lists(predicted), Events.from_lists(targets), vocabulary)


def score_theirs(name: str, predicted: EventLists, targets: EventLists, vocabulary=VOCABULARY) -> Statistics:
    label_to_idx = {label: number for number, label in enumerate(vocabulary)}
    return heareval_score.available_scores[name](label_to_idx=label_to_idx)(predicted, targets)


def assert_same(name: str, predicted: EventLists, targets: EventLists) -> Statistics:
    """The same numbers, to the bit, in the same types."""
    ours, theirs = score_ours(name, predicted, targets), score_theirs(name, predicted, targets)
    assert repr(ours) == repr(theirs), (name, predicted, targets)
    return ours


def random_events(random: np.random.Generator, count: int, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Events in no order, of any density, some of them twice, before the clip's start, or ending before they begin."""
    start = random.uniform(0, random.choice([300, 2000, 8000]), count)
    length = random.exponential(random.choice([30, 300, 2000]), count)
    if random.random() < 0.2:
        start, length = start - 500, length - 200
    if step := random.choice(STEPS):
        start, length = np.round(start / step) * step, np.round(length / step) * step
    events = [
        {"label": str(random.choice(labels)), "start": float(s), "end": float(s + d)}
        for s, d in zip(start, length, strict=True)
    ]
    if step and random.random() < 0.3:  # as they stand in JSON
        events = [{**event, "start": int(event["start"]), "end": int(event["end"])} for event in events]
    return events + [events[random.integers(count)] for _ in range(3) if count and random.random() < 0.1]


def shifted(random: np.random.Generator, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same events found a little off, many by just the collar."""
    collars = [-200, -50, 0, 50, 200, 49.999, 60 * random.standard_normal()]
    return [
        {**event, "start": event["start"] + shift, "end": event["end"] + 30 * random.standard_normal()}
        for event, shift in zip(events, random.choice(collars, len(events)), strict=True)
    ]


def random_lists(seed: int) -> tuple[EventLists, EventLists]:
    """Predicted events and targets of up to three clips, some missing in either."""
    random = np.random.default_rng(seed)
    labels = VOCABULARY[: random.integers(1, len(VOCABULARY) + 1)]
    largest = random.choice([3, 12, 30])
    predicted, targets = {}, {}
    for number in range(random.integers(0, 4)):
        clip, in_which = f"{number}.wav", random.random()
        targets[clip] = random_events(random, random.integers(largest), labels)
        derived = random.random() < 0.4
        predicted[clip] = (
            shifted(random, targets[clip]) if derived else random_events(random, random.integers(largest), labels)
        )
        if in_which < 0.1:
            del targets[clip]
        elif in_which < 0.2:
            del predicted[clip]
    return predicted, targets


@pytest.mark.parametrize("seeds", first(1, (range(200 * part, 200 * (part + 1)) for part in range(5))), ids=str)
def test_scores_of_random_lists_are_those_of_sed_eval(seeds):
    seen = {name: set() for name in EVENT_SCORES}
    for seed in seeds:
        predicted, targets = random_lists(seed)
        for name in EVENT_SCORES:
            seen[name].add(assert_same(name, predicted, targets)[0][1])
    assert all(len(values) > 50 for values in seen.values())  # the lists are not all alike


def event(label: str = "a", start: float = 1000.0, end: float = 1500.0) -> dict[str, Any]:
    return {"label": label, "start": start, "end": end}


F, P, R = "f_measure", "precision", "recall"
NONE = math.nan


@pytest.mark.parametrize(
    ("predicted", "targets", "expected"),
    [
        ([event()], [event()], (1.0, 1.0, 1.0)),
        ([event(start=1049.9)], [event()], (1.0, 1.0, 1.0)),
        # in floating point 0.35 - 0.3 is less than 0.05, and 1.05 - 1 more
        ([event(start=350)], [event(start=300)], (1.0, 1.0, 1.0)),
        ([event(start=1050)], [event(start=1000)], (0.0, 0.0, 0.0)),
        ([event("b")], [event("a")], (0.0, 0.0, 0.0)),
        ([event(), event()], [event()], (2 / 3, 0.5, 1.0)),
        # to take the first that fits leaves one over
        ([event(start=1000), event(start=1040)], [event(start=1045), event(start=960)], (1.0, 1.0, 1.0)),
        ([], [event()], (NONE, NONE, 0.0)),
        ([event()], [], (NONE, 0.0, NONE)),
        ([], [], (NONE, NONE, NONE)),
        ([event(end=900)], [event(end=800)], (1.0, 1.0, 1.0)),
        ([event("x")], [event("x")], (1.0, 1.0, 1.0)),  # in no vocabulary
        ([event(start=math.nan)], [event(start=math.nan)], (0.0, 0.0, 0.0)),
        ([event(start=math.inf)], [event(start=math.inf)], (0.0, 0.0, 0.0)),
        ([event(" a ")], [event("a")], (1.0, 1.0, 1.0)),
        ([event("None")], [event("")], (1.0, 1.0, 1.0)),
    ],
)
def test_onsets_in_hard_cases(predicted, targets, expected):
    assert_same("event_onset_200ms_fms", {"x.wav": predicted}, {"x.wav": targets})
    found = assert_same("event_onset_50ms_fms", {"x.wav": predicted}, {"x.wav": targets})
    assert repr(found) == repr(tuple(zip((F, P, R), expected, strict=True)))


@pytest.mark.parametrize(
    ("predicted", "target", "f_measure"),
    [
        (event(end=1550), event(), 1.0),
        (event(end=1599.9), event(), 1.0),  # a fifth of the length
        (event(end=1600.1), event(), 0.0),
        (event(end=1100), event(end=1150), 1.0),  # the collar is more
        (event(end=3000), event(end=math.inf), 1.0),
        (event(end=math.inf), event(end=math.inf), 0.0),
        (event(end=math.nan), event(end=math.nan), 0.0),
        (event(end=890), event(end=850), 1.0),
    ],
)
def test_offsets_in_hard_cases(predicted, target, f_measure):
    found = assert_same("event_onset_offset_50ms_20perc_fms", {"x.wav": [predicted]}, {"x.wav": [target]})
    assert found[0] == (F, f_measure)


@pytest.mark.parametrize(
    ("predicted", "targets", "expected"),
    [
        ([event()], [event()], 0.0),
        ([event("b")], [event("a")], 1.0),  # one substitution
        ([event("b"), event("c")], [event("a")], 2.0),  # and one insertion
        ([], [event(end=3001)], 1.0),
        ([event(end=1000)], [event()], 1.0),  # ends where it begins, so that nothing is active
        ([event(start=1000, end=2000)], [event(start=1999, end=2001)], 0.5),
        ([event(), event()], [event()], 0.0),
        ([event()], [], 1 / np.spacing(1.0)),
        ([], [], 0.0),
        # before the clip's start is before its end for sed_eval
        ([event(start=-1000, end=2000)], [event(end=2000)], 0.0),
        ([event(start=-9000, end=-1000)], [event(end=2000)], 1.0),
        ([event(start=2000, end=1000)], [event(end=2000)], 1.0),
    ],
)
def test_segments_in_hard_cases(predicted, targets, expected):
    found = assert_same("segment_1s_er", {"x.wav": predicted}, {"x.wav": targets})
    assert found == (("error_rate", pytest.approx(expected, rel=1e-15, abs=0)),)


@pytest.mark.parametrize("name", EVENT_SCORES)
def test_clips_that_only_one_side_has(name):
    assert_same(name, {"x.wav": [event()]}, {"x.wav": [event()], "y.wav": [event()]})
    assert_same(name, {"x.wav": [event()], "y.wav": [event()]}, {"x.wav": [event()]})
    assert_same(name, {}, {"x.wav": [event()]})
    assert_same(name, {"x.wav": []}, {})


@pytest.mark.parametrize("name", EVENT_SCORES)
def test_names_of_clips_that_dcase_util_writes_in_another_way(name):
    for clip in ("./x.wav", "a\\x.wav", "/x//y.wav", "a/../x.wav"):
        assert_same(name, {clip: [event()]}, {clip: [event()]})
        assert_same(name, {"x.wav": [event()]}, {clip: [event(start=1010)], "x.wav": [event()]})


def test_the_order_of_events_is_of_no_matter():
    predicted, targets = next(lists for lists in map(random_lists, range(100)) if len(lists[0]) == len(lists[1]) == 3)
    turned = [{clip: events[::-1] for clip, events in reversed(lists.items())} for lists in (predicted, targets)]
    for name in EVENT_SCORES:
        assert score_ours(name, *turned) == score_ours(name, predicted, targets)


def test_segments_refuse_what_sed_eval_cannot_score():
    bad = (
        (event("x"), "expected labels of the task's vocabulary in its events, got 'x'"),
        (event(end=math.nan), "expected finite times of events, got 1 s to nan s in x"),
    )
    for unfit, message in bad:
        for lists in ({"x.wav": [event()]}, {"x.wav": [unfit]}), ({"x.wav": [unfit]}, {"x.wav": [event()]}):
            with pytest.raises(ValueError, match=message):
                score_ours("segment_1s_er", *lists)
            with pytest.raises(ValueError, match=r"not in list|NaN"):
                score_theirs("segment_1s_er", *lists)
    score_ours("segment_1s_er", {"x.wav": [event()]}, {"y.wav": [event("x")]})  # not among the scored clips


@pytest.mark.parametrize(
    "unfit", [{"label": "a", "start": 1.0}, event(start="1"), event(end=None), "a", {"start": 1}, event(start=True)]
)
def test_events_of_another_form_are_named(unfit):
    with pytest.raises(ValueError, match=r"expected events of y.wav to be .* got .*; was the task prepared in full"):
        Events.from_lists({"x.wav": [event()], "y.wav": [event(), unfit]})


def test_lists_survive_the_way_through_arrays():
    lists = {"x.wav": [event("b", 3.5, 7.25), event("a")], "empty.wav": [], "y.wav": [event("b")]}
    assert Events.from_lists(lists).to_lists() == lists


def test_every_event_score_of_heareval_is_here():
    kinds = heareval_score.SoundEventScore
    theirs = {
        name: make(label_to_idx={})
        for name, make in heareval_score.available_scores.items()
        if isinstance(make(label_to_idx={}), kinds)
    }
    assert {name: score.maximize for name, score in EVENT_SCORES.items()} == {
        name: score.maximize for name, score in theirs.items()
    }


def test_a_file_as_full_as_piano_music_scores_the_same():
    random, labels = np.random.default_rng(0), tuple(map(str, range(88)))
    targets = [event(str(random.integers(88)), start, start + 300) for start in random.uniform(0, 60_000, 250)]
    predicted = shifted(random, targets[:200]) + [event("3", start, start + 100) for start in range(0, 60_000, 2000)]
    for name in EVENT_SCORES:
        lists = {"x.wav": predicted}, {"x.wav": targets}
        assert score_ours(name, *lists, labels) == score_theirs(name, *lists, labels)
