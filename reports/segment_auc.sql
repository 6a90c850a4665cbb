-- Rank accuracy of segments: how often has a frame of the action more of the map than one outside it? (beside Table 5)
-- One row per dataset, model, method, ratio and metric. Mean over clips, seeds averaged; 50 % is chance; clips with the action in none or all of their frames are left out; floors on the same clips. Intervals: 95 %, over clips.
select dataset, model, method, ratio, metric,
    round(100 * mean, 1) as auc_percent,
    round(100 * clamped(mean - margin, 1), 1) as auc_percent_low,
    round(100 * clamped(mean + margin, 1), 1) as auc_percent_high,
    clips, clips_asked,
    round(100 * center, 1) as center_percent,
    round(100 * random, 1) as random_percent,
    round(100 * prior, 1) as prior_percent,
    round(100 * motion, 1) as motion_percent,
    round(100 * gain, 1) as gain_points,
    round(100 * (clamped(gain - gain_margin + 1, 2) - 1), 1) as gain_points_low,
    round(100 * (clamped(gain + gain_margin + 1, 2) - 1), 1) as gain_points_high,
    reason
from measured_means
where metric_use = 'segment_auc'
order by all
