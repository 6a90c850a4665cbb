-- Shuffled labels: does a method's map change when the model was trained on labels that mean nothing?
-- One row per dataset, model, control, method, ratio and metric. Yes: the rank correlation with the maps of the model that was trained on the true labels is below the threshold, with its whole 95 % interval. Beside it how much of its shuffled training clips the control knows by heart, and how often it is right on test clips, which should be by chance. Clips of which a map is constant are asked but not counted.
with learned as (
    select dataset, model, any_value(train_accuracy) as accuracy from training_log where best group by all
),
right_by_chance as (
    select dataset, model, count(rank) as predicted, avg((rank = 1)::int) as rate from predictions group by all
)
select means.dataset, original as model, means.model as control, method, ratio, metric,
    changed(means.rank, rank_margin, threshold) as answer,
    round(means.rank, 3) as rank,
    round(clamped(means.rank - rank_margin + 1, 2) - 1, 3) as rank_low,
    round(clamped(means.rank + rank_margin + 1, 2) - 1, 3) as rank_high,
    round(iou, 3) as iou,
    round(clamped(iou - iou_margin, 1), 3) as iou_low,
    round(clamped(iou + iou_margin, 1), 3) as iou_high,
    threshold, clips, clips_asked,
    round(100 * learned.accuracy, 1) as by_heart_percent,
    round(100 * rate, 1) as test_percent,
    round(100 * wilson_low(rate, predicted), 1) as test_percent_low,
    round(100 * wilson_high(rate, predicted), 1) as test_percent_high
from similarity_means as means
join controls on means.model = controls.model
left join learned on means.dataset = learned.dataset and means.model = learned.model
left join right_by_chance on means.dataset = right_by_chance.dataset and means.model = right_by_chance.model
where reference = 'model' and shuffled_labels
order by all
