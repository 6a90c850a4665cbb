-- What the tables estimates, comparisons and reliability are computed from (stepaudit/report/statistics/estimates.py, after these views).

create view measured_cells as
with released as (
    select dataset, model, method, ratio, metric, label, count(*) as frames
    from measured
    where metric_use = 'spatial_pointing_released'
    group by all
)
select measured.dataset, measured.model, measured.method, measured.ratio, measured.metric, measured.clip_id,
    measured.frame, measured.value, coalesce(1 / released.frames, 1) as weight
from measured
left join released
    on measured.dataset = released.dataset and measured.model = released.model and measured.method = released.method
    and measured.ratio is not distinct from released.ratio and measured.metric = released.metric
    and measured.label = released.label;
comment on view measured_cells is 'What each metric measured by frame (NULL for a whole clip), seeds averaged, and the weight of a frame: 1, but that the released pointing game gives each class the same.';

create view method_roles as
select name as method, use,
    use in ('center', 'random_pixel', 'annotation_prior', 'motion_energy') as is_floor
from methods;
comment on view method_roles is 'Each method, and whether it is a floor: a pointer that ignores the model.';

create view metric_roles as
select name as metric, use, annotation,
    use in (
        'spatial_pointing', 'spatial_pointing_released', 'temporal_pointing', 'mass_in_box', 'box_share', 'box_auc',
        'box_iou', 'mass_in_segment', 'segment_auc', 'kept_probability', 'entropy'
    ) as is_share,
    use = 'box_share' as is_constant
from metrics;
comment on view metric_roles is 'Each metric with its annotation, whether its values are known to lie between 0 and 1, and whether they are the same for all maps.';

create view annotation_pairs as
select own.name as metric, control.name as control, control.annotation
from metrics as own
join metrics as control on own.use = control.use and own.settings = control.settings
where own.annotation = 'own' and control.annotation != 'own';
comment on view annotation_pairs is 'Metrics that read the clip''s own annotation, each with the metric of the same use and options that reads another (shuffled or of another object).';

create view unmeasured as
with missing as (
    select dataset, model, method, ratio, metric
    from score_rows
    where part is null
    group by all
    having count(value) = 0
)
select missing.*, reason
from missing
left join reasons
    on missing.dataset = reasons.dataset and missing.model = reasons.model and missing.method = reasons.method
    and missing.ratio is not distinct from reasons.ratio and missing.metric = reasons.metric;
comment on view unmeasured is 'Methods that a metric measured on no clip, and why: what cannot be measured by its nature comes first.';
