-- Sanity checks: how like the maps are that a metric `similarity` compares, and whether answers change with the order of frames.

create view similarities as
select dataset, model, method, method_use, ratio, metric_name as metric, split_part(part, '.', 1) as reference, clip_id,
    avg(value) filter (part = reference || '.rank') as rank,
    avg(value) filter (part = reference || '.iou') as iou
from score_rows
where metric_use = 'similarity' and part is not null
group by all;
comment on view similarities is 'How like a clip''s map is the one that it is compared with (reference: seed, model or target): rank correlation and IoU, seeds averaged, NULL where a map is constant.';

create temp view similarity_means_samples as
select similarities.* exclude (rank, iou), (settings ->> '$.threshold')::double as threshold,
    difference(rank) as rank, answer(similarities.rank >= (settings ->> '$.threshold')::double) as unchanged, share(iou) as iou
from similarities
join metrics on similarities.metric = metrics.name;
comment on view similarity_means_samples is 'How like the maps are that a metric `similarity` compares, means over clips, and the rank correlation below which a map counts as changed.';

create view entropies as
select dataset, model, method, ratio, clip_id, avg(value) as entropy
from measured
where metric_use = 'entropy'
group by all;
comment on view entropies is 'Entropy of each clip''s map as a share of the greatest possible, seeds averaged.';

create temp view entropy_means_samples as
select own.dataset, own.model as control, own.method, own.ratio, own.clip_id, share(own.entropy) as entropy,
    share(trained.entropy) as trained_entropy
from controls
join entropies as own on own.model = controls.model
join entropies as trained
    on trained.model = controls.original and own.dataset = trained.dataset and own.method = trained.method
    and own.ratio is not distinct from trained.ratio and own.clip_id = trained.clip_id;
comment on view entropy_means_samples is 'Entropy of a control''s maps beside that of the trained model''s, on the same clips.';

create temp view order_means_samples as
select orders.dataset, orders.model, frame_order, orders.clip_id,
    difference(own.probability - orders.target_probability) as loss,
    share(abs(own.probability - orders.target_probability)) as change,
    share(if(orders.target_probability is null, null, own.probability)) as probability
from frame_orders as orders
join explained_classes as own
    on orders.dataset = own.dataset and orders.model = own.model and orders.clip_id = own.clip_id
where orders.model not in (select model from controls);
comment on view order_means_samples is 'How much less probable the target is when the frames are shuffled, reversed or frozen, with (loss) and without (change) its sign.';

-- Whether maps changed: yes, if their mean rank correlation lies below the threshold with its whole interval; no, if it
-- lies above, or if the maps of most clips do: the share of unchanged ones is over one half with its whole interval.
create macro changed(low, high, unchanged_low, threshold) as case
    when high < threshold then 'yes'
    when low > threshold or unchanged_low > 0.5 then 'no'
    else 'cannot tell'
end;
