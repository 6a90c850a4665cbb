-- Mass in box: how many times more of the map lies on the boxes than a uniform map would put there? (beside Table 3)
-- One row per dataset, model, method, ratio and metric. Annotated frames only, seeds averaged; clips without boxes are left out; without the metric box_share only the mass is known. Intervals: 95 %, over clips.
with boxes as (
    select dataset, clip_id, avg(value) as box
    from clip_scores
    where metric_use = 'box_share'
    group by all
),
measured as (
    select dataset, model, method, ratio, metric, clip_id, avg(value) as mass, any_value(box) as box
    from clip_scores
    left join boxes using (dataset, clip_id)
    where metric_use = 'mass_in_box' and part is null and value is not null
    group by all
),
averages as (
    select dataset, model, method, ratio, metric, count(*) as clips,
        avg(mass) as mass, mean_margin(mass) as margin, avg(box) as box,
        sum(mass) / sum(box) as times, t95(count(*) - 1) * clustered_error(mass, box) as times_margin
    from measured
    group by all
)
select dataset, model, method, ratio, metric,
    round(times, 2) as times,
    round(clamped(times - times_margin, times), 2) as times_low,
    round(times + times_margin, 2) as times_high,
    clips,
    round(100 * mass, 1) as mass_percent,
    round(100 * clamped(mass - margin, 1), 1) as mass_percent_low,
    round(100 * clamped(mass + margin, 1), 1) as mass_percent_high,
    round(100 * box, 1) as box_percent
from averages
order by all
