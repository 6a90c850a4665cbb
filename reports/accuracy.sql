-- Accuracy: how often is the target the model's first answer, or among its first five? (Table 1)
-- One row per dataset and model. Test clips without a prediction are asked but not counted. Intervals: 95 %, Wilson; t for the mean. Beside them what the paper prints.
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
),
paper as (
    select dataset, model,
        max(printed) filter (quantity = 'top1_percent') as top1,
        max(printed) filter (quantity = 'top5_percent') as top5
    from paper_values
    group by all
)
select dataset, model, clips_asked, clips,
    round(100 * predicted.top1, 1) as top1_percent,
    round(100 * wilson_low(predicted.top1, clips), 1) as top1_percent_low,
    round(100 * wilson_high(predicted.top1, clips), 1) as top1_percent_high,
    paper.top1 as paper_top1_percent,
    round(100 * predicted.top5, 1) as top5_percent,
    round(100 * wilson_low(predicted.top5, clips), 1) as top5_percent_low,
    round(100 * wilson_high(predicted.top5, clips), 1) as top5_percent_high,
    paper.top5 as paper_top5_percent,
    round(probability, 3) as target_probability,
    round(clamped(probability - margin, 1), 3) as target_probability_low,
    round(clamped(probability + margin, 1), 3) as target_probability_high
from predicted
left join paper using (dataset, model)
order by all
