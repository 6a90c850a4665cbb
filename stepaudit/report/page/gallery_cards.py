"""Cards of the gallery: a clip with the reasons why it is shown, the models' answers, and its pictures or a note."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from stepaudit.errors import UsageError
from stepaudit.report.page.gallery_pictures import Drawn, DrawnNeed, Film
from stepaudit.report.page.gallery_sources import RULES, Sources, key_of, shown_maps
from stepaudit.report.page.grids import number
from stepaudit.report.page.need_texts import percent
from stepaudit.report.pictures.mask_facts import visible

RULE_OF = {rule.name: rule for rule in RULES}
LEFT_OUT = "Its pictures are left out, so that the page stays small."


@dataclass(frozen=True)
class Reason:
    """The reason why a clip is shown: the rule's group and title, a text, and the model if it concerns one."""

    group: str
    title: str
    text: str
    model: str | None = None


@dataclass(frozen=True)
class Tile:
    """A map: its numbers, and its index in the card's `data`, or a note if there is no picture."""

    model: str
    method: str
    facts: list[str]
    note: str = ""
    index: int | None = None
    is_floor: bool = False


@dataclass(frozen=True)
class Part:
    """A model: its answer, its maps, and the size of its clips if the card's `data` has that film."""

    model: str
    facts: list[str]
    tiles: list[Tile]
    film: str = ""


@dataclass(frozen=True)
class Still:
    """A strip of frames, for print and where no script runs."""

    caption: str
    picture: str


@dataclass(frozen=True)
class Card:
    """A clip: `data` is for the script that draws it, `note` gives the reason if that is missing."""

    anchor: str
    dataset: str
    clip_id: str
    label: str | None
    reasons: list[Reason]
    facts: list[str]
    parts: list[Part] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    data: dict | None = None
    note: str = ""

    @property
    def sql(self) -> str:
        """The query for the reasons."""
        dataset, clip_id = (value.replace("'", "''") for value in (self.dataset, self.clip_id))
        return f"from gallery_choices where dataset = '{dataset}' and clip_id = '{clip_id}' order by place"

    @property
    def bytes(self) -> int:
        """Size of the pictures."""
        data = self.data or {"films": {}, "maps": []}
        sheets = [*data["films"].values(), *data["maps"]]
        return sum(len(each["sheet"]) for each in sheets) + sum(len(still.picture) for still in self.stills)


def anchor(dataset: str, clip_id: str) -> str:
    """The HTML id of a clip."""
    return "clip-" + sha256(f"{dataset}\0{clip_id}".encode()).hexdigest()[:12]


def make(rows: Sequence[dict], sources: Sources, folder: Path, *, every_still: bool, room: bool) -> Card:
    """The card of a clip with its pictures.

    Args:
        rows: the choices of the clip.
        every_still: draw a strip for each map, and not only for the first of a chosen method.
        room: pictures may be made.
    """
    key = key_of(rows[0])
    clips = sources.clips.get(key, [])
    reasons = [
        Reason(RULE_OF[row["rule"]].group, RULE_OF[row["rule"]].title, row["because"], row["model"]) for row in rows
    ]
    maps = shown_maps(sources.maps.get(key, []), rows)
    drawing = _Drawing(clips, sources.boxes.get(key, []), folder, room, rows[0]["label"])
    needs = sources.needs.get(key, [])
    tiles = [*(drawing.need(row) for row in needs), *(drawing.tile(row) for row in maps)]
    data = drawing.data()
    sizes = {row["model"]: row["size"] for row in [*needs, *maps] if data and row["size"] in data["films"]}
    parts = [
        Part(
            model, _answers(model, sources, key), [tile for tile in tiles if tile.model == model], sizes.get(model, "")
        )
        for model in dict.fromkeys(tile.model for tile in tiles)
    ]
    stills = list(drawing.stills(None if every_still else rows)) if data else []
    note = drawing.note if room else LEFT_OUT
    return Card(anchor(*key), *key, rows[0]["label"], reasons, _clip_facts(clips[:1]), parts, stills, data, note)


def without_pictures(card: Card) -> Card:
    """The card with a note instead of its pictures."""
    parts = [replace(part, tiles=[replace(tile, index=None) for tile in part.tiles], film="") for part in card.parts]
    return replace(card, parts=parts, data=None, stills=[], note=LEFT_OUT)


