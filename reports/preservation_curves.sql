-- Preservation curves: how much of its probability does a clip keep under a mask of each ratio? (beside Table 2)
-- One row per dataset, model, method and ratio, of maps that were optimised; failed ones are left out, seeds averaged. Kept percent: of the clips' own probabilities, sum over sum, more than 100 where masks help. Keeping: clips that keep `share` of their own. Intervals: 95 %, over clips.
select dataset, model, method, ratio,
    round(volume, 4) as volume_ratio,
    round(own, 4) as own_probability,
    round(kept, 4) as kept_probability,
    round(kept_low, 4) as kept_probability_low,
    round(kept_high, 4) as kept_probability_high,
    percent(relative) as kept_percent,
    percent(relative_low) as kept_percent_low,
    percent(relative_high) as kept_percent_high,
    share,
    percent(keeping) as keeping_percent,
    percent(keeping_low) as keeping_percent_low,
    percent(keeping_high) as keeping_percent_high,
    kept_clips as clips
from preservation_means
where label is null
order by all
