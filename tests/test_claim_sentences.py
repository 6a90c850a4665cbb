"""Every claim of the page, `explain` and `compare`: on an audit where it must be said, and where it must not.

`CLAIMS` lists them, each by words of it that no other sentence has. A sentence in the source that the list lacks fails.
"""

import ast
import re
from dataclasses import fields
from functools import cache
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import duckdb
import mask_classes
import numpy as np
import pytest
import torch
from compared_audits import answer, audit, clip_rows, map_row, mass, search
from known_answer import Cuboid, model_for
from mask_classes import NO_PLACE, made
from test_conclusions import LEFT, LESS, MORE, RIGHT, searches
from tiny_audit import clips, write_audit

from stepaudit.audit import config, registry
from stepaudit.audit.sections import Clips
from stepaudit.commands.compare import command, examples, pair
from stepaudit.commands.compare import findings as compare_findings
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.commands.explain import arguments, explanation, need_sentences
from stepaudit.commands.explain import command as explain
from stepaudit.commands.explain.clip_report import ClipReport
from stepaudit.extremal.answers import Answer, Control, Mask, Readings
from stepaudit.extremal.sweep import Snapshot
from stepaudit.report import build_database
from stepaudit.report.page import answer_texts, conclusions, gallery_cards, grids, kind_texts, need_texts, summary
from stepaudit.store import database

PACKAGE = Path(build_database.__file__).parents[1]
CUBOID = Cuboid((2, 6), (8, 20), (8, 20))
PAIR = {"conv": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}
THREE = {**PAIR, "slow": {"use": "r3d_18"}}
LOOKERS = {"r3d": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}
TWO_SETS = {"planted": {"root": "data"}, "more": {"use": "planted", "root": "data"}}
NAN = {"status": "non_finite", "error": "NaN"}
BROKEN = {"status": "bad_video", "error": "no video"}
READ = (*conclusions.READ, "coverage", "failures", "gallery_choices", "evidence_clips")


def page_text(folder):
    """Claims of the page's first screen, reasons of its gallery, and reasons of masks."""
    loaded = config.load(folder / "config.yaml")
    build_database.create(folder, loaded, READ)
    with database.connect(folder) as connection:
        findings = conclusions.conclusions(connection, loaded)
        reasons = database.fetch(
            connection, "select because from gallery_choices union all from evidence_clips select because"
        )
        gains = grids.QueryResult(["answer"])
        gains.add(database.fetch(connection, "select answer from method_gains")[1])
        return "\n".join([
            grids.verdict(gains.answers),
            summary.headline(connection, loaded),
            *(notice.text for notice in summary.notices(connection)),
            *(text for finding in findings for text in (finding.lead, finding.numbers)),
            *filter(None, chain.from_iterable(reasons[1])),
        ])  # fmt: skip


def needs(folder, pairs, models=PAIR, wrong=(), bound="probability"):
    """Searches of two models, or of the first; clips in `wrong` get another answer than the target."""
    names = [f"c{index}" for index in range(len(pairs))]
    rows = [row | {"bound": bound} for row in searches(pairs) if row["model"] in models]
    predictions = [{"clip_id": name, "model": model, "rank": 1 + (name in wrong)} for name in names for model in models]
    tables = {**clips(*names), "preservation": rows, "predictions": predictions}
    preserve = {"methods": ["step"], "share": 0.5, "bounds": [bound]}
    return page_text(write_audit(folder, tables, models=models, preserve=preserve))


def estimate(model="conv", need=0.17, ends=(0.12, 0.25), vacuous=0.0, excess=(2, 1, 3), other=(1, 0.5, 1.5), **changes):
    """A row of `need_estimates` of twenty clips, with its verdict; controls in octaves, with their ends."""
    row = {"dataset": "d", "model": model, "clips": 20, "vacuous": vacuous, "need": need, "need_clips": 15}
    row |= {"target": "label", "labelled": 20}
    row |= dict(zip(("need_low", "need_high"), ends, strict=True)) | {"verdict": None}
    for name, values in (("excess", excess), ("specificity", other)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    return row | changes


def apart(times, p=0.01, ends=(1.5, 2.4), one="conv", other="rnn", clips=12):
    """A row of `need_comparisons`."""
    ends = dict(zip(("times_low", "times_high"), ends, strict=True))
    return {
        "dataset": "d",
        "model": one,
        "other_model": other,
        "times": times,
        "holm_p": p,
        "times_clips": clips,
    } | ends


def models_need(*rows, pairs=()):
    finding = need_texts.need_pairs_finding(pairs, rows) if pairs else need_texts.needs_finding(rows)
    return f"{finding.lead}\n{finding.numbers}"


def kinds(rows=2, outcome="wrong answers", more=(80.0, 60.0, 95.0), **changes):
    """Sentences on dark and bright clips of one model, the rows of `kinds_of_clips` being alike."""
    row = {"dataset": "d", "model": "conv", "outcome": outcome, "property": "brightness", "clips": 20, "videos": 9}
    row |= {"less_percent": 20.0, "less_percent_low": 8.0, "less_percent_high": 35.0, "answer": "yes"}
    row |= dict(zip(("more_percent", "more_percent_low", "more_percent_high"), more, strict=True)) | changes
    return _words(kind_texts.kinds_finding([row] * rows))


def cues(rows=2, auc=90.0, **changes):
    """Sentences on a class that has wider borders than the others."""
    row = {"dataset": "d", "label": "run", "property": "borders", "clips": 9, "videos": 5, "auc_percent": auc}
    return _words(kind_texts.cues_finding([row | {"answer": "yes"} | changes] * rows))


def _words(finding):
    return f"{finding.lead}\n{finding.numbers}" if finding else ""


def overview(model="conv", right=(92.0, 75.0, 97.8), same=(24.0, 11.5, 43.4), on_box=(6.0, 5.0, 7.0), **changes):
    """A row of `model_overview` of 25 clips, with its accuracy on validation clips; percents with their ends."""
    row = {"dataset": "d", "model": model, "clips": 25, "commonest_class_percent": 28.0, "by_chance_percent": 26.0}
    row |= {"blurred_clips": 25, "validation_percent": 100.0, "validation_percent_low": 96.2}
    for name, values in (("top1_percent", right), ("same_when_blurred_percent", same), ("on_box_times", on_box)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    return row | changes


def models_answer(*rows):
    findings = filter(None, (answer_texts.guesses_finding(rows), answer_texts.blurred_finding(rows)))
    return "\n".join(text for finding in findings for text in (finding.lead, finding.numbers))


def in_orders(model="conv", **changes):
    """Rows of `time_use`: points of change in each order of the frames, with an interval of one point either way."""
    rows = []
    for order, points in changes.items():
        low, high = max(0.0, points - 1), points + 1
        answer = "yes" if low > 5 else "no" if high < 5 else "cannot tell"
        ends = {"change_points": points, "change_points_low": low, "change_points_high": high, "clips": 24}
        rows.append({"dataset": "d", "model": model, "frame_order": order, "answer": answer} | ends)
    return rows


def use_of_time(*models):
    return _words(answer_texts.frame_orders_finding([row for rows in models for row in rows]))


STILL = {"shuffled": 1.0, "reversed": 0.5, "frozen": 2.0}


def precise(low, **changes):
    """A row of `label_precision`: the mean over labels of one model on 25 clips."""
    row = {"dataset": "d", "model": "conv", "label": None, "clips": 25, "average_precision_percent": 60.0}
    return row | {
        "average_precision_percent_low": low,
        "average_precision_percent_high": 80.0,
        "chance_percent": 40.0,
        **changes,
    }


def off(gain, **changes):
    """A row of `value_errors` of one model on 9 videos; `gain` with its ends."""
    row = {"dataset": "d", "model": "conv", "videos": 9, "error": 4.25, "mean_error": 4.5}
    return row | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True)) | changes


GUESSES = {"right": (24.0, 11.5, 43.4)}
SAME = {"same": (100.0, 86.7, 100.0), "by_chance_percent": 50.1}
NO_EVIDENCE = "no localised evidence"
RNN = estimate("rnn")


