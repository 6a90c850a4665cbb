"""The fewest elements that suffice, against all sets one by one."""

import random

import pytest

from stepaudit.extremal.fewest import Fewest

LEVEL, FORGIVEN = 0.5, 0.1


def searched(share, count, weights=None, most=10**6):
    """The search, answered by `share` (of a set of elements) at most so many times, and the number of questions."""
    search = Fewest(weights or [0.0] * count, LEVEL, FORGIVEN)
    questions, asked = search.questions(), 0
    answer = None
    while asked < most:
        try:
            some, _ = questions.send(answer)
        except StopIteration:
            break
        answer, asked = share(frozenset(place for place in range(count) if some >> place & 1)), asked + 1
    return search, asked


def all_sets(count):
    return [frozenset(place for place in range(count) if bits >> place & 1) for bits in range(2**count)]


def fewest_of_all(share, count):
    """The least size of a set that keeps the level and, with whatever more, the level less what is forgiven."""
    sets = all_sets(count)
    suffices = lambda some: (  # noqa: E731
        share(some) >= LEVEL and all(share(more) >= LEVEL - FORGIVEN for more in sets if some < more)
    )
    return min(len(some) for some in sets if suffices(some))


def additive(generator, count):
    """A share that grows with every element, by as much as it weighs."""
    weights = [generator.random() ** 3 for _ in range(count)]
    return lambda some: sum(weights[place] for place in some) / sum(weights)


def either_of(generator, count):
    """All or nothing: one of three sets has to be shown whole."""
    places = [frozenset(generator.sample(range(count), generator.randint(1, count))) for _ in range(3)]
    return lambda some: float(any(place <= some for place in places))


@pytest.mark.parametrize("kind", [additive, either_of])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_where_more_is_never_worse_the_search_finds_the_least_of_all_sets(kind, count):
    for seed in range(12):
        generator = random.Random(seed)
        share = kind(generator, count)
        search, _ = searched(share, count, [generator.random() for _ in range(count)])
        assert search.fewest.bit_count() == search.lower + 1 == fewest_of_all(share, count)


def test_where_more_can_be_worse_the_lower_end_stays_below_the_truth():
    """Shares at random: some sets suffice alone, but not with more, which the search has not all asked about."""
    for seed in range(30):
        generator = random.Random(seed)
        table = {some: generator.random() * 0.7 + 0.05 * len(some) for some in all_sets(6)}
        table |= {frozenset(): 0.0, frozenset(range(6)): 1.0}
        truth, (search, _) = fewest_of_all(table.get, 6), searched(table.get, 6)
        least = min(len(some) for some, share in table.items() if share >= LEVEL)
        assert search.lower < truth
        assert least <= search.fewest.bit_count()


def test_two_necessary_elements_of_sixteen_are_found_and_proven_by_few_questions():
    search, asked = searched(lambda some: float({3, 9} <= some), 16, [float(place in (3, 8, 9)) for place in range(16)])
    assert (search.fewest, search.lower) == (1 << 3 | 1 << 9, 1)
    assert asked < 30


@pytest.mark.parametrize("most", [0, 1, 5, 20, 60])
def test_a_search_that_is_stopped_leaves_a_bracket_around_the_truth(most):
    share = lambda some: len(some) / 10  # noqa: E731 (any five of ten)
    search, _ = searched(share, 10, most=most)
    assert search.lower < 5 <= search.fewest.bit_count()


def test_a_set_that_fails_beside_something_else_does_not_suffice():
    """The question with more shown is answered by 0 for the single element that would do."""
    search = Fewest([1.0, 0.0, 0.0], LEVEL, FORGIVEN)
    questions, answer = search.questions(), None
    while True:
        try:
            some, more = questions.send(answer)
        except StopIteration:
            break
        answer = 0.0 if more and some == 1 else float(some & 1)
    assert search.fewest.bit_count() == 2
    assert search.fewest & 1


def test_more_elements_than_can_be_listed_are_refused():
    with pytest.raises(ValueError, match="17 elements; at most 16"):
        Fewest([0.0] * 17, LEVEL, FORGIVEN)
