-- Methods in pairs: which of two methods measures more on the same clips?
-- One row per dataset, model, metric and pair of methods at the same ratio, or of which one has none; floors are left out. Intervals: 95 %, clips drawn with replacement; p: sign flips of clips, Holm over all pairs of the metric. `more` names one only where the corrected p and the interval leave no doubt.
select dataset, model, metric, method, comparisons.ratio, other_method, other_ratio,
    case
        when holm_p < 0.05 and low > 0 then 'the first'
        when holm_p < 0.05 and high < 0 then 'the second'
        else 'cannot tell'
    end as more,
    round(difference, 3) as difference,
    round(low, 3) as difference_low,
    round(high, 3) as difference_high,
    round(p, 4) as p,
    round(holm_p, 4) as holm_p,
    round(value, 3) as value,
    round(other_value, 3) as other_value,
    better_clips, worse_clips, clips - better_clips - worse_clips as equal_clips, clips, frames
from comparisons
join metric_roles using (metric)
where family = 'method' and not is_constant
order by all
