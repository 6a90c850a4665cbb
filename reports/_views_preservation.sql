-- What the reports on minimum preservation ratios share: an exact test of pairs, and two searches of the same clip side by side.

-- Chance of so many heads in so many flips of a fair coin.
create macro fair_coin(heads, flips) as
    exp(lgamma(flips + 1) - lgamma(heads + 1) - lgamma(flips - heads + 1) - flips * ln(2));

-- Exact sign test, two-sided: the chance that a fair coin falls at least as unevenly. 1 without any decided pair.
create macro sign_test(less, more) as
    least(1, 2 * list_sum([fair_coin(heads, less + more) for heads in range(least(less, more) + 1)]));

-- Median of a* over clips, of which right-censored ones need more than any other; NULL where one of those is in the middle.
create macro median_ratio(ratio, censored) as
    nullif(quantile_disc(if(censored = 'right', 'infinity'::double, ratio), 0.5), 'infinity'::double);

-- Pointwise 95 % interval of a survival curve, log(-log) scale; NULL at 1 and 0, where the scale has no value.
create macro survival_bound(survival, log_variance, side) as
    survival ** exp(side * 1.959964 * sqrt(log_variance) / -ln(nullif(nullif(survival, 1), 0)));

create view perturbation_pairs as
with variants as (
    select name, use, settings ->> ['$.perturbation', '$.blur_sigma'] as removal,
        json_merge_patch(settings, '{"perturbation": null, "blur_sigma": null}')::varchar as others
    from methods
)
select one.name as method, other.name as other_method
from variants as one
join variants as other
    on one.use = other.use and one.others = other.others and one.removal is distinct from other.removal
    and one.name < other.name;
comment on view perturbation_pairs is 'Methods that differ only in the perturbation and its blur.';

-- a* lies in (lower, upper]: a search needs less if its upper end is at most the other's lower end.
create view ratio_pairs as
with pairs as (
    select 'model' as varied, null as model, one.method, one.bound, one.model as name, other.model as other_name, one, other
    from preservation_times as one
    join preservation_times as other
        on one.dataset = other.dataset and one.clip_id = other.clip_id and one.method = other.method
        and one.bound = other.bound and one.model < other.model
    union all
    select 'bound', one.model, one.method, null, one.bound, other.bound, one, other
    from preservation_times as one
    join preservation_times as other
        on one.dataset = other.dataset and one.clip_id = other.clip_id and one.model = other.model
        and one.method = other.method and one.bound < other.bound
    union all
    select 'perturbation', one.model, null, one.bound, one.method, other.method, one, other
    from perturbation_pairs as methods
    join preservation_times as one on one.method = methods.method
    join preservation_times as other
        on other.method = methods.other_method and one.dataset = other.dataset and one.clip_id = other.clip_id
        and one.model = other.model and one.bound = other.bound
)
select varied, one.dataset as dataset, model, method, bound, name, other_name, one.clip_id as clip_id,
    one.ratio as ratio, other.ratio as other_ratio, one.censored as censored, other.censored as other_censored,
    case
        when one.upper <= other.lower then 'less'
        when one.lower >= other.upper then 'more'
        when one.censored is null and other.censored is null then 'equal'
        else 'undecided'
    end as outcome,
    if(one.censored is null and other.censored is null, one.ratio - other.ratio, null) as difference
from pairs;
comment on view ratio_pairs is 'Two searches of the same clip that differ in the model, the bound or the perturbation: which needs less, as far as the brackets tell, and the difference of a* where both are known.';

create view ratio_comparisons as
with ranked as (
    select *, count(difference) over pair as known, row_number() over (pair order by difference) as rank
    from ratio_pairs
    window pair as (partition by varied, dataset, model, method, bound, name, other_name)
),
-- from_below: the chance that fewer than `rank` of the known differences lie below the true median; from_above likewise
placed as (
    select *,
        sum(fair_coin(rank - 1, known)) filter (rank <= known) over (pair order by rank) as from_below,
        sum(fair_coin(rank, known)) filter (rank <= known) over (pair order by rank desc) as from_above
    from ranked
    window pair as (partition by varied, dataset, model, method, bound, name, other_name)
),
compared as (
    select varied, dataset, model, method, bound, name, other_name,
        count(*) as clips,
        count(*) filter (outcome = 'less') as less,
        count(*) filter (outcome = 'more') as more,
        count(*) filter (outcome = 'equal') as equal,
        count(*) filter (outcome = 'undecided') as undecided,
        count(difference) as known,
        avg(difference) as mean_difference,
        mean_margin(difference) as mean_difference_margin,
        median(difference) as median_difference,
        max(difference) filter (from_below <= 0.025) as median_difference_low,
        min(difference) filter (from_above <= 0.025) as median_difference_high,
        median_ratio(ratio, censored) as median,
        median_ratio(other_ratio, other_censored) as other_median,
        sign_test(count(*) filter (outcome = 'less'), count(*) filter (outcome = 'more')) as p
    from placed
    group by all
),
-- Holm: the smallest p times the number of pairs, the next times one less, and so on, none below the one before
stepped as (
    select *, least(1, p * count(*) over (family order by p desc, name desc, other_name desc)) as stepped_p
    from compared
    window family as (partition by varied, dataset, model, method, bound)
)
select * exclude (stepped_p),
    max(stepped_p) over (partition by varied, dataset, model, method, bound order by p, name, other_name) as p_holm
from stepped;
comment on view ratio_comparisons is 'Pairs of searches summed up over clips: how many need less, more, the same, or cannot be decided; differences and medians of a*; exact sign test, with Holm''s correction over the pairs that were compared together.';
