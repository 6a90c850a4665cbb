-- What the reports about planted videos share: their truth beside what each map scored.

create table planted_models as
select name as model, settings ->> '$.looks_at' as looks_at, settings ->> '$.part' as looks_in
from models
where use = 'planted_white_box';
comment on table planted_models is 'The networks set by hand: what each looks at, and in which part of the frames.';

create table planted_clips as
select test_clips.dataset, clip_id, models.name as model, looks_at,
    ['head', 'middle', 'tail'][
        1 + floor(3 * (list_avg(shown) - 0.5) / len(in_action))::int
    ] as part,
    rank = 1 and target_probability > 0.5 as decided
from (
    select *, [frame for frame in range(1, len(in_action) + 1) if in_action[frame]] as shown
    from test_clips
) as test_clips
join models using (size)
join datasets on test_clips.dataset = datasets.name and datasets.use = 'planted'
join predictions using (dataset, clip_id)
left join planted_models on models.name = planted_models.model
where predictions.model = models.name and exists (from planted_models) and len(shown) > 0;
comment on table planted_clips is 'Planted test clips by model, in audits with a network set by hand: the part of the clip that shows the evidence, and whether the model is sure of the target (first, and above 50 %).';

create table planted_scores as
with measured as (
    select dataset, model, method, method_use, ratio, clip_id,
        avg(value) filter (metric_use = 'spatial_pointing') as spatial,
        avg(value) filter (metric_use = 'temporal_pointing') as temporal,
        avg(value) filter (metric_use = 'support' and part = 'mass') as on_support,
        avg(value) filter (metric_use = 'support' and part = 'share') as support,
        avg(value) filter (metric_use = 'mass_in_box') as in_box,
        avg(value) filter (metric_use = 'box_share') as box,
        avg(value) filter (metric_use = 'box_auc') as box_auc,
        avg(value) filter (metric_use = 'box_iou') as box_iou,
        avg(value) filter (metric_use = 'mass_in_segment') as in_segment,
        avg(value) filter (metric_use = 'segment_auc') as segment_auc,
        avg(value) filter (metric_use = 'kept_probability' and part is null) as kept,
        avg(value) filter (metric_use = 'on_boxes' and part = 'mass' and annotation = 'other') as on_decoy,
        avg(value) filter (metric_use = 'on_boxes' and part = 'peak' and annotation = 'other') as peak_on_decoy
    from score_rows
    join metrics on score_rows.metric_name = metrics.name
    where dataset in (select dataset from planted_clips)
        and (annotation = 'own' or (annotation = 'other' and metric_use = 'on_boxes'))
    group by all
),
volumes as (
    select dataset, model, method, ratio, clip_id, avg(volume) as volume
    from maps
    group by all
)
select measured.*, looks_at, part, decided, volume,
    case when looks_at is not null then least(1, on_support * volume / support) end as evidence_kept
from measured
join planted_clips using (dataset, model, clip_id)
left join volumes
    on measured.dataset = volumes.dataset and measured.model = volumes.model and measured.method = volumes.method
    and measured.ratio is not distinct from volumes.ratio and measured.clip_id = volumes.clip_id;
comment on table planted_scores is 'What each metric measured of each map of a planted clip, frames and seeds averaged; evidence_kept is the share of the support, each voxel weighed by the map, known for networks set by hand.';

create temp view planted_means_samples as
select dataset, model, looks_at, method, ratio, clip_id, share(on_support) as on_support, share(support) as support,
    share(spatial) as spatial, share(temporal) as temporal, share(in_box) as in_box, share(box_auc) as box_auc,
    share(box_iou) as box_iou, share(in_segment) as in_segment, share(segment_auc) as segment_auc,
    share(on_decoy) as on_decoy, share(peak_on_decoy) as peak_on_decoy, share(kept) as kept,
    share(if(looks_at is not null and ratio is not null, abs(volume - support), null)) as area_error
from planted_scores
where decided;
comment on view planted_means_samples is 'What each metric measured on planted clips that the model is sure of, means over clips.';

