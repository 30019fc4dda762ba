"""The events of an event task: labels and times."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Sequence

from hear_tasks.doctor.labels import count_labels, is_label
from hear_tasks.doctor.report import Findings
from hear_tasks.doctor.splits import Split
from hear_tasks.doctor.vocabulary import Vocabulary
from hear_tasks.task_folder import EVENT_TOLERANCE_MS
from hear_tasks.text_files import describe_type, is_moderate

KEYS = ("label", "start", "end")

_FIX_TIMES = "correct the times; they are milliseconds from the start of the clip"

ClipSeconds = Callable[[str, str], float | None]
"""Length in seconds of a split's clip by name, None if it is not known."""


@dataclasses.dataclass(frozen=True)
class _Event:
    """An event with times that are numbers: where it stands in its clip's list, and milliseconds."""

    number: int
    start: float
    end: float


def check_events(
    splits: Sequence[Split], vocabulary: Vocabulary | None, clip_seconds: ClipSeconds, findings: Findings
) -> dict[str, collections.Counter[str]]:
    """Check the events of a task; how often each split uses each label."""
    timed: dict[str, dict[str, list[_Event]]] = {}

    def read(split: Split, clip: str, events: object) -> list[str]:
        labels, timed.setdefault(split.name, {})[clip] = _read_events(split, clip, events, findings)
        return labels

    used = count_labels(splits, vocabulary, findings, read)
    for split in splits:
        of_split = timed.get(split.name, {})
        _check_times(split, of_split, clip_seconds, findings)
        if split.clips and not any(of_split.values()):
            message = "expected events in this split, got none of use"
            findings.error("event-none", split.file, message, "unpack the task's tarball again")
    return used


def _read_events(split: Split, clip: str, events: object, findings: Findings) -> tuple[list[str], list[_Event]]:
    """The labels of a clip's events, and those events whose times are numbers."""
    if not isinstance(events, list):
        message = f"expected a list of events for {clip}, got {describe_type(events)}"
        findings.error("event-form", split.file, message, 'make it a list of {"label", "start", "end"}')
        return [], []
    labels, timed = [], []
    for number, event in enumerate(events):
        where = f"event {number} of {clip}"
        fault = _fault_of_form(event)
        if fault:
            findings.error("event-form", split.file, f"expected {fault[0]} in {where}, got {fault[1]}", fault[2])
            continue
        labels.append(str(event["label"]))
        bad = [key for key in ("start", "end") if not is_moderate(event[key])]
        if bad:
            shown = ", ".join(f"{key!r}: {event[key]!r}" for key in bad)
            findings.error("event-number", split.file, f"expected times in numbers in {where}, got {shown}", _FIX_TIMES)
            continue
        timed.append(_Event(number, event["start"], event["end"]))
    return labels, timed


def _fault_of_form(event: object) -> tuple[str, str, str] | None:
    """What was expected, what came, and what to do, if an event has not the right form."""
    form = 'make it {"label": LABEL, "start": MS, "end": MS}'
    if not isinstance(event, dict):
        hint = " (plain labels belong to tasks of embedding_type scene)" if is_label(event) else ""
        return "an object", f"{describe_type(event)}{hint}", form
    missing = [key for key in KEYS if key not in event]
    if missing:
        return f"the keys {', '.join(KEYS)}", f"none named {' or '.join(missing)}", form
    if not is_label(event["label"]):
        return "a label of text or a whole number", describe_type(event["label"]), form
    return None


def _check_times(split: Split, timed: dict[str, list[_Event]], clip_seconds: ClipSeconds, findings: Findings) -> None:
    lengths = {clip: clip_seconds(split.name, clip) for clip in timed}
    in_seconds = [clip for clip, events in timed.items() if _look_like_seconds(events, lengths[clip])]
    with_events = [clip for clip, events in timed.items() if events]
    whole_split = bool(in_seconds) and in_seconds == with_events
    if whole_split:
        last = max(event.end for events in timed.values() for event in events)
        longest = max(length or 0 for length in lengths.values())
        findings.error(
            "event-seconds",
            split.file,
            f"expected event times in milliseconds, got times that look like seconds: all end by {last:g}, and clips "
            f"last up to {longest:g} s ({1000 * longest:g} ms)",
            "multiply all times in this file by 1000",
        )
    for clip, events in timed.items():
        if clip in in_seconds and (whole_split or len(events) > 1):
            if not whole_split:
                _report_clip_in_seconds(split, clip, events, lengths[clip], findings)
            _check_order(split, clip, events, findings)
        else:
            _check_order(split, clip, events, findings)
            _check_inside(split, clip, events, lengths[clip], findings)


def _look_like_seconds(events: list[_Event], seconds: float | None) -> bool:
    """Whether all events end within the clip's length when taken for seconds, which in milliseconds is no time.

    In a clip of 4 s that is an end by 4, that is within the first 4 ms.
    """
    return bool(events) and seconds is not None and 0 < max(event.end for event in events) <= seconds + 0.01


def _report_clip_in_seconds(
    split: Split, clip: str, events: list[_Event], seconds: float | None, findings: Findings
) -> None:
    last = max(event.end for event in events)
    findings.error(
        "event-seconds",
        split.file,
        f"expected event times of {clip} in milliseconds, got times that look like seconds: all end by {last:g} in a "
        f"clip of {seconds:g} s",
        "multiply its times by 1000",
    )


def _check_order(split: Split, clip: str, events: list[_Event], findings: Findings) -> None:
    for event in events:
        where = f"event {event.number} of {clip}"
        if event.end < event.start:
            message = f"expected {where} to end after its start at {event.start:g}, got its end at {event.end:g}"
            findings.error("event-order", split.file, message, "correct the times; start and end may be swapped")
        elif event.end == event.start:
            message = f"expected {where} to last, got start and end both at {event.start:g} ms"
            findings.warn("event-empty", split.file, message, _FIX_TIMES)


def _check_inside(split: Split, clip: str, events: list[_Event], seconds: float | None, findings: Findings) -> None:
    length = math.inf if seconds is None else 1000 * seconds
    for event in events:
        where = f"event {event.number} of {clip}"
        if min(event.start, event.end) < 0:
            message = f"expected {where} to start at 0 ms or later, got {min(event.start, event.end):g} ms"
            findings.error("event-outside", split.file, message, _FIX_TIMES)
        elif event.start >= length or event.end > length + EVENT_TOLERANCE_MS:
            message = f"expected {where} inside the clip's {length:g} ms, got {event.start:g} to {event.end:g} ms"
            findings.error("event-outside", split.file, message, f"{_FIX_TIMES}; is the audio cut short?")
