-- Use of time: does the model's answer change when the frames are shuffled, reversed or frozen?
-- One row per dataset, model and order of the frames; controls are left out. Loss: how much less probable the target is than on the clip as it is; change: the same without its sign. Yes: the change is above 5 points with its whole 95 % interval, over clips; no: below.
with clips as (
    select orders.dataset, orders.model, frame_order, orders.clip_id,
        own.target_probability as probability,
        own.target_probability - orders.target_probability as loss
    from frame_orders as orders
    join predictions as own
        on orders.dataset = own.dataset and orders.model = own.model and orders.clip_id = own.clip_id
    where orders.model not in (select model from controls)
),
means as (
    select dataset, model, frame_order, count(*) as clips_asked, count(loss) as clips,
        avg(probability) filter (loss is not null) as probability,
        avg(loss) as loss, mean_margin(loss) as loss_margin,
        avg(abs(loss)) as change, mean_margin(abs(loss)) as change_margin
    from clips
    group by all
)
select dataset, model, frame_order,
    verdict(change - change_margin, change + change_margin, 0.05) as answer,
    round(probability, 3) as target_probability,
    round(100 * loss, 1) as loss_points,
    round(100 * (clamped(loss - loss_margin + 1, 2) - 1), 1) as loss_points_low,
    round(100 * (clamped(loss + loss_margin + 1, 2) - 1), 1) as loss_points_high,
    round(100 * change, 1) as change_points,
    round(100 * clamped(change - change_margin, 1), 1) as change_points_low,
    round(100 * clamped(change + change_margin, 1), 1) as change_points_high,
    clips, clips_asked
from means
order by dataset, model, list_position(['shuffled', 'reversed', 'frozen'], frame_order)