create temp view planted_truth_means_samples as
select dataset, method, ratio, looks_at, clip_id, unnest(if(looks_at = 'object', [null, part], [null])) as part,
    share(on_support) as on_support, share(spatial) as spatial, share(temporal) as temporal,
    share(segment_auc) as segment_auc, share(on_decoy) as on_decoy,
    share(if(ratio is not null, abs(volume - support), null)) as area_error
from planted_scores
where decided and looks_at is not null and on_support is not null;
comment on view planted_truth_means_samples is 'The same of networks set by hand, by what they look at; of those that look at the object also by the part of the clip that shows it (NULL: any).';

create view planted_differences as
with variants as (
    select name, smoothing, settings ->> '$.preset' as preset,
        settings ->> ['$.schedule', '$.iterations', '$.perturbation', '$.blur_sigma', '$.mask_sigma'] as way
    from methods
    join paper_smoothing on use = method_use
    where smoothing = 'L_K'
),
pairs as (
    select concat('L_K loses evidence, preset ', preset) as question, method, ep3d as other, -1 as direction
    from ep3d_pairs
    join variants on variants.name = ep3d_pairs.method
    union all
    select 'corrected repairs it', corrected.name, matched.name, 1
    from variants as corrected
    join variants as matched
        on corrected.way is not distinct from matched.way
        and corrected.preset = 'corrected' and matched.preset = 'matched'
),
measures as (
    unpivot (
        select dataset, model, method, ratio, clip_id, part, evidence_kept, in_segment
        from planted_scores
        where decided and looks_at = 'object'
    ) on evidence_kept, in_segment into name measure value value
)
select question, own.dataset, own.model, own.ratio, own.measure, own.method, pairs.other, direction, own.clip_id,
    unnest(if(own.part = 'middle', ['middle'], [own.part, 'head and tail'])) as part, own.value, plain.value as other_value
from pairs
join measures as own on own.method = pairs.method
join measures as plain
    on plain.method = pairs.other and own.dataset = plain.dataset and own.model = plain.model
    and own.ratio = plain.ratio and own.measure = plain.measure and own.clip_id = plain.clip_id;
comment on view planted_differences is 'What two methods that `planted_parts` compares keep of the evidence of each planted clip.';

create temp view planted_part_means_samples as
select * exclude (value, other_value), share(value) as kept, share(other_value) as other_kept,
    difference(value - other_value) as gain
from planted_differences;
comment on view planted_part_means_samples is 'Differences of what two methods keep of the evidence, means over clips by the part of the clip that shows it.';

create temp view planted_part_contrasts_samples as
with gains as (
    select question, dataset, model, ratio, measure, method, other, part, clip_id, value - other_value as gain
    from planted_differences
),
parts as (
    select distinct * exclude (clip_id, gain) from gains where part != 'middle'
)
select parts.*, clip_id, contrast(gain, gains.part = parts.part) as beyond
from parts
join gains using (question, dataset, model, ratio, measure, method, other)
where gains.part in (parts.part, 'middle');
comment on view planted_part_contrasts_samples is 'By how much such differences in a part of the clip exceed those in the middle, which are of other clips.';

-- Answers on the clips on which the network set by hand is wrong.
create temp view cue_means_samples as
with answers as (
    select dataset, model, clip_id, target, list_position(probabilities, list_max(probabilities)) - 1 as answer
    from predictions
    where status = 'ok'
)
select own.dataset, own.model, hand.model as network, looks_at, own.clip_id, answer(own.answer = hand.answer) as followed
from planted_models
join answers as hand on hand.model = planted_models.model and hand.answer != hand.target
join answers as own
    on own.dataset = hand.dataset and own.clip_id = hand.clip_id
    and own.model not in (select model from planted_models)
where looks_at in ('background', 'decoy');
comment on view cue_means_samples is 'How often a trained model gives the wrong answer of a network that looks at a cue, on the clips where that is wrong.';
