-- Whether a mask is evidence: what the parts of the metric `mask_survival` say of each map, and the class that follows.

-- The answer is kept from this probability on: a share of the way from what the fill alone leaves to what the clip has.
create macro kept_from(fill, whole, keeps) as fill + keeps * (whole - fill);

create table mask_parts as
select rows.dataset, rows.model, rows.method, method_use, rows.ratio, rows.seed, rows.clip_id, label, metric_name as metric,
    coalesce(map_from_entries(list({'k': part, 'v': value}) filter (part is not null)), map {}) as parts,
    coalesce(
        max(concat_ws(': ', status, error)) filter (part is null and status != 'ok'),
        max(concat_ws(': ', part, status, error)) filter (status not in ('ok', 'no_annotation', 'not_applicable'))
    ) as failure
from score_rows as rows
where metric_use = 'mask_survival'
group by all;
comment on table mask_parts is 'What `mask_survival` measured of each map: the parts by name, or why there are none.';

-- What the clip has is the probability of a target that the model answers with; else the mask must win it all.
create table mask_answers as
with known as (
    select mask_parts.*,
        (metrics.settings ->> '$.keeps')::double as keeps,
        (metrics.settings ->> '$.holds')::double as holds,
        (metrics.settings ->> '$.least_drop')::double as least_drop,
        (metrics.settings ->> '$.survives')::double as survives,
        (metrics.settings ->> '$.inside')::double as inside_from,
        metrics.settings ->> '$.perturbation' as asked_fill,
        maps.kept_probability as kept,
        if(map_contains(parts, 'empty.' || split_part(maps.perturbation, ':', 1)), split_part(maps.perturbation, ':', 1), asked_fill)
            as own_fill,
        parts['clip'] >= parts['rival_clip'] as answered,
        if(answered, parts['clip'], 1) as whole
    from mask_parts
    join metrics on mask_parts.metric = metrics.name
    join maps
        on mask_parts.dataset = maps.dataset and mask_parts.model = maps.model and mask_parts.method = maps.method
        and mask_parts.ratio is not distinct from maps.ratio and mask_parts.seed = maps.seed
        and mask_parts.clip_id = maps.clip_id
),
measured_fills as (
    select *,
        parts['empty.' || own_fill] as empty,
        kept_from(empty, whole, keeps) as needed,
        kept_from(empty, whole, holds) as needed_hard,
        parts['hard.' || own_fill] as hard,
        parts['empty.' || asked_fill] as asked_empty,
        whole - asked_empty >= least_drop as asked_drops,
        if(asked_drops, kept_from(asked_empty, whole, keeps), null) as needed_asked,
        if(asked_drops, kept_from(asked_empty, whole, holds), null) as needed_moved,
        [
            parts['soft.' || name] >= kept_from(parts['empty.' || name], whole, holds)
            for name in ['blur', 'other_blur', 'fade', 'freeze', 'noise']
            if name != own_fill and whole - parts['empty.' || name] >= least_drop
        ] as other_fills,  -- NULL where a probe was not measured
        [
            {
                'kept': parts['peer.' || name], 'empty': parts['peer_empty.' || name],
                'whole': if(parts['peer_clip.' || name] >= parts['peer_rival.' || name], parts['peer_clip.' || name], 1)
            }
            for name in [substr(part, 11) for part in map_keys(parts) if starts_with(part, 'peer_clip.')]
        ] as answers
    from known
)
select dataset, model, method, method_use, ratio, seed, clip_id, label, metric, failure, parts, answered, own_fill,
    parts['clip'] as clip, kept, empty, needed, needed_hard as held, hard, parts['shift'] as shift, parts['random'] as random,
    parts['outside'] as outside, parts['rival'] as rival, parts['annotated'] as annotated,
    if(annotated < 1, parts['inside'], null) as inside,  -- an annotation of the whole clip is none
    whole - empty >= least_drop as asks,
    kept >= needed as sufficient,
    len([held for held in other_fills if held is not null]) as fills, len([held for held in other_fills if held]) as fills_kept,
    case
        when fills_kept >= survives * len(other_fills) then true
        when len([held for held in other_fills if coalesce(held, true)]) < survives * len(other_fills) then false
    end as survives_fills,
    hard >= needed_hard as survives_hard,
    if(needed_moved is null, true, parts['shift'] >= needed_moved) as survives_shift,
    if(needed_asked is null, false, parts['random'] >= needed_asked) as random_keeps,
    len([peer for peer in answers if peer.whole - peer.empty >= least_drop]) as peers,
    len([
        peer for peer in answers
        if peer.whole - peer.empty >= least_drop and peer.kept >= kept_from(peer.empty, peer.whole, keeps)
    ]) as peers_kept,
    inside - annotated >= inside_from * (1 - annotated) as more_inside,
    parts['outside'] < needed_asked as outside_fails,
    more_inside or coalesce(outside_fails, false) as on_annotation
from measured_fills;
comment on table mask_answers is 'Each map under `mask_survival`: its probabilities, the one that it needs, and which probes it passes.';

