-- Minimum preservation ratio: for which share of clips does a mask of no more than a ratio suffice?
-- One row per dataset, model, method, bound and class (NULL: all classes), with a list over ratios from 0 to the grid's largest: 1 − Kaplan-Meier with pointwise 95 % intervals, and how many clips are censored there; left-censored ones count at the smallest ratio tried. Of a curve of more steps than can be seen, the last in each thousandth; a censored clip counts at the step of its thousandth.
with limits as (
    select list_max((config -> '$.preserve.grid')::double[]) as largest from audit
),
steps as (
    select *, null as label from kaplan_meier
    union all by name
    select * from class_survival
),
placed as (
    select *,
        if(
            count(*) over (partition by dataset, model, method, bound, label) > if(label is null, 500, 50),
            floor(if(label is null, 1000, 100) * ratio), ratio
        ) as place
    from steps
),
drawn as (
    select * exclude (censored, left_censored),
        sum(censored) over here as right_censored, sum(left_censored) over here as left_censored
    from placed
    window here as (partition by dataset, model, method, bound, label, place)
    qualify ratio = max(ratio) over here
),
points as (
    select dataset, model, method, bound, label, ratio, survival, survival_low, survival_high, at_risk,
        right_censored, left_censored
    from drawn
    union all
    select dataset, model, method, bound, label, 0, 1, null, null, max(at_risk), 0, 0 from drawn group by all
    union all
    select dataset, model, method, bound, label, largest, min(survival), arg_max(survival_low, ratio),
        arg_max(survival_high, ratio), 0, 0, 0
    from drawn, limits
    group by dataset, model, method, bound, label, largest
    having max(ratio) < largest
)
select dataset, model, method, bound, label,
    list(round(least(ratio, largest), 4) order by ratio) as ratio,
    list(percent(1 - survival) order by ratio) as percent,
    list(percent(1 - survival_high) order by ratio) as low,
    list(percent(1 - survival_low) order by ratio) as high,
    list(at_risk order by ratio) as at_risk,
    list(right_censored::bigint order by ratio) as right_censored,
    list(left_censored::bigint order by ratio) as left_censored
from points, limits
group by all
order by all
