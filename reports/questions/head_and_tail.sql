-- Question: How much of each class's map lies in the first and in the last frames?
-- Answer: One row per class: the share of the map in the first and the last eighth of the frames (2 of 16 each), with 95 %
--   intervals over clips; `even_percent` is what a map has there that is the same in all frames, and `frames_percent`
--   the whole profile, frame by frame (of at most 4,000 clips of a data set).
-- Beware: A method may favour places in time whatever the model does: compare with the row of `center` and of other
--   methods before you speak of a class. Masks of different ratios have different profiles.
with lines as (
    select dataset, model, method, ratio, label, list(percent(share) order by frame) as frames_percent
    from frame_means
    group by all
)
select ends.dataset, ends.model, ends.method, ends.ratio, ends.label,
    percent(head) as head_percent, percent(head_low) as head_percent_low, percent(head_high) as head_percent_high,
    percent(tail) as tail_percent, percent(tail_low) as tail_percent_low, percent(tail_high) as tail_percent_high,
    percent(even) as even_percent,
    head_clips as clips, frames_percent
from end_means as ends
join lines
    on ends.dataset = lines.dataset and ends.model = lines.model and ends.method = lines.method
    and ends.ratio is not distinct from lines.ratio and ends.label = lines.label
order by all
