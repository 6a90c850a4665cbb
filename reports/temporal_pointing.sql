-- Temporal pointing game: how often does the most important frame lie in the annotated action? (Table 5)
-- One row per dataset, model, method, ratio and metric. Clips with the action in none or all of their frames are left out; floors on the same clips. Intervals: 95 %. Last what the paper prints.
select dataset, model, method, ratio, metric,
    percent(rate) as hit_percent,
    percent(rate_low) as hit_percent_low,
    percent(rate_high) as hit_percent_high,
    clips, clips_asked,
    floors,
    percent(gain) as gain_points,
    percent(gain_low) as gain_points_low,
    percent(gain_high) as gain_points_high,
    printed as paper_percent,
    reason
from pointing_rates
left join (from paper_values where quantity = 'temporal_percent') as paper using (dataset, model, method)
where metric_use = 'temporal_pointing'
order by all
