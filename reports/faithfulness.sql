-- Faithfulness: does the class's probability go with what a map calls important, and come with it?
-- One row per dataset, model, method, ratio, metric, fill and unit. Areas under curves, seeds averaged; the gain is insertion less deletion, 0 for a random order; times: the area over that of a random order. In-sample: the method made its maps on this fill. Intervals: 95 %, over clips.
with asked as (
    select dataset, model, method, ratio, metric_name as metric, count(distinct clip_id) as clips_asked
    from clip_scores
    where metric_use = 'deletion_insertion'
    group by all
),
means as (
    select dataset, model, method, ratio, metric, fill, unit, in_sample, count(*) as clips,
        avg(insertion - deletion) as gain, mean_margin(insertion - deletion) as gain_margin,
        avg(deletion) as deletion, mean_margin(deletion) as deletion_margin,
        avg(insertion) as insertion, mean_margin(insertion) as insertion_margin, avg(random) as random,
        sum(deletion) / sum(random) as deletion_times, t95(count(*) - 1) * clustered_error(deletion, random) as fall,
        sum(insertion) / sum(random) as insertion_times, t95(count(*) - 1) * clustered_error(insertion, random) as rise
    from faithfulness_areas
    group by all
),
reasons as (
    select dataset, model, method, ratio, metric, mode(concat_ws(': ', cause_status, cause)) as reason
    from failed
    where stage = 'scores'
    group by all
)
select asked.dataset, asked.model, asked.method, asked.ratio, asked.metric, fill, unit, in_sample,
    round(100 * gain, 1) as gain_points,
    round(100 * clamped(gain - gain_margin + 1, 2) - 100, 1) as gain_points_low,
    round(100 * clamped(gain + gain_margin + 1, 2) - 100, 1) as gain_points_high,
    round(100 * deletion, 1) as deletion_percent,
    round(100 * clamped(deletion - deletion_margin, 1), 1) as deletion_percent_low,
    round(100 * clamped(deletion + deletion_margin, 1), 1) as deletion_percent_high,
    round(100 * insertion, 1) as insertion_percent,
    round(100 * clamped(insertion - insertion_margin, 1), 1) as insertion_percent_low,
    round(100 * clamped(insertion + insertion_margin, 1), 1) as insertion_percent_high,
    round(100 * random, 1) as random_percent,
    round(deletion_times, 2) as deletion_times,
    round(clamped(deletion_times - fall, deletion_times), 2) as deletion_times_low,
    round(deletion_times + fall, 2) as deletion_times_high,
    round(insertion_times, 2) as insertion_times,
    round(clamped(insertion_times - rise, insertion_times), 2) as insertion_times_low,
    round(insertion_times + rise, 2) as insertion_times_high,
    coalesce(clips, 0) as clips, clips_asked,
    case when fill is null then reason end as reason
from asked
left join means
    on asked.dataset = means.dataset and asked.model = means.model and asked.method = means.method
    and asked.ratio is not distinct from means.ratio and asked.metric = means.metric
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio and asked.metric = reasons.metric
order by all