def pointing(folder, hits, metric="spatial_pointing", **changes):
    """Methods that hit on so many of twenty clips, by method, ratio and perhaps model."""
    names = [f"c{index:02}" for index in range(20)]
    frame = 0 if metric == "spatial_pointing" else None
    scores = [
        {"clip_id": name, "method": method, "ratio": ratio, "frame": frame, "metric": metric, "value": float(index < n),
         "model": (*model, "r3d")[0]}
        for (method, ratio, *model), n in hits.items()
        for index, name in enumerate(names)
    ]  # fmt: skip
    return page_text(write_audit(folder, {**clips(*names), "scores": scores}, **changes))


STEP, MIDDLE, NOISE = ("step", 0.1), ("middle", None), ("noise", None)
RATIOS = {"step": {"ratios": [0.1, 0.2]}, "middle": {"use": "center"}}


def masks(folder, parts, kept=0.9):
    return page_text(mask_classes.written(folder, parts, kept=kept))


NOT_ANNOTATED = {"inside": NO_PLACE, "outside": NO_PLACE, "annotated": NO_PLACE}
DECOY = {"inside": 0.39, "outside": 0.3}  # 61 % of the mask lies elsewhere, and without the rest the target is lost
OLD = {name: value for name, value in made().items() if not name.startswith("peer")}


def sanity(folder, ranks, randomise=1.0):
    """Rank correlations with the trained model's maps, by method, on twenty-one clips."""
    names = [f"c{index:02}" for index in range(21)]
    rows = [
        {"clip_id": name, "model": "control", "method": method, "metric": "similarity.model.rank", **fate}
        for method, value in ranks.items()
        for name in names
        for fate in [{"status": "no_peak", "error": "constant"} if value is None else {"value": value}]
    ]
    models = {"r3d": {"use": "r2plus1d_18"}, "control": {"of": "r3d", "randomise": randomise}}
    tables = {**clips(*names), "scores": rows}
    changes = {"methods": {name: {"use": "gradient"} for name in ranks}, "metrics": {"similarity": {}}}
    return page_text(write_audit(folder, tables, models=models, **changes))


def of_videos(folder, trained, **tested):
    """Test clips of a video each, and a training clip of another."""
    tables = {table: rows + clips("x", split="train")[table] for table, rows in clips(*tested).items()}
    for row in tables["segments"]:
        row["video_id"] = tested.get(row["clip_id"], trained)
    return page_text(write_audit(folder, tables))


def looking_alike(folder, *names, label="a"):
    """Three test clips, of which those named show what two training clips show, the second of a class."""
    tables = {table: rows + clips("x", "y", split="train")[table] for table, rows in clips("a", "b", "c").items()}
    scenes = dict(zip("abcxy", np.random.default_rng(0).integers(0, 256, (5, 8, 16, 16), np.uint8), strict=True))
    for row in tables["clips"]:
        row["small_frames"] = scenes["x" if row["clip_id"] in (*names, "y") else row["clip_id"]].tobytes()
        row["label"] = label if row["clip_id"] == "y" else "a"
    for row in tables["segments"]:
        row["video_id"] = row["clip_id"]
    return page_text(write_audit(folder, tables))


def answering(folder, answers, spread=0.2):
    """Test clips of two classes in turn, and the answers to them, with probabilities that differ by `spread`."""
    names = [f"c{index:02}" for index in range(len(answers))]
    tables = clips(*names)
    for table in ("segments", "clips"):
        tables[table] = [
            row | {"label": "ab"[place % 2], "target": place % 2} for place, row in enumerate(tables[table])
        ]
    tables["predictions"] = [
        {"clip_id": name, "label": "ab"[place % 2], "target": place % 2, "rank": 1 + (place % 2 != answer),
         "probabilities": [0.5 + spread * (0.5 - answer), 0.5 - spread * (0.5 - answer)]}
        for place, (name, answer) in enumerate(zip(names, answers, strict=True))
    ]  # fmt: skip
    return page_text(write_audit(folder, tables))


def failing(folder, *, test=(), train=(), maps=(), all_maps=(), floor_only=()):
    """Four test clips and two for training; those named fail when cut, or in one method or all."""
    names, trained = ("a", "b", "c", "d"), ("x", "y")
    tables = {table: rows + clips(*trained, split="train")[table] for table, rows in clips(*names).items()}
    for row in tables["clips"]:
        row |= BROKEN if row["clip_id"] in (*test, *train) else {}
    keys = [
        {"clip_id": name, "method": method, "ratio": ratio}
        for name in names
        if name not in test
        for method, ratio in (("step", 0.1), ("step", 0.2), ("middle", None))
    ]
    lost = {(name, 0.1) for name in maps} | {(name, ratio) for name in all_maps for ratio in (0.1, 0.2)}
    keys = [key for key in keys if key["clip_id"] not in floor_only or key["method"] == "middle"]
    tables["maps"] = [key | (NAN if (key["clip_id"], key["ratio"]) in lost else {}) for key in keys]
    return page_text(write_audit(folder, tables, methods=RATIOS))


def finished(folder, *, hash_of_runs, all_rows=True):
    """Two clips of a model and a method; a job of this or another configuration."""
    predictions = [{"clip_id": name, "rank": 1} for name in "ab"]
    rows = {**clips("a", "b"), "predictions": predictions, "maps": [{"clip_id": name, "ratio": 0.1} for name in "ab"]}
    rows["maps"] = rows["maps"] if all_rows else rows["maps"][:1]
    made_audit = write_audit(folder, rows, methods={"step": {"ratios": [0.1]}})
    ran = config.load(made_audit / "config.yaml").hash if hash_of_runs == "own" else "0"
    rows["runs"] = [{"keys": "{}", "config_hash": ran}]
    return page_text(write_audit(folder, rows, methods={"step": {"ratios": [0.1]}}))


def compared(folder, a, b, more_of_b=None, version=None, lost=None, **changes_of_b):
    """Output of `compare` for two audits of ten clips; `more_of_b`: further clips of B; `lost`: a file of A."""
    names = [f"c{index}" for index in range(10)]
    last = audit(folder, "last", clip_rows(names) | a)
    this = audit(folder, "this", clip_rows([*names, *(more_of_b or ())]) | b, **changes_of_b)
    if version:
        with duckdb.connect(this / "audit.duckdb") as connection:
            connection.execute("update audit set stepaudit = ?", [version])
    if lost:
        (last / lost).unlink()
    return command.run(str(last), str(this))[0]


def finished_pair(folder):
    """Two audits of which no row is missing."""
    changes = {"methods": {"center": {}}, "metrics": {}, "preserve": {}}
    rows = clip_rows(["one"])
    rows["segments"].pop()  # another class, without a clip
    rows |= {"predictions": [answer("one", 0.9)], "maps": [map_row("one", GRID, method="center")]}
    return command.run(*(str(audit(folder, name, rows, **changes)) for name in ("last", "this")))[0]


def sizes_apart(folder):
    """Two models of an audit, of which one takes larger clips."""
    models = {"conv": {"use": "r2plus1d_18"}, "large": {"use": "vgg16_lstm", "clips": {"height": 24, "width": 24}}}
    rows = clip_rows(["one"])
    larger = {"size": "16x24x24", "height": 24, "width": 24, "sha256": "larger", "pixels": bytes(16 * 24 * 24 * 3)}
    rows["clips"].append({**rows["clips"][0], **larger})
    return command.run(f"{audit(folder, 'both', rows, models=models)}:conv", ":large")[0]


def answers(*right):
    return {"predictions": [answer(f"c{index}", 0.9, right=index in right) for index in range(10)]}


def need_found(value, low, high, p, nothing=(0.1, 0.25)):
    """The finding of `compare` on twelve clips that need something in both."""
    a, b = nothing or (None, None)
    reason = None if value else "no clip needs something in both"
    times = Quantity("need_times", ("ep3d",), value, low, high, p=p, clips=12, reason=reason)
    return compare_findings._need_factor_text(times, Quantity("needless_increase", ("ep3d",), a=a, b=b, clips=20))


def one_search(bracket):
    return {"preservation": [search(f"c{index}", bracket) for index in range(10)]}


