-- Evidence by clip: which mask is evidence and which is not, and what says so?
-- One row per mask of the extremal family and metric, by class. The mask keeps the answer from `needed_probability` on, and holds when cut or moved from `held_probability` on; fills and peers that ask nothing are left out. Where a mask has no class, `reason` says why.
select dataset, model, method, ratio, seed, clip_id, metric, class,
    case
        when class = 'vacuous' then 'the fill alone keeps the target'
        when class = 'insufficient' then 'the mask does not keep the target'
        when class = 'adversarial' then concat_ws(
            ', ',
            if(not survives_fills, 'lost under other fills', null),
            if(not survives_hard, 'lost when cut to 0 and 1', null),
            if(not survives_shift, 'lost by a small shift', null),
            if(not answered and peers > 0 and peers_kept = 0, 'an answer that neither the clip nor a peer gives', null)
        )
        when class = 'unconfirmed' and peers = 0 then 'an answer that the clip does not give, and no peer to ask'
        when class = 'unconfirmed' then 'beside the annotation, and no peer agrees'
        when class = 'unannotated' then 'the mask survives; nothing says where it should lie'
        when class = 'unspecific' then 'masks at random places keep the target as well'
        when class = 'focused' then 'the mask survives and ' || concat_ws(
            ', and ',
            if(more_inside, 'lies on the annotation clearly more than by chance', null),
            if(outside_fails, 'loses the target without its part on the annotation', null)
        )
        when class = 'shortcut' then
            'the mask survives and lies on the annotation not clearly more than by chance'
            || if(peers = 0, ' (no peer to ask)', ', and a peer agrees')
    end as because,
    round(clip, 3) as clip_probability,
    round(kept, 3) as kept_probability,
    round(empty, 3) as fill_alone_probability,
    round(needed, 3) as needed_probability,
    round(held, 3) as held_probability,
    fills_kept, fills,
    round(hard, 3) as hard_probability,
    round(shift, 3) as shift_probability,
    round(random, 3) as random_probability,
    round(outside, 3) as outside_probability,
    round(rival, 3) as rival_probability,
    peers_kept, peers,
    round(inside, 3) as inside_share,
    round(annotated, 3) as annotated_share,
    case when class is null then failure end as reason
from mask_classes
where kept is not null
order by
    dataset, model, method, ratio, metric,
    list_position(['adversarial', 'shortcut', 'unconfirmed', 'unspecific', 'focused'], class), clip_id, seed
