-- Wrong class: does a method's map change when it explains another class than the clip's label?
-- One row per dataset, model, method (with target: runner_up), ratio and metric; controls are left out. Yes: the rank correlation with the map for the label is below the threshold, with its whole 95 % interval. Where two classes are all there is, evidence against one is evidence for the other, and a method that shows both may rightly not change. Clips of which a map is constant are asked but not counted.
select dataset, model, method, ratio, metric,
    changed(rank_low, rank_high, unchanged_low, threshold) as answer,
    round(rank, 3) as rank, round(rank_low, 3) as rank_low, round(rank_high, 3) as rank_high,
    round(iou, 3) as iou, round(iou_low, 3) as iou_low, round(iou_high, 3) as iou_high,
    threshold, rank_clips as clips, clips_asked
from similarity_means
where reference = 'target' and model not in (select model from controls)
order by dataset, model, method, ratio, metric
