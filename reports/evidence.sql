-- Evidence or accident: are the masks evidence on the annotation, a shortcut beside it, or an accident of the optimiser?
-- One row per dataset, model, method, ratio and metric. Shares of the clips whose mask was put to the question: it keeps the answer, and its fill alone does not; seeds averaged. Focused and shortcut are shares of those on which something is annotated, and focused does not say that most of a mask lies there. Intervals: Wilson's, 95 %, over clips. The answer is the class of more than half of the clips, if the interval leaves no other.
with masks as (
    select dataset, model, method, ratio, metric, histogram(class) as classes
    from mask_classes
    where method in (select name from methods where optimises_masks)
    group by all
)
select means.dataset, means.model, means.method, means.ratio, means.metric,
    case
        when adversarial_clips = 0 then null
        when focused_low > 0.5 then 'focused'
        when shortcut_low > 0.5 then 'shortcut'
        when adversarial_low > 0.5 then 'adversarial'
        else 'cannot tell'
    end as answer,
    percent(focused) as focused_percent,
    percent(focused_low) as focused_percent_low,
    percent(focused_high) as focused_percent_high,
    percent(shortcut) as shortcut_percent,
    percent(shortcut_low) as shortcut_percent_low,
    percent(shortcut_high) as shortcut_percent_high,
    percent(adversarial) as adversarial_percent,
    percent(adversarial_low) as adversarial_percent_low,
    percent(adversarial_high) as adversarial_percent_high,
    adversarial_clips as clips, focused_clips as annotated_clips, clips_asked,
    coalesce(classes['unspecific'], 0)::bigint as unspecific_masks,
    coalesce(classes['unconfirmed'], 0)::bigint as unconfirmed_masks,
    coalesce(classes['unannotated'], 0)::bigint as unannotated_masks,
    coalesce(classes['vacuous'], 0)::bigint as vacuous_masks,
    coalesce(classes['insufficient'], 0)::bigint as insufficient_masks
from class_means as means
join masks
    on means.dataset = masks.dataset and means.model = masks.model and means.method = masks.method
    and means.ratio is not distinct from masks.ratio and means.metric = masks.metric
order by means.dataset, means.model, means.method, means.ratio, means.metric
