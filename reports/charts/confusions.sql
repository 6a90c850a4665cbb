-- Answers: how many clips of each class get which answer?
-- One row per dataset, model, class and answer; of data sets with more than 30 classes the 30 with the most wrong answers of all models, other answers together.
with wrong as (
    select dataset, name, sum(count) as wrong
    from (
        select dataset, label as name, count(*) filter (answer != label) as count from given_answers group by all
        union all
        select dataset, answer, count(*) filter (answer != label) from given_answers group by all
    )
    group by all
),
shown as (
    select *, greatest(0, count(*) over (partition by dataset) - 30) as left_out
    from wrong
    qualify row_number() over (partition by dataset order by wrong desc, name) <= 30
),
totals as (
    select dataset, model, label, count(*) as clips from given_answers group by all
)
select given_answers.dataset, given_answers.model, given_answers.label as truth,
    if(answer in (select name from shown where shown.dataset = given_answers.dataset), answer, '(others)') as answer,
    count(*) as count, any_value(totals.clips) as clips, round(100 * count(*) / any_value(totals.clips), 1) as percent,
    any_value(left_out) as left_out
from given_answers
join shown on given_answers.dataset = shown.dataset and given_answers.label = shown.name
join totals
    on given_answers.dataset = totals.dataset and given_answers.model = totals.model
    and given_answers.label = totals.label
group by all
order by all
