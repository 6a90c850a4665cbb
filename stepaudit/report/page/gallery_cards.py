"""A clip of the gallery: why it is shown, what the models say of it, its pictures, and what says so if it has none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from stepaudit.errors import UsageError
from stepaudit.report.page.gallery_pictures import Drawn, Film
from stepaudit.report.page.gallery_sources import RULES, Sources, key_of, shown_maps

TITLES = {rule.name: rule for rule in RULES}
LEFT_OUT = "Its pictures are left out, so that the page stays small."


@dataclass(frozen=True)
class Reason:
    """Why a clip is shown: the group of the rule, what the rule says of the clip, and of which model if of one."""

    group: str
    title: str
    text: str
    model: str | None = None


@dataclass(frozen=True)
class Tile:
    """A map: its numbers, and its place in the card's `data`, or else why there is no picture."""

    model: str
    method: str
    facts: list[str]
    note: str = ""
    index: int | None = None
    is_floor: bool = False


@dataclass(frozen=True)
class Part:
    """A model: what it says of the clip, its maps, and the size of its clips if such a film is in the card's `data`."""

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
    """A clip, once: `data` is what the script draws from, `note` says why that is missing."""

    anchor: str
    dataset: str
    clip_id: str
    label: str
    reasons: list[Reason]
    facts: list[str]
    parts: list[Part] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    data: dict | None = None
    note: str = ""

    @property
    def sql(self) -> str:
        """The statement that finds why the clip is here."""
        dataset, clip_id = (value.replace("'", "''") for value in (self.dataset, self.clip_id))
        return f"from gallery_choices where dataset = '{dataset}' and clip_id = '{clip_id}' order by place"

    @property
    def bytes(self) -> int:
        """Characters of the pictures."""
        data = self.data or {"films": {}, "maps": []}
        sheets = [*data["films"].values(), *data["maps"]]
        return sum(len(each["sheet"]) for each in sheets) + sum(len(still.picture) for still in self.stills)


def anchor(dataset: str, clip_id: str) -> str:
    """The name of a clip's place on the page."""
    return "clip-" + sha256(f"{dataset}\0{clip_id}".encode()).hexdigest()[:12]


def make(rows: Sequence[dict], sources: Sources, folder: Path, *, every_still: bool, room: bool) -> Card:
    """A clip with its pictures.

    Args:
        rows: the choices of the clip.
        every_still: whether there is a strip for each map, or only for the first that a rule speaks of.
        room: whether pictures may be made.
    """
    key, clips = key_of(rows[0]), sources.clips.get(key_of(rows[0]), [])
    reasons = [
        Reason(TITLES[row["rule"]].group, TITLES[row["rule"]].title, row["because"], row["model"]) for row in rows
    ]
    card = Card(anchor(*key), *key, rows[0]["label"], reasons, _clip_facts(clips[:1]))
    maps = shown_maps(sources.maps.get(key, []), rows)
    drawing = _Drawing(clips, sources.boxes.get(key, []), folder, room)
    tiles = [drawing.tile(row) for row in maps]
    data = drawing.data()
    sizes = {row["model"]: row["size"] for row in maps if data and row["size"] in data["films"]}
    parts = [
        Part(
            model,
            _answers(model, sources, key),
            [tile for tile in tiles if tile.model == model],
            sizes.get(model, ""),
        )
        for model in dict.fromkeys(tile.model for tile in tiles)
    ]
    stills = list(drawing.stills(None if every_still else rows)) if data else []
    return replace(card, parts=parts, data=data, stills=stills, note=drawing.note if room else LEFT_OUT)


def without_pictures(card: Card) -> Card:
    """The card with a note in the place of its pictures."""
    parts = [replace(part, tiles=[replace(tile, index=None) for tile in part.tiles], film="") for part in card.parts]
    return replace(card, parts=parts, data=None, stills=[], note=LEFT_OUT)


