-- Accuracy: how often is the label the model's first answer? (Table 1)
-- One row per dataset and model. Test clips without a prediction or a label are asked but not counted. Intervals: 95 %, over clips. Top 5: of models that know more than five classes. Beside them what the paper prints.
with paper as (
    select dataset, model,
        max(printed) filter (quantity = 'top1_percent') as top1,
        max(printed) filter (quantity = 'top5_percent') as top5
    from paper_values
    group by all
)
select dataset, model, clips_asked, top1_clips as clips,
    percent(means.top1) as top1_percent,
    percent(means.top1_low) as top1_percent_low,
    percent(means.top1_high) as top1_percent_high,
    paper.top1 as paper_top1_percent,
    percent(means.top5) as top5_percent,
    percent(means.top5_low) as top5_percent_low,
    percent(means.top5_high) as top5_percent_high,
    paper.top5 as paper_top5_percent,
    round(target_probability, 3) as target_probability,
    round(target_probability_low, 3) as target_probability_low,
    round(target_probability_high, 3) as target_probability_high
from accuracy_means as means
left join paper using (dataset, model)
where dataset not in (select dataset from asked_answers where tested > 0 and labelled = 0)
order by all
