-- What the reports about planted videos share: their truth beside what each map scored.

create view planted_models as
select name as model, settings ->> '$.looks_at' as looks_at, settings ->> '$.part' as looks_in
from models
where use = 'planted_white_box';
comment on view planted_models is 'The networks set by hand: what each looks at, and in which part of the frames.';

create view planted_clips as
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
comment on view planted_clips is 'Planted test clips by model, in audits with a network set by hand: the part of the clip that shows the evidence, and whether the model is sure of the target (first, and above 50 %).';

create view planted_scores as
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
comment on view planted_scores is 'What each metric measured of each map of a planted clip, frames and seeds averaged; evidence_kept is the share of the support, each voxel weighed by the map, known for networks set by hand.';
