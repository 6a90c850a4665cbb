-- Time lines: where in long footage does a model answer what?
-- One row per dataset, model and video with several windows (the twenty with the most of each model), with a list over windows: seconds, the answer, and the probability of the explained class in percent. Controls are left out.
with lines as (
    select dataset, model, video_id, count(*) as windows,
        list(round(second, 2) order by second) as second,
        list(round(until_second, 2) order by second) as until_second,
        list(answer order by second) as answer,
        list(explained order by second) as explained,
        list(round(100 * probability, 1) order by second) as percent
    from window_answers
    group by all
    having windows > 1
)
select * from lines
qualify row_number() over (partition by dataset, model order by windows desc, video_id) <= 20
order by dataset, model, video_id
