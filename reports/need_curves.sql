-- Curves: how much of what a clip adds does the best piece of each size keep?
-- One row per dataset, model, method and size, first seed, mean over clips that need something. The best verified piece of at most that size; the whole clip keeps all, which is no finding. Intervals: 95 %, classes a level of their own.
select dataset, model, method,
    fine_percent(volume) as size_need_percent,
    percent(kept) as kept_percent,
    percent(kept_low) as kept_percent_low,
    percent(kept_high) as kept_percent_high,
    clips
from need_curve_means
order by dataset, model, method, volume
