-- What the tables estimates, comparisons and reliability are computed from (stepaudit/report/statistics/estimates.py).

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
    and measured.label is not distinct from released.label;
comment on view measured_cells is 'What each metric measured by frame (NULL for a whole clip), seeds averaged, and the weight of a frame: 1, but that the released pointing game gives each class the same.';

create view method_roles as
select name as method, use, ignores_model as is_floor from methods;
comment on view method_roles is 'Each method, and whether it is a floor: a pointer that ignores the model.';

create view metric_roles as
select name as metric, use, annotation, is_share, ignores_map as is_constant
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

create temp view mass_means_samples as
with values as (
    select clip_scores.*, metrics.annotation
    from clip_scores
    join metrics on metric_name = metrics.name
    where part is null and value is not null
),
boxes as (
    select dataset, clip_id, annotation, avg(value) as box from values where metric_use = 'box_share' group by all
),
clips as (
    select dataset, model, method, ratio, metric, clip_id, avg(value) as mass, any_value(box) as box
    from values
    left join boxes using (dataset, clip_id, annotation)
    where metric_use = 'mass_in_box'
    group by all
)
select dataset, model, method, ratio, metric, clip_id, number_of(if(box is null, null, mass), box) as times, share(box) as box
from clips;
comment on view mass_means_samples is 'How many times more of the map lies on the boxes than a uniform map would put there, sum over sum, and the share of the boxes, both of the metric''s annotation.';

create temp view background_means_samples as
with frames as (
    select dataset, model, method, ratio, label, clip_id, frame,
        any_value(value) filter (metric_use = 'mass_in_box') as on_box,
        any_value(value) filter (metric_use = 'box_share') as box
    from measured
    where metric in (select name from metrics where annotation = 'own') and metric_use in ('mass_in_box', 'box_share')
        and method in (select method from method_roles where not is_floor)
    group by all
    having on_box is not null and box is not null
),
clips as (
    select dataset, model, method, ratio, label, clip_id, 1 - avg(on_box) as beside, 1 - avg(box) as background
    from frames
    group by all
)
select dataset, model, method, ratio, label, clip_id,
    share(beside) as beside, share(background) as background, difference(beside - background) as more
from clips;
comment on view background_means_samples is 'The share of a map that lies beside the boxes, that of the picture, and their difference, in each class.';
