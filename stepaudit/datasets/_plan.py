"""Plan of the planted videos, with balanced classes, splits, parts and backgrounds."""

from dataclasses import dataclass

from stepaudit.datasets._scene import PARTS, Scene, draw_scene

BROKEN = ("no_video", "too_short", "damaged", "not_annotated")
SHORT_FRAMES = 11


@dataclass(frozen=True)
class Video:
    """Planned video. `broken`: its defect, one of `BROKEN`, or None."""

    name: str
    label: str
    split: str
    scene: Scene
    broken: str | None = None


def plan_videos(
    classes: tuple[str, ...], train_per_class: int, test_per_class: int, seed: int,
    look: dict, signs: dict[str, str], broken: bool,
) -> list[Video]:  # fmt: skip
    """All planned videos, broken ones last.

    Args:
        look: arguments of `draw_scene` that all videos share.
        signs: what may go with the class: the options `colours`, `background` and `tint` of `planted`.
    """
    order = sorted(classes)

    def video(name: str, label: str, split: str, index: int, problem: str | None = None) -> Video:
        part, frames = PARTS[index % len(PARTS)], SHORT_FRAMES if problem == "too_short" else None
        target = order.index(label)
        hue = target / len(classes) if signs["colours"] == "class" else None
        # Balanced, not drawn: in a small test split a drawn sign may by chance tell something of the class.
        fair = index // len(PARTS) % len(classes)
        sign = {
            name: target if signs[name] == "confounded" and split == "train" else fair
            for name in ("background", "tint")
        }
        stripes = None if signs["background"] == "neutral" else (sign["background"], len(classes))
        tint = None if signs["tint"] == "none" else sign["tint"] / len(classes)
        scene = draw_scene(seed, name, label, part, frames=frames, hue=hue, stripes=stripes, tint=tint, **look)
        return Video(name, label, split, scene, problem)

    counts = (("train", train_per_class), ("test", test_per_class))
    whole = [
        video(f"{label}-{split}-{index:03d}", label, split, index)
        for split, count in counts
        for label in classes
        for index in range(count)
    ]
    rest = [video(f"broken-{problem}", classes[0], "test", index, problem) for index, problem in enumerate(BROKEN)]
    return whole + rest if broken else whole
