-- Spatial pointing game: how often does the peak of a frame's map fall on the box? (Table 3)
-- One row per dataset, model, method, ratio and metric. Annotated frames only, seeds averaged; floors on the same frames. Intervals: 95 %, clips are the sampling unit. Last what the paper prints.
select dataset, model, method, ratio, metric,
    percent(rate) as hit_percent,
    percent(rate_low) as hit_percent_low,
    percent(rate_high) as hit_percent_high,
    percent(clip_mean) as clip_mean_percent,
    frames, clips, clips_asked,
    floors,
    percent(gain) as gain_points,
    percent(gain_low) as gain_points_low,
    percent(gain_high) as gain_points_high,
    printed as paper_percent,
    reason
from pointing_rates
left join (from paper_values where quantity = 'spatial_percent') as paper using (dataset, model, method)
where metric_use = 'spatial_pointing'
order by all
