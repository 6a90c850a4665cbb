-- Question: On which clips do two models disagree most?
-- Answer: The twenty pairs of models on a clip with the greatest difference of the target's probability, with the ranks that
--   they give the target. `ratio_apart` is by how much the part that they need to see differs at least: the gap between
--   the brackets of their searches, 0 where these overlap, the greatest of several methods and bounds, empty where one was not
--   searched.
-- Beware: The clips were picked for their difference, so that they say nothing of how the models differ in general; that
--   is in `accuracy` and `need_pairs`. A model that is unsure of everything differs from every other.
with searched as (
    select dataset, clip_id, model, method, bound, target, lower, upper from label_searches
),
gaps as (
    select one.dataset, one.clip_id, one.model, other.model as other_model,
        max(greatest(0, one.lower - other.upper, other.lower - one.upper)) as ratio_apart
    from searched as one
    join searched as other using (dataset, clip_id, method, bound, target)
    where one.model < other.model
    group by all
)
select one.dataset, one.label, one.clip_id, one.model, other.model as other_model,
    round(one.target_probability, 3) as target_probability,
    round(other.target_probability, 3) as other_target_probability,
    round(abs(one.target_probability - other.target_probability), 3) as difference,
    one.rank as rank, other.rank as other_rank,
    round(ratio_apart, 4) as ratio_apart
from predictions as one
join predictions as other using (dataset, clip_id)
left join gaps
    on gaps.dataset = one.dataset and gaps.clip_id = one.clip_id and gaps.model = one.model
    and gaps.other_model = other.model
where one.model < other.model and one.status = 'ok' and other.status = 'ok'
    and one.model not in (select model from controls) and other.model not in (select model from controls)
order by difference desc, ratio_apart desc nulls last, one.dataset, one.clip_id, one.model, other.model
limit 20
