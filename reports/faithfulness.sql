-- Faithfulness: does the class's probability go with what a map calls important, and come with it?
-- One row per dataset, model, method, ratio, metric, fill and unit. Areas under curves, seeds averaged; the gain is insertion less deletion, 0 for a random order; times: the area over that of a random order. In-sample: the method made its maps on this fill. Intervals: 95 %, over clips.
with asked as (
    select dataset, model, method, ratio, metric_name as metric, count(distinct clip_id) as clips_asked
    from clip_scores
    where metric_use = 'deletion_insertion'
    group by all
)
select asked.dataset, asked.model, asked.method, asked.ratio, asked.metric, fill, unit, in_sample,
    percent(gain) as gain_points, percent(gain_low) as gain_points_low, percent(gain_high) as gain_points_high,
    percent(deletion) as deletion_percent,
    percent(deletion_low) as deletion_percent_low,
    percent(deletion_high) as deletion_percent_high,
    percent(insertion) as insertion_percent,
    percent(insertion_low) as insertion_percent_low,
    percent(insertion_high) as insertion_percent_high,
    percent(random) as random_percent,
    round(deletion_times, 2) as deletion_times,
    round(deletion_times_low, 2) as deletion_times_low,
    round(deletion_times_high, 2) as deletion_times_high,
    round(insertion_times, 2) as insertion_times,
    round(insertion_times_low, 2) as insertion_times_low,
    round(insertion_times_high, 2) as insertion_times_high,
    coalesce(gain_clips, 0) as clips, asked.clips_asked,
    case when fill is null then reason end as reason
from asked
left join faithfulness_means as means
    on asked.dataset = means.dataset and asked.model = means.model and asked.method = means.method
    and asked.ratio is not distinct from means.ratio and asked.metric = means.metric
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio and asked.metric = reasons.metric
order by all
