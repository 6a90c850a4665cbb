"""Report of an explained clip: lines to print, rows of the tables, a summary, and the pictures' captions."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from stepaudit.audit import decides
from stepaudit.commands.explain.explanation import Explanation
from stepaudit.commands.explain.predicted import prediction_rows
from stepaudit.report.pictures import overlay
from stepaudit.report.pictures.mask_facts import visible
from stepaudit.report.pictures.pictures import shares
from stepaudit.store import formats

TOP = 5  # classes to print
SAME = 0.9  # share of the kept part's probability that the clip perturbed everywhere reaches: the part was not needed


@dataclass(frozen=True)
class ClipReport:
    """An explained clip with its names.

    Args:
        clip_id: name of the clip.
        clip: its row of the table `clips`.
        model: its name.
        model_argument: `--model` of the command line.
        classes: names of the model's classes, K.
        explanation: of one clip.
        is_named: whether the class was named, `--target`; else it is the model's answer.
    """

    clip_id: str
    clip: dict
    model: str
    model_argument: str
    classes: Sequence[str]
    explanation: Explanation
    is_named: bool = False

    @property
    def label(self) -> str:
        """Name of the explained class."""
        return self.classes[int(self.explanation.targets[0])]

    def lines(self) -> list[str]:
        """Lines to print: probabilities of the clip, of the kept part and of nothing, the ratio, the time."""
        names = ["class", "clip", "kept", "nothing", ""]
        rows = [
            [row["class"], *(f"{row[of]:.3f}" for of in names[1:4]), "explained" if row["explained"] else ""]
            for row in self.top()
        ]
        table = formats.format_rows(names, rows, "table").rstrip("\n").split("\n")
        return [
            *(line.rstrip() for line in table),
            f"kept: {self.kept_part}",
            *self.doubt(),
            f"time: {self.explanation.seconds:.1f} s on {self.explanation.clips.device.type}",
        ]

    @property
    def kept_part(self) -> str:
        """Description of the kept part of the clip."""
        ratio = self.explanation.ratios[0]
        if not self.explanation.is_mask:
            if self.explanation.maps[0].std() == 0:
                return f"the first {100 * ratio:g} % of voxels, the rest blurred; the map is constant and ranks none"
            return f"the {100 * ratio:g} % of voxels that the map ranks highest, the rest blurred (the map is no mask)"
        reached = f"asked {ratio:g}, reached" if self.explanation.takes_ratio else "reached"
        perturbation = self.explanation.compact.details["perturbation"]
        ratio_reached = f"ratio {reached} {self.explanation.volume[0].item():.3f}"
        return f"by the mask, {', '.join([ratio_reached, *visible(self.maps()[0])])}; {perturbation} elsewhere"

    def doubt(self) -> list[str]:
        """A line if the kept part was not needed: the class keeps its probability where nothing of the clip is left."""
        kept, empty = (
            float(each[0]) for each in (self.explanation.kept_probability, self.explanation.empty_probability)
        )
        if empty < SAME * kept:
            return []
        share = f"with the whole clip hidden '{self.label}' still has {empty:.3f}"
        return [f"nothing: {share}, so that the kept part is no evidence for it"]

    def top(self) -> list[dict]:
        """The most probable classes of the clip, the explained class, and the top class of the kept part."""
        whole, part, none = (
            logits[0].softmax(dim=0)
            for logits in (self.explanation.logits, self.explanation.kept_logits, self.explanation.empty_logits)
        )
        target = int(self.explanation.targets[0])
        shown = whole.argsort(descending=True)[:TOP].tolist()
        others = dict.fromkeys([target, int(part.argmax()), int(none.argmax())])
        shown += [index for index in others if index not in shown]
        return [
            {
                "class": self.classes[index],
                "index": index,
                "clip": whole[index].item(),
                "kept": part[index].item(),
                "nothing": none[index].item(),
                "explained": index == target,
            }
            for index in shown
        ]

    def maps(self) -> list[dict]:
        """The row of the table `maps`."""
        return [{**row, "target_name": self.label} for row in self.explanation.table([self.clip_id], self.model)]

    def tables(self) -> dict[str, list[dict]]:
        """Rows by table: the map and the prediction."""
        logits, targets = self.explanation.logits, self.explanation.targets if self.is_named else None
        return {
            "maps": self.maps(),
            "predictions": prediction_rows(self.clip_id, self.model, self.classes, logits, targets),
        }

    def summary(self) -> dict:
        """Request and results, without the maps."""
        row, explanation = self.maps()[0], self.explanation
        left_out = {
            "grid",
            "grid_shape",
            "frame_volume",
            "dataset",
            "status",
            "error",
            "options",
            "volume",
            "target_name",
        }
        return {
            **{key: value for key, value in row.items() if key not in left_out},
            "options": explanation.options,
            "label": self.label,
            "model_given": self.model_argument,
            "is_mask": explanation.is_mask,
            "volume": explanation.volume[0].item(),
            "probability_of_kept": explanation.kept_probability[0].item(),
            "top": self.top(),
            "frames": self.clip["frames"],
            "size": [len(self.clip["frames"]), self.clip["height"], self.clip["width"]],
            "frame_volume": row["frame_volume"],
            "device": str(explanation.clips.device),
            "versions": decides.versions(),
        }

    def shown(self) -> overlay.Shown:
        """The clip, ready to be drawn."""
        explanation = self.explanation
        before, after = explanation.probability[0].item(), explanation.kept_probability[0].item()
        name = f"{explanation.method} {explanation.ratios[0]:g}" if explanation.takes_ratio else explanation.method
        captions = (f"clip: {self.label} {before:.2f}", name, f"kept: {self.label} {after:.2f}")
        share = shares(explanation.maps[0].cpu().numpy(), mask=explanation.is_mask).clip(0, 1)
        frames, kept_frames = (overlay.pictures_of(each[0]) for each in (explanation.clips, explanation.kept_clips))
        return overlay.Shown(frames, share, kept_frames, captions)

    def strip(self) -> Image.Image:
        """Frames in a row: as they are, with the map, and the kept part."""
        explanation = self.explanation
        notes = (
            [f"probability {explanation.probability[0].item():.3f}"],
            [f"ratio reached {explanation.volume[0].item():.3f}", *visible(self.maps()[0])]
            if explanation.is_mask
            else [],
            [f"probability {explanation.kept_probability[0].item():.3f}"],
        )
        subtitle = f"{self.clip_id}, explained on {self.model}"
        return overlay.strip(self.shown(), self.label, subtitle, self.clip["frames"], notes)
