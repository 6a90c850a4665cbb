-- Shuffled labels: does a method's map change when the model was trained on labels that mean nothing?
-- One row per dataset, model, control, method, ratio and metric. Yes: the rank correlation with the maps of the model that was trained on the true labels is below the threshold, with its whole 95 % interval. Beside it how much of its shuffled training clips the control knows by heart, and how often it is right on test clips, which should be by chance. Clips of which a map is constant are asked but not counted.
with learned as (
    select dataset, model, any_value(train_accuracy) as accuracy from training_log where best group by all
)
select means.dataset, original as model, means.model as control, method, ratio, metric,
    changed(means.rank_low, means.rank_high, unchanged_low, threshold) as answer,
    round(means.rank, 3) as rank, round(means.rank_low, 3) as rank_low, round(means.rank_high, 3) as rank_high,
    round(iou, 3) as iou, round(iou_low, 3) as iou_low, round(iou_high, 3) as iou_high,
    threshold, means.rank_clips as clips, means.clips_asked,
    percent(learned.accuracy) as by_heart_percent,
    percent(top1) as test_percent, percent(top1_low) as test_percent_low, percent(top1_high) as test_percent_high
from similarity_means as means
join controls on means.model = controls.model
left join learned on means.dataset = learned.dataset and means.model = learned.model
left join accuracy_means as accuracy on means.dataset = accuracy.dataset and means.model = accuracy.model
where reference = 'model' and shuffled_labels
order by all
