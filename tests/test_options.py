from __future__ import annotations

import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.engine.options import Options, parse_options
from hear_cacophony.engine.windows import CONTEXT_STEPS


def test_defaults():
    assert Options() == Options(protocol="hear", timestamp_hop_ms=40, max_seconds=None)
    assert Options(protocol="published").hop_ms == 160


def test_unknown_option_lists_the_valid_ones():
    with pytest.raises(
        TypeError, match="unknown option 'hop'; valid options are 'protocol', 'timestamp_hop_ms', 'max_seconds'"
    ):
        parse_options({"hop": 40})


def test_unknown_option_is_found_before_the_file_is_read(tmp_path):
    with pytest.raises(TypeError, match="unknown option"):
        load_embedding_model(tmp_path / "missing.ckpt", hop=40)


@pytest.mark.parametrize("hop", [50, 0, -40, 30, 320, 40.5, "40", True])
def test_impossible_hop_lists_the_possible_ones(hop):
    with pytest.raises(ValueError, match="expected one of 10, 20, 40, 80, 160"):
        Options(timestamp_hop_ms=hop)


def test_unknown_protocol_lists_both():
    with pytest.raises(ValueError, match="unknown protocol 'paper'; expected one of 'hear', 'published'"):
        Options(protocol="paper")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", True])
def test_impossible_max_seconds(seconds):
    with pytest.raises(ValueError, match="max_seconds="):
        Options(protocol="published", max_seconds=seconds)


def test_max_seconds_goes_with_the_published_protocol():
    with pytest.raises(ValueError, match="goes with protocol='published' only"):
        Options(max_seconds=5)


def test_published_has_no_finer_hop():
    with pytest.raises(ValueError, match="does not go with protocol='published'"):
        Options(protocol="published", timestamp_hop_ms=40)


@pytest.mark.parametrize("seconds", [0, 7.9, 601, "30", True])
def test_impossible_window_seconds(seconds):
    with pytest.raises(ValueError, match="window_seconds"):
        parse_options({"window_seconds": seconds})


def test_windows_go_with_the_hear_protocol():
    with pytest.raises(ValueError, match=r"window_seconds=20 does not go with protocol='published'"):
        parse_options({"window_seconds": 20, "protocol": "published"})
    assert parse_options({"window_seconds": 20}).window_steps == 125


def test_unknown_precision_lists_the_possible_ones():
    with pytest.raises(ValueError, match=r"unknown precision 'float16'; expected one of 'float32', 'bfloat16'"):
        parse_options({"precision": "float16"})


def test_windows_overlap_by_3_84_seconds_unless_told_otherwise():
    assert Options().context_steps == CONTEXT_STEPS
    assert Options(window_overlap_seconds=3.84) != Options()
    assert Options(window_overlap_seconds=3.84).context_steps == CONTEXT_STEPS


@pytest.mark.parametrize(("seconds", "steps"), [(0, 0), (0.1, 1), (0.32, 1), (0.33, 2), (15, 47), (24, 75)])
def test_half_of_the_overlap_is_context_on_each_side(seconds, steps):
    assert Options(window_overlap_seconds=seconds).context_steps == steps


@pytest.mark.parametrize("seconds", [-1, 24.1, float("nan"), "4", True])
def test_impossible_overlaps(seconds):
    with pytest.raises(ValueError, match="window_overlap_seconds"):
        Options(window_overlap_seconds=seconds)


def test_the_largest_overlap_goes_with_the_window():
    assert Options(window_seconds=60, window_overlap_seconds=48).context_steps == 150
    with pytest.raises(ValueError, match=r"expected 0 to 6\.4, 0\.8 of a window of 8 s"):
        Options(window_seconds=8, window_overlap_seconds=6.5)
    with pytest.raises(ValueError, match="does not go with protocol='published'"):
        Options(protocol="published", window_overlap_seconds=4)
