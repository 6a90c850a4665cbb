-- Question: Which trivial pointer beats my method?
-- Answer: One row per metric, method and floor that measures more on the same frames: the difference (method less floor,
--   so below 0) with its 95 % interval over clips. Only what still holds after Holm's correction is listed; no row at all
--   means that no floor is known to be better.
-- Beware: No row does not mean that the method is better than the floors: `method_gains` says 'yes' where it is. Of a metric
--   where less is better, such as an entropy, more is worse.
select dataset, model, metric, method, ratio, other_method as floor,
    round(value, 3) as value,
    round(other_value, 3) as floor_value,
    round(difference, 3) as difference,
    round(low, 3) as difference_low,
    round(high, 3) as difference_high,
    worse_clips, clips,
    round(holm_p, 4) as holm_p
from comparisons
join metric_roles using (metric)
where family = 'floor' and not is_constant and annotation = 'own' and high < 0 and holm_p < 0.05
order by difference, dataset, model, metric, method, ratio, floor
