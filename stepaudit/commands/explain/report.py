"""What is told of an explained clip: lines to print, rows of the tables, a summary, and the pictures' captions."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from stepaudit.audit import decides
from stepaudit.commands.explain.explanation import Explanation
from stepaudit.layers import probability_and_rank
from stepaudit.report.pictures import overlay
from stepaudit.report.pictures.pictures import shares
from stepaudit.store import formats, schema

TOP = 5  # classes to print


@dataclass(frozen=True)
class Report:
    """An explained clip with its names.

    Args:
        clip_id: name of the clip.
        clip: what the table `clips` holds of it.
        model: its name.
        given: how the model was named on the command line.
        classes: names of the model's classes, K.
        found: the explanation, of one clip.
    """

    clip_id: str
    clip: dict
    model: str
    given: str
    classes: Sequence[str]
    found: Explanation

    @property
    def label(self) -> str:
        """Name of the class that is explained."""
        return self.classes[self.found.targets[0].item()]

    def lines(self) -> list[str]:
        """What is printed: the classes before and after, the ratio, the time."""
        names = ["class", "clip", "kept", ""]
        rows = [
            [row["class"], f"{row['clip']:.3f}", f"{row['kept']:.3f}", "explained" if row["explained"] else ""]
            for row in self.top()
        ]
        table = formats.format_rows(names, rows, "table").rstrip("\n").split("\n")
        return [
            *(line.rstrip() for line in table),
            f"kept: {self.kept}",
            f"time: {self.found.seconds:.1f} s on {self.found.clips.device.type}",
        ]

    @property
    def kept(self) -> str:
        """What is kept of the clip, in words."""
        found, ratio = self.found, self.found.ratios[0]
        if not found.is_mask:
            return f"the {100 * ratio:g} % of voxels that the map ranks highest, the rest blurred (the map is no mask)"
        wanted = f"asked {ratio:g}, reached" if found.takes_ratio else "reached"
        perturbation = found.compact.details["perturbation"]
        return f"by the mask, ratio {wanted} {found.volume[0].item():.3f}; {perturbation} elsewhere"

    def top(self) -> list[dict]:
        """The most probable classes of the clip, and besides the one explained and the first of what is kept."""
        before, after = (logits[0].softmax(dim=0) for logits in (self.found.logits, self.found.kept_logits))
        target = self.found.targets[0].item()
        shown = before.argsort(descending=True)[:TOP].tolist()
        shown += [index for index in dict.fromkeys([target, after.argmax().item()]) if index not in shown]
        return [
            {
                "class": self.classes[index],
                "index": index,
                "clip": before[index].item(),
                "kept": after[index].item(),
                "explained": index == target,
            }
            for index in shown
        ]

    def maps(self) -> list[dict]:
        """The row of the table `maps`."""
        return self.found.table([self.clip_id], self.model)

    def predictions(self) -> list[dict]:
        """The row of the table `predictions`."""
        probability, rank = probability_and_rank(self.found.logits, self.found.targets)
        row = {
            "clip_id": self.clip_id,
            "model": self.model,
            "target": self.found.targets[0].item(),
            "label": self.label,
            "target_probability": probability[0].item(),
            "rank": rank[0].item(),
            "probabilities": self.found.logits[0].softmax(dim=0).tolist(),
            "status": "ok",
        }
        return [{column.name: row.get(column.name) for column in schema.TABLES["predictions"].columns}]

    def summary(self) -> dict:
        """What was asked and found, without the maps."""
        row, found = self.maps()[0], self.found
        left_out = {"grid", "grid_shape", "frame_volume", "dataset", "status", "error", "options", "volume"}
        return {
            **{key: value for key, value in row.items() if key not in left_out},
            "options": found.options,
            "label": self.label,
            "model_given": self.given,
            "is_mask": found.is_mask,
            "volume": found.volume[0].item(),
            "probability_of_kept": found.kept_probability[0].item(),
            "top": self.top(),
            "frames": self.clip["frames"],
            "size": [len(self.clip["frames"]), self.clip["height"], self.clip["width"]],
            "frame_volume": row["frame_volume"],
            "device": str(found.clips.device),
            "versions": decides.versions(),
        }

    def shown(self) -> overlay.Shown:
        """The clip, ready to be drawn."""
        found = self.found
        before, after = found.probability[0].item(), found.kept_probability[0].item()
        name = f"{found.method} {found.ratios[0]:g}" if found.takes_ratio else found.method
        captions = (f"clip: {self.label} {before:.2f}", name, f"kept: {self.label} {after:.2f}")
        share = shares(found.maps[0].cpu().numpy(), mask=found.is_mask).clip(0, 1)
        frames, kept = (overlay.pictures_of(clips[0]) for clips in (found.clips, found.kept_clips))
        return overlay.Shown(frames, share, kept, captions)

    def strip(self) -> Image.Image:
        """Frames in a row, with the map and with what is kept."""
        found = self.found
        notes = (
            [f"probability {found.probability[0].item():.3f}"],
            [f"ratio reached {found.volume[0].item():.3f}"] if found.is_mask else [],
            [f"probability {found.kept_probability[0].item():.3f}"],
        )
        subtitle = f"{self.clip_id}, explained on {self.model}"
        return overlay.strip(self.shown(), self.label, subtitle, self.clip["frames"], notes)
