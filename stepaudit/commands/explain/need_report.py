"""Report of the least part of a clip: lines to print, rows of the tables, a summary, and the pictures' captions."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from stepaudit.audit import decides
from stepaudit.commands.explain.need import Need
from stepaudit.commands.explain.predicted import prediction_rows
from stepaudit.report.page.need_texts import percent
from stepaudit.report.pictures import overlay


@dataclass(frozen=True)
class NeedReport:
    """The least part of one clip, with its names.

    Args:
        clip_id: name of the clip.
        clip: its row of the table `clips`.
        model: its name.
        model_argument: `--model` of the command line.
        classes: names of the model's classes, K.
        need: of one clip.
        is_named: whether the class was named, `--target`; else it is the model's answer.
    """

    clip_id: str
    clip: dict
    model: str
    model_argument: str
    classes: Sequence[str]
    need: Need
    is_named: bool = False

    @property
    def label(self) -> str:
        """Name of the class asked for."""
        return self.classes[int(self.need.targets[0])]

    def lines(self) -> list[str]:
        """Lines to print: the findings, and the time."""
        passes = sum(
            answer.passes + answer.readings.passes for answer in (self.need.answers[0], self.need.other_answers[0])
        )
        place = self.need.clips.device.type
        return [
            *self.need.sentences(0, self.classes),
            f"time: {self.need.seconds:.1f} s on {place}, {passes:.0f} passes",
        ]

    def tables(self) -> dict[str, list[dict]]:
        """Rows by table: two of `preservation`, for the class and the most probable other one, and the prediction."""
        logits, targets = self.need.logits, self.need.targets if self.is_named else None
        return {
            "preservation": self.need.table([self.clip_id], self.model),
            "predictions": prediction_rows(self.clip_id, self.model, self.classes, logits, targets),
        }

    def summary(self) -> dict:
        """Request and results, without the masks."""
        left_out = {
            "clip_id",
            "model",
            "method",
            "seed",
            "grid",
            "grid_shape",
            "dataset",
            "status",
            "error",
            "required_probability",
            "kept_probability",
            "target_name",
        }
        rows = [{key: value for key, value in row.items() if key not in left_out} for row in self.need.table()]
        return {
            "clip_id": self.clip_id,
            "model": self.model,
            "model_given": self.model_argument,
            "label": self.label,
            "runner_up": self.classes[int(self.need.others[0])],
            "method": self.need.method,
            "seed": self.need.seed,
            "options": self.need.options,
            "sentences": self.need.sentences(0, self.classes),
            "needs": {row["asked_class"]: row for row in rows},
            "frames": self.clip["frames"],
            "size": [len(self.clip["frames"]), self.clip["height"], self.clip["width"]],
            "device": str(self.need.clips.device),
            "versions": decides.versions(),
        }

    def shown(self) -> overlay.Shown:
        """The clip, the mask and what it shows, ready to be drawn."""
        mask = self.need.masks[0]
        probability = self.need.logits[0].softmax(dim=0)[self.need.targets[0]].item()
        shown = f"shown: {percent(mask.mean().item())}"
        captions = (f"clip: {self.label} {probability:.2f}", shown, "the rest in grey")
        frames, kept = (overlay.pictures_of(each[0]) for each in (self.need.clips, self.need.shown_clips))
        return overlay.Shown(frames, mask.cpu().numpy(), kept, captions)

    def strip(self) -> Image.Image:
        """Frames in a row: as they are, with the mask, and with all but the mask hidden."""
        subtitle = f"{self.clip_id}, half of the confidence of {self.model}"
        return overlay.strip(self.shown(), self.label, subtitle, self.clip["frames"], ([], [], ["the rest in grey"]))