def masses(value):
    return {"scores": [mass(f"c{index}", value + index / 100) for index in range(10)]}


GRID = [[[0.0, 0.25], [0.5, 1.0]]]
PRESERVE = {"methods": ["ep3d"], "bounds": ["probability"]}


def notes(method, **given):
    """Notes of `explain` before the method runs."""
    unset = dict.fromkeys(field.name for field in fields(arguments.Request))
    request = arguments.Request(**unset | {"method": method, "options": {}, "ratio": 0.05, "seed": 0} | given)
    component = registry.find("methods", method)
    options = (arguments.quick_options(component) if request.quick else {}) | request.options
    return "\n".join(explain._notes(component, options, request, Clips()))


def need_notes(background):
    """Notes of `explain --need` before the search runs."""
    return "\n".join(explain._notes_on_need(SimpleNamespace(background=background)))


def kept(method, network, **options):
    """Sentences of `explain` on the part of the clip that is kept."""
    clip = torch.rand(1, 3, 8, 32, 32)
    result = explanation.explained(network, clip, None, [0.25], method=method, options=options)
    return "kept: " + ClipReport("c", {}, "m", "m", ["a", "b"], result).kept_part


def piece(volume, share):
    return Mask(Snapshot(torch.zeros(1, 1, 1), volume), volume, 1.0, share, share)


def one_clip(kept, others=((0.9, 0.1),), probability=0.9, empty=0.1, of_other=0.1, **changes):
    """Sentences of `explain --need`: volumes and kept shares of masks for the class, and for the other one."""
    fills = {"blur": empty, "grey": 0.1}
    asks = [name for name, value in fills.items() if probability - value >= 0.1]
    own = Answer(probability, probability, fills, asks, [piece(*each) for each in kept], **changes)
    asked = ["blur"] if probability - of_other >= 0.1 else []
    other = Answer(0.05, probability, {"blur": of_other}, asked, [piece(*each) for each in others])
    return "\n".join(need_sentences.sentences(own, "surfing", other, "rowing", "3 of 16 frames"))


def read(kept=((0.3, 1.0), (0.1, 0.2)), **found):
    """Sentences of `explain --need` with further readings."""
    return one_clip(list(kept), readings=Readings(**found))


def random_at(volume):
    """Random pieces of which those of this volume and the larger ones keep everything."""
    volumes = [0.05, 0.65, 0.9]
    return Control(volumes, [float(each >= volume) for each in volumes])


class Blind(torch.nn.Module):
    """A network whose answer does not depend on the clip."""

    def forward(self, clips):
        return 0 * clips.mean(dim=(2, 3, 4))[:, :2]


def card(
    in_action=None, rank=1, names=None, ratio=0.1, volume=0.12, kept=0.8, readings=(None,) * 3, bound="probability"
):
    """The facts of a clip, a model and a map on a card of the gallery."""
    prediction = {
        "model": "m",
        "status": "ok",
        "target_probability": 0.9,
        "rank": rank,
        "dataset": "d",
        "predicted": None,
        "label": "a",
        "output": None,
        "gives": None,
    }
    prediction["probabilities"] = [0.1, 0.9] if names else None
    found = {"model": "m", "need": "10 %", "method": "step", "bound": bound}
    key = ("d", "c")
    sources = SimpleNamespace(predictions={key: [prediction]}, names=names, searches={key: [found] if ratio else []})
    clip = {"frames": [0, 10, 20], "in_action": in_action}
    map_of = {"ratio": ratio, "volume": volume, "shown": 0.34, "crispness": 0.21}
    facts = (
        *gallery_cards._clip_facts([clip]),
        *gallery_cards._answers("m", sources, key),
        *gallery_cards._map_facts(map_of | {"kept_probability": kept}),
        *gallery_cards._reading_facts(dict(zip(("fewest_frames", "tube", "disjoint_pieces"), readings, strict=True))),
    )
    return "\n".join(facts)


def differing(ranks=(1, 1), ratios=(0.1, 0.3), censored=(None, None), outcome="more", likeness=0.5):
    """The facts of a clip on the page of a comparison, and the rules that choose it."""
    found = {f"{side}_{name}": value for name, values in (("ratio", ratios), ("censored", censored))
             for side, value in zip("ab", values, strict=True)}  # fmt: skip
    row = {"clip_id": "c", "label": "x", "a_answer": "y", "b_answer": "y", "a_probability": 0.9, "b_probability": 0.5}
    row |= {"a_rank": ranks[0], "b_rank": ranks[1], "searches": {"step probability": found | {"outcome": outcome}}}
    row |= {"likeness": {"step": {"rank": likeness}}}
    return "\n".join([*examples.facts(row), *(why for rows, why in examples._rules([row]) if rows)])


def left_out(first, second, sizes=("s", "s")):
    """The reason why a clip is not compared; status, pixels and label of it by size on either side."""
    rows = [
        {size: dict(zip(("status", "sha256", "label"), values, strict=True)) for size, values in side.items()}
        for side in (first, second)
    ]
    return pair._difference(*rows, sizes)


