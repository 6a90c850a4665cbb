-- Faithfulness curves: how does the class's probability fall, or rise, while a clip is emptied, or filled, in a map's order?
-- One row per dataset, model, method, ratio, metric, fill, unit, direction and share of the units that left or came. Mean over clips, seeds averaged, beside a random order on the same clips; in-sample: the method made its maps on this fill. Intervals: 95 %, over clips.
with curves as (
    select *, if(direction = 'deletion', round(1 - share, 6), share) as seen
    from faithfulness_points
    where share is not null and direction != 'random'
),
chance as (
    select * exclude (direction, share), share as seen
    from faithfulness_points
    where share is not null and direction = 'random'
),
means as (
    select curves.dataset, curves.model, curves.method, curves.ratio, curves.metric, curves.fill, curves.unit,
        curves.in_sample, curves.direction, curves.share, count(*) as clips, avg(curves.probability) as probability,
        mean_margin(curves.probability) as margin, avg(chance.probability) as random
    from curves
    left join chance
        on curves.dataset = chance.dataset and curves.model = chance.model and curves.method = chance.method
        and curves.ratio is not distinct from chance.ratio and curves.metric = chance.metric
        and curves.fill = chance.fill and curves.unit = chance.unit and curves.clip_id = chance.clip_id
        and curves.seen = chance.seen
    group by all
)
select dataset, model, method, ratio, metric, fill, unit,
    in_sample, direction, share,
    round(100 * probability, 1) as probability_percent,
    round(100 * clamped(probability - margin, 1), 1) as probability_percent_low,
    round(100 * clamped(probability + margin, 1), 1) as probability_percent_high,
    round(100 * random, 1) as random_percent,
    clips
from means
order by all
