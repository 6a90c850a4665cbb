-- Pointing games: how often does a method's peak fall where something is annotated, and how often that of a pointer that ignores the model?
-- One row per dataset, model, method, ratio, metric and class (NULL: all classes), of the spatial and the temporal game; controls are left out. Floors on the method's own frames. Intervals: 95 %, clips are the sampling unit.
with rates as (
    select dataset, model, method, ratio, metric, metric_use, label, count(*) as clips, sum(frames) as frames,
        sum(hits) / sum(frames) as rate, clustered_error(hits, frames) as error
    from pointing_clips
    where metric_use in ('spatial_pointing', 'temporal_pointing') and model not in (select model from controls)
    group by grouping sets (
        (dataset, model, method, ratio, metric, metric_use), (dataset, model, method, ratio, metric, metric_use, label)
    )
    having grouping(label) = 1 or label is not null
),
floor_rates as (
    select dataset, model, method, ratio, metric, label, floor, sum(floor_hits) / sum(frames) as rate
    from pointing_floors
    join segments using (dataset, clip_id)
    group by grouping sets (
        (dataset, model, method, ratio, metric, floor), (dataset, model, method, ratio, metric, floor, label)
    )
    having grouping(label) = 1 or label is not null
),
floors as (
    select dataset, model, method, ratio, metric, label,
        max(rate) filter (floor = 'center') as center,
        max(rate) filter (floor = 'random_pixel') as random,
        max(rate) as best
    from floor_rates
    group by all
)
select rates.dataset, rates.model, rates.method, concat_ws(' ', rates.method, rates.ratio) as contender, rates.metric,
    metric_use, rates.label,
    round(100 * rate, 1) as percent,
    round(100 * wilson_low(rate, effective_size(rate, error, clips, frames)), 1) as low,
    round(100 * wilson_high(rate, effective_size(rate, error, clips, frames)), 1) as high,
    round(100 * center, 1) as center,
    round(100 * random, 1) as random,
    round(100 * best, 1) as best,
    frames::bigint as frames, clips
from rates
left join floors
    on rates.dataset = floors.dataset and rates.model = floors.model and rates.method = floors.method
    and rates.ratio is not distinct from floors.ratio and rates.metric = floors.metric
    and rates.label is not distinct from floors.label
order by rates.dataset, rates.model, rates.metric, rates.method, rates.ratio, rates.label
