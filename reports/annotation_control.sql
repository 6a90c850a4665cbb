-- Shuffled annotation: does a method measure more with the clip's own annotation than with that of another clip?
-- One row per dataset, model, method, ratio and metric whose use and options stand in the configuration with another annotation, too: that of the next clip (shuffled) or of another object. On the frames where both could be measured. Intervals: 95 %, clips drawn with replacement; p: sign flips of clips, Holm over the methods of the metric.
select dataset, model, metric, annotation as control, other_metric as control_metric, method, ratio,
    case
        when holm_p < 0.05 and low > 0 then 'yes'
        when holm_p < 0.05 and high < 0 then 'no'
        else 'cannot tell'
    end as answer,
    round(difference, 3) as difference,
    round(low, 3) as difference_low,
    round(high, 3) as difference_high,
    round(p, 4) as p,
    round(holm_p, 4) as holm_p,
    round(value, 3) as own,
    round(other_value, 3) as control_value,
    better_clips, worse_clips, clips, frames
from comparisons
join (select name, annotation from metrics) as controls on other_metric = controls.name
where family = 'annotation'
order by all
