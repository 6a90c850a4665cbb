-- Faithfulness curves: how does the class's probability fall, or rise, while a clip is emptied, or filled, in a map's order?
-- One row per dataset, model, method, ratio, metric, fill, unit, direction and class (NULL: all classes), with a list over the shares of the units that left or came: mean over clips, beside a random order on the same clips; controls are left out, seeds averaged. Of methods with ratios the one nearest to 0.1. Intervals: 95 %, over clips.
select dataset, model, method, concat_ws(' ', method, ratio) as contender, metric, fill, unit, in_sample, direction, label,
    list(percent(share) order by share) as share,
    list(percent(probability) order by share) as percent,
    list(percent(probability_low) order by share) as low,
    list(percent(probability_high) order by share) as high,
    list(percent(random) order by share) as random,
    list(probability_clips order by share) as clips
from faithfulness_curve_means
where is_drawn and model not in (select model from controls)
group by dataset, model, method, ratio, metric, fill, unit, in_sample, direction, label
order by dataset, model, metric, fill, unit, direction, method, ratio, label
