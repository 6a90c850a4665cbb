-- Labels: how well does each label's probability find the clips that have it?
-- One row per dataset, model with a sigmoid for each label, and label; first the mean over labels (label empty). Average precision: mean of the precision at each clip with the label, the most probable first. By chance: the share of clips that have it. Clips of which no label is annotated are left out. Intervals: 95 %, as many observations as videos with the label; of the mean, the mean of the ends.
select dataset, model, label, clips, own_clips, videos,
    percent(precision) as average_precision_percent,
    percent(precision_low) as average_precision_percent_low,
    percent(precision_high) as average_precision_percent_high,
    percent(by_chance) as chance_percent
from label_estimates
order by dataset, model, label nulls first
