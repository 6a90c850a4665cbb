-- Starts: how far does what a clip needs move with the seed of its search?
-- One row per dataset, model and method, over clips that were searched with at least two seeds; methods with one seed are left out. Deviations of log2 G in octaves, over clips that need something with every seed; mixed: clips that need nothing with some seeds only.
with clips as (
    select dataset, model, method, clip_id, count(*) as seeds,
        not bool_or(vacuous) as needed,
        bool_or(vacuous) and not bool_and(vacuous) as mixed,
        var_samp(log2_ratio) as variance,
        max(log2_ratio) - min(log2_ratio) as range,
        avg(log2_ratio) as mean
    from start_needs
    group by all
    having count(*) > 1
)
select dataset, model, method, max(seeds) as seeds,
    round(sqrt(avg(variance) filter (needed)), 3) as start_octaves,
    round(sqrt(var_samp(mean) filter (needed)), 3) as clip_octaves,
    round(max(range) filter (needed), 3) as largest_range_octaves,
    count(*) filter (needed) as need_clips,
    count(*) filter (mixed) as mixed_clips,
    count(*) as clips
from clips
group by all
order by all
