-- Preservation curves: how much of its probability does a clip keep under a mask of each ratio?
-- One row per dataset, model, method and class (NULL: all classes), with a list over ratios, of maps that were optimised; failed ones and controls are left out, seeds averaged. Percent: of the clips' own probabilities, sum over sum. Left: clips that keep `share` of their own already at the smallest ratio; right: clips that do not at the largest. Intervals: 95 %, over clips.
with ended as (
    select *,
        if(ratio = min(ratio) over curve, round(keeping * keeping_clips), 0)::bigint as below,
        if(ratio = max(ratio) over curve, round((1 - keeping) * keeping_clips), 0)::bigint as above
    from preservation_means
    where model not in (select model from controls)
    window curve as (partition by dataset, model, method, label)
)
select dataset, model, method, label,
    list(ratio order by ratio) as ratio,
    list(percent(relative) order by ratio) as percent,
    list(percent(greatest(0, relative_low)) order by ratio) as low,
    list(percent(relative_high) order by ratio) as high,
    list(percent(keeping) order by ratio) as keeping,
    list(keeping_clips order by ratio) as clips,
    list(below order by ratio) as below,
    list(above order by ratio) as above
from ended
group by all
order by all
