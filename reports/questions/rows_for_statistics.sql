-- Question: What do I load for statistics of my own, with one row per clip?
-- Answer: One row per clip, model, method and ratio, seeds and frames averaged: what the clip is, whether the model is right, what the
--   map keeps, the bracket of the minimum ratio (of the bound `ratio_bound`, 'sufficiency' if it was searched), and a column `<metric>_score` for each metric.
-- Beware: Rows of the same clip are not independent: make clips, not rows, the sampling unit, and pair models and methods on them.
--   An empty value was not measured, and is no 0. A bracket of a censored search (`ratio_censored`) is open at one end.
with wide as (
    pivot (
        select dataset, model, method, ratio, clip_id, metric, avg(value) as value from measured group by all
    )
    on metric using any_value(value) as score
    group by dataset, model, method, ratio, clip_id
),
means as (
    select dataset, model, method, ratio, clip_id, count(*) filter (status = 'ok') as seeds,
        avg(volume) as volume, avg(map.kept_probability) as kept_probability, min(map.status) filter (map.status != 'ok') as failure
    from maps as map
    group by all
)
select means.dataset, means.clip_id, segments.label, means.model, means.method, means.ratio,
    answers.is_right, predictions.target_probability,
    seeds, failure, volume, means.kept_probability,
    times.bound as ratio_bound, times.lower as ratio_lower, times.upper as ratio_upper, times.censored as ratio_censored,
    wide.* exclude (dataset, model, method, ratio, clip_id)
from means
join segments using (dataset, clip_id)
left join predictions
    on predictions.dataset = means.dataset and predictions.clip_id = means.clip_id and predictions.model = means.model
left join right_answers as answers
    on answers.dataset = means.dataset and answers.clip_id = means.clip_id and answers.model = means.model
left join (
    select distinct on (dataset, clip_id, model, method) *
    from label_searches
    where bound in ('sufficiency', 'probability')
    order by dataset, clip_id, model, method, bound desc
) as times
    on times.dataset = means.dataset and times.clip_id = means.clip_id and times.model = means.model
    and times.method = means.method
left join wide
    on wide.dataset = means.dataset and wide.clip_id = means.clip_id and wide.model = means.model
    and wide.method = means.method and wide.ratio is not distinct from means.ratio
order by means.dataset, means.clip_id, means.model, means.method, means.ratio
