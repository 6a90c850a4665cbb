-- Question: How much of each class's map lies in the first and in the last frames?
-- Answer: One row per class: the share of the map in the first and the last eighth of the frames (2 of 16 each), with 95 %
--   intervals over clips; `even_percent` is what a map has there that is the same in all frames, and `frames_percent`
--   the whole profile, frame by frame.
-- Beware: A method may favour places in time whatever the model does: compare with the row of `center` and of other
--   methods before you speak of a class. Masks of different ratios have different profiles.
with profiles as (
    select maps.dataset, model, method, ratio, label, clip_id, seed, frame_volume, list_sum(frame_volume) as whole,
        greatest(1, len(frame_volume) // 8) as ends
    from maps
    join segments using (dataset, clip_id)
    where status = 'ok' and whole > 0
),
shares as (
    select dataset, model, method, ratio, label, clip_id,
        unnest([volume / whole for volume in frame_volume]) as share,
        generate_subscripts(frame_volume, 1) as frame, ends, len(frame_volume) as frames
    from profiles
),
clips as (
    select dataset, model, method, ratio, label, clip_id, frame, any_value(ends) as ends, any_value(frames) as frames,
        avg(share) as share
    from shares
    group by all
),
ends as (
    select dataset, model, method, ratio, label, clip_id, any_value(ends / frames) as even,
        sum(share) filter (frame <= ends) as head,
        sum(share) filter (frame > frames - ends) as tail
    from clips
    group by all
),
classes as (
    select dataset, model, method, ratio, label, count(*) as clips, avg(even) as even,
        avg(head) as head, mean_margin(head) as head_margin, avg(tail) as tail, mean_margin(tail) as tail_margin
    from ends
    group by all
),
means as (
    select dataset, model, method, ratio, label, frame, avg(share) as share from clips group by all
),
lines as (
    select dataset, model, method, ratio, label, list(round(100 * share, 1) order by frame) as frames_percent
    from means
    group by all
)
select classes.dataset, classes.model, classes.method, classes.ratio, classes.label,
    round(100 * head, 1) as head_percent,
    round(100 * clamped(head - head_margin, 1), 1) as head_percent_low,
    round(100 * clamped(head + head_margin, 1), 1) as head_percent_high,
    round(100 * tail, 1) as tail_percent,
    round(100 * clamped(tail - tail_margin, 1), 1) as tail_percent_low,
    round(100 * clamped(tail + tail_margin, 1), 1) as tail_percent_high,
    round(100 * even, 1) as even_percent,
    clips, frames_percent
from classes
join lines
    on classes.dataset = lines.dataset and classes.model = lines.model and classes.method = lines.method
    and classes.ratio is not distinct from lines.ratio and classes.label = lines.label
order by all