create table mask_classes as
select *,
    survives_fills and survives_hard and survives_shift and (answered or peers = 0 or peers_kept > 0) as survived,
    case
        when kept is null or empty is null then null
        when not asks then 'vacuous'
        when not sufficient then 'insufficient'
        when survived is null then null
        when not survived then 'adversarial'
        when not answered and peers = 0 then 'unconfirmed'
        when inside is null then 'unannotated'
        when on_annotation and random_keeps is null then null
        when on_annotation and random_keeps then 'unspecific'
        when on_annotation then 'focused'
        when peers > 0 and peers_kept = 0 then 'unconfirmed'
        else 'shortcut'
    end as class
from mask_answers;
comment on table mask_classes is 'The class of each mask of the extremal family under the thresholds of the configuration; NULL for other maps, and where it hangs on a probe that was not measured.';

create temp view class_means_samples as
with clips as (
    select dataset, model, method, ratio, metric, clip_id,
        avg((class = 'focused')::int) filter (class not in ('vacuous', 'insufficient') and inside is not null) as focused,
        avg((class = 'shortcut')::int) filter (class not in ('vacuous', 'insufficient') and inside is not null) as shortcut,
        avg((class = 'adversarial')::int) filter (class not in ('vacuous', 'insufficient')) as adversarial
    from mask_classes
    where method in (select name from methods where optimises_masks)
    group by all
)
select dataset, model, method, ratio, metric, clip_id,
    answer(focused) as focused, answer(shortcut) as shortcut, answer(adversarial) as adversarial
from clips;
comment on view class_means_samples is 'Shares of the classes of masks over clips whose mask was put to the question, seeds averaged; focused and shortcut: of those with an annotation.';

create temp view survival_means_samples as
with clips as (
    select dataset, model, method, ratio, metric, clip_id,
        avg(clip) as clip,
        avg(coalesce(kept, parts['soft.' || own_fill])) as own,
        avg(empty) as no_mask,
        avg(hard) as hard,
        avg(shift) as shift,
        avg(if(own_fill = 'blur', null, parts['soft.blur'])) as blur,
        avg(parts['soft.other_blur']) as other_blur,
        avg(if(own_fill = 'fade', null, parts['soft.fade'])) as fade,
        avg(if(own_fill = 'freeze', null, parts['soft.freeze'])) as frozen,
        avg(if(own_fill = 'noise', null, parts['soft.noise'])) as noise,
        avg(list_avg([parts[part] for part in map_keys(parts) if starts_with(part, 'peer.')])) as peer,
        avg(random) as random,
        avg(outside) as outside,
        avg(rival) as rival
    from mask_answers
    where clip is not null
    group by all
)
select dataset, model, method, ratio, metric, clip_id, share(clip) as clip, share(own) as own, share(no_mask) as no_mask,
    share(hard) as hard, share(shift) as shift, share(blur) as blur, share(other_blur) as other_blur, share(fade) as fade,
    share(frozen) as frozen, share(noise) as noise, share(peer) as peer, share(random) as random,
    share(outside) as outside, share(rival) as rival
from clips;
comment on view survival_means_samples is 'Mean probability of the target under the probes of `mask_survival`, seeds and peers averaged.';

create temp view transfer_means_samples as
with chosen as (
    select *
    from mask_answers
    where model not in (select model from controls)
    qualify dense_rank() over (partition by dataset, model, method order by metric, abs(ratio - 0.1), ratio) = 1
),
answers as (
    select dataset, method, ratio, model, label, clip_id, model as asked,
        coalesce(kept, parts['soft.' || own_fill]) as kept, clip as whole, empty
    from chosen
    union all
    select dataset, method, ratio, model, label, clip_id, peer, parts['peer.' || peer], parts['peer_clip.' || peer],
        parts['peer_empty.' || peer]
    from (
        select *, unnest([substr(part, 11) for part in map_keys(parts) if starts_with(part, 'peer_clip.')]) as peer
        from chosen
    )
    where peer not in (select model from controls)
),
clips as (
    select dataset, method, ratio, model, label, clip_id, asked, avg(kept) as kept, avg(whole) as whole, avg(empty) as empty
    from answers
    where kept is not null
    group by all
)
select dataset, method, ratio, model, asked, unnest(all_and(label)) as label, clip_id,
    share(kept) as kept, share(whole) as whole, share(empty) as empty
from clips;
comment on view transfer_means_samples is 'Mean probability of the target under a mask, on the clip and on the fill alone, of the model that the mask was made for and of others, in all classes (label NULL) and in each; of methods with ratios the one nearest to 0.1.';

create temp view preservation_means_samples as
with settings as (
    select (config -> '$.preserve.share')::double as share from audit
),
clips as (
    select dataset, model, method, ratio, share, label, clip_id,
        avg(volume) as volume, avg(kept_probability) as kept, avg(target_probability) as own,
        avg((kept_probability >= share * target_probability * (1 - 1e-6))::int) as keeping
    from settings, (select maps.*, label from maps left join segments using (dataset, clip_id))
    where status = 'ok' and ratio is not null and kept_probability is not null
    group by all
)
select dataset, model, method, ratio, share, unnest(all_and(label)) as label, clip_id, share(volume) as volume,
    share(own) as own, share(kept) as kept, number_of(kept, own) as relative, answer(keeping) as keeping
from clips;
comment on view preservation_means_samples is 'What optimised masks keep of the target''s probability (relative: of the clips'' own, sum over sum), and how many clips keep `share` of their own, in all classes (label NULL) and in each, seeds averaged.';
