-- Planted parts: does STEP's temporal prior lose evidence in head and tail, and does `corrected` repair it?
-- One row per question, dataset, model, ratio, measure and part of the clip that shows the evidence. The network set by hand that looks at the object, clips that it is sure of; paired on the same clips, seeds averaged. STEP loses evidence if it keeps less than EP-3D of the same preset, schedule and perturbation; `corrected` repairs it if it keeps more than `matched`. Yes or no: the 95 % interval of the difference leaves 0. beyond_middle: by how much the difference in other parts exceeds that in the middle, other clips.
select means.question, means.dataset, means.model, means.ratio, means.measure, means.part,
    if(means.direction > 0, verdict(means.gain_low, means.gain_high, 0), verdict(-means.gain_high, -means.gain_low, 0))
        as answer,
    percent(means.gain) as gain_points,
    percent(means.gain_low) as gain_points_low,
    percent(means.gain_high) as gain_points_high,
    percent(beyond) as beyond_middle_points,
    percent(beyond_low) as beyond_middle_points_low,
    percent(beyond_high) as beyond_middle_points_high,
    means.method,
    percent(means.kept) as kept_percent,
    means.other,
    percent(means.other_kept) as other_kept_percent,
    means.gain_clips as clips
from planted_part_means as means
left join planted_part_contrasts using (question, dataset, model, ratio, measure, method, other, part)
order by means.question, means.dataset, means.model, means.ratio, means.measure, means.part
