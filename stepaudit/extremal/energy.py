"""The energy that a mask minimises: data, area and core term, each row with its own ratio and at its own iteration."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from stepaudit.errors import NotApplicableError, TooShortError
from stepaudit.extremal.area import area_loss, area_loss_per_frame
from stepaudit.extremal.core import Core, core_frames
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax


class Energy:
    """E = data weight · (−log Φ_c) + area weight · area term + core weight · L_K. Li et al. 2021, eqs. 4–9.

    L_K gathers the mask into ellipsoids, see `Core`.

    Args:
        settings: weights and forms of the terms.
        geometry: makes the masks, and crops them to what the model sees.
        frames: of a clip.

    Raises:
        TooShortError: the clips have fewer frames than the kernel of L_K as released.
        NotApplicableError: that kernel has no room in the frames.
    """

    def __init__(self, settings: Settings, geometry: SmoothMax, frames: int):
        self.settings, self.geometry = settings, geometry
        self.area = {"clip": area_loss, "frame": area_loss_per_frame}[settings.area_per]
        self.core: Core | None = None
        if settings.core != "none":
            side, released = (geometry.height, geometry.width), settings.core == "released"
            self.core = Core(*side, core_frames(settings.core_frames, frames), released=released)
            if settings.core_size is not None and settings.core_size < self.core.diameter:
                self.core = replace(self.core, size=settings.core_size)
            if self.core.released:
                self._require_room(self.core, frames)

    def _require_room(self, core: Core, frames: int) -> None:
        """L_K as released needs two placements at least: one to keep and one to leave."""
        kernel = core.frames, core.diameter
        if frames < kernel[0]:
            raise TooShortError(f"clip of {frames} frames: L_K as released needs {kernel[0]}; use preset 'corrected'")
        margin = 2 * self.geometry.margin if self.settings.area_on == "padded" else 0
        height, width = self.geometry.height + margin, self.geometry.width + margin
        if (height // kernel[1]) * (width // kernel[1]) * (frames - kernel[0] + 1) < 2:
            raise NotApplicableError(
                f"L_K as released, of {kernel[0]} frames and {kernel[1]} px, has fewer than two places in masks of "
                f"{frames} frames of {height} × {width} px; use preset 'corrected'"
            )

    def __call__(self, data: Tensor, masks: Tensor, ratios: Sequence[float], step: int) -> Tensor:
        """The energy of each row.

        Args:
            data: [N], −log Φ_c of the clips perturbed by the masks.
            masks: [N, T, H', W'], as the geometry makes them.
            ratios: N preservation ratios.
            step: the iteration, counted from 0.

        Returns:
            [N].
        """
        settings, tie = self.settings, self.settings.tie_at(step)
        seen = self.geometry.crop(masks) if settings.area_on == "cropped" else masks
        energy = settings.data_weight * data + settings.area_weight_at(step) * self.area(seen, ratios, tie)
        return energy if self.core is None else energy + settings.core_weight_at(step) * self.core(seen, ratios, tie)
