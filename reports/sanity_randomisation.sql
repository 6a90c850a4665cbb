-- Random weights: does a method's map change when layers of the model, from the output down, hold random weights?
-- One row per dataset, model, method, ratio, metric and randomised share of the layers; the answer stands at the greatest. Yes: the rank correlation with the trained model's maps is below the threshold, with its whole 95 % interval; no: it is above, or more than half of the clips are, with the interval; a method without a yes may not depend on the model at all. Cannot tell: also where other seeds change the map as much. Clips of which a map is constant are asked but not counted.
with seeds as (select dataset, model, method, ratio, metric, rank as seed_rank from similarity_means where reference = 'seed'),
changes as (
    select means.* exclude (model), controls.original as model, randomised, controls.model as control, seed_rank,
        changed(means.rank_low, means.rank_high, unchanged_low, threshold) as change,
        randomised = max(randomised) over (
            partition by means.dataset, controls.original, means.method, means.ratio, means.metric
        ) as deepest
    from similarity_means as means
    join controls on means.model = controls.model
    left join seeds
        on means.dataset = seeds.dataset and controls.original = seeds.model and means.method = seeds.method
        and means.ratio is not distinct from seeds.ratio and means.metric = seeds.metric
    where reference = 'model' and randomised is not null
)
select changes.dataset, model, changes.method, changes.ratio, metric, randomised,
    case when deepest then if(change = 'yes' and seed_rank <= rank, 'cannot tell', change) end as answer,
    round(rank, 3) as rank, round(rank_low, 3) as rank_low, round(rank_high, 3) as rank_high,
    round(iou, 3) as iou, round(iou_low, 3) as iou_low, round(iou_high, 3) as iou_high,
    threshold,
    round(seed_rank, 3) as seed_rank,
    round(entropy, 3) as entropy, round(entropy_low, 3) as entropy_low, round(entropy_high, 3) as entropy_high,
    round(trained_entropy, 3) as trained_entropy,
    rank_clips as clips, changes.clips_asked
from changes
left join entropy_means as entropies
    on changes.dataset = entropies.dataset and changes.control = entropies.control and changes.method = entropies.method
    and changes.ratio is not distinct from entropies.ratio
order by changes.dataset, model, changes.method, changes.ratio, metric, randomised
