-- Faithfulness curves: how does the class's probability fall, or rise, while a clip is emptied, or filled, in a map's order?
-- One row per dataset, model, method, ratio, metric, fill, unit, direction and class (NULL: all classes), with a list over the shares of the units that left or came: mean over clips, beside a random order on the same clips; controls are left out, seeds averaged. Of methods with ratios the one nearest to 0.1. Intervals: 95 %, over clips.
with points as (
    select points.*, label
    from faithfulness_points as points
    join segments using (dataset, clip_id)
    where share is not null and model not in (select model from controls)
    qualify dense_rank() over (partition by dataset, model, method order by abs(ratio - 0.1), ratio) = 1
),
chance as (
    select dataset, model, method, ratio, metric, fill, unit, clip_id, share as seen, probability
    from points
    where direction = 'random'
),
curves as (
    select points.* exclude (probability), points.probability as probability, chance.probability as random
    from points
    left join chance
        on points.dataset = chance.dataset and points.model = chance.model and points.method = chance.method
        and points.ratio is not distinct from chance.ratio and points.metric = chance.metric
        and points.fill = chance.fill and points.unit = chance.unit and points.clip_id = chance.clip_id
        and if(direction = 'deletion', round(1 - share, 6), share) = chance.seen
    where direction != 'random'
),
means as (
    select dataset, model, method, ratio, metric, fill, unit, in_sample, direction, label, share, count(*) as clips,
        avg(probability) as probability, mean_margin(probability) as margin, avg(random) as random
    from curves
    group by grouping sets (
        (dataset, model, method, ratio, metric, fill, unit, in_sample, direction, share),
        (dataset, model, method, ratio, metric, fill, unit, in_sample, direction, share, label)
    )
    having grouping(label) = 1 or label is not null
)
select dataset, model, method, concat_ws(' ', method, ratio) as contender, metric, fill, unit, in_sample, direction, label,
    list(round(100 * share, 1) order by share) as share,
    list(round(100 * probability, 1) order by share) as percent,
    list(round(100 * clamped(probability - margin, 1), 1) order by share) as low,
    list(round(100 * clamped(probability + margin, 1), 1) order by share) as high,
    list(round(100 * random, 1) order by share) as random,
    list(clips order by share) as clips
from means
group by dataset, model, method, ratio, metric, fill, unit, in_sample, direction, label
order by dataset, model, metric, fill, unit, direction, method, ratio, label
