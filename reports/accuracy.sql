-- Accuracy: how often is the target the model's first answer, or among its first five? (Table 1)
-- One row per dataset and model. Test clips without a prediction are asked but not counted. Intervals: 95 %, Wilson; t for the mean.
with predicted as (
    select dataset, model,
        count(*) as clips_asked,
        count(rank) as clips,
        avg((rank = 1)::int) as top1,
        avg((rank <= 5)::int) as top5,
        avg(target_probability) as probability,
        mean_margin(target_probability) as margin
    from predictions
    group by all
)
select dataset, model, clips_asked, clips,
    round(100 * top1, 1) as top1_percent,
    round(100 * wilson_low(top1, clips), 1) as top1_percent_low,
    round(100 * wilson_high(top1, clips), 1) as top1_percent_high,
    round(100 * top5, 1) as top5_percent,
    round(100 * wilson_low(top5, clips), 1) as top5_percent_low,
    round(100 * wilson_high(top5, clips), 1) as top5_percent_high,
    round(probability, 3) as target_probability,
    round(clamped(probability - margin, 1), 3) as target_probability_low,
    round(clamped(probability + margin, 1), 3) as target_probability_high
from predicted
order by all
