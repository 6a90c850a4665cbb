-- Random weights: does a method's map change when layers of the model, from the output down, hold random weights?
-- One row per dataset, model, method, ratio, metric and randomised share of the layers; the answer stands at the greatest. Yes: the rank correlation with the trained model's maps is below the threshold, with its whole 95 % interval; a method without a yes may not depend on the model at all. Cannot tell: also where other seeds change the map as much. Clips of which a map is constant are asked but not counted.
with entropy as (
    select own.dataset, own.model as control, own.method, own.ratio,
        avg(own.entropy) as entropy,
        mean_margin(own.entropy) as margin,
        avg(trained.entropy) as trained_entropy
    from controls
    join entropies as own on own.model = controls.model
    join entropies as trained
        on trained.model = controls.original and own.dataset = trained.dataset and own.method = trained.method
        and own.ratio is not distinct from trained.ratio and own.clip_id = trained.clip_id
    group by all
),
seeds as (select dataset, model, method, ratio, metric, rank as seed_rank from similarity_means where reference = 'seed'),
found as (
    select means.dataset, controls.original as model, means.method, means.ratio, means.metric, randomised,
        controls.model as control, means.rank, rank_margin, iou, iou_margin, threshold, clips, clips_asked, seed_rank,
        changed(means.rank, rank_margin, threshold) as change,
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
select found.dataset, model, found.method, found.ratio, metric, randomised,
    case when deepest then if(change = 'yes' and seed_rank <= rank, 'cannot tell', change) end as answer,
    round(rank, 3) as rank,
    round(clamped(rank - rank_margin + 1, 2) - 1, 3) as rank_low,
    round(clamped(rank + rank_margin + 1, 2) - 1, 3) as rank_high,
    round(iou, 3) as iou,
    round(clamped(iou - iou_margin, 1), 3) as iou_low,
    round(clamped(iou + iou_margin, 1), 3) as iou_high,
    threshold,
    round(seed_rank, 3) as seed_rank,
    round(entropy.entropy, 3) as entropy,
    round(clamped(entropy.entropy - entropy.margin, 1), 3) as entropy_low,
    round(clamped(entropy.entropy + entropy.margin, 1), 3) as entropy_high,
    round(trained_entropy, 3) as trained_entropy,
    clips, clips_asked
from found
left join entropy
    on found.dataset = entropy.dataset and found.control = entropy.control and found.method = entropy.method
    and found.ratio is not distinct from entropy.ratio
order by found.dataset, model, found.method, found.ratio, metric, randomised
