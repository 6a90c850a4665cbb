-- Which clips the page's gallery shows, by rule. Places count from 1; what the rules leave equal is ordered by the clip's name.

create view gallery_choices as
-- censored clips are all equal: they come first, by the probability of the target
with extremes as (
    select *, 'smallest ratio' as rule, 'left-censored: the smallest mask tried suffices' as censoring,
        row_number() over (
            partition by dataset, model
            order by censored is null, if(censored is null, ratio, null), target_probability desc nulls last, clip_id
        ) as place
    from gallery_searches
    where counts and censored is distinct from 'right'
    union all
    select *, 'largest ratio', 'right-censored: no mask that was tried suffices',
        row_number() over (
            partition by dataset, model
            order by censored is null, if(censored is null, ratio, null) desc, target_probability desc nulls last, clip_id
        )
    from gallery_searches
    where counts and censored is distinct from 'left'
),
-- clips that need nothing are not among them
middles as (
    select *, row_number() over sorted as below, count(*) over (partition by dataset, model) as clips
    from gallery_searches
    where counts and bound = 'sufficiency'
    window sorted as (partition by dataset, model order by ratio, clip_id)
),
ratio_choices as (
    select rule, place, dataset, clip_id, model, method, ratio,
        model || ' needs ' || need || ' of the clip' || case
            when censored is null then ''
            else format(
                ' ({}; {})', censoring,
                case
                    when count(*) over alike = 1 then 'no other clip ties'
                    else format('ties with {} more', count(*) over alike - 1)
                end
            )
        end as because
    from extremes
    window alike as (partition by rule, dataset, model, censored)
),
-- the least probability that is left under the probes of `mask_survival`
masks as (
    select dataset, clip_id, model, method, ratio, seed, class, kept,
        list_min(list_concat(
            [hard, shift],
            [parts['soft.' || name] for name in ['blur', 'other_blur', 'fade', 'freeze', 'noise'] if name != own_fill]
        )) as survives
    from mask_classes
    where asks and sufficient and model not in (select model from controls)
    qualify row_number() over (
        partition by dataset, model, clip_id
        order by class = 'adversarial' desc, survives / kept nulls last, method, ratio, seed
    ) = 1
),
mask_choices as (
    select 'adversarial' as rule, dataset, clip_id, model, method, ratio, seed,
        row_number() over (
            partition by dataset, model order by class = 'adversarial' desc, survives / kept nulls last, clip_id
        ) as place,
        format('{}, {}: the mask keeps a probability of {:.2f}', model, method, kept)
            || coalesce(format(', and {:.2f} where it was not optimised', survives), '')
            || if(class = 'adversarial', ' (class adversarial)', format(' (class {})', class)) as because
    from masks
),
-- the difference that is left whatever the brackets hide
ratio_differences as (
    select 'ratios differ' as rule, one.dataset, one.clip_id, one.method,
        greatest(one.lower - other.upper, other.lower - one.upper) as apart,
        format(
            '{} needs {} of the clip, {} {}: {:.2g} percentage points apart or more',
            one.model, one.need, other.model, other.need, 100 * apart
        ) as because
    from gallery_searches as one
    join gallery_searches as other
        on one.dataset = other.dataset and one.clip_id = other.clip_id and one.model < other.model
        and one.target is not distinct from other.target
    where apart > 0 and one.counts and other.counts
    qualify row_number() over (
        partition by one.dataset, one.clip_id order by apart desc, one.model, other.model
    ) = 1
),
pointers as (
    select dataset, clip_id, model, method, ratio, metric, frames, hits / frames as rate
    from pointing_clips
    where metric_use = 'spatial_pointing' and model not in (select model from controls)
        and method in (select method from method_roles where not is_floor)
),
pointing_differences as (
    select 'pointing differs' as rule, one.dataset, one.clip_id, one.method, one.ratio, one.frames,
        abs(one.rate - other.rate) as apart,
        format(
            '{}{}: the peak falls on the box in {:.0f} % of {} annotated frames on {}, in {:.0f} % on {}',
            one.method, coalesce(format(' at ratio {:g}', one.ratio), ''),
            100 * one.rate, one.frames::bigint, one.model, 100 * other.rate, other.model
        ) as because
    from pointers as one
    join pointers as other
        on one.dataset = other.dataset and one.clip_id = other.clip_id and one.method = other.method
        and one.ratio is not distinct from other.ratio and one.metric = other.metric and one.model < other.model
    where apart > 0
    qualify row_number() over (
        partition by one.dataset, one.clip_id
        order by apart desc, one.frames desc, one.method, one.ratio, one.metric, one.model, other.model
    ) = 1
),
wrong_answers as (
    select dataset, clip_id, model,
        row_number() over (
            partition by dataset, model order by answer_probability desc nulls last, clip_id
        ) as place,
        model || ' answers ' || answer || coalesce(format(' with probability {:.2f}', answer_probability), '')
            || format('; {} has {:.2f}', label, target_probability) as because
    from given_answers
    where answer != label
),
background_choices as (
    select *,
        row_number() over (partition by dataset, model order by on_box / box, box desc, clip_id) as place,
        format(
            '{}, {}{}: {} of the map lies on the boxes, which are {} of the picture',
            model, method, coalesce(format(' at ratio {:g}', ratio), ''), in_percent(on_box), in_percent(box)
        ) as because
    from box_masses
    where on_box < box
),
first_of_class as (
    select distinct dataset, label, clip_id
    from test_clips
    where status = 'ok'
    qualify dense_rank() over (partition by dataset, label order by clip_id) <= if(label is null, 12, 1)
),
choices as (
    select rule, place, dataset, clip_id, model, method, ratio, null as seed, because from ratio_choices
    union all by name
    select 'median need' as rule, 1 as place, dataset, clip_id, model, method,
        format('{} needs {} of the clip; of {} clips {} need less', model, need, clips, below - 1) as because
    from middles
    where below = (clips + 1) // 2
    union all by name
    select rule, place, dataset, clip_id, model, method, ratio, seed, because from mask_choices
    union all by name
    select 'gets wrong' as rule, place, dataset, clip_id, model, because from wrong_answers
    union all by name
    select 'follows the background' as rule, place, dataset, clip_id, model, method, ratio, because
    from background_choices
    union all by name
    select rule, row_number() over (partition by dataset order by apart desc, clip_id) as place, dataset, clip_id,
        method, because
    from ratio_differences
    union all by name
    select rule, row_number() over (partition by dataset order by apart desc, frames desc, clip_id) as place,
        dataset, clip_id, method, ratio, because
    from pointing_differences
    union all by name
    select if(label is null, 'no label', 'class') as rule,
        row_number() over (partition by dataset, label is null order by label, clip_id) as place, dataset, clip_id,
        coalesce('the first clip of ' || label, 'one of the first clips without a label') as because
    from first_of_class
)
select rule, place, choices.dataset, choices.clip_id, label, model, method, ratio, seed, because
from choices
join segments using (dataset, clip_id);
comment on view gallery_choices is 'Which clips the gallery may show: by rule and place (of each data set, and model where the rule names one), with the mask that the rule speaks of and what it says.';
