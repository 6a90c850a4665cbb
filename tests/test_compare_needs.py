"""Two audits, by how many times as much of a clip the second needs."""

import numpy as np
import pytest
from compared_audits import audit, clip_rows, quantities
from scipy import stats

PRESERVE = {"methods": ["ep3d"], "bounds": ["sufficiency", "probability"]}
MORE = (0.8, 1.0, 1.2, 0.9, 1.1, 1.0)  # octaves that B needs more, on six clips; their mean is 1


def need(clip, octaves, asked="label"):
    row = {"clip_id": clip, "model": "conv", "method": "ep3d", "bound": "sufficiency", "asked_class": asked}
    return row | {"vacuous": octaves is None, "log2_ratio": octaves, "ratio": 0.1, "volumes": [], "shares": []}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Six clips on which B needs twice as much, one that needs nothing in B, one that needs nothing in both."""
    folder, names = tmp_path_factory.mktemp("needs"), [f"c{index}" for index in range(8)]
    a = [-4 + index / 2 for index in range(6)]
    needs_a, needs_b = [*a, -1.0, None], [*(one + more for one, more in zip(a, MORE, strict=True)), None, None]
    sides = [
        audit(folder, name, clip_rows(names) | {"preservation": list(map(need, names, values))}, preserve=PRESERVE)
        for name, values in (("last", needs_a), ("this", needs_b))
    ]
    return quantities(*sides)


def test_needing_one_octave_more_on_every_clip_is_needing_twice_as_much(found):
    times = found["need_times[ep3d]"]
    assert (times.value, times.clips) == (pytest.approx(2.0), 6)
    # of one class: Student's interval of the mean octave
    margin = stats.t.ppf(0.975, 5) * np.std(MORE, ddof=1) / np.sqrt(6)
    assert (times.lower, times.upper) == pytest.approx((2 ** (1 - margin), 2 ** (1 + margin)), rel=1e-3)
    assert times.p == pytest.approx(stats.ttest_1samp(MORE, 0).pvalue, rel=1e-2)
    assert times.a == pytest.approx(2**-2.75)  # mean of -4, -3.5 ... -1.5


def test_clips_that_need_nothing_are_compared_by_their_shares(found):
    needless = found["needless_increase[ep3d]"]
    assert (needless.a, needless.b, needless.value, needless.clips) == pytest.approx((0.125, 0.25, 0.125, 8))


def test_a_search_by_forward_passes_alone_is_not_compared_with_one_by_gradients(tmp_path):
    sides = [
        audit(tmp_path, name, clip_rows(["c0", "c1"]) | {"preservation": rows}, preserve=PRESERVE)
        for name, rows in (
            ("last", [need("c0", -2.0), need("c1", -2.0)]),
            ("this", [need("c0", -1.0) | {"search": "tubelets"}, need("c1", -1.0) | {"search": "tubelets"}]),
        )
    ]
    times = quantities(*sides)["need_times[ep3d]"]
    assert times.value is None
    assert times.reason == "searched in different ways, by gradient and by forward passes"


def test_the_papers_searches_stand_beside_it_without_the_bound_of_the_need(found):
    assert "needs_more[ep3d, probability]" in found
    assert not [name for name in found if "sufficiency" in name]
