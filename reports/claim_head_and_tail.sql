-- Head and tail: does EP-3D keep more of the first and last frames of a clip than of the others? (section 4.3.1)
-- One row per dataset, model, EP-3D and ratio: the share of the mask that lies in the first and last eighth of the frames (2 of 16 each), for VGG16LSTM in the first alone as the paper has it, against the share of the frames; beside it STEP of the same preset, schedule and perturbation. Maps that failed or are 0 are left out, seeds averaged. Yes or no: the 95 % interval over clips leaves the share of the frames.
with profiles as (
    select dataset, model, method, ratio, clip_id, frame_volume, models.use = 'vgg16_lstm' as front_alone,
        len(frame_volume) as frames, greatest(1, len(frame_volume) // 8) as ends, list_sum(frame_volume) as whole
    from maps
    join models on maps.model = models.name
    where status = 'ok'
),
clips as (
    select dataset, model, method, ratio, clip_id, front_alone, any_value(ends / frames) as even,
        avg(list_sum(frame_volume[:ends]) / nullif(whole, 0)) as head,
        avg(list_sum(frame_volume[frames - ends + 1:]) / nullif(whole, 0)) as tail
    from profiles
    group by all
),
shares as (
    select dataset, model, method, ratio, count(head) as clips,
        avg(if(front_alone, 1, 2) * even) as even,
        avg(if(front_alone, head, head + tail)) as share,
        mean_margin(if(front_alone, head, head + tail)) as margin,
        avg(head) as head, avg(tail) as tail
    from clips
    group by all
),
asked as (
    select datasets.name as dataset, models.name as model, models.use as model_use, methods.name as ep3d,
        unnest(methods.ratios) as ratio
    from datasets, models, methods
    where methods.use = 'ep3d'
)
select if(asked.model_use = 'vgg16_lstm', 'EP-3D favours the front frames', 'EP-3D favours the head and tail frames') as claim,
    asked.dataset, asked.model, asked.ep3d, asked.ratio,
    verdict(plain.share - plain.margin, plain.share + plain.margin, plain.even) as answer,
    round(100 * plain.share, 1) as ends_percent,
    round(100 * clamped(plain.share - plain.margin, 1), 1) as ends_percent_low,
    round(100 * clamped(plain.share + plain.margin, 1), 1) as ends_percent_high,
    round(100 * plain.even, 1) as even_percent,
    round(100 * plain.head, 1) as head_percent,
    round(100 * plain.tail, 1) as tail_percent,
    coalesce(plain.clips, 0) as clips,
    pairs.method as step,
    round(100 * smooth.share, 1) as step_ends_percent,
    round(100 * clamped(smooth.share - smooth.margin, 1), 1) as step_ends_percent_low,
    round(100 * clamped(smooth.share + smooth.margin, 1), 1) as step_ends_percent_high,
    smooth.clips as step_clips
from asked
left join shares as plain
    on asked.dataset = plain.dataset and asked.model = plain.model and asked.ep3d = plain.method
    and asked.ratio = plain.ratio
left join ep3d_pairs as pairs
    on asked.ep3d = pairs.ep3d and pairs.method_use = 'step' and list_contains(pairs.ratios, asked.ratio)
left join shares as smooth
    on asked.dataset = smooth.dataset and asked.model = smooth.model and pairs.method = smooth.method
    and asked.ratio = smooth.ratio
order by all
