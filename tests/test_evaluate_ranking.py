"""Retrieval metrics against what the published code makes of the same matrices."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest

from hear_tasks.evaluate.retrieval import Captions, audio_to_text, jackknife, text_to_audio

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden/retrieval.json").read_text())
WAYS = {"text_to_audio": text_to_audio, "audio_to_text": audio_to_text}


def load(case: dict) -> tuple[np.ndarray, Captions]:
    return np.array(case["similarity_text_by_audio"]), Captions(tuple(case["texts"]), tuple(case["owner"]))


@pytest.mark.parametrize("case", GOLDEN, ids=["five captions", "equal captions", "one caption"])
@pytest.mark.parametrize("way", WAYS)
def test_published_metric_is_reproduced(case, way):
    found = WAYS[way](*load(case), published=True)
    assert list(found) == ["R@1", "R@5", "R@10", "mAP@10"]
    for name, expected in case[way].items():
        assert found[name].estimate == pytest.approx(expected["estimate"], abs=1e-6)
        assert found[name].std_err == pytest.approx(expected["std_err"], abs=1e-6)
        assert found[name].interval95 == pytest.approx(expected["interval95"], abs=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_the_metrics_differ_only_where_captions_are_equal(way):
    similarities, captions = load(GOLDEN[0])
    assert captions.equal == 0
    assert WAYS[way](similarities, captions) == WAYS[way](similarities, captions, published=True)
    similarities, captions = load(GOLDEN[1])
    assert captions.equal == 8
    assert WAYS[way](similarities, captions) != WAYS[way](similarities, captions, published=True)


def test_equal_captions_are_not_counted_against_their_clips():
    """Two clips with the same caption, which is most similar to the first: right for either."""
    captions = Captions(("rain", "rain", "wind"), (0, 1, 2))
    similarities = np.array([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1], [0.1, 0.2, 0.9]])
    assert text_to_audio(similarities, captions)["R@1"].estimate == 1
    assert text_to_audio(similarities, captions, published=True)["R@1"].estimate == pytest.approx(1 / 3)


def test_copies_of_a_caption_take_one_place():
    """Five copies of a wrong caption before the right one of the sixth clip."""
    captions = Captions(("rain",) * 5 + ("wind",), (0, 1, 2, 3, 4, 5))
    similarities = np.zeros((6, 6))
    similarities[:5] = 0.9
    similarities[5] = 0.5
    assert audio_to_text(similarities, captions)["R@5"].estimate == 1
    assert audio_to_text(similarities, captions, published=True)["R@5"].estimate == pytest.approx(5 / 6)
    assert audio_to_text(similarities, captions)["mAP@10"].estimate == pytest.approx((5 + 1 / 2) / 6)


def test_equal_similarities_keep_their_order():
    captions = Captions(("rain", "wind"), (0, 1))
    assert text_to_audio(np.zeros((2, 2)), captions)["R@1"].estimate == 0.5
    assert text_to_audio(np.zeros((2, 2)), captions)["mAP@10"].estimate == 0.75


def test_jackknife_of_one_query_has_no_interval():
    found = jackknife([1.0])
    assert found.estimate == 1
    assert math.isnan(found.std_err)


def test_long_rankings_are_sorted_in_parts():
    """More similarities than are sorted at a time."""
    clips = 3000
    captions = Captions(tuple(f"caption {i}" for i in range(clips)), tuple(range(clips)))
    similarities = np.eye(clips, dtype=np.float32)
    similarities[0, 1] = 2
    assert text_to_audio(similarities, captions)["R@1"].estimate == pytest.approx(1 - 1 / clips)
