-- Question: How much do results move with the seed?
-- Answer: One row per method with at least two seeds, and metric: `seed_deviation` is the standard deviation over the seeds of one
--   clip, `clip_deviation` that over clips (of the means over seeds). `same_clips` counts those that every seed gives the same.
-- Beware: A small deviation means that the method repeats itself, not that it is right. Means over many clips move far less than
--   a single clip does; `seed_stability` compares the maps themselves.
with clips as (
    select dataset, model, method, ratio, metric, clip_id, seed, avg(value) as value
    from score_rows
    where part is null and value is not null
    group by all
),
spread as (
    select dataset, model, method, ratio, metric, clip_id, count(*) as seeds,
        avg(value) as mean, var_samp(value) as variance, max(value) - min(value) as range
    from clips
    group by all
    having seeds > 1
)
select dataset, model, method, ratio, metric,
    max(seeds) as seeds,
    round(avg(mean), 4) as mean,
    round(sqrt(avg(variance)), 4) as seed_deviation,
    round(stddev_samp(mean), 4) as clip_deviation,
    round(max(range), 4) as largest_range,
    count(*) filter (range < 1e-12) as same_clips,
    count(*) as clips
from spread
group by all
order by dataset, model, method, ratio, metric
