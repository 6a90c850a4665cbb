-- Preservation curves: how much of its probability does a clip keep under a mask of each ratio? (beside Table 2)
-- One row per dataset, model, method and ratio, of maps that were optimised; failed ones are left out, seeds averaged. Kept percent: of the clips' own probabilities, sum over sum, more than 100 where masks help. Keeping: clips that keep `share` of their own. Intervals: 95 %, over clips.
with settings as (
    select (config -> '$.preserve.share')::double as share from audit
),
clips as (
    select dataset, model, method, ratio, share, clip_id,
        avg(volume) as volume, avg(kept_probability) as kept, avg(target_probability) as own,
        avg((kept_probability >= share * target_probability * (1 - 1e-6))::int) as keeping
    from maps, settings
    where status = 'ok' and ratio is not null and kept_probability is not null
    group by all
),
means as (
    select dataset, model, method, ratio, share, count(*) as clips,
        avg(volume) as volume, avg(own) as own, avg(kept) as kept, mean_margin(kept) as kept_margin,
        sum(kept) / sum(own) as relative, t95(count(*) - 1) * clustered_error(kept, own) as relative_margin,
        avg(keeping) as keeping
    from clips
    group by all
)
select dataset, model, method, ratio,
    round(volume, 4) as volume_ratio,
    round(own, 4) as own_probability,
    round(kept, 4) as kept_probability,
    round(clamped(kept - kept_margin, 1), 4) as kept_probability_low,
    round(clamped(kept + kept_margin, 1), 4) as kept_probability_high,
    round(100 * relative, 1) as kept_percent,
    round(100 * clamped(relative - relative_margin, 'infinity'::double), 1) as kept_percent_low,
    round(100 * (relative + relative_margin), 1) as kept_percent_high,
    share,
    round(100 * keeping, 1) as keeping_percent,
    round(100 * wilson_low(keeping, clips), 1) as keeping_percent_low,
    round(100 * wilson_high(keeping, clips), 1) as keeping_percent_high,
    clips
from means
order by all
