from stepaudit.report.page import grids


def texts(names, rows):
    grid = grids.grid(names, rows)
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
    answer = grids.QueryResult(["claim", "answer"])
    assert grids.verdict(answer.answers) == ""
    answer.add([("x", "yes"), ("x", "cannot tell"), ("x", "yes")])
    answer.add([(None, None), ("x", "no")])
    assert grids.verdict(answer.answers) == "In this audit: yes in 2 of 4, no in 1 of 4, cannot tell in 1 of 4."
    other = grids.QueryResult(["model"])
    other.add([("a",)])
    assert grids.verdict(other.answers) == ""


def test_rows_that_come_in_parts_make_the_same_table():
    names = ["method", "ratio", "hit_percent", "hit_percent_low", "reason", "floor"]
    rows = [(f"m{i // 3}", None if i % 3 else 0.5, i / 3, None, None, None) for i in range(grids.MAX_ROWS)]
    rows += [("last", None, None, None, "why", 1)]
    answer = grids.QueryResult(names)
    for start in range(0, len(rows), 7):
        answer.add(rows[start : start + 7])
    assert grids.grid_of(answer) == grids.grid(names, rows)
    assert grids.grid_of(answer).headers == ["method", "ratio", "hit percent", "reason", "floor"]
    assert grids.grid_of(answer).left_out == 1


def test_keys_that_repeat_the_row_above_are_dimmed_but_not_after_a_change():
    rows = [("d", "a", "m", 1), ("d", "a", "m", 2), ("d", "b", "m", 3)]
    styles = [[cell.style for cell in row] for row in grids.grid(["dataset", "model", "method", "clips"], rows).rows]
    assert styles == [
        ["", "", "", "number"],
        ["repeated", "repeated", "repeated", "number"],
        ["repeated", "", "", "number"],
    ]


def test_long_tables_are_cut_and_say_so():
    grid = grids.grid(["x"], [(index,) for index in range(grids.MAX_ROWS + 7)])
    assert (len(grid.rows), grid.left_out) == (grids.MAX_ROWS, 7)


def test_numbers_read_well():
    numbers = [grids.number(-0.5, "gain_points"), grids.number(0.123456), grids.number(12345)]
    assert numbers == ["−0.5", "0.123", "12\u202f345"]


def test_names_filter_and_the_tab_key_stops_at_the_first_of_each():
    names = ["dataset", "model", "other_model", "clips"]
    grid = grids.grid(names, [("d", "a", "b", 1), ("d", "b", "c", 2)])
    cells = [[(cell.filter, cell.name, cell.stop) for cell in row] for row in grid.rows]
    assert cells == [
        [("dataset", "d", True), ("model", "a", True), ("model", "b", True), ("", "", False)],
        [("dataset", "d", False), ("model", "b", False), ("model", "c", True), ("", "", False)],
    ]
    assert grid.marks[1] == {"dataset": "d", "model": "b", "other-model": "c"}
    assert grid.numeric == [False, False, False, True]


def test_a_row_of_a_clip_filters_by_the_clip_s_class_unless_it_names_one():
    answer = grids.QueryResult(["dataset", "clip_id", "label"])
    answer.add([("d", "one", None), ("d", "two", "own"), ("d", "three", None)])
    labels = {("d", "one"): "cat", ("d", "two"): "dog"}
    assert [marks.get("label") for marks in grids.grid_of(answer, labels).marks] == ["cat", "own", None]


def test_rows_are_sorted_by_the_number_and_not_by_its_text():
    row = grids.grid(["x", "share_percent", "y"], [(1234567, 0.04999, float("inf"))]).rows[0]
    assert [cell.value for cell in row] == [1234567, 0.04999, None]
    assert [cell.text for cell in row][:2] == ["1\u202f234\u202f567", "0.0"]


def test_what_is_missing_has_no_value_to_sort_by():
    rows = grids.grid(["x"], [(None,), (0,)]).rows
    assert [row[0].value for row in rows] == [None, 0]
