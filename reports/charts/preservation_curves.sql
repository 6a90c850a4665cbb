-- Preservation curves: how much of its probability does a clip keep under a mask of each ratio?
-- One row per dataset, model, method and class (NULL: all classes), with a list over ratios, of maps that were optimised; failed ones and controls are left out, seeds averaged. Percent: of the clips' own probabilities, sum over sum. Left: clips that keep `share` of their own already at the smallest ratio; right: clips that do not at the largest. Intervals: 95 %, over clips.
with settings as (
    select (config -> '$.preserve.share')::double as share from audit
),
clips as (
    select maps.dataset, maps.model, maps.method, maps.ratio, label, maps.clip_id,
        avg(kept_probability) as kept, avg(target_probability) as own,
        avg((kept_probability >= share * target_probability * (1 - 1e-6))::int) as keeping
    from settings, maps
    join segments on maps.dataset = segments.dataset and maps.clip_id = segments.clip_id
    where status = 'ok' and ratio is not null and kept_probability is not null
        and maps.model not in (select model from controls)
    group by all
),
means as (
    select dataset, model, method, ratio, label, count(*) as clips, sum(keeping) as keeping,
        sum(kept) / sum(own) as relative, t95(count(*) - 1) * clustered_error(kept, own) as margin
    from clips
    group by grouping sets ((dataset, model, method, ratio), (dataset, model, method, ratio, label))
    having grouping(label) = 1 or label is not null
),
ended as (
    select *,
        if(ratio = min(ratio) over curve, round(keeping), 0)::bigint as below,
        if(ratio = max(ratio) over curve, round(clips - keeping), 0)::bigint as above
    from means
    window curve as (partition by dataset, model, method, label)
)
select dataset, model, method, label,
    list(ratio order by ratio) as ratio,
    list(round(100 * relative, 1) order by ratio) as percent,
    list(round(100 * clamped(relative - margin, 'infinity'::double), 1) order by ratio) as low,
    list(round(100 * (relative + margin), 1) order by ratio) as high,
    list(round(100 * keeping / clips, 1) order by ratio) as keeping,
    list(clips order by ratio) as clips,
    list(below order by ratio) as below,
    list(above order by ratio) as above
from ended
group by all
order by all
