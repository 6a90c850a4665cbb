-- Mass in segment: how many times more of the map lies in the action than a uniform map would put there? (beside Table 5)
-- One row per dataset, model, method, ratio and metric. Seeds averaged; clips with the action in none or all of their frames are left out; floors on the same clips. Intervals: 95 %, over clips.
with segments as (
    select dataset, clip_id, models.name as model, list_avg(in_action::int[]) as segment
    from test_clips
    join models using (size)
),
uniform as (
    select dataset, model, method, ratio, metric, avg(segment) as segment,
        sum(value) / sum(segment) as times, t95(count(*) - 1) * clustered_error(value, segment) as times_margin
    from measured
    join segments using (dataset, clip_id, model)
    where metric_use = 'mass_in_segment'
    group by all
)
select means.dataset, means.model, means.method, means.ratio, means.metric,
    round(times, 2) as times,
    round(clamped(times - times_margin, times), 2) as times_low,
    round(times + times_margin, 2) as times_high,
    clips, clips_asked,
    round(100 * mean, 1) as mass_percent,
    round(100 * clamped(mean - margin, 1), 1) as mass_percent_low,
    round(100 * clamped(mean + margin, 1), 1) as mass_percent_high,
    round(100 * segment, 1) as segment_percent,
    round(100 * center, 1) as center_percent,
    round(100 * random, 1) as random_percent,
    round(100 * prior, 1) as prior_percent,
    round(100 * motion, 1) as motion_percent,
    round(100 * gain, 1) as gain_points,
    round(100 * (clamped(gain - gain_margin + 1, 2) - 1), 1) as gain_points_low,
    round(100 * (clamped(gain + gain_margin + 1, 2) - 1), 1) as gain_points_high,
    reason
from measured_means as means
left join uniform
    on means.dataset = uniform.dataset and means.model = uniform.model and means.method = uniform.method
    and means.ratio is not distinct from uniform.ratio and means.metric = uniform.metric
where metric_use = 'mass_in_segment'
order by all
