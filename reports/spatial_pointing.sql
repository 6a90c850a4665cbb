-- Spatial pointing game: how often does the peak of a frame's map fall on the box? (Table 3)
-- One row per dataset, model, method, ratio and metric. Annotated frames only, seeds averaged; floors on the same frames. Intervals: 95 %, clips are the sampling unit. Last what the paper prints.
select dataset, model, method, ratio, metric,
    round(100 * rate, 1) as hit_percent,
    round(100 * rate_low, 1) as hit_percent_low,
    round(100 * rate_high, 1) as hit_percent_high,
    round(100 * clip_mean, 1) as clip_mean_percent,
    frames, clips, clips_asked,
    round(100 * center, 1) as center_percent,
    round(100 * random, 1) as random_percent,
    round(100 * prior, 1) as prior_percent,
    round(100 * motion, 1) as motion_percent,
    round(100 * gain, 1) as gain_points,
    round(100 * gain_low, 1) as gain_points_low,
    round(100 * gain_high, 1) as gain_points_high,
    printed as paper_percent,
    reason
from pointing_rates
left join (from paper_values where quantity = 'spatial_percent') as paper using (dataset, model, method)
where metric_use = 'spatial_pointing'
order by all
