-- Gains over trivial pointers: does a method measure more than the best pointer that ignores the model?
-- One row per dataset, model, metric, method and ratio. Metrics of the clip's own annotation, floors on the same frames; the gain is over the greatest of them. Intervals: 95 %, clips drawn with replacement; p: sign flips of clips, Holm over all methods and floors of the metric. Of a metric where less is better, a gain is a loss.
with beside as (
    select comparisons.*, use
    from comparisons
    join method_roles on other_method = method_roles.method
    where family = 'floor'
),
floors as (
    select dataset, model, metric, method, ratio,
        max(other_value) filter (use = 'center') as center,
        max(other_value) filter (use = 'random_pixel') as random_pixel,
        max(other_value) filter (use = 'annotation_prior') as annotation_prior,
        max(other_value) filter (use = 'motion_energy') as motion_energy,
        arg_max(
            {'floor': other_method, 'gain': difference, 'low': low, 'high': high, 'p': p, 'holm': holm_p, 'n': clips},
            (other_value, other_method)
        ) as best
    from beside
    group by all
)
select estimates.dataset, estimates.model, estimates.metric, estimates.method, estimates.ratio,
    case
        when best.low > 0 and best.holm < 0.05 then 'yes'
        when best.high < 0 and best.holm < 0.05 then 'no'
        when best.gain is not null then 'cannot tell'
    end as answer,
    round(value, 3) as value,
    round(low, 3) as value_low,
    round(high, 3) as value_high,
    frames, clips,
    round(center, 3) as center,
    round(random_pixel, 3) as random_pixel,
    round(annotation_prior, 3) as annotation_prior,
    round(motion_energy, 3) as motion_energy,
    best.floor as best_floor,
    round(best.gain, 3) as gain,
    round(best.low, 3) as gain_low,
    round(best.high, 3) as gain_high,
    best.n as gain_clips,
    round(best.p, 4) as p,
    round(best.holm, 4) as holm_p,
    reason
from estimates
join method_roles on estimates.method = method_roles.method
join metric_roles on estimates.metric = metric_roles.metric
left join floors
    on estimates.dataset = floors.dataset and estimates.model = floors.model and estimates.metric = floors.metric
    and estimates.method = floors.method and estimates.ratio is not distinct from floors.ratio
where not is_floor and not is_constant and annotation = 'own'
order by all
