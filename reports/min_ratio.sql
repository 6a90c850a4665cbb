-- Minimum preservation ratio: how little of a clip keeps the target? (Table 2)
-- One row per dataset, model, method and bound. Kaplan-Meier median, and mean restricted to the grid's largest ratio; failed searches are left out. Kept is what the bound asks of the target, also where the model's answer is another class. Intervals: 95 %. Last what the paper prints, the mean of an unnamed choice of clips.
with limits as (
    select list_max((config -> '$.preserve.grid')::double[]) as largest_ratio from audit
),
clips as (
    select dataset, model, method, bound, count(*) as clips,
        count(*) filter (censored = 'left') as left_censored,
        count(*) filter (censored = 'right') as right_censored,
        avg(ratio) filter (censored is null) as uncensored_mean
    from preservation_times
    group by all
)
select dataset, model, method, bound, clips, left_censored, right_censored,
    round(median, 4) as median_ratio,
    round(median_low, 4) as median_ratio_low,
    round(median_high, 4) as median_ratio_high,
    round(mean, 4) as mean_ratio, round(mean_low, 4) as mean_ratio_low, round(mean_high, 4) as mean_ratio_high,
    largest_ratio,
    round(uncensored_mean, 4) as uncensored_mean_ratio,
    if(bound = 'probability', printed, null) as paper_ratio
from limits, minimum_ratios
join clips using (dataset, model, method, bound)
left join (from paper_values where quantity = 'min_ratio') as paper using (dataset, model, method)
order by all
