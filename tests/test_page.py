from stepaudit import page


def texts(names, rows):
    grid = page.grid(names, rows)
    return grid.headers, [[(cell.text, cell.interval) for cell in row] for row in grid.rows]


def test_a_value_and_its_bounds_are_one_cell():
    names = ["model", "hit_percent", "hit_percent_low", "hit_percent_high", "clips"]
    headers, rows = texts(names, [("a", 50.0, 30.25, 69.75, 1200)])
    assert headers == ["model", "hit percent", "clips"]
    assert rows == [[("a", ""), ("50.0", "30.2 to 69.8"), ("1\u202f200", "")]]


def test_a_bound_that_is_not_there_leaves_the_other():
    names = ["median_ratio", "median_ratio_low", "median_ratio_high"]
    assert texts(names, [(0.2, 0.1, None), (0.2, None, 0.3), (0.2, None, None)])[1] == [
        [("0.200", "≥ 0.100")],
        [("0.200", "≤ 0.300")],
        [("0.200", "")],
    ]


def test_a_row_with_a_reason_shows_the_paper_s_slash_where_it_has_no_value():
    names = ["method", "ratio", "hit_percent", "hit_percent_low", "hit_percent_high", "reason"]
    rows = [("a", None, None, None, None, "not_applicable: x"), ("b", 0.1, 50.0, 40.0, 60.0, None)]
    assert [[text for text, _ in row] for row in texts(names, rows)[1]] == [
        ["a", "–", "/", "not_applicable: x"],
        ["b", "0.1", "50.0", ""],
    ]


def test_without_reasons_there_is_no_such_column():
    assert texts(["method", "reason"], [("a", None)])[0] == ["method"]


def test_a_column_without_any_value_is_left_out_unless_it_has_an_interval():
    names = ["method", "hit_percent", "hit_percent_low", "center_percent", "prior_percent", "reason"]
    headers, rows = texts(names, [("a", None, None, 30.0, None, "bad_video: x"), ("b", None, None, None, None, None)])
    assert headers == ["method", "hit percent", "center percent", "reason"]
    assert [[text for text, _ in row] for row in rows] == [["a", "/", "30.0", "bad_video: x"], ["b", "", "–", ""]]


def test_answers_to_a_claim_become_a_sentence():
    answer = page.Answer(["claim", "answer"])
    assert page.verdict(answer.answers) == ""
    answer.add([("x", "yes"), ("x", "cannot tell"), ("x", "yes")])
    answer.add([(None, None), ("x", "no")])
    assert page.verdict(answer.answers) == "In this audit: yes in 2 of 4, no in 1 of 4, cannot tell in 1 of 4."
    other = page.Answer(["model"])
    other.add([("a",)])
    assert page.verdict(other.answers) == ""


def test_rows_that_come_in_parts_make_the_same_table():
    names = ["method", "ratio", "hit_percent", "hit_percent_low", "reason", "floor"]
    rows = [(f"m{i // 3}", None if i % 3 else 0.5, i / 3, None, None, None) for i in range(page.MAX_ROWS)]
    rows += [("last", None, None, None, "why", 1)]
    answer = page.Answer(names)
    for start in range(0, len(rows), 7):
        answer.add(rows[start : start + 7])
    assert page.grid_of(answer) == page.grid(names, rows)
    assert page.grid_of(answer).headers == ["method", "ratio", "hit percent", "reason", "floor"]
    assert page.grid_of(answer).left_out == 1


def test_keys_that_repeat_the_row_above_are_dimmed_but_not_after_a_change():
    rows = [("d", "a", "m", 1), ("d", "a", "m", 2), ("d", "b", "m", 3)]
    styles = [[cell.style for cell in row] for row in page.grid(["dataset", "model", "method", "clips"], rows).rows]
    assert styles == [["", "", "", "number"], ["same", "same", "same", "number"], ["same", "", "", "number"]]


def test_long_tables_are_cut_and_say_so():
    grid = page.grid(["x"], [(index,) for index in range(page.MAX_ROWS + 7)])
    assert (len(grid.rows), grid.left_out) == (page.MAX_ROWS, 7)


def test_numbers_and_durations_read_well():
    numbers = [page.number(-0.5, "gain_points"), page.number(0.123456), page.number(12345)]
    assert numbers == ["−0.5", "0.123", "12\u202f345"]
    durations = [page.duration(seconds) for seconds in (4.46, 59.99, 200, 7500)]
    assert durations == ["4.5 s", "1 min 00 s", "3 min 20 s", "2 h 05 min"]
