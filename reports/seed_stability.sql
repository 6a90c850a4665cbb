-- Stability: how alike are the maps that a method makes of the same clip with different seeds?
-- One row per dataset, model, method, ratio and metric; methods with one seed, and controls, are left out. Each further seed's map is compared with the first seed's, and clips are the sampling unit. 1: the same map; IoU of masks that are equally large. Clips of which a map is constant are asked but not counted.
select dataset, model, method, ratio, metric,
    round(iou, 3) as iou, round(iou_low, 3) as iou_low, round(iou_high, 3) as iou_high,
    round(rank, 3) as rank, round(rank_low, 3) as rank_low, round(rank_high, 3) as rank_high,
    len(seeds) as seeds, rank_clips as clips, clips_asked
from similarity_means
join methods on method = methods.name
where reference = 'seed' and model not in (select model from controls)
order by dataset, model, method, ratio, metric
