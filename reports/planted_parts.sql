-- Planted parts: does STEP's temporal prior lose evidence in head and tail, and does `corrected` repair it?
-- One row per question, dataset, model, ratio, measure and part of the clip that shows the evidence. The network set by hand that looks at the object, clips that it is sure of; paired on the same clips, seeds averaged. STEP loses evidence if it keeps less than EP-3D of the same preset, schedule and perturbation; `corrected` repairs it if it keeps more than `matched`. Yes or no: the 95 % interval of the difference leaves 0. beyond_middle: by how much the difference in other parts exceeds that in the middle, other clips.
with variants as (
    select name, use, settings ->> '$.preset' as preset,
        settings ->> ['$.schedule', '$.iterations', '$.perturbation', '$.blur_sigma', '$.mask_sigma'] as way
    from methods
),
pairs as (
    select concat('L_K loses evidence, preset ', preset) as question, method, ep3d as other, -1 as direction
    from ep3d_pairs
    join variants on variants.name = ep3d_pairs.method
    where method_use = 'step'
    union all
    select 'corrected repairs it', mended.name, plain.name, 1
    from variants as mended
    join variants as plain
        on mended.use = 'step' and plain.use = 'step' and mended.way is not distinct from plain.way
        and mended.preset = 'corrected' and plain.preset = 'matched'
),
measures as (
    unpivot (
        select dataset, model, method, ratio, clip_id, part, evidence_kept, in_segment
        from planted_scores
        where decided and looks_at = 'object'
    ) on evidence_kept, in_segment into name measure value value
),
differences as (
    select question, own.dataset, own.model, own.ratio, own.measure, own.method, pairs.other, direction,
        unnest(if(own.part = 'middle', ['middle'], [own.part, 'head and tail'])) as part,
        own.value, plain.value as other_value
    from pairs
    join measures as own on own.method = pairs.method
    join measures as plain
        on plain.method = pairs.other and own.dataset = plain.dataset and own.model = plain.model
        and own.ratio = plain.ratio and own.measure = plain.measure and own.clip_id = plain.clip_id
),
means as (
    select question, dataset, model, ratio, measure, method, other, part, any_value(direction) as direction, count(*) as clips,
        avg(value) as kept, avg(other_value) as other_kept,
        avg(value - other_value) as gain, paired_margin(value - other_value, 1) as margin
    from differences
    group by all
)
select means.question, means.dataset, means.model, means.ratio, means.measure, means.part,
    verdict(means.direction * means.gain - means.margin, means.direction * means.gain + means.margin, 0) as answer,
    round(100 * means.gain, 1) as gain_points,
    round(100 * clamped(means.gain - means.margin + 1, 2) - 100, 1) as gain_points_low,
    round(100 * clamped(means.gain + means.margin + 1, 2) - 100, 1) as gain_points_high,
    round(100 * (means.gain - middle.gain), 1) as beyond_middle_points,
    round(100 * (means.gain - middle.gain - sqrt(means.margin ** 2 + middle.margin ** 2)), 1) as beyond_middle_points_low,
    round(100 * (means.gain - middle.gain + sqrt(means.margin ** 2 + middle.margin ** 2)), 1) as beyond_middle_points_high,
    means.method,
    round(100 * means.kept, 1) as kept_percent,
    means.other,
    round(100 * means.other_kept, 1) as other_kept_percent,
    means.clips
from means
left join means as middle
    on means.part != 'middle' and middle.part = 'middle' and means.question = middle.question
    and means.dataset = middle.dataset and means.model = middle.model and means.ratio = middle.ratio
    and means.measure = middle.measure and means.method = middle.method and means.other = middle.other
order by means.question, means.dataset, means.model, means.ratio, means.measure, means.part
