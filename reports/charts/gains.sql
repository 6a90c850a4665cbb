-- Gains: does a method measure more than the best pointer that ignores the model?
-- One row per dataset, model, metric, method and ratio of `method_gains` where a gain was measured; controls are left out. Intervals: 95 %, clips drawn with replacement.
select dataset, model, metric, method, concat_ws(' ', method, ratio) as contender, answer, gain, gain_low as low,
    gain_high as high, best_floor, gain_clips as clips, holm_p
from method_gains
where gain is not null and model not in (select model from controls)
order by dataset, metric, model, method, ratio
