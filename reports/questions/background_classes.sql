-- Question: Which classes lean on the background?
-- Answer: One row per class: the share of the map that lies beside the boxes, with its 95 % interval over clips, and the
--   share of the picture that lies there. `leans` is 'yes' where the map has more of itself on the background than a map
--   that is the same everywhere would have, and the interval leaves no doubt.
-- Beware: A map beside the box is no proof that the model uses the background: the map may be wrong (see `method_gains`),
--   or the box too tight. Five clips make wide intervals, and among twenty classes one in either direction is due to chance.
with frames as (
    select dataset, model, method, ratio, label, clip_id, frame,
        any_value(value) filter (metric_use = 'mass_in_box') as on_box,
        any_value(value) filter (metric_use = 'box_share') as box
    from measured
    where metric in (select name from metrics where annotation = 'own') and metric_use in ('mass_in_box', 'box_share')
        and method in (select method from method_roles where not is_floor)
    group by all
    having on_box is not null and box is not null
),
clips as (
    select dataset, model, method, ratio, label, clip_id, 1 - avg(on_box) as beside, 1 - avg(box) as background
    from frames
    group by all
),
classes as (
    select dataset, model, method, ratio, label, count(*) as clips,
        avg(beside) as beside, mean_margin(beside) as margin, avg(background) as background,
        avg(beside - background) as more, mean_margin(beside - background) as more_margin
    from clips
    group by all
)
select dataset, model, method, ratio, label,
    verdict(more - more_margin, more + more_margin, 0) as leans,
    round(100 * beside, 1) as beside_percent,
    round(100 * clamped(beside - margin, 1), 1) as beside_percent_low,
    round(100 * clamped(beside + margin, 1), 1) as beside_percent_high,
    round(100 * background, 1) as background_percent,
    clips
from classes
order by more desc, dataset, model, method, ratio, label
