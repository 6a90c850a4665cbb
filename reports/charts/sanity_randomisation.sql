-- Random weights: how like its maps of the trained model are a method's maps while more layers hold random weights?
-- One row per dataset, model, method, ratio and metric of `sanity_randomisation`, with a list over the randomised share of the layers. Intervals: 95 %, over clips.
select dataset, model, method, concat_ws(' ', method, ratio) as contender, metric,
    any_value(threshold) as threshold,
    list(100 * randomised order by randomised) as randomised,
    list(rank order by randomised) as rank,
    list(rank_low order by randomised) as low,
    list(rank_high order by randomised) as high,
    list(clips order by randomised) as clips
from sanity_randomisation
where rank is not null
group by dataset, model, method, ratio, metric
order by dataset, model, metric, method, ratio