GOOD, LOST = {"s": ("ok", "1", "x")}, {"s": ("bad_video", None, "x")}
AUDITS = {
    "a guess": lambda _: models_answer(overview(**GUESSES), overview("rnn")),
    "random labels": lambda _: _words(answer_texts.labels_finding([precise(31.0), precise(45.0, model="rnn")])),
    "known labels": lambda _: _words(answer_texts.labels_finding([precise(45.0), precise(None)])),
    "no better than the mean": lambda _: _words(answer_texts.values_finding([off((0.25, -0.5, 1.0))])),
    "better than the mean": lambda _: _words(
        answer_texts.values_finding([off((2.0, 0.5, 3.5)), off((1.0, None, None))])
    ),
    "no guess": lambda _: models_answer(overview(), overview("rnn")),
    "guesses": lambda _: models_answer(overview(**GUESSES), overview("rnn", dataset="e", **GUESSES)),
    "a guess from the start": lambda _: models_answer(overview(**GUESSES, validation_percent_low=20.0)),
    "blurred alike": lambda _: models_answer(overview(**SAME, on_box=(1.41, 0.9, 1.91)), overview("rnn")),
    "two blurred alike": lambda _: models_answer(overview(**SAME), overview("rnn", **SAME)),
    "always one class": lambda _: models_answer(overview(**SAME | {"by_chance_percent": 100.0})),
    "still": lambda _: use_of_time(in_orders(**STILL), in_orders("rnn", shuffled=30.0, reversed=2.0, frozen=44.0)),
    "two still": lambda _: use_of_time(in_orders(**STILL), in_orders("rnn", **STILL)),
    "still but for motion": lambda _: use_of_time(in_orders(shuffled=1.0, reversed=0.5, frozen=20.0)),
    "uses time": lambda _: use_of_time(in_orders(shuffled=30.0, reversed=0.5, frozen=44.0)),
    "bright clips": lambda _: kinds(),
    "dark clips": lambda _: kinds(more=(5.0, None, None), rows=4),
    "bright clips off the object": lambda _: kinds(outcome="map on the object", more=(5.0, 1.0, 9.0)),
    "no kind of clips": lambda _: kinds(answer="cannot tell"),
    "recognised by its borders": lambda _: cues(),
    "recognised by having none": lambda _: cues(rows=1, auc=10.0),
    "no class is recognised": lambda _: cues(answer="cannot tell"),
    "decided": lambda at: needs(at, [(LESS, MORE)] * 9 + [(LEFT, LEFT)], wrong=("c0", "c1")),
    "equal": lambda at: needs(at, [(LESS, LESS)] * 6),
    "one": lambda at: needs(at, [(LESS, LESS)] * 3, {"conv": PAIR["conv"]}),
    "left": lambda at: needs(at, [(LEFT, LEFT)] * 3, {"conv": PAIR["conv"]}),
    "right": lambda at: needs(at, [(RIGHT, RIGHT)] * 3, {"conv": PAIR["conv"]}),
    "a model": lambda _: models_need(estimate(vacuous=0.25)),
    "few clips": lambda _: models_need(estimate(ends=(None, None), other=(None, None, None))),
    "all nothing": lambda _: models_need(estimate(need=None, vacuous=1.0)),
    "no evidence": lambda _: models_need(estimate(excess=(0.1, -0.2, 0.4), verdict=NO_EVIDENCE)),
    "cheap runner-up": lambda _: models_need(estimate(other=(0.1, -1, 1), verdict=NO_EVIDENCE)),
    "two data sets": lambda _: models_need(estimate(), estimate(dataset="e")),
    "two models": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9)]),
    "answers": lambda _: models_need(estimate(target="predicted"), RNN | {"target": "predicted"}, pairs=[apart(1.9)]),
    "answers without labels": lambda _: models_need(estimate(labelled=0)),
    "answers on one of two": lambda _: models_need(estimate(), estimate(dataset="e", labelled=0)),
    "two undecided": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9, 0.2, (0.8, 4.0))]),
    "the other way": lambda _: models_need(estimate(), RNN, pairs=[apart(0.5, 0.0001, (0.4, 0.64))]),
    "one common clip": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9, None, (None, None), clips=1)]),
    "no common clip": lambda _: models_need(estimate(), RNN, pairs=[apart(None, None, (None, None), clips=0)]),
    "three alike": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9, 0.2), apart(1.1, 0.8, other="x")]),
    "three models": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9), apart(1.5, other="x")]),
    "one pair of two": lambda _: models_need(estimate(), RNN, pairs=[apart(1.9), apart(1.1, 0.4, other="x")]),
    "one pair of five": lambda _: models_need(
        estimate(), RNN, pairs=[apart(1.9), *(apart(1.1, 0.4, other=name) for name in "wxyz")]
    ),
    "four models": lambda _: models_need(*(estimate(name) for name in "abcd")),
    "one without evidence": lambda _: models_need(estimate(), RNN | {"verdict": NO_EVIDENCE}, pairs=[apart(1.9)]),
    "above": lambda at: pointing(at, {STEP: 19, MIDDLE: 4, NOISE: 2}),
    "mass above": lambda at: pointing(at, {STEP: 19, MIDDLE: 4, NOISE: 2}, metric="mass_in_box"),
    "below": lambda at: pointing(at, {STEP: 4, MIDDLE: 18}),
    "above and below": lambda at: pointing(at, {STEP: 19, ("step", 0.2): 1, MIDDLE: 10}, methods=RATIOS),
    "one ratio": lambda at: pointing(at, {STEP: 19, ("step", 0.2): 5, MIDDLE: 4}, methods=RATIOS),
    "no floor": lambda at: pointing(at, {STEP: 19}, methods={"step": {"ratios": [0.1]}}),
    "moment": lambda at: pointing(at, {STEP: 19, MIDDLE: 4}, "temporal_pointing"),
    "masks": lambda at: masks(at, {
        "a": made(), "b": made(**DECOY), "c": made(shift=0.1), "d": made(empty__blur=0.8), "e": made(),
        "f": made(inside=0.1, outside=0.8), "g": made(random=0.6), "h": made(**NOT_ANNOTATED),
    }, kept=dict.fromkeys("abcdfgh", 0.9) | {"e": 0.1}),
    "no annotation": lambda at: masks(at, {"a": made(**NOT_ANNOTATED), "b": made(**NOT_ANNOTATED, shift=0.1)}),
    "whole annotation": lambda at: masks(at, {"a": made(inside=1.0, annotated=1.0, outside=0.05)}),
    "inside": lambda at: masks(at, {name: made(outside=0.6) for name in "abcd"}),
    "decoy": lambda at: masks(at, {name: made(**DECOY) for name in "abcd"}),
    "vacuous": lambda at: masks(at, {"a": made(empty__blur=0.8)}),
    "unmeasured": lambda at: masks(at, {"a": made(), "b": NO_PLACE}),
    "alone": lambda at: masks(at, {
        "a": OLD | {"inside": 0.1, "outside": 0.8}, "b": OLD | {"clip": 0.3, "rival_clip": 0.6},
    }),
    "rare": lambda at: masks(at, {
        "a": made(inside=0.1, outside=0.8, peer__p=0.3),
        "b": made(clip=0.3, rival_clip=0.6, peer__p=0.4),
        "c": made(hard__blur=0.1),
        "d": made(soft__fade=0.1, soft__noise=0.1, soft__freeze=0.1),
    }),
    "random": lambda at: sanity(at, {"grad": 0.1, "other": 0.2}),
    "half random": lambda at: sanity(at, {"grad": 0.1}, 0.5),
    "same": lambda at: sanity(at, {"grad": 0.1, "other": 0.9}),
    "same at half": lambda at: sanity(at, {"grad": 0.9}, 0.5),
    "constant": lambda at: sanity(at, {"grad": None}),
    "fine": lambda at: failing(at),
    "bad training clip": lambda at: failing(at, train="xy"),
    "bad test clip": lambda at: failing(at, test="a"),
    "bad map": lambda at: failing(at, maps="b"),
    "bad clip and map": lambda at: failing(at, test="a", maps="b"),
    "no map": lambda at: failing(at, all_maps="c"),
    "floors alone": lambda at: failing(at, floor_only="abcd"),
    "apart": lambda at: looking_alike(at),
    "video in both": lambda at: of_videos(at, "v", a="v", b="w", c="v"),
    "clip in both": lambda at: of_videos(at, "v", a="u", b="v"),
    "videos apart": lambda at: of_videos(at, "v", a="u", b="w"),
    "two alike": lambda at: looking_alike(at, "b", "c"),
    "like two classes": lambda at: looking_alike(at, "b", label="other"),
    "one alike": lambda at: looking_alike(at, "b"),
    "classes moved": lambda at: answering(at, [1, 0] * 11 + [0, 1]),
    "classes in order": lambda at: answering(at, [0, 1] * 12),
    "one class for all": lambda at: answering(at, [1] * 24),
    "few clips moved": lambda at: answering(at, [1, 0] * 9),
    "same answers": lambda at: answering(at, [1] * 4, spread=0.0),
    "finished": lambda at: finished(at, hash_of_runs="own"),
    "unfinished": lambda at: finished(at, hash_of_runs="other", all_rows=False),
    "look apart": lambda at: pointing(at, {STEP: 19, ("step", 0.1, "rnn"): 2, MIDDLE: 4}, models=LOOKERS),
    "nothing cut": lambda at: failing(at, test="abcd"),
    "worse": lambda at: compared(at, answers(*range(10)), answers(0)),
    "better": lambda at: compared(at, answers(0), answers(*range(10))),
    "other classes": lambda at: compared(at, answers(*range(7)), answers(*range(7)), target="predicted"),
    "one model": lambda at: compared(at, answers(0, 1), answers(0, 1)),
    "not predicted": lambda at: compared(at, {}, {}),
    "B needs double": lambda _: need_found(2.0, 1.5, 2.6, 0.01),
    "B needs half": lambda _: need_found(0.5, 0.4, 0.7, 0.01, nothing=None),
    "B needs as much": lambda _: need_found(1.1, 0.8, 1.4, 0.4),
    "need of one clip": lambda _: need_found(2.0, None, None, None),
    "no need in both": lambda _: need_found(None, None, None, None),
    "needs more": lambda at: compared(at, one_search(LESS), one_search(MORE)),
    "needs less": lambda at: compared(at, one_search(MORE), one_search(LESS)),
    "all ended": lambda at: compared(at, one_search(LEFT), one_search(LEFT)),
    "metrics": lambda at: compared(at, masses(0.1), masses(0.8)),
    "other share": lambda at: compared(at, {}, {}, preserve={**PRESERVE, "share": 0.5}),
    "other grid": lambda at: compared(at, {}, {}, preserve={**PRESERVE, "grid": [0.1, 0.3]}),
    "other method": lambda at: compared(
        at, {}, {}, methods={"ep3d": {"ratios": [0.1]}, "grad_cam": {"target": "runner_up"}, "center": {}}
    ),
    "other precision": lambda at: compared(at, {}, {}, precision="bfloat16"),
    "other version": lambda at: compared(at, {}, {}, version="0.0.1"),
    "no configuration": lambda at: compared(at, {}, {}, lost="config.yaml"),
    "more clips": lambda at: compared(at, {}, {}, more_of_b=["new"]),
    "nothing missing": finished_pair,
    "sizes apart": sizes_apart,
    "other map classes": lambda at: compared(
        at, {"maps": [map_row("c0", GRID, target_name="x")]}, {"maps": [map_row("c0", GRID, target_name="y")]}
    ),
    "maps": lambda at: compared(
        at, {"maps": [map_row("c0", GRID)]}, {"maps": [map_row("c0", GRID)], "predictions": [answer("c1", 0.9, **NAN)]}
    ),
    "card": lambda at: card(),
    "card of an action": lambda at: card([True, False, True], rank=2, ratio=None, kept=None, readings=([2], None, 1)),
    "card of a need": lambda _: card(bound="sufficiency"),
    "card of another class": lambda at: card(rank=2, names={("d", 1): "b"}, readings=([2, 4], 0.4, 2)),
    "newly wrong": lambda at: differing((1, 2)),
    "newly right": lambda at: differing((2, 1), (0.3, 0.02), (None, "left"), "less", 0.9999),
    "unlike": lambda at: differing(ratios=(0.1, 0.7), censored=(None, "right")),
    "only in A": lambda at: left_out(GOOD, {}),
    "lost in B": lambda at: left_out(GOOD, LOST),
    "lost in both": lambda at: left_out(LOST, LOST),
    "other sizes": lambda at: left_out(GOOD, {"t": GOOD["s"]}, ("s", "t")),
    "other pixels": lambda at: left_out(GOOD, {"s": ("ok", "2", "x")}),
    "other label": lambda at: left_out(GOOD, {"s": ("ok", "1", "y")}),
    "quick": lambda at: notes("step", quick=True),
    "overruled": lambda at: notes("step", quick=True, options={"iterations": 2, "schedule": "short"}),
    "unhurried": lambda at: notes("step"),
    "one frame": lambda _: read(frames=[3], frames_lower=0, tube=0.4, tube_lower=0.35, pieces=1),
    "frames": lambda _: read(frames=[3, 5], frames_lower=1, pieces=2),
    "some frames": lambda _: read(frames=[1, 3, 5, 6], frames_lower=2, tube=1.0, tube_lower=0.8),
    "hasty": lambda _: read(frames=[3, 5], frames_lower=0, tube=0.4, pieces=5),
    "no piece": lambda _: read([(0.85, 0.1)], pieces=1),
    "needs a piece, without gradients": lambda _: one_clip([(0.3, 1.0), (0.1, 0.2)], search="tubelets"),
    "needs a piece": lambda _: one_clip([(0.13, 0.2), (0.17, 0.6), (0.3, 0.95)], random=random_at(0.65)),
    "needs any piece": lambda _: one_clip([(0.17, 0.95)], [(0.1, 0.6)], empty=0.85, random=random_at(0.05)),
    "needs the whole": lambda _: one_clip([(0.85, 0.2)], of_other=0.85, random=random_at(1)),
    "needs the other's half": lambda _: one_clip([(0.13, 0.2), (0.17, 0.6)], [(0.34, 0.7)], random=random_at(1)),
    "needs nothing": lambda _: one_clip([], probability=0.15),
    "has nothing": lambda _: one_clip([], probability=0.04),
    "without a video behind": lambda _: need_notes(None),
    "with a video behind": lambda _: need_notes(Path("x.mp4")),
    "kept by a mask": lambda at: kept("ep3d", model_for(CUBOID), iterations=2),
    "kept by rank": lambda at: kept("center", model_for(CUBOID)),
    "kept at random": lambda at: kept("gradient", Blind()),
}  # fmt: skip

