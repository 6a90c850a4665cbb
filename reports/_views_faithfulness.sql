-- Deletion and insertion curves: what the metric deletion_insertion measured, by the parts of its names.

-- In-sample: the maps were made on the same kind of fill; blur and blur-pyramid are one kind.
create table faithfulness_points as
with named as (
    select dataset, model, method, ratio, metric_name as metric, clip_id, value,
        regexp_extract(part, '^(\w+)\.([\w-]+)\.(\w+)\.(.+)$', ['direction', 'fill', 'unit', 'point']) as name
    from clip_scores
    where metric_use = 'deletion_insertion' and part is not null and value is not null
),
points as (
    select dataset, model, method, ratio, metric, clip_id, name.direction as direction, name.fill as fill,
        name.unit as unit, try_cast(name.point as double) as share, avg(value) as probability
    from named
    group by all
),
made_on as (
    select dataset, model, method, ratio, list(distinct regexp_extract(perturbation, '^[a-z]+')) as kinds
    from maps
    where perturbation is not null
    group by all
)
select points.*, coalesce(list_contains(kinds, regexp_extract(fill, '^[a-z]+')), false) as in_sample
from points
left join made_on
    on points.dataset = made_on.dataset and points.model = made_on.model and points.method = made_on.method
    and points.ratio is not distinct from made_on.ratio;
comment on table faithfulness_points is 'Deletion, insertion and random curves by clip, seeds averaged: probability by the share of units that left or came; without a share it is the area under the curve. In-sample: the method made its maps on this fill.';

create view faithfulness_areas as
select dataset, model, method, ratio, metric, fill, unit, in_sample, clip_id,
    max(probability) filter (direction = 'deletion') as deletion,
    max(probability) filter (direction = 'insertion') as insertion,
    max(probability) filter (direction = 'random') as random
from faithfulness_points
where share is null
group by all;
comment on view faithfulness_areas is 'Areas under the deletion, insertion and random curve of each clip, seeds averaged.';

create temp view faithfulness_means_samples as
select dataset, model, method, ratio, metric, fill, unit, in_sample, clip_id,
    difference(insertion - deletion) as gain, share(deletion) as deletion, share(insertion) as insertion,
    share(random) as random, number_of(deletion, random) as deletion_times, number_of(insertion, random) as insertion_times
from faithfulness_areas;
comment on view faithfulness_means_samples is 'Areas under the deletion, insertion and random curve, means over clips; times: over those of a random order, sum over sum.';

create temp view faithfulness_curve_means_samples as
with points as (
    select points.*, label,
        dense_rank() over (partition by dataset, model, method order by abs(ratio - 0.1), ratio) = 1 as is_drawn
    from faithfulness_points as points
    left join segments using (dataset, clip_id)
    where share is not null
),
curves as (
    select own.* exclude (probability), own.probability as own, chance.probability as chance
    from points as own
    left join points as chance
        on chance.direction = 'random' and own.dataset = chance.dataset and own.model = chance.model
        and own.method = chance.method and own.ratio is not distinct from chance.ratio and own.metric = chance.metric
        and own.fill = chance.fill and own.unit = chance.unit and own.clip_id = chance.clip_id
        and if(own.direction = 'deletion', round(1 - own.share, 6), own.share) = chance.share
    where own.direction != 'random'
)
select dataset, model, method, ratio, metric, fill, unit, in_sample, direction, curves.share as share,
    unnest(if(is_drawn, all_and(label), [null])) as label, is_drawn, clip_id, share(own) as probability,
    share(chance) as random
from curves;
comment on view faithfulness_curve_means_samples is 'Probability of the class at each share of the units that left or came, beside a random order on the same clips, in all classes (label NULL) and, of the ratio nearest to 0.1, in each.';

create temp view faithfulness_pairs_samples as
with other_targets as (
    select entry.key as method
    from audit, json_each(config, '$.methods') as entry
    where entry.value ->> '$.target' = 'runner_up'
),
contenders as (
    select dataset, model, metric, unit, fill, clip_id, concat_ws(' ', method, ratio) as contender,
        (insertion - deletion) / 2 as score, in_sample
    from faithfulness_areas
    anti join other_targets using (method)
)
select one.dataset, one.model, one.metric, one.unit, one.fill, one.contender, other.contender as other,
    one.in_sample or other.in_sample as in_sample, one.clip_id, difference(one.score - other.score) as half_difference
from contenders as one
join contenders as other
    on one.contender < other.contender and one.dataset = other.dataset and one.model = other.model
    and one.metric = other.metric and one.unit = other.unit and one.fill = other.fill and one.clip_id = other.clip_id;
comment on view faithfulness_pairs_samples is 'Insertion less deletion of every two methods (each with its ratio) on the same clips, by fill and unit: half the mean difference, and whether a map of either was made on the fill; methods that explain the runner-up are left out.';
