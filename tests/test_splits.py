"""Drawing groups: what holds for every set of groups and every share."""

from hypothesis import given
from hypothesis import strategies as st

from stepaudit.clips.splits import draw_groups

groups = st.dictionaries(st.sampled_from("abcde"), st.sets(st.sampled_from("123456789"), min_size=1), min_size=1)
shares = st.floats(0.01, 0.99)


def own(groups: dict[str, set[str]]) -> dict[str, set[str]]:
    """Groups that hold one class each."""
    return {label: {f"{label}{name}" for name in names} for label, names in groups.items()}


@given(groups, shares, st.integers(0, 9))
def test_no_class_loses_all_its_groups_even_if_classes_share_some(groups, share, seed):
    drawn = draw_groups(groups, share, seed)
    assert all(names - drawn for names in groups.values())
    assert drawn <= set().union(*groups.values())


@given(groups, shares, st.integers(0, 9))
def test_a_class_of_two_or_more_groups_gives_about_its_share_and_at_least_one(groups, share, seed):
    for names in own(groups).values():
        drawn = len(draw_groups({"a": names}, share, seed))
        assert drawn == min(max(1, round(share * len(names))), len(names) - 1)


def test_the_draw_follows_the_seed():
    names = {"a": {str(index) for index in range(20)}}
    assert draw_groups(names, 0.3, 1) == draw_groups(names, 0.3, 1)
    assert len({frozenset(draw_groups(names, 0.3, seed)) for seed in range(10)}) > 5


def test_a_lone_group_is_not_drawn():
    assert draw_groups({"a": {"1"}, "b": {"2", "3"}}, 0.5, 0) < {"2", "3"}
