-- Pairs of models: which of two models needs more of a clip?
-- One row per dataset, method, answers (all clips, or those that both models have right) and pair of models, first seed. Times: the first needs so many times as much as the second, geometric mean over clips that need something in both; models that were searched in different ways (`search` of `needs`) are not compared. Intervals and tests: 95 %, classes a level of their own; Holm over the pairs of a dataset, method and answers.
select dataset, method, answers, model, other_model,
    case
        when holm_p is null then null
        when holm_p >= 0.05 then 'cannot tell'
        when times > 1 then model || ' needs more of a clip than ' || other_model
        else other_model || ' needs more of a clip than ' || model
    end as answer,
    round(times, 2) as times,
    round(times_low, 2) as times_low,
    round(times_high, 2) as times_high,
    round(p, 4) as p,
    round(holm_p, 4) as holm_p,
    times_clips,
    percent(vacuous) as vacuous_percent,
    percent(other_vacuous) as other_vacuous_percent,
    percent(vacuous_difference) as vacuous_difference_points,
    percent(vacuous_difference_low) as vacuous_difference_points_low,
    percent(vacuous_difference_high) as vacuous_difference_points_high,
    round(vacuous_p, 4) as vacuous_p,
    round(vacuous_holm_p, 4) as vacuous_holm_p,
    clips, classes
from need_comparisons
order by dataset, method, answers, model, other_model