SAID = [  # words of the sentence, an audit where it must be said, and one where it must not
    # answers
    ("conv is not shown to do better than naming one class for every clip.", "a guess", "no guess"),
    ("conv on d and rnn on e are not shown to do better", "guesses", "a guess"),
    (
        "conv is not shown to find the labels of clips better than a random order.\nThe mean average precision of conv "
        "is 60.0 % over 25 test clips (95 % interval 31.0 to 80.0); that of a random order is 40.0 %.",
        "random labels",
        "known labels",
    ),
    (
        "conv is not shown to be nearer to the values than the mean of the training clips.\nconv is off by 4.25, which "
        "is 0.25 less (95 % interval −0.5 to 1; 9 videos) than that mean.",
        "no better than the mean",
        "better than the mean",
    ),
    (
        "conv is right on 24.0 % of 25 test clips (95 % interval 11.5 to 43.4); the commonest class is 28.0 % of them.",
        "a guess",
        "no guess",
    ),
    (
        "It was right on 100.0 % of the validation clips: what it has learned does not hold for the test clips.",
        "a guess",
        "a guess from the start",
    ),
    (
        "conv gives most clips the same answer when they are completely blurred: large areas of colour, "
        "brightness or motion are enough for its answers, right or wrong.",
        "blurred alike",
        "no guess",
    ),
    ("conv and rnn give most clips the same answer", "two blurred alike", "blurred alike"),
    ("are enough for their answers, right or wrong.", "two blurred alike", "always one class"),
    (
        "conv gives the same answer to 100.0 % of 25 test clips (95 % interval 86.7 to 100.0); answers as "
        "frequent as these agree on 50.1 % by chance.",
        "blurred alike",
        "always one class",
    ),
    ("Of the others, rnn: 24.0 %, by chance 26.0 %.", "blurred alike", "two blurred alike"),
    (
        "Its masks are not shown to lie on the annotated object: 1.41 times what an even map has there (95 % interval "
        "0.90 to 1.91).",
        "blurred alike",
        "two blurred alike",
    ),
    # use of time
    (
        "conv hardly depends on the order of the frames, or on what changes between them.",
        "still",
        "still but for motion",
    ),
    ("conv hardly depends on the order of the frames.", "still but for motion", "uses time"),
    ("conv and rnn hardly depend on the order of the frames", "two still", "still"),
    (
        "The probabilities of conv change by 1.0 points when frames are shuffled (95 % interval 0.0 to 2.0), 0.5 "
        "points when frames are reversed (95 % interval 0.0 to 1.5), 2.0 points when all frames are the middle one (95 "
        "% interval 1.0 to 3.0); 24 clips.",
        "still",
        "still but for motion",
    ),
    ("Of the others, rnn: 44.0 points when all frames are the middle one.", "still", "two still"),
    # what models need
    ("conv needs 17 % of a clip.\n", "a model", "two models"),
    ("conv needs 17 % of a clip on d.\n", "two data sets", "a model"),
    ("Clips that a model gets wrong are left out.", "a model", "needs nothing"),
    ("What a model answers is explained, right or wrong.", "answers", "answers without labels"),
    ("What a model answers is explained.", "answers without labels", "a model"),
    ("Not so on e: what a model answers is explained there.", "answers on one of two", "a model"),
    ("Clips to which the two give different answers are not compared.", "answers", "two models"),
    ("conv needs 17 % of a clip (95 % interval 12 % to 25 %; 15 clips)", "a model", "few clips"),
    ("(15 clips, too few for an interval)", "few clips", "a model"),
    ("conv needs nothing of any clip.", "all nothing", "a model"),
    ("conv: 20 of 20 clips need nothing; the answer is there without their content.", "all nothing", "a model"),
    ("conv shows no localised evidence.", "no evidence", "a model"),
    ("No localised evidence: random pieces are not shown to need more.", "no evidence", "cheap runner-up"),
    (
        "No localised evidence: the runner-up class needs no more on half of the clips.",
        "cheap runner-up",
        "no evidence",
    ),
    ("5 of 20 clips need nothing; random pieces", "a model", "two models"),
    ("random pieces would have to be 4.0 times as large;", "a model", "no evidence"),
    ("times (not clear) as large", "no evidence", "a model"),
    ("the runner-up class needs 2.0 times as much", "a model", "few clips"),
    ("conv needs 1.9 times as much of a clip as rnn.", "two models", "two undecided"),
    (
        "conv needs 1.9 times as much as rnn (95 % interval 1.5 to 2.4; p = 0.01; 12 clips that need something in "
        "both).",
        "two models",
        "two undecided",
    ),
    ("rnn needs 2.0 times as much of a clip as conv.", "the other way", "two models"),
    ("(95 % interval 1.6 to 2.5; p < 0.001;", "the other way", "two models"),
    ("on 1 clip, too few for an interval.", "one common clip", "two models"),
    ("The clips do not decide whether conv or rnn needs less of a clip.", "two undecided", "two models"),
    ("No clip needs something in both conv and rnn.", "no common clip", "two models"),
    ("The clips do not decide which model needs least of a clip.", "three alike", "three models"),
    ("; 1 of 1 more pair also clear.", "three models", "two models"),
    ("; not clear between conv and x.", "one pair of two", "three models"),
    ("; 4 more pairs not clear.", "one pair of five", "one pair of two"),
    (
        "Models cannot be compared by what they need: no localised evidence, or no need, in rnn.",
        "one without evidence",
        "two models",
    ),
    ("1 more row in the table.", "four models", "two models"),
    # pointing
    ("All methods that could be compared point at the object more often than the best", "above", "below"),
    ("No method was shown to point at the object more often than the best trivial pointer.", "below", "above"),
    (
        "Shown to point at the object more often than the best trivial pointer: step (ratio 0.1) on r3d; not shown of "
        "1 other.",
        "one ratio",
        "above",
    ),
    ("put more of the map on the object than", "mass above", "above"),
    ("Whether methods point at the object more often than a trivial pointer was not measured.", "no floor", "below"),
    ("No pointer that ignores the model, such as center, was measured on the same frames.", "no floor", "above"),
    ("not shown of 1 other, of which 1 is clearly below it.", "above and below", "one ratio"),
    ("By spatial_pointing, of 1 combination of method, ratio and model 1 is clearly above it", "above", "below"),
    ("1 is clearly above it and 0 clearly below (Holm's correction over all).", "above", "below"),
    ("; for 1 the difference is not clear", "one ratio", "above"),
    (" points against middle (95 % interval", "above", "no floor"),
    ("Greatest gain: step (ratio 0.1) on r3d", "above", "no floor"),
    ("; least: step (ratio 0.2) on r3d", "one ratio", "above"),
    ("find the moment of the action more often", "moment", "above"),
    ("In this audit: yes in 1 of 1.", "above", "below"),
    # masks
    (
        "Of 6 masks that could be put to the question 1 is adversarial and 2 of the 5 with an annotation point to",
        "masks",
        "no annotation",
    ),
    ("; where the others should lie is not annotated.", "no annotation", "masks"),
    ("0 are adversarial; where the others should lie is not annotated.", "whole annotation", "inside"),
    (
        "4 lie on it clearly more than by chance; in the mean 60 % of such a mask and 20 % of the clip lie inside",
        "inside",
        "decoy",
    ),
    ("4 do not, but without the part on it the target is lost; in the mean 39 % of such a mask", "decoy", "inside"),
    ("Of those that point to the annotation", "decoy", "no annotation"),
    ("No mask could be put to the question whether it is evidence.", "vacuous", "masks"),
    ("1 of all 1 masks prove nothing, for their fill alone leaves the answer (vacuous).", "vacuous", "inside"),
    ("1 do not keep the target.", "masks", "inside"),
    ("1 mask could not be measured.", "unmeasured", "inside"),
    (
        "The largest share of adversarial masks has step (ratio 0.1) on r3d: 16.7 % of 6 clips (95 % interval",
        "masks",
        "inside",
    ),
    ("So few clips leave room for 49.0 % of the masks to be adversarial", "inside", "masks"),
    (
        "The largest share pointing to the annotation has step (ratio 0.1) on r3d: 100.0 % of 4 clips",
        "decoy",
        "no annotation",
    ),
    # what says so, of each mask
    ("the fill alone keeps the target", "masks", "inside"),
    ("the mask does not keep the target", "masks", "inside"),
    ("lost by a small shift", "masks", "rare"),
    ("lost when cut to 0 and 1", "rare", "masks"),
    ("lost under other fills", "rare", "masks"),
    ("an answer that neither the clip nor a peer gives", "rare", "masks"),
    ("an answer that the clip does not give, and no peer to ask", "alone", "rare"),
    ("beside the annotation, and no peer agrees", "rare", "masks"),
    ("the mask survives; nothing says where it should lie", "no annotation", "inside"),
    ("masks at random places keep the target as well", "masks", "inside"),
    ("the mask survives and lies on the annotation clearly more than by chance", "inside", "decoy"),
    ("the mask survives and loses the target without its part on the annotation", "decoy", "inside"),
    ("lies on the annotation not clearly more than by chance, and a peer agrees", "masks", "alone"),
    ("lies on the annotation not clearly more than by chance (no peer to ask)", "alone", "masks"),
    # reasons of the gallery
    (
        "conv needs at most 2.0 % of the clip (left-censored: the smallest mask tried suffices; ties with 2 more)",
        "left",
        "one",
    ),
    ("conv needs more than 70 % of the clip (right-censored: no mask that was tried suffices", "right", "one"),
    ("; no other clip ties", "decided", "left"),
    (" apart or more", "decided", "equal"),
    ("the mask keeps a probability of 0.90, and 0.10 where it was not optimised (class adversarial)", "rare", "inside"),
    ("(class focused)", "inside", "no annotation"),
    (
        "step at ratio 0.1: the peak falls on the box in 100 % of 1 annotated frames on r3d, in 0 % on rnn",
        "look apart",
        "above",
    ),
    ("the first clip of a", "fine", "nothing cut"),
    # sanity checks
    ("All maps that were compared change when the model's weights are random.", "random", "same"),
    ("Not shown to change when the model's weights are random: the maps of other on r3d.", "same", "random"),
    ("change when 50 % of the model's layers or more are random.", "half random", "random"),
    ("Not shown to change when 50 % of the model's layers or more are random", "same at half", "half random"),
    ("2 combinations of method, ratio and model. Least changes", "same", "random"),
    ("Least changes other on r3d: rank correlation 0.2 with the trained model's maps", "random", "constant"),
    ("counts as changed.", "random", "constant"),
    # failures
    ("None of 4 test clips failed.", "bad training clip", "bad test clip"),
    ("1 of 4 test clips failed.", "bad test clip", "bad training clip"),
    ("1 of 4 test clips failed in part.", "bad map", "bad test clip"),
    ("1 of 4 test clips failed, and 1 in part.", "bad clip and map", "bad map"),
    ("1 of 4 test clips failed.", "no map", "bad map"),
    ("Before the methods: 1 bad_video.", "bad test clip", "bad map"),
    ("Later: 1 non_finite.", "bad map", "bad test clip"),
    (
        "Missing annotations, maps without a peak, and methods that do not suit a model are not counted here.",
        "bad map",
        "fine",
    ),
    # the first lines
    (
        "on 4 test clips of planted, with 1 method and 1 pointer that ignores the model: 4 of 4 test clips explained "
        "by a method.",
        "bad training clip",
        "bad test clip",
    ),
    ("with 1 method and 2 pointers that ignore the model:", "above", "bad training clip"),
    ("3 of 4 test clips explained", "bad test clip", "bad training clip"),
    ("0 of 4 test clips explained", "floors alone", "fine"),
    ("Not finished: 1 row that the configuration asks for are not there yet.", "unfinished", "finished"),
    ("Some rows of clips that could be read have no value, for 1 reason.", "bad map", "bad test clip"),
    ("1 job ran under another configuration than the one shown below.", "unfinished", "finished"),
    (
        "2 of 3 test clips look like training or validation clips of the same class and of no other, most of all b "
        "like x: a right answer there may be remembered.",
        "two alike",
        "one alike",
    ),
    ("1 of 3 test clips looks like training or validation clips of the same class", "one alike", "like two classes"),
    ("may be remembered. Keep videos of one source in one split.", "one alike", "apart"),
    (
        "2 of 3 test clips are cut from a video that has training or validation clips, too: a right answer there",
        "video in both",
        "clip in both",
    ),
    ("1 of 2 test clips is cut from a video that has training or", "clip in both", "videos apart"),
    *(
        (
            "r3d is right on 2 of 24 test clips of planted, yet gives 22 the usual answer of their class, another one "
            "for each, such as b for a. Are its outputs in the order of the data set's classes?",
            "classes moved",
            other,
        )
        for other in ("classes in order", "one class for all", "few clips moved")
    ),
    (
        "r3d answers 4 test clips of planted almost the same: no probability differs by more than 0. Is it trained, "
        "and does it take clips in [0, 1]?",
        "same answers",
        "one class for all",
    ),
    # compare
    ("): B is right less often.", "worse", "better"),
    ("): B is right more often.", "better", "worse"),
    ("Accuracy: 20.0 % in A, 20.0 % in B (+0.0 points, +0.0 to +0.0;", "one model", "worse"),
    ("): no clear difference.", "one model", "worse"),
    ("Accuracy: not compared, no clip has a prediction of both.", "not predicted", "worse"),
    (
        "median A 0.1, B 0.3; B needs more on 10 of 10 decided clips (p = 0.002): B needs more of a clip.",
        "needs more",
        "needs less",
    ),
    ("B needs more on 0 of 10 decided clips (p = 0.002): B needs less of a clip.", "needs less", "needs more"),
    ("Needed of a clip (ep3d): B needs 2 times as much as A (1.5 to 2.6; p = 0.01;", "B needs double", "B needs half"),
    ("12 clips that need something in both): B needs more of a clip.", "B needs double", "B needs half"),
    ("12 clips that need something in both): B needs less of a clip.", "B needs half", "B needs double"),
    ("that need something in both): no clear difference.", "B needs as much", "B needs double"),
    (
        "B needs 2 times as much as A (12 clips that need something in both, without an interval).",
        "need of one clip",
        "B needs double",
    ),
    ("Needed of a clip (ep3d): not compared, no clip needs something in both.", "no need in both", "B needs double"),
    ("Of 20 clips 2 need nothing in A, 5 in B.", "B needs double", "B needs half"),
    ("no decision between A and B, the searches decide no clip", "all ended", "needs more"),
    (
        "Needed of a clip: no median; no decision between A and B, no clip was searched on both sides.",
        "worse",
        "needs more",
    ),
    (
        "Maps: mean rank correlation of A's and B's map of a clip 1.00 for grad_cam (1: the same order).",
        "maps",
        "worse",
    ),
    (
        "Measured: 1 of 1 differences of metrics are clear, such as mass_in_box of grad_cam 0.14 → 0.84",
        "metrics",
        "worse",
    ),
    ("Failed in B alone: 1 clip (c1).", "maps", "worse"),
    ("Failed in B alone: no clips.", "worse", "maps"),
    ("A and B give exactly the same probabilities on every clip: they are taken to be one model", "one model", "worse"),
    ("last is not finished: ", "worse", "nothing missing"),
    (" rows are missing", "worse", "nothing missing"),
    ("it is not known if ", "no configuration", "worse"),
    ("audit.duckdb is of these tables: ", "no configuration", "worse"),
    ("made by different versions:", "other version", "worse"),
    ("computed in different precision: A in float32, B in bfloat16", "other precision", "worse"),
    ("the models take clips of different size, 16x16x16 and 16x24x24, of the same videos", "sizes apart", "worse"),
    ("methods left out, whose settings differ: grad_cam", "other method", "worse"),
    ("minimum ratios left out: `preserve.share` differs", "other share", "other grid"),
    ("minimum ratios were searched on different grids (`preserve.grid`, `tolerance`)", "other grid", "other share"),
    ("left out: 1 only in B (new)", "more clips", "worse"),
    (
        "maps of 'grad_cam' and their metrics leave out 1 clip on which they explain different classes in A and B",
        "other map classes",
        "maps",
    ),
    ("A 0.90 for x (right)", "newly wrong", "newly right"),
    ("A 0.90 for x (says y)", "newly right", "newly wrong"),
    ("a* (step probability): A 0.1, B more than 0.7", "unlike", "newly wrong"),
    ("B 0.02 or less", "newly right", "newly wrong"),
    ("rank correlation of the maps: step 0.50", "unlike", "newly right"),
    ("newly wrong", "newly wrong", "newly right"),
    ("newly right", "newly right", "newly wrong"),
    ("B needs more of it than A", "newly wrong", "newly right"),
    ("B needs less of it than A", "newly right", "newly wrong"),
    ("the maps are least alike", "unlike", "newly right"),
    ("only in A", "only in A", "lost in B"),
    ("without pixels in B", "lost in B", "lost in both"),
    ("without pixels in either", "lost in both", "lost in B"),
    ("cut to other sizes, so that nothing tells whether they are the same", "other sizes", "other pixels"),
    ("of the same name with other pixels", "other pixels", "other sizes"),
    ("of another label", "other label", "other pixels"),
    (
        "needs, maps and metrics leave out 3 clips that A and B explain for different classes",
        "other classes",
        "better",
    ),
    # cards of the gallery
    ("3 frames of the video, from 0 to 20", "card", "only in A"),
    ("no annotated action", "card", "card of an action"),
    ("2 of them in the annotated action", "card of an action", "card"),
    ("probability of the label 0.90", "card", "only in A"),
    ("answers another class", "card of an action", "card of another class"),
    ("answers b (0.90)", "card of another class", "card"),
    ("needs 10 % of the clip (step, probability)", "card", "card of an action"),
    ("needs 10 % of the clip, mean over 30 to 90 % of its confidence (step)", "card of a need", "card"),
    ("ratio 0.1, reached 0.12", "card", "card of an action"),
    ("visible on 34 % of the clip (crispness 0.21)", "card", "card of an action"),
    ("keeps probability 0.80", "card", "card of an action"),
    ("1 whole frame is enough for that", "card of an action", "card of another class"),
    ("2 whole frames are enough for that", "card of another class", "card of an action"),
    ("shown in all frames, 40 % of the picture is enough for that", "card of another class", "card of an action"),
    ("2 pieces are each enough for three quarters of the confidence", "card of another class", "card of an action"),
    # explain
    ("note: --quick (schedule=short, iterations=50) gives a rough map", "quick", "overruled"),
    (") gives a rough map for a first look; docs/explain.md says what that costs", "quick", "overruled"),
    ("note: --quick changes nothing for step", "overruled", "quick"),
    ("note: about ", "unhurried", "quick"),
    (" passes through the model; --quick takes", "unhurried", "quick"),
    ("It needs 22 % of the clip for surfing (geometric mean over", "needs a piece", "needs any piece"),
    ("over 30 to 90 % of its confidence).", "needs a piece", "needs nothing"),
    ("17 % of it are enough for half of the confidence in surfing (13 % are not).", "needs a piece", "needs any piece"),
    (
        "17 % of it are enough for half of the confidence in surfing (no smaller piece that was tried fails).",
        "needs any piece",
        "needs a piece",
    ),
    (
        "No piece that was tried keeps half of the confidence in surfing; the largest was 85 %.",
        "needs the whole",
        "needs a piece",
    ),
    ("30 % of it are enough for three quarters of the confidence", "needs a piece", "needs the other's half"),
    ("30 % of it are enough for nine tenths of the confidence", "needs a piece", "needs the other's half"),
    ("The smallest piece for half of it lies in 3 of 16 frames.", "needs a piece", "needs the whole"),
    ("Frame 3 alone is enough for half of the confidence in surfing.", "one frame", "some frames"),
    (
        "Frames 3, 5 alone are enough for half of the confidence in surfing; no choice of fewer is.",
        "frames",
        "one frame",
    ),
    (
        "Frames 1, 3, 5, 6 alone are enough for half of the confidence in surfing; no choice of up to 2 is, and not "
        "every choice of fewer than 4 was ruled out.",
        "some frames",
        "frames",
    ),
    ("confidence in surfing; not every choice of fewer than 2 was ruled out.", "hasty", "some frames"),
    (
        "Shown in all frames, 40 % of the picture is enough for half of the confidence in surfing (35 % is not).",
        "one frame",
        "some frames",
    ),
    (
        "Shown in all frames, no region of the picture that was tried is enough for half of the confidence",
        "some frames",
        "one frame",
    ),
    ("40 % of the picture is enough for half of the confidence in surfing (no smaller region that", "hasty", "frames"),
    ("no smaller region that was tried fails).", "hasty", "one frame"),
    (
        "A single piece is enough for three quarters of the confidence in surfing: with it hidden, the rest of the "
        "clip is not.",
        "one frame",
        "some frames",
    ),
    (
        "2 pieces without a common voxel are each enough for three quarters of the confidence in surfing; with them "
        "hidden, the rest of the clip is not.",
        "frames",
        "hasty",
    ),
    ("5 pieces without a common voxel are each enough for three quarters", "hasty", "no piece"),
    ("for three quarters of the confidence in surfing; more were not searched.", "hasty", "frames"),
    ("A random piece would have to be 65 %, 3.8 times as much.", "needs a piece", "needs any piece"),
    ("No random piece of up to 90 % is enough.", "needs the other's half", "needs a piece"),
    (
        "A random piece of 5.0 % is enough as well: which part is shown does not matter.",
        "needs any piece",
        "needs a piece",
    ),
    ("No piece that was tried gives rowing half of that confidence.", "needs a piece", "needs the other's half"),
    ("34 % of it give rowing half of that confidence, 2.0 times as much.", "needs the other's half", "needs any piece"),
    (
        "10 % of it give rowing half of that confidence, no more than surfing needs: how little is needed says nothing "
        "about what the clip shows.",
        "needs any piece",
        "needs the other's half",
    ),
    (
        "For rowing nothing can be asked: without the clip's content its probability is 0.85 to 0.85.",
        "needs the whole",
        "needs a piece",
    ),
    (
        "No gradient of the model reaches the clip: the pieces were searched by forward passes alone, which finds "
        "somewhat larger ones.",
        "needs a piece, without gradients",
        "needs a piece",
    ),
    # kinds of clips
    (
        "conv is wrong more often on clips that are brighter than most of their class.",
        "bright clips",
        "no kind of clips",
    ),
    ("on clips that are darker than most of their class.", "dark clips", "bright clips"),
    (
        "conv's maps lie less on the object on clips that are brighter than most of their class.",
        "bright clips off the object",
        "bright clips",
    ),
    ("Wrong answers: 80.0 % (95 % interval 60.0 to 95.0) against 20.0 %", "bright clips", "dark clips"),
    ("points more than an even map (95 % interval", "bright clips off the object", "bright clips"),
    (" of the others (20 clips of 9 videos). Holm's correction over 2 questions.", "bright clips", "dark clips"),
    ("They go together; the one need not cause the other.", "bright clips", "no kind of clips"),
    ("Also shown: conv is wrong more often on clips that are brighter.", "bright clips", "dark clips"),
    ("The table has 1 more.", "dark clips", "bright clips"),
    ("run can be recognised by flat borders.", "recognised by its borders", "no class is recognised"),
    (
        "A video of it has more than one of another class with chance 90.0 % (9 clips of 5 videos).",
        "recognised by its borders",
        "recognised by having none",
    ),
    (
        "A video of it has less than one of another class with chance 90.0 %",
        "recognised by having none",
        "recognised by its borders",
    ),
    ("A model may answer by this instead of the action.", "recognised by its borders", "no class is recognised"),
    ("Also shown: run by flat borders.", "recognised by its borders", "recognised by having none"),
    (
        "Not counted: blur. On these empty versions of the clip surfing is less than 0.1 less probable than on the "
        "clip itself.",
        "needs any piece",
        "needs a piece",
    ),
    (
        "Nothing of the clip is needed for surfing: its probability is 0.15 with the clip, and 0.10 to 0.10 without "
        "its content.",
        "needs nothing",
        "has nothing",
    ),
    (
        "The model does not find surfing in the clip: its probability is 0.04, and 0.10 to 0.10 without the clip's "
        "content. So nothing can be asked.",
        "has nothing",
        "needs nothing",
    ),
    (
        "note: no other video stands behind hidden parts, as in an audit; give one with --background",
        "without a video behind",
        "with a video behind",
    ),
    ("kept: by the mask, ratio asked 0.25, reached", "kept by a mask", "kept by rank"),
    (" % of the clip (crispness ", "kept by a mask", "kept by rank"),
    (
        "kept: the 25 % of voxels that the map ranks highest, the rest blurred (the map is no mask)",
        "kept by rank",
        "kept at random",
    ),
    (
        "kept: the first 25 % of voxels, the rest blurred; the map is constant and ranks none",
        "kept at random",
        "kept by rank",
    ),
]


