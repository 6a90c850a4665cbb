-- Videos: what does each model answer in the windows of each long video, and when?
-- One row per dataset, video and model; videos without windows and controls are left out. A second counts for the last window that has begun. These are all windows of the video, no sample: there is no interval.
with answers as (
    select dataset, video_id, model, answer, sum(until_second - second) as seconds
    from window_answers
    group by all
),
lists as (
    select dataset, video_id, model,
        string_agg(answer || ' ' || format('{:.0f} s', seconds), ', ' order by seconds desc, answer) as answers
    from answers
    group by all
)
select dataset, video_id, model, count(*) as windows,
    string_agg(distinct label, ', ' order by label) as label_of_video,
    count(*) filter (is_right) as right_windows,
    round(sum(until_second - second) filter (is_right), 1) as right_seconds,
    round(sum(until_second - second), 1) as seconds,
    any_value(answers) as answers,
    count(needed) as needed_windows,
    round(median(needed), 4) as median_needed_ratio
from window_answers
join lists using (dataset, video_id, model)
group by all
order by all
