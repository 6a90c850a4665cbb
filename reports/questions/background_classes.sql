-- Question: Which classes lean on the background?
-- Answer: One row per class: the share of the map that lies beside the boxes, with its 95 % interval over clips, and the
--   share of the picture that lies there. `leans` is 'yes' where the map has more of itself on the background than a map
--   that is the same everywhere would have, and the interval leaves no doubt.
-- Beware: A map beside the box is no proof that the model uses the background: the map may be wrong (see `method_gains`),
--   or the box too tight. Five clips make wide intervals, and among twenty classes one in either direction is due to chance.
select dataset, model, method, ratio, label,
    verdict(more_low, more_high, 0) as leans,
    percent(beside) as beside_percent,
    percent(beside_low) as beside_percent_low,
    percent(beside_high) as beside_percent_high,
    percent(background) as background_percent,
    beside_clips as clips
from background_means
order by more desc, dataset, model, method, ratio, label
