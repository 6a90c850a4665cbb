-- Deletion and insertion curves: what the metric deletion_insertion measured, by the parts of its names.

-- In-sample: the maps were made on the same kind of fill; blur and blur-pyramid are one kind.
create view faithfulness_points as
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
comment on view faithfulness_points is 'Deletion, insertion and random curves by clip, seeds averaged: probability by the share of units that left or came; without a share it is the area under the curve. In-sample: the method made its maps on this fill.';

create view faithfulness_areas as
select dataset, model, method, ratio, metric, fill, unit, in_sample, clip_id,
    max(probability) filter (direction = 'deletion') as deletion,
    max(probability) filter (direction = 'insertion') as insertion,
    max(probability) filter (direction = 'random') as random
from faithfulness_points
where share is null
group by all;
comment on view faithfulness_areas is 'Areas under the deletion, insertion and random curve of each clip, seeds averaged.';

create view faithfulness_pairs as
with other_targets as (
    select distinct dataset, model, method
    from maps
    join segments using (dataset, clip_id)
    where maps.target != segments.target
),
contenders as (
    select dataset, model, metric, unit, fill, clip_id, concat_ws(' ', method, ratio) as contender,
        insertion - deletion as score, in_sample
    from faithfulness_areas
    anti join other_targets using (dataset, model, method)
)
select one.dataset, one.model, one.metric, one.unit, one.fill, one.contender, other.contender as other,
    any_value(one.in_sample or other.in_sample) as in_sample, count(*) as clips,
    avg(one.score - other.score) as difference, paired_margin(one.score - other.score, 1) as margin
from contenders as one
join contenders as other
    on one.contender < other.contender and one.dataset = other.dataset and one.model = other.model
    and one.metric = other.metric and one.unit = other.unit and one.fill = other.fill and one.clip_id = other.clip_id
group by all;
comment on view faithfulness_pairs is 'Insertion less deletion of every two methods (each with its ratio) on the same clips, by fill and unit: mean difference with half its 95 % interval, and whether a map of either was made on the fill; methods that explain another class than the label are left out.';
