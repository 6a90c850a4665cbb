-- Transfer: how much of the answer does a mask keep on the model that it was made for, and on the others?
-- One row per dataset, method, ratio, model, asked model and class (NULL: all classes): mean softmax probability of the target under the mask, on the clip, and on the fill alone. Of methods with ratios the one nearest to 0.1, of several such metrics the first; seeds averaged. Intervals: 95 %, Student's t, over clips.
with masks as (
    select *
    from mask_answers
    where model not in (select model from controls)
    qualify dense_rank() over (partition by dataset, model, method order by metric, abs(ratio - 0.1), ratio) = 1
),
asked as (
    select dataset, method, ratio, model, label, clip_id, model as asked,
        coalesce(kept, parts['soft.' || own_fill]) as kept, clip as whole, empty
    from masks
    union all
    select dataset, method, ratio, model, label, clip_id, peer, parts['peer.' || peer], parts['peer_clip.' || peer],
        parts['peer_empty.' || peer]
    from (
        select *, unnest([substr(part, 11) for part in map_keys(parts) if starts_with(part, 'peer_clip.')]) as peer
        from masks
    )
    where peer not in (select model from controls)
),
clips as (
    select dataset, method, ratio, model, label, clip_id, asked, avg(kept) as kept, avg(whole) as whole, avg(empty) as empty
    from asked
    where kept is not null
    group by all
),
means as (
    select dataset, method, ratio, model, asked, label, count(*) as clips, avg(kept) as kept, mean_margin(kept) as margin,
        avg(whole) as whole, avg(empty) as empty
    from clips
    group by grouping sets ((dataset, method, ratio, model, asked), (dataset, method, ratio, model, asked, label))
    having grouping(label) = 1 or label is not null
)
select dataset, method, concat_ws(' ', method, ratio) as contender, model, asked, label,
    round(kept, 3) as kept,
    round(clamped(kept - margin, 1), 3) as low,
    round(clamped(kept + margin, 1), 3) as high,
    round(whole, 3) as whole,
    round(empty, 3) as empty,
    clips
from means
where dataset in (select dataset from means where model != asked)
order by dataset, method, ratio, model, asked, label
