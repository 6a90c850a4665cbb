-- Pointing games: how often does a method's peak fall where something is annotated, and how often that of a pointer that ignores the model?
-- One row per dataset, model, method, ratio, metric and class (NULL: all classes), of the spatial and the temporal game; controls are left out. Floors on the method's own frames. Intervals: 95 %, clips are the sampling unit.
with counts as (
    select dataset, model, method, ratio, metric, label, sum(frames) as frames from pointing_clips group by all
),
rates as (
    select dataset, model, method, ratio, metric, metric_use, null as label, rate, rate_low, rate_high, clips, frames
    from pointing_rates
    where metric_use in ('spatial_pointing', 'temporal_pointing') and rate is not null
    union all by name
    select class_rates.* exclude (clips_asked, rate_clips), rate_clips as clips, frames
    from class_rates
    join counts
        on class_rates.dataset = counts.dataset and class_rates.model = counts.model
        and class_rates.method = counts.method and class_rates.ratio is not distinct from counts.ratio
        and class_rates.metric = counts.metric and class_rates.label = counts.label
),
floor_rates as (
    select dataset, model, method, ratio, metric, unnest(if(label is null, [null], [null, label])) as label, floor,
        floor_hits, frames
    from pointing_floors
    left join segments using (dataset, clip_id)
),
floors as (
    select dataset, model, method, ratio, metric, label, floor, percent(sum(floor_hits) / sum(frames)) as percent
    from floor_rates
    group by all
),
beside as (
    select dataset, model, method, ratio, metric, label, max(percent) as best,
        list({'floor': floor, 'percent': percent} order by floor) as floors
    from floors
    group by all
)
select rates.dataset, rates.model, rates.method, concat_ws(' ', rates.method, rates.ratio) as contender, rates.metric,
    metric_use, rates.label,
    percent(rate) as percent, percent(rate_low) as low, percent(rate_high) as high,
    best, coalesce(floors, []) as floors,
    frames::bigint as frames, clips
from rates
left join beside
    on rates.dataset = beside.dataset and rates.model = beside.model and rates.method = beside.method
    and rates.ratio is not distinct from beside.ratio and rates.metric = beside.metric
    and rates.label is not distinct from beside.label
where rates.model not in (select model from controls)
order by rates.dataset, rates.model, rates.metric, rates.method, rates.ratio, rates.label
