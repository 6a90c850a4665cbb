-- Spatial pointing as released: how do maps score under the code that the published numbers seem to come from? (beside Table 3)
-- One row per dataset, model, method, ratio and metric. Class rates are averaged, a frame without a box is a miss, and x and y are swapped. So no pointer passes the annotated percent, and one at the centre of a box reaches only the perfect percent (about 60 on UCF101-24 and 11 on EPIC-Object). The right percent is the game without these faults. Intervals: 95 %, clips are the sampling unit.
with games as (
    select name as metric, (settings ->> '$.tolerance_px')::double as tolerance
    from metrics
    where use = 'spatial_pointing_released'
),
clips_of as (
    select test_clips.*, models.name as model, metric, games.tolerance
    from test_clips
    join models using (size), games
    where status = 'ok'
),
boxed as (
    select model, metric, tolerance, dataset, clip_id, frame, x0, y0, x1, y1
    from clips_of
    join clip_boxes using (dataset, clip_id, size, view, label)
),
pointed as (
    select dataset, model, metric, clip_id, count(distinct pointer.frame) as annotated,
        count(distinct pointer.frame) filter (
            (pointer.y0 + pointer.y1) / 2 between box.x0 - tolerance and box.x1 + tolerance
            and (pointer.x0 + pointer.x1) / 2 between box.y0 - tolerance and box.y1 + tolerance
        ) as perfect
    from boxed as pointer
    join boxed as box using (dataset, model, metric, tolerance, clip_id, frame)
    group by all
),
classes as (
    select dataset, model, metric, label,
        coalesce(sum(annotated), 0) / sum(len(frames)) as annotated, coalesce(sum(perfect), 0) / sum(len(frames)) as perfect
    from clips_of
    left join pointed using (dataset, model, metric, clip_id)
    group by all
),
ceilings as (
    select dataset, model, metric, avg(annotated) as annotated, avg(perfect) as perfect from classes group by all
),
corrected as (
    select dataset, model, method, ratio, arg_min(rate, metric) as rate
    from pointing_rates
    where metric_use = 'spatial_pointing'
    group by all
)
select released.dataset, released.model, released.method, released.ratio, released.metric,
    percent(released.rate) as released_percent,
    percent(rate_low) as released_percent_low,
    percent(rate_high) as released_percent_high,
    printed as paper_percent,
    percent(perfect) as perfect_percent,
    percent(annotated) as annotated_percent,
    percent(corrected.rate) as right_percent,
    frames, clips, clips_asked,
    floors,
    percent(gain) as gain_points,
    percent(gain_low) as gain_points_low,
    percent(gain_high) as gain_points_high,
    reason
from pointing_rates as released
left join (from paper_values where quantity = 'spatial_percent') as paper using (dataset, model, method)
left join ceilings using (dataset, model, metric)
left join corrected
    on released.dataset = corrected.dataset and released.model = corrected.model and released.method = corrected.method
    and released.ratio is not distinct from corrected.ratio
where metric_use = 'spatial_pointing_released'
order by all