@pytest.fixture(scope="module")
def text_of(tmp_path_factory):
    """The text of an audit of `AUDITS`, made once."""
    return cache(lambda name: AUDITS[name](tmp_path_factory.mktemp("audit")))


@pytest.mark.parametrize(("words", "said", "unsaid"), SAID, ids=[words[:40] for words, *_ in SAID])
def test_a_sentence_is_said_where_it_is_true_and_only_there(words, said, unsaid, text_of):
    assert words in text_of(said)
    assert words not in text_of(unsaid)


SOURCES = {  # modules whose texts are claims; of some, the functions
    "report/page/conclusion_texts.py": (),
    "report/page/answer_texts.py": (),
    "report/page/need_texts.py": (),
    "report/page/kind_texts.py": ("kinds_finding", "cues_finding", "_numbers", "_half", "_clips", "_count"),
    "report/page/conclusions.py": ("POINTING",),
    "report/page/summary.py": (
        "headline",
        "notices",
        "_alike_sentence",
        "_same_answers_sentence",
        "_wrong_order_sentence",
    ),
    "report/page/grids.py": ("verdict",),
    "report/page/gallery_cards.py": ("_clip_facts", "_answers", "_map_facts", "_reading_facts"),
    "commands/compare/examples.py": ("facts", "_rules", "_ratio_text"),
    "commands/compare/pair.py": ("_difference",),
    "commands/compare/findings.py": (),
    "commands/compare/sides.py": ("notes", "_missing_row_warnings"),
    "commands/compare/comparison.py": ("_compare_pair",),
    "commands/explain/command.py": ("_notes", "_notes_on_need"),
    "commands/explain/clip_report.py": ("kept_part",),
    "commands/explain/need_sentences.py": (),
    "report/pictures/mask_facts.py": (),
}


