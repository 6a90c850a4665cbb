-- Mass in box: how many times more of the map lies on the boxes than a uniform map would put there? (beside Table 3)
-- One row per dataset, model, method, ratio and metric. Annotated frames only, seeds averaged; clips without boxes are left out; without the metric box_share only the mass is known. Intervals: 95 %, over clips.
select means.dataset, means.model, means.method, means.ratio, means.metric,
    round(times, 2) as times, round(times_low, 2) as times_low, round(times_high, 2) as times_high,
    clips,
    percent(value) as mass_percent, percent(low) as mass_percent_low, percent(high) as mass_percent_high,
    percent(box) as box_percent
from mass_means as means
join estimates
    on means.dataset = estimates.dataset and means.model = estimates.model and means.method = estimates.method
    and means.ratio is not distinct from estimates.ratio and means.metric = estimates.metric
order by all
