-- What the reports on minimum preservation ratios share: two searches of the same clip side by side.

-- Median of a* over clips, of which right-censored ones need more than any other; NULL where one of those is in the middle.
create macro median_ratio(ratio, censored) as
    nullif(quantile_disc(if(censored = 'right', 'infinity'::double, ratio), 0.5), 'infinity'::double);

create table perturbation_pairs as
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
comment on table perturbation_pairs is 'Methods that differ only in the perturbation and its blur.';

-- a* lies in (lower, upper]: a search needs less if its upper end is at most the other's lower end.
create table ratio_pairs as
with pairs as (
    select 'model' as varied, null as model, one.method, one.bound, one.model as name, other.model as other_name, one, other
    from preservation_times as one
    join preservation_times as other
        on one.dataset = other.dataset and one.clip_id = other.clip_id and one.method = other.method
        and one.bound = other.bound and one.model < other.model and one.target is not distinct from other.target
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
comment on table ratio_pairs is 'Two searches of the same clip and class that differ in the model, the bound or the perturbation: which needs less, as far as the brackets tell, and the difference of a* where both are known.';

create temp view ratio_tests_samples as
select varied, dataset, model, method, bound, name, other_name, [varied, dataset, model, method, bound] as family, clip_id,
    answer(case outcome when 'less' then 1 when 'more' then 0 end) as less,
    difference(difference) as mean_difference, median_of(difference) as median_difference
from ratio_pairs;
comment on view ratio_tests_samples is 'Pairs of searches: the share of the decided clips on which the first needs less, with the exact sign test and Holm''s correction over the pairs that were compared together, and differences of a*.';

create view seed_ranges as
with searched as (
    select dataset, model, method, bound, clip_id, seed, censored, lower,
        if(censored = 'left', upper, ratio) as ratio
    from preservation
    where status = 'ok' and bound != 'sufficiency'
    qualify count(*) over (partition by dataset, model, method, bound, clip_id) > 1
)
select dataset, model, method, bound, clip_id,
    count(*) = count(*) filter (censored is null) as known,
    count(distinct coalesce(censored, 'neither')) > 1 as mixed,
    count(distinct (ratio, lower, censored)) = 1 as same,
    max(ratio) - min(ratio) as range, var_samp(ratio) as variance, avg(ratio) as mean
from searched
group by all;
comment on view seed_ranges is 'How a clip''s a* differs between the seeds of its searches.';

create temp view seed_means_samples as
select dataset, model, method, bound, clip_id, share(if(known, range, null)) as range from seed_ranges;
comment on view seed_means_samples is 'Greatest less smallest a* of a clip over its seeds, mean over clips whose a* is known with every seed.';
