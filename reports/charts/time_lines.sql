-- Time lines: where in long footage does a model answer what?
-- One row per dataset, model and video with several windows (the twenty with the most of each model), with a list over windows: seconds, the answer, and the probability of the explained class in percent. Where windows have several labels, each label is a row of its own. Controls are left out, and regressions, which explain no class.
with explained_windows as (
    select distinct dataset, model, video_id, second, until_second, answer, explained, probability
    from window_answers
    where model not in (select name from models where gives = 'regression')
),
crowded as (
    select distinct dataset, model, video_id
    from explained_windows
    group by dataset, model, video_id, second
    having count(*) > 1
),
named as (
    select windows.* replace (
        if(crowded.video_id is null, windows.video_id, windows.video_id || ', ' || explained) as video_id
    )
    from explained_windows as windows
    left join crowded
        on windows.dataset = crowded.dataset and windows.model = crowded.model and windows.video_id = crowded.video_id
),
lines as (
    select dataset, model, video_id, count(*) as windows,
        list(round(second, 2) order by second) as second,
        list(round(until_second, 2) order by second) as until_second,
        list(coalesce(answer, 'names no class') order by second) as answer,
        list(explained order by second) as explained,
        list(round(100 * probability, 1) order by second) as percent
    from named
    group by all
    having windows > 1
)
select * from lines
qualify row_number() over (partition by dataset, model order by windows desc, video_id) <= 20
order by dataset, model, video_id
