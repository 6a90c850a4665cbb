-- Minimum preservation ratio: which share of clips keeps its answer under a mask of no more than a ratio?
-- One row per dataset, model, method, bound and class (NULL: all classes), with a list over ratios from 0 to the grid's largest: 1 − Kaplan-Meier with pointwise 95 % intervals, and how many clips are censored there; left-censored ones count at the smallest ratio tried. Of a curve of more steps than can be seen, the last in each thousandth; a censored clip counts at the step of its thousandth.
with limits as (
    select list_max((config -> '$.preserve.grid')::double[]) as largest from audit
),
times as (
    select dataset, model, method, bound, label, ratio,
        count(*) filter (reached) as events, count(*) filter (not reached) as right_censored,
        count(*) filter (censored = 'left') as left_censored
    from preservation_times
    join segments using (dataset, clip_id)
    group by grouping sets ((dataset, model, method, bound, ratio), (dataset, model, method, bound, label, ratio))
    having grouping(label) = 1 or label is not null
),
at_risk as (
    select *, sum(events + right_censored) over (
        partition by dataset, model, method, bound, label order by ratio rows between current row and unbounded following
    )::bigint as at_risk
    from times
),
steps as (
    select *,
        round(product(1 - events / at_risk) over so_far, 12) as survival,
        sum(events / (at_risk * nullif(at_risk - events, 0))) over so_far as log_variance,
        if(count(*) over curve > if(label is null, 500, 50), floor(if(label is null, 1000, 100) * ratio), ratio) as place
    from at_risk
    window curve as (partition by dataset, model, method, bound, label),
        so_far as (
            partition by dataset, model, method, bound, label order by ratio
            rows between unbounded preceding and current row
        )
),
drawn as (
    select * exclude (right_censored, left_censored),
        sum(right_censored) over here as right_censored, sum(left_censored) over here as left_censored
    from steps
    window here as (partition by dataset, model, method, bound, label, place)
    qualify ratio = max(ratio) over here
),
ends as (
    select dataset, model, method, bound, label, 0 as ratio, 1 as survival, null as log_variance,
        max(at_risk) as at_risk, 0 as right_censored, 0 as left_censored
    from drawn
    group by all
    union all
    select dataset, model, method, bound, label, largest, min(survival), arg_max(log_variance, ratio),
        0, 0, 0
    from drawn, limits
    group by dataset, model, method, bound, label, largest
    having max(ratio) < largest
),
points as (
    select dataset, model, method, bound, label, ratio, survival, log_variance, at_risk, right_censored, left_censored
    from drawn
    union all by name
    from ends
)
select dataset, model, method, bound, label,
    list(round(least(ratio, largest), 4) order by ratio) as ratio,
    list(round(100 - 100 * survival, 1) order by ratio) as percent,
    list(round(100 - 100 * survival_bound(survival, log_variance, -1), 1) order by ratio) as low,
    list(round(100 - 100 * survival_bound(survival, log_variance, 1), 1) order by ratio) as high,
    list(at_risk order by ratio) as at_risk,
    list(right_censored::bigint order by ratio) as right_censored,
    list(left_censored::bigint order by ratio) as left_censored
from points, limits
group by all
order by all
