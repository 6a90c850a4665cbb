-- Sanity checks: which models are controls, and how like the maps are that a metric `similarity` compares.

create view controls as
select entry.key as model, entry.value ->> '$.of' as original,
    (entry.value ->> '$.randomise')::double as randomised,
    coalesce((entry.value ->> '$.shuffle_labels')::boolean, false) as shuffled_labels
from audit, json_each(config, '$.models') as entry
where entry.value ->> '$.of' is not null;
comment on view controls is 'Models of the configuration that are controls of another: which share of their layers is random, or that their labels were shuffled.';

create view similarities as
select dataset, model, method, method_use, ratio, metric_name as metric, split_part(part, '.', 1) as reference, clip_id,
    avg(value) filter (part = reference || '.rank') as rank,
    avg(value) filter (part = reference || '.iou') as iou
from score_rows
where metric_use = 'similarity' and part is not null
group by all;
comment on view similarities is 'How like a clip''s map is the one that it is compared with (reference: seed, model or target): rank correlation and IoU, seeds averaged, NULL where a map is constant.';

create view similarity_means as
select similarities.* exclude (clip_id, rank, iou), (any_value(settings) ->> '$.threshold')::double as threshold,
    count(*) as clips_asked, count(rank) as clips,
    avg(rank) as rank, mean_margin(rank) as rank_margin,
    avg(iou) as iou, mean_margin(iou) as iou_margin
from similarities
join metrics on similarities.metric = metrics.name
group by all;
comment on view similarity_means is 'Means of the similarities over clips with half their 95 % interval, and the rank correlation below which a map counts as changed.';

create view entropies as
select dataset, model, method, ratio, clip_id, avg(value) as entropy
from measured
where metric_use = 'entropy'
group by all;
comment on view entropies is 'Entropy of each clip''s map as a share of the greatest possible, seeds averaged.';

-- Whether maps changed: their rank correlation must lie below the threshold with all of its interval.
create macro changed(rank, margin, threshold) as verdict(-(rank + margin), -(rank - margin), -threshold);
