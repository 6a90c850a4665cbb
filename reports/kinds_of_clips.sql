-- Kinds of clips: are clips that look different more often wrong, do they need more, or do maps lie less on their object?
-- One row per dataset, model, outcome and property, the clearest first. Less, more: videos with less or more of the property than most of their class. Outcomes: wrong answers; share of the clip that is needed (geometric mean); how much more of a map lies on the boxes than of an even map (points). Clips of earlier versions have no properties of pixels. Intervals: 95 %, over videos; Holm's correction over all rows.
with shown as (
    select * replace (if(outcome = 'off_object', -less, less) as less, if(outcome = 'off_object', -more, more) as more,
            if(outcome = 'off_object', -less_high, less_low) as less_low,
            if(outcome = 'off_object', -less_low, less_high) as less_high,
            if(outcome = 'off_object', -more_high, more_low) as more_low,
            if(outcome = 'off_object', -more_low, more_high) as more_high)
    from kind_estimates
)
select dataset, model,
    case outcome when 'wrong' then 'wrong answers' when 'need' then 'share needed' else 'map on the object' end as outcome,
    property, clips, videos,
    if(outcome = 'need', fine_percent(2 ** less), percent(less)) as less_percent,
    if(outcome = 'need', fine_percent(2 ** less_low), percent(less_low)) as less_percent_low,
    if(outcome = 'need', fine_percent(2 ** less_high), percent(less_high)) as less_percent_high,
    if(outcome = 'need', fine_percent(2 ** more), percent(more)) as more_percent,
    if(outcome = 'need', fine_percent(2 ** more_low), percent(more_low)) as more_percent_low,
    if(outcome = 'need', fine_percent(2 ** more_high), percent(more_high)) as more_percent_high,
    p, holm_p, if(holm_p < 0.05, 'yes', 'cannot tell') as answer
from shown
order by holm_p, p, dataset, model, outcome, property
