-- STEP against EP-3D: does STEP point at the object more often than EP-3D? (section 4.3.2)
-- One row per dataset, model, ratio, metric and pair of a STEP and an EP-3D with the same preset, schedule and perturbation. Paired on the frames where both were measured, seeds averaged; a data set without boxes is left out. Yes or no: the 95 % interval of the difference, clips the sampling unit, leaves 0, and so does the test by sign flips of clips (p < 0.05).
with unannotated as (
    select dataset, metric
    from scores
    group by all
    having count(value) = 0 and bool_or(status = 'no_annotation')
),
asked as (
    select datasets.name as dataset, models.name as model, method as step, ep3d, unnest(ratios) as ratio,
        metrics.name as metric
    from datasets, models, ep3d_pairs, metrics
    where smoothing = 'L_K' and metrics.use = 'spatial_pointing'
        and (datasets.name, metrics.name) not in (select (dataset, metric) from unannotated)
)
select 'STEP beats EP-3D in the spatial pointing game' as claim,
    asked.dataset, asked.model, asked.step, asked.ep3d, asked.ratio, asked.metric,
    if(p < 0.05, verdict(gain_low, gain_high, 0), 'cannot tell') as answer,
    percent(gain) as gain_points, percent(gain_low) as gain_points_low, percent(gain_high) as gain_points_high,
    percent(rate) as step_percent,
    percent(ep3d_rate) as ep3d_percent,
    better_clips as step_better_clips,
    worse_clips as ep3d_better_clips,
    clips - better_clips - worse_clips as equal_clips,
    coalesce(clips, 0) as clips
from asked
left join gains_over_ep3d as gains
    on asked.dataset = gains.dataset and asked.model = gains.model and asked.step = gains.method
    and asked.ep3d = gains.ep3d and asked.ratio = gains.ratio and asked.metric = gains.metric
order by all
