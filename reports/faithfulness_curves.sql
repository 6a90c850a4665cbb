-- Faithfulness curves: how does the class's probability fall, or rise, while a clip is emptied, or filled, in a map's order?
-- One row per dataset, model, method, ratio, metric, fill, unit, direction and share of the units that left or came. Mean over clips, seeds averaged, beside a random order on the same clips; in-sample: the method made its maps on this fill. Intervals: 95 %, over clips.
select dataset, model, method, ratio, metric, fill, unit,
    in_sample, direction, share,
    percent(probability) as probability_percent,
    percent(probability_low) as probability_percent_low,
    percent(probability_high) as probability_percent_high,
    percent(random) as random_percent,
    probability_clips as clips
from faithfulness_curve_means
where label is null
order by all
