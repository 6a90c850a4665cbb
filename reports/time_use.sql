-- Use of time: does the model's answer change when the frames are shuffled, reversed or frozen?
-- One row per dataset, model and order of the frames; controls are left out. Loss: how much less probable the target is than on the clip as it is; change: the same without its sign. Yes: the change is above 5 points with its whole 95 % interval, over clips; no: below.
select dataset, model, frame_order,
    verdict(change_low, change_high, 0.05) as answer,
    round(probability, 3) as target_probability,
    percent(loss) as loss_points, percent(loss_low) as loss_points_low, percent(loss_high) as loss_points_high,
    percent(change) as change_points,
    percent(change_low) as change_points_low,
    percent(change_high) as change_points_high,
    loss_clips as clips, clips_asked
from order_means
order by dataset, model, list_position(['shuffled', 'reversed', 'frozen'], frame_order)