def literals():
    """Texts of the sources without their placeholders, but for docstrings, errors and SQL."""
    for path, names in SOURCES.items():
        tree = ast.parse((PACKAGE / path).read_text())
        chosen = [node for node in ast.walk(tree) if {getattr(node, "name", ""), *targets(node)} & set(names)] or [tree]
        documented = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and literal(node.value)]
        others = [*documented, *(node for node in ast.walk(tree) if isinstance(node, ast.Raise))]
        left_out = {id(inner) for node in others for inner in ast.walk(node)}
        for node in chain.from_iterable(map(ast.walk, chosen)):
            if literal(node) and id(node) not in left_out:
                yield from ((f"{path}:{node.lineno}", part) for part in re.split(r"\{\w*\}", node.value))


def literal(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def targets(node):
    return [each.id for each in getattr(node, "targets", ()) if isinstance(each, ast.Name)]


def test_every_sentence_in_the_sources_has_such_a_pair():
    known = [re.sub(r"\W+", " ", words) for words, *_ in SAID]
    lacking = [
        f"{place}: {text!r}"
        for place, text in literals()
        for words in [re.sub(r"\W+", " ", text)]
        if re.search(r"[a-z]{2,} [a-z]{2,}", words)
        and not re.match(r"\s*(select|from|with)\b", text)
        and not any(words.strip() in each or each in words for each in known)
    ]
    assert not lacking, "\n".join(["sentences without an audit where they are said and one where not:", *lacking])


def test_what_a_reader_needs_to_know_is_asked_of_every_audit():
    """No audit of the list is there for nothing."""
    assert {name for _, said, unsaid in SAID for name in (said, unsaid)} == set(AUDITS)
