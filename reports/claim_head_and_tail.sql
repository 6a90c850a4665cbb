-- Head and tail: does EP-3D keep more of the first and last frames of a clip than of the others? (section 4.3.1)
-- One row per dataset, model, EP-3D and ratio: the share of the mask that lies in the first and last eighth of the frames (2 of 16 each), for VGG16LSTM in the first alone as the paper has it, against the share of the frames; beside it STEP of the same preset, schedule and perturbation. Maps that failed or are 0 are left out, seeds averaged. Yes or no: the 95 % interval over clips leaves the share of the frames.
with shares as (
    select ends.*, models.use = 'vgg16_lstm' as front_alone,
        if(front_alone, head, ends) as share, if(front_alone, head_low, ends_low) as share_low,
        if(front_alone, head_high, ends_high) as share_high
    from end_means as ends
    join models on ends.model = models.name
    where label is null
),
asked as (
    select datasets.name as dataset, models.name as model, models.use as model_use, methods.name as ep3d,
        unnest(methods.ratios) as ratio
    from datasets, models, methods
    join paper_smoothing on methods.use = method_use and smoothing is null
)
select if(asked.model_use = 'vgg16_lstm', 'EP-3D favours the front frames', 'EP-3D favours the head and tail frames') as claim,
    asked.dataset, asked.model, asked.ep3d, asked.ratio,
    verdict(plain.share_low, plain.share_high, if(plain.front_alone, 1, 2) * plain.even) as answer,
    percent(plain.share) as ends_percent,
    percent(plain.share_low) as ends_percent_low,
    percent(plain.share_high) as ends_percent_high,
    percent(if(plain.front_alone, 1, 2) * plain.even) as even_percent,
    percent(plain.head) as head_percent,
    percent(plain.tail) as tail_percent,
    coalesce(plain.head_clips, 0) as clips,
    pairs.method as step,
    percent(smooth.share) as step_ends_percent,
    percent(smooth.share_low) as step_ends_percent_low,
    percent(smooth.share_high) as step_ends_percent_high,
    smooth.head_clips as step_clips
from asked
left join shares as plain
    on asked.dataset = plain.dataset and asked.model = plain.model and asked.ep3d = plain.method
    and asked.ratio = plain.ratio
left join ep3d_pairs as pairs
    on asked.ep3d = pairs.ep3d and smoothing = 'L_K' and list_contains(pairs.ratios, asked.ratio)
left join shares as smooth
    on asked.dataset = smooth.dataset and asked.model = smooth.model and pairs.method = smooth.method
    and asked.ratio = smooth.ratio
order by all
