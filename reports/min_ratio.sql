-- Minimum preservation ratio: how little of a clip keeps the model's answer? (Table 2)
-- One row per dataset, model, method and bound. Kaplan-Meier median, and mean restricted to the grid's largest ratio; failed searches are left out. Intervals: 95 %. Last what the paper prints, the mean of an unnamed choice of clips.
with limits as (
    select list_max((config -> '$.preserve.grid')::double[]) as largest_ratio from audit
),
clips as (
    select dataset, model, method, bound, count(*) as clips, count(*) filter (reached) as events,
        count(*) filter (censored = 'left') as left_censored,
        count(*) filter (censored = 'right') as right_censored,
        avg(ratio) filter (censored is null) as uncensored_mean
    from preservation_times
    group by all
),
-- theta: log-log interval of the curve; area: under it up to the next step, the last one up to the largest ratio
steps as (
    select *,
        1.959964 * sqrt(log_variance) / ln(nullif(nullif(survival, 0), 1)) as theta,
        survival * greatest(0, least(lead(ratio, 1, largest_ratio) over curve, largest_ratio) - ratio) as area
    from kaplan_meier, limits
    window curve as (partition by dataset, model, method, bound order by ratio)
),
tails as (
    select *, sum(area) over (
        partition by dataset, model, method, bound order by ratio rows between current row and unbounded following
    ) as later_area
    from steps
),
summaries as (
    select dataset, model, method, bound, any_value(largest_ratio) as largest_ratio,
        min(ratio) filter (survival <= 0.5) as median,
        min(ratio) filter (survival = 0 or survival ** exp(-theta) <= 0.5) as median_low,
        min(ratio) filter (survival ** exp(theta) <= 0.5) as median_high,
        least(min(ratio), any_value(largest_ratio)) + sum(area) as mean,
        sum(later_area ** 2 * events / (at_risk * nullif(at_risk - events, 0))) as variance
    from tails
    group by all
),
-- without censoring this is the usual interval of a mean
intervals as (
    select *, t95(events - 1) * sqrt(variance * events / nullif(events - 1, 0)) as margin
    from clips
    join summaries using (dataset, model, method, bound)
)
select dataset, model, method, bound, clips, left_censored, right_censored,
    round(median, 4) as median_ratio,
    round(median_low, 4) as median_ratio_low,
    round(median_high, 4) as median_ratio_high,
    round(mean, 4) as mean_ratio,
    round(clamped(mean - margin, largest_ratio), 4) as mean_ratio_low,
    round(clamped(mean + margin, largest_ratio), 4) as mean_ratio_high,
    largest_ratio,
    round(uncensored_mean, 4) as uncensored_mean_ratio,
    if(bound = 'probability', printed, null) as paper_ratio
from intervals
left join (from paper_values where quantity = 'min_ratio') as paper using (dataset, model, method)
order by all
