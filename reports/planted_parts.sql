-- Planted parts: does STEP's temporal prior lose evidence in head and tail, and does `corrected` repair it?
-- One row per question, dataset, model, ratio, measure and part of the clip that shows the evidence. The network set by hand that looks at the object, clips that it is sure of; paired on the same clips, seeds averaged. STEP loses evidence if it keeps less than EP-3D of the same preset, schedule and perturbation; `corrected` repairs it if it keeps more than `matched`. Yes or no: the 95 % interval of the difference leaves 0. beyond_middle: by how much the difference in other parts exceeds that in the middle, other clips.
select means.question, means.dataset, means.model, means.ratio, means.measure, means.part,
    if(means.direction > 0, verdict(means.gain_low, means.gain_high, 0), verdict(-means.gain_high, -means.gain_low, 0))
        as answer,
    percent(means.gain) as gain_points,
    percent(means.gain_low) as gain_points_low,
    percent(means.gain_high) as gain_points_high,
    percent(means.gain - middle.gain) as beyond_middle_points,
    percent(
        means.gain - middle.gain
        - sqrt((means.gain - means.gain_low) ** 2 + (middle.gain_high - middle.gain) ** 2)
    ) as beyond_middle_points_low,
    percent(
        means.gain - middle.gain
        + sqrt((means.gain_high - means.gain) ** 2 + (middle.gain - middle.gain_low) ** 2)
    ) as beyond_middle_points_high,
    means.method,
    percent(means.kept) as kept_percent,
    means.other,
    percent(means.other_kept) as other_kept_percent,
    means.gain_clips as clips
from planted_part_means as means
left join planted_part_means as middle
    on means.part != 'middle' and middle.part = 'middle' and means.question = middle.question
    and means.dataset = middle.dataset and means.model = middle.model and means.ratio = middle.ratio
    and means.measure = middle.measure and means.method = middle.method and means.other = middle.other
order by means.question, means.dataset, means.model, means.ratio, means.measure, means.part
