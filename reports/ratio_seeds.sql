-- Seeds: how far does the minimum preservation ratio move with the seed of the method? (beside Table 2)
-- One row per dataset, model, method and bound, over clips that were searched with at least two seeds; methods with one seed are left out. The range is the greatest less the smallest a* of a clip, where every seed's is known; mixed: censored with some seeds only. Medians, one for each seed, count right-censored clips as the largest.
with searched as (
    select dataset, model, method, bound, clip_id, seed, censored, lower,
        if(censored = 'left', upper, ratio) as ratio
    from preservation
    where status = 'ok' and bound != 'sufficiency'
    qualify count(*) over (partition by dataset, model, method, bound, clip_id) > 1
),
medians as (
    select dataset, model, method, bound, seed, median_ratio(ratio, censored) as median from searched group by all
),
over_seeds as (
    select dataset, model, method, bound, count(*) as seeds,
        min(median) as least_median,
        if(count(median) = count(*), max(median), null) as greatest_median
    from medians
    group by all
),
spread as (
    select dataset, model, method, bound, count(*) as clips,
        count(*) filter (known) as known_clips,
        count(*) filter (mixed) as mixed_clips,
        count(*) filter (same) as same_clips,
        max(range) filter (known) as largest_range,
        sqrt(avg(variance) filter (known)) as within_clips,
        stddev_samp(mean) filter (known) as between_clips
    from seed_ranges
    group by all
)
select dataset, model, method, bound, seeds,
    round(range, 4) as range_ratio, round(range_low, 4) as range_ratio_low, round(range_high, 4) as range_ratio_high,
    round(largest_range, 4) as largest_range_ratio,
    (config -> '$.preserve.tolerance')::double as tolerance,
    round(within_clips, 4) as seed_deviation_ratio,
    round(between_clips, 4) as clip_deviation_ratio,
    round(least_median, 4) as least_median_ratio,
    round(greatest_median, 4) as greatest_median_ratio,
    same_clips, known_clips, mixed_clips, clips,
    if(same_clips = clips, 'every seed gives the same brackets; the method may not use its seed', null) as note
from audit, spread
join over_seeds using (dataset, model, method, bound)
join seed_means using (dataset, model, method, bound)
order by all
