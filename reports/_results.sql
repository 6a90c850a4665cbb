-- Views over the tables of estimates, made after these: pointing games, best floors, pairs of searches.

create view best_floors as
select dataset, model, metric, method, ratio, other_method as best_floor, difference as gain, low as gain_low,
    high as gain_high, clips as gain_clips, p, holm_p
from comparisons
where family = 'floor'
qualify row_number() over (
    partition by dataset, model, metric, method, ratio order by round(other_value, 9) desc, other_method desc
) = 1;
comment on view best_floors is 'The floor that measures most on the frames of each method, and the paired gain over it.';

create table pointing_rates as
with clips as (
    select dataset, model, method, method_use, ratio, metric, metric_use, count(distinct clip_id) as clips_asked
    from score_rows
    where metric_use in ('spatial_pointing', 'spatial_pointing_released', 'temporal_pointing') and part is null
    group by all
),
clip_means as (
    select dataset, model, method, ratio, metric, avg(hits / frames) as clip_mean from pointing_clips group by all
),
floor_rates as (
    select clips.dataset, clips.model, clips.method, clips.ratio, clips.metric, floor,
        sum(weight * floor_hits) / sum(weight * floors.frames) as rate
    from pointing_floors as floors
    join pointing_clips as clips
        on clips.dataset = floors.dataset and clips.model = floors.model and clips.method = floors.method
        and clips.ratio is not distinct from floors.ratio and clips.metric = floors.metric
        and clips.clip_id = floors.clip_id
    group by all
),
floors as (
    select dataset, model, method, ratio, metric, floor_list(floor, 100 * rate, '{:.1f}') as floors
    from floor_rates
    group by all
)
select clips.*, estimates.clips, estimates.frames, value as rate, low as rate_low, high as rate_high, clip_mean,
    floors, gain, gain_low, gain_high, reason
from clips
join estimates
    on clips.dataset = estimates.dataset and clips.model = estimates.model and clips.method = estimates.method
    and clips.ratio is not distinct from estimates.ratio and clips.metric = estimates.metric
left join clip_means
    on clips.dataset = clip_means.dataset and clips.model = clip_means.model and clips.method = clip_means.method
    and clips.ratio is not distinct from clip_means.ratio and clips.metric = clip_means.metric
left join floors
    on clips.dataset = floors.dataset and clips.model = floors.model and clips.method = floors.method
    and clips.ratio is not distinct from floors.ratio and clips.metric = floors.metric
left join best_floors
    on clips.dataset = best_floors.dataset and clips.model = best_floors.model and clips.method = best_floors.method
    and clips.ratio is not distinct from best_floors.ratio and clips.metric = best_floors.metric;
comment on table pointing_rates is 'Pointing games: hit rate with 95 % interval (clips are the sampling unit), floors, paired gain over the best floor, and why there is no rate.';

create view gains_over_ep3d as
with sides as (
    select * from comparisons where family = 'method'
    union all by name
    select * replace (
        other_method as method, other_ratio as ratio, method as other_method, ratio as other_ratio, other_value as value,
        value as other_value, -difference as difference, -high as low, -low as high, worse_clips as better_clips,
        better_clips as worse_clips
    )
    from comparisons
    where family = 'method'
)
select dataset, model, pairs.method, ep3d, ratio, metric, clips, frames, better_clips, worse_clips, value as rate,
    other_value as ep3d_rate, difference as gain, low as gain_low, high as gain_high, p
from ep3d_pairs as pairs
join sides on sides.method = pairs.method and sides.other_method = pairs.ep3d and ratio = other_ratio
join metric_roles using (metric)
where metric_roles.use in ('spatial_pointing', 'spatial_pointing_released', 'temporal_pointing');
comment on view gains_over_ep3d is 'Pointing games on the frames where both were measured: hit rates of a smoothed method and of EP-3D, the paired gain with its 95 % interval, and on how many clips either hits more.';

create view ratio_comparisons as
with counts as (
    select varied, dataset, model, method, bound, name, other_name,
        count(*) as clips,
        count(*) filter (outcome = 'less') as less,
        count(*) filter (outcome = 'more') as more,
        count(*) filter (outcome = 'equal') as equal,
        count(*) filter (outcome = 'undecided') as undecided,
        median_ratio(ratio, censored) as median,
        median_ratio(other_ratio, other_censored) as other_median
    from ratio_pairs
    group by all
)
select counts.*, tests.less as less_share, less_low as less_share_low, less_high as less_share_high,
    less_p as p, less_p_holm as p_holm, mean_difference_clips as known,
    mean_difference, mean_difference_low, mean_difference_high,
    median_difference, median_difference_low, median_difference_high
from counts
join ratio_tests as tests
    on counts.varied = tests.varied and counts.dataset = tests.dataset and counts.model is not distinct from tests.model
    and counts.method is not distinct from tests.method and counts.bound is not distinct from tests.bound
    and counts.name = tests.name and counts.other_name = tests.other_name;
comment on view ratio_comparisons is 'Pairs of searches summed up over clips: how many need less, more, the same, or cannot be decided; differences and medians of a*; exact sign test, with Holm''s correction over the pairs that were compared together.';