class _Drawing:
    """The films and maps of a card; unreadable ones leave a note."""

    def __init__(self, clips: Sequence[dict], boxes: Sequence[dict], folder: Path, room: bool, label: str | None):
        self.clips, self.folder, self.label = clips, folder, label
        self.films: dict[str, Film] = {}
        self.maps: list[Drawn] = []
        self.note = ""
        for clip in clips if room else []:
            try:
                self.films[clip["size"]] = Film.read(clip, boxes, folder)
            except (UsageError, ValueError) as error:
                self.note = f"No pictures: {self._text(error)}"

    def tile(self, row: dict) -> Tile:
        """A map with its numbers, and its picture or a note."""
        facts = [*self._explained_class(row), *_map_facts(row)]
        tile = Tile(row["model"], row["method"], facts, is_floor=row["is_floor"])
        if row["status"] != "ok":
            return replace(tile, note=f"{row['status']}: {row['error']}")
        return self._drawn(tile, Drawn, row)

    def need(self, row: dict) -> Tile:
        """The smallest piece that keeps half of a model's confidence, and its picture or a note."""
        text = f"enough for half of the confidence: {percent(row['ratio'])} of the clip"
        facts = [*self._explained_class(row), text, *_reading_facts(row)]
        return self._drawn(Tile(row["model"], row["method"], facts), DrawnNeed, row)

    def _explained_class(self, row: dict) -> list[str]:
        """The explained class, if it is not the label."""
        return [f"explains {row['target_name']}"] if row["target_name"] not in (None, self.label) else []

    def _drawn(self, tile: Tile, kind: type[Drawn], row: dict) -> Tile:
        """The tile with the number of its map, which is drawn once if it is that of another tile, or with a note."""
        if row["size"] not in self.films:
            return tile
        try:
            drawn = kind.read(row, self.folder)
        except (UsageError, ValueError) as error:
            return replace(tile, note=self._text(error))
        index = next((index for index, other in enumerate(self.maps) if drawn.is_like(other)), len(self.maps))
        if index == len(self.maps):  # a map that does not depend on the model is drawn once
            self.maps.append(drawn)
        return replace(tile, index=index)

    def data(self) -> dict | None:
        """The data for the script; None without any film."""
        used = {drawn.row["size"] for drawn in self.maps} or set(list(self.films)[:1])
        films = {size: film.data() for size, film in self.films.items() if size in used}
        sources: list[int] = next((clip["frames"] for clip in self.clips if clip["size"] in films), [])
        maps = [drawn.data() for drawn in self.maps]
        return {"films": films, "maps": maps, "sources": sources} if films else None

    def stills(self, choices: Sequence[dict] | None) -> Iterator[Still]:
        """A strip of the clip, and of all its maps or the first that is of a chosen method."""
        yield Still("clip", next(iter(self.films.values())).still())
        methods = [row["method"] for row in choices or [] if row["method"]]
        named = [drawn for drawn in self.maps if drawn.row["method"] in methods] or self.maps
        for drawn in self.maps if choices is None else named[:1]:
            caption = f"{drawn.row['method']}, {drawn.row['model']}"
            yield Still(caption, self.films[drawn.row["size"]].still(drawn.share()))

    def _text(self, error: Exception) -> str:
        """An error's text without the place of the audit."""
        return str(error).replace(f"{self.folder}/", "").replace(str(self.folder), "<audit>")


def _clip_facts(clips: Sequence[dict]) -> list[str]:
    """The frames of the video, and the number of them in the annotated action."""
    facts = []
    for clip in clips:
        inside = sum(clip["in_action"] or [])
        facts.append(f"{len(clip['frames'])} frames of the video, from {clip['frames'][0]} to {clip['frames'][-1]}")
        facts.append(f"{inside} of them in the annotated action" if clip["in_action"] else "no annotated action")
    return facts


def _answers(model: str, sources: Sources, key: tuple[str, str]) -> list[str]:
    """A model's probability of the label, its answer if that is another class, and its minimum ratio."""
    facts = []
    for row in sources.predictions.get(key, []):
        if row["model"] != model:
            continue
        if row["status"] != "ok":
            facts.append(f"{row['status']}: {row['error']}")
            continue
        if row["output"] is not None:
            facts.append(f"answers {number(row['output'])}")
            continue
        if row["label"] is not None:
            facts.append(f"probability of the label {row['target_probability']:.2f}")
        if row["gives"] == "sigmoid":
            continue
        if row["rank"] != 1 and (values := row["probabilities"]):
            best = max(range(len(values)), key=values.__getitem__)
            name = row["predicted"] or sources.names.get((row["dataset"], best), f"class {best}")
            facts.append(f"answers {name} ({values[best]:.2f})")
        elif row["rank"] != 1:
            facts.append("answers another class")
    searches = [row for row in sources.searches.get(key, []) if row["model"] == model]
    return facts + [_need_fact(row) for row in searches]


def _need_fact(row: dict) -> str:
    if row["bound"] == "sufficiency":
        return f"needs {row['need']} of the clip, mean over 30 to 90 % of its confidence ({row['method']})"
    return f"needs {row['need']} of the clip ({row['method']}, {row['bound']})"


def _reading_facts(row: dict) -> list[str]:
    """Further readings of what is enough, those that were asked."""
    facts = []
    if row["fewest_frames"]:
        count = len(row["fewest_frames"])
        facts.append(f"{count} whole frames are enough for that" if count > 1 else "1 whole frame is enough for that")
    if row["tube"]:
        facts.append(f"shown in all frames, {percent(row['tube'])} of the picture is enough for that")
    if row["disjoint_pieces"] and row["disjoint_pieces"] > 1:
        facts.append(f"{row['disjoint_pieces']} pieces are each enough for three quarters of the confidence")
    return facts


def _map_facts(row: dict) -> list[str]:
    """The requested and the reached ratio, how much a mask shows, and the probability that it keeps."""
    kept = [] if row["kept_probability"] is None else [f"keeps probability {row['kept_probability']:.2f}"]
    facts = [*visible(row), *kept]
    if row["ratio"] is None:
        return facts
    reached = "" if row["volume"] is None else f", reached {row['volume']:.3g}"
    return [f"ratio {row['ratio']:.3g}{reached}", *facts]
