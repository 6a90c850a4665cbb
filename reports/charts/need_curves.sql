-- Curves: how much of what a clip adds does the best piece of each size keep?
-- One row per dataset, model and method, with a list over sizes: mean over clips that need something, with 95 % intervals.
select dataset, model, method,
    list(size_need_percent order by size_need_percent) as size,
    list(kept_percent order by size_need_percent) as percent,
    list(kept_percent_low order by size_need_percent) as low,
    list(kept_percent_high order by size_need_percent) as high,
    list(clips order by size_need_percent) as clips
from need_curves
group by all
order by all
