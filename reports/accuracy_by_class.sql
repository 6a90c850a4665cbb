-- Accuracy by class: which classes does each model get right, and which of its answers can be believed?
-- One row per dataset, model and class, the least right first; controls are left out. Right: of the class's clips. Right when answered: of the clips to which the model gives this class. Intervals: 95 %, over clips.
with wrong as (
    select dataset, model, label, string_agg(answer || ' ' || confused, ', ' order by place) as wrong_answers
    from confused_classes
    where place <= 3
    group by all
)
select own.dataset, own.model, own.label, own.right_clips as clips,
    percent(own.right) as right_percent,
    percent(own.right_low) as right_percent_low,
    percent(own.right_high) as right_percent_high,
    wrong_answers,
    coalesce(answered.right_clips, 0) as answered_clips,
    percent(answered.right) as right_when_answered_percent,
    percent(answered.right_low) as right_when_answered_percent_low,
    percent(answered.right_high) as right_when_answered_percent_high
from class_answers as own
left join answered_classes as answered using (dataset, model, label)
left join wrong using (dataset, model, label)
order by own.dataset, own.model, own.right, own.label
