-- Smoothness: does smoothing in time help EP-3D to point at the object? (Table 4)
-- One row per dataset, model, method, ratio and metric, and per EP-3D of the same preset, schedule and perturbation, over which the gain is, paired on the same frames. Seeds averaged. Intervals: 95 %, clips are the sampling unit.
select rates.dataset, rates.model, rates.method, (settings ->> '$.reach')::int as reach, rates.ratio, rates.metric,
    percent(rates.rate) as hit_percent,
    percent(rate_low) as hit_percent_low,
    percent(rate_high) as hit_percent_high,
    rates.clips, rates.clips_asked,
    gains.ep3d,
    percent(gains.gain) as over_ep3d_points,
    percent(gains.gain_low) as over_ep3d_points_low,
    percent(gains.gain_high) as over_ep3d_points_high,
    printed as paper_percent,
    reason
from pointing_rates as rates
join methods on rates.method = methods.name
left join (from paper_values where quantity = 'spatial_percent') as paper using (dataset, model, method)
left join gains_over_ep3d as gains
    on rates.dataset = gains.dataset and rates.model = gains.model and rates.method = gains.method
    and rates.ratio = gains.ratio and rates.metric = gains.metric
where metric_use = 'spatial_pointing' and rates.method_use in (select method_use from paper_smoothing)
order by all