class _Drawing:
    """The films and maps of a card, read as they are asked for; what cannot be read leaves a note."""

    def __init__(self, clips: Sequence[dict], boxes: Sequence[dict], folder: Path, room: bool):
        self.clips, self.boxes, self.folder, self.room = clips, boxes, folder, room
        self.films: dict[str, Film] = {}
        self.maps: list[Drawn] = []
        self.note = ""
        for clip in clips if room else []:
            try:
                self.films[clip["size"]] = Film.read(clip, boxes, folder)
            except (UsageError, ValueError) as error:
                self.note = f"No pictures: {self._told(error)}"

    def tile(self, row: dict) -> Tile:
        """A map with its numbers, and its picture or why there is none."""
        tile = Tile(row["model"], row["method"], _map_facts(row), is_floor=row["is_floor"])
        if row["status"] != "ok":
            return replace(tile, note=f"{row['status']}: {row['error']}")
        if row["size"] not in self.films:
            return tile
        try:
            return replace(tile, index=self._place(Drawn.read(row, self.folder)))
        except (UsageError, ValueError) as error:
            return replace(tile, note=self._told(error))

    def data(self) -> dict | None:
        """What the script draws from; None without any film."""
        used = {drawn.row["size"] for drawn in self.maps} or set(list(self.films)[:1])
        films = {size: film.data() for size, film in self.films.items() if size in used}
        sources = next((clip["frames"] for clip in self.clips if clip["size"] in films), [])
        maps = [drawn.data() for drawn in self.maps]
        return {"films": films, "maps": maps, "sources": sources} if films else None

    def _place(self, drawn: Drawn) -> int:
        """Where a map stands among the maps; what does not depend on the model is drawn once."""
        for index, other in enumerate(self.maps):
            if drawn.is_like(other):
                return index
        self.maps.append(drawn)
        return len(self.maps) - 1

    def stills(self, choices: Sequence[dict] | None) -> Iterator[Still]:
        """A strip of the clip, and strips of its maps: of all, or the first that is of a chosen method."""
        yield Still("clip", next(iter(self.films.values())).strip())
        methods = [row["method"] for row in choices or [] if row["method"]]
        named = [drawn for drawn in self.maps if drawn.row["method"] in methods] or self.maps
        for drawn in self.maps if choices is None else named[:1]:
            caption = f"{drawn.row['method']}, {drawn.row['model']}"
            yield Still(caption, self.films[drawn.row["size"]].strip(drawn.share()))

    def _told(self, error: Exception) -> str:
        """An error's text without where the audit lies."""
        return str(error).replace(f"{self.folder}/", "").replace(str(self.folder), "<audit>")


def _clip_facts(clips: Sequence[dict]) -> list[str]:
    """Which frames of the video are shown, and which of them lie in the annotated action."""
    facts = []
    for clip in clips:
        facts.append(f"{len(clip['frames'])} frames of the video, from {clip['frames'][0]} to {clip['frames'][-1]}")
        inside = sum(clip["in_action"] or [])
        facts += [f"{inside} of them in the annotated action"] if clip["in_action"] else ["no annotated action"]
    return facts


def _answers(model: str, sources: Sources, key: tuple[str, str]) -> list[str]:
    """The probability of the target, what the model answers if it is something else, and its minimum ratio."""
    rows = [row for row in sources.predictions.get(key, []) if row["model"] == model]
    searches = [row for row in sources.searches.get(key, []) if row["model"] == model]
    needs = [f"needs {row['need']} of the clip ({row['method']}, {row['bound']})" for row in searches]
    return [fact for row in rows for fact in _answer(row, sources.names)] + needs


def _answer(row: dict, names: dict) -> list[str]:
    if row["status"] != "ok":
        return [f"{row['status']}: {row['error']}"]
    facts = [f"probability of the target {row['target_probability']:.2f}"]
    if row["rank"] > 1:
        values = row["probabilities"] or []
        best = max(range(len(values)), key=values.__getitem__, default=None)
        other = "another class" if best is None else names.get((row["dataset"], best), f"class {best}")
        facts.append(f"answers {other}" + ("" if best is None else f" ({values[best]:.2f})"))
    return facts


def _map_facts(row: dict) -> list[str]:
    """The ratio asked for and reached, and the probability that the mask keeps."""
    asked = [] if row["ratio"] is None else [f"ratio {row['ratio']:.3g}"]
    reached = [f"reached {row['volume']:.3g}"] if asked and row["volume"] is not None else []
    kept = [] if row["kept_probability"] is None else [f"keeps probability {row['kept_probability']:.2f}"]
    return [", ".join(asked + reached), *kept] if asked else kept
