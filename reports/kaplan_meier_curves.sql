-- Survival curves: which share of clips needs more than a ratio? (beside Table 2)
-- One row per dataset, model, method, bound and ratio at which the curve steps or clips leave it, from 0; first seed, failed searches are left out. Kaplan-Meier with pointwise 95 % intervals (log-log; none at 0 and 100 %). At risk just before the ratio; left-censored clips count as events there.
with points as (
    select dataset, model, method, bound, 0 as ratio, 1 as survival, count(*) as at_risk, 0 as events,
        0 as left_censored, 0 as censored
    from preservation_times
    group by all
    union all by name
    select * exclude (log_variance) from kaplan_meier
),
clips as (
    select dataset, model, method, bound, count(*) as clips from preservation_times group by all
)
select dataset, model, method, bound, ratio,
    percent(survival) as needing_more_percent,
    percent(survival_low) as needing_more_percent_low,
    percent(survival_high) as needing_more_percent_high,
    at_risk, events, left_censored, censored as right_censored, clips
from points
join clips using (dataset, model, method, bound)
order by all
