-- Gains over trivial pointers: does a method measure more than the best pointer that ignores the model?
-- One row per dataset, model, metric, method and ratio. Metrics of the clip's own annotation, floors on the same frames; the gain is over the greatest of them. Intervals: 95 %, clips drawn with replacement; p: sign flips of clips, Holm over all methods and floors of the metric. Of a metric where less is better, a gain is a loss.
with floors as (
    select dataset, model, metric, method, ratio, floor_list(other_method, other_value, '{:.3f}') as floors
    from comparisons
    where family = 'floor'
    group by all
)
select estimates.dataset, estimates.model, estimates.metric, estimates.method, estimates.ratio,
    case
        when gain_low > 0 and holm_p < 0.05 then 'yes'
        when gain_high < 0 and holm_p < 0.05 then 'no'
        when gain is not null then 'cannot tell'
    end as answer,
    round(value, 3) as value,
    round(low, 3) as value_low,
    round(high, 3) as value_high,
    frames, clips,
    floors,
    best_floor,
    round(gain, 3) as gain, round(gain_low, 3) as gain_low, round(gain_high, 3) as gain_high,
    gain_clips,
    round(p, 4) as p,
    round(holm_p, 4) as holm_p,
    reason
from estimates
join method_roles on estimates.method = method_roles.method
join metric_roles on estimates.metric = metric_roles.metric
left join floors
    on estimates.dataset = floors.dataset and estimates.model = floors.model and estimates.metric = floors.metric
    and estimates.method = floors.method and estimates.ratio is not distinct from floors.ratio
left join best_floors as best
    on estimates.dataset = best.dataset and estimates.model = best.model and estimates.metric = best.metric
    and estimates.method = best.method and estimates.ratio is not distinct from best.ratio
where not is_floor and not is_constant and annotation = 'own'
order by all
