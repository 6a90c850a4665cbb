-- Evidence or accident: are the masks evidence on the annotation, a shortcut beside it, or an accident of the optimiser?
-- One row per dataset, model, method, ratio and metric. Shares of the clips whose mask was put to the question: it keeps the answer, and its fill alone does not; seeds averaged. Intervals: Wilson's, 95 %, over clips. The answer is the class of more than half of the clips, if the interval leaves no other.
with clips as (
    select dataset, model, method, ratio, metric, clip_id,
        avg((class = 'focused')::int) filter (class not in ('vacuous', 'insufficient')) as focused,
        avg((class = 'shortcut')::int) filter (class not in ('vacuous', 'insufficient')) as shortcut,
        avg((class = 'adversarial')::int) filter (class not in ('vacuous', 'insufficient')) as adversarial,
        histogram(class) as classes
    from mask_classes
    where method in (select method from maps where kept_probability is not null)
    group by all
),
shares as (
    select dataset, model, method, ratio, metric, count(focused) as clips, count(*) as clips_asked,
        avg(focused) as focused, avg(shortcut) as shortcut, avg(adversarial) as adversarial,
        {
            'unspecific': sum(classes['unspecific']), 'unconfirmed': sum(classes['unconfirmed']),
            'unannotated': sum(classes['unannotated']), 'vacuous': sum(classes['vacuous']),
            'insufficient': sum(classes['insufficient'])
        } as masks
    from clips
    group by all
)
select dataset, model, method, ratio, metric,
    case
        when clips = 0 then null
        when wilson_low(focused, clips) > 0.5 then 'focused'
        when wilson_low(shortcut, clips) > 0.5 then 'shortcut'
        when wilson_low(adversarial, clips) > 0.5 then 'adversarial'
        else 'cannot tell'
    end as answer,
    round(100 * focused, 1) as focused_percent,
    round(100 * wilson_low(focused, clips), 1) as focused_percent_low,
    round(100 * wilson_high(focused, clips), 1) as focused_percent_high,
    round(100 * shortcut, 1) as shortcut_percent,
    round(100 * wilson_low(shortcut, clips), 1) as shortcut_percent_low,
    round(100 * wilson_high(shortcut, clips), 1) as shortcut_percent_high,
    round(100 * adversarial, 1) as adversarial_percent,
    round(100 * wilson_low(adversarial, clips), 1) as adversarial_percent_low,
    round(100 * wilson_high(adversarial, clips), 1) as adversarial_percent_high,
    clips, clips_asked,
    coalesce(masks.unspecific, 0)::bigint as unspecific_masks,
    coalesce(masks.unconfirmed, 0)::bigint as unconfirmed_masks,
    coalesce(masks.unannotated, 0)::bigint as unannotated_masks,
    coalesce(masks.vacuous, 0)::bigint as vacuous_masks,
    coalesce(masks.insufficient, 0)::bigint as insufficient_masks
from shares
order by dataset, model, method, ratio, metric
