-- Videos: what does each model answer in the windows of each long video, and when?
-- One row per dataset, video and model; videos without windows and controls are left out. A window counts once, however many labels it has, and a second for the last window that has begun. These are all windows of the video, no sample: there is no interval.
with windows as (
    select dataset, video_id, model, second, any_value(until_second - second) as seconds, any_value(answer) as answer,
        if(model in (select model from classifiers), bool_or(is_right), bool_and(is_right)) as is_right,
        median(needed) as needed
    from window_answers
    group by dataset, video_id, model, second
),
answers as (
    select dataset, video_id, model, answer, sum(seconds) as seconds
    from windows
    group by all
),
lists as (
    select dataset, video_id, model,
        string_agg(answer || ' ' || format('{:.0f} s', seconds), ', ' order by seconds desc, answer) as answers
    from answers
    group by all
),
labels as (
    select dataset, video_id, model, string_agg(distinct label, ', ' order by label) as label_of_video
    from window_answers
    group by all
)
select dataset, video_id, model, count(*) as windows,
    any_value(label_of_video) as label_of_video,
    count(*) filter (is_right) as right_windows,
    round(sum(seconds) filter (is_right), 1) as right_seconds,
    round(sum(seconds), 1) as seconds,
    any_value(answers) as answers,
    count(needed) as needed_windows,
    round(median(needed), 4) as median_needed_ratio
from windows
join lists using (dataset, video_id, model)
join labels using (dataset, video_id, model)
group by all
order by all
