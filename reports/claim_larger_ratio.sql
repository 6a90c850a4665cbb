-- Larger ratio: does VGG16LSTM need to keep more of a clip than R(2+1)D? (section 4.2)
-- One row per dataset, pair of models, method and bound. A clip is decided if the brackets of the two searches do not overlap; with two censored searches, or within the tolerance, it is not. Yes or no: the 95 % interval (Wilson, decided clips) of the share in which VGG16LSTM needs more leaves 50 %.
with asked as (
    select datasets.name as dataset, lstm.name as vgg16lstm, conv.name as r2plus1d, methods.name as method,
        unnest(bounds) as bound
    from datasets, methods, models as lstm, models as conv
    where lstm.use = 'vgg16_lstm' and conv.use = 'r2plus1d_18'
),
brackets as (
    select dataset, model, method, bound, clip_id, lower, upper from preservation_times
),
counts as (
    select asked.dataset, vgg16lstm, r2plus1d, asked.method, asked.bound,
        count(*) as clips,
        count(*) filter (lstm.lower >= conv.upper) as larger,
        count(*) filter (conv.lower >= lstm.upper) as smaller
    from asked
    join brackets as lstm
        on asked.dataset = lstm.dataset and asked.method = lstm.method and asked.bound = lstm.bound
        and vgg16lstm = lstm.model
    join brackets as conv
        on asked.dataset = conv.dataset and asked.method = conv.method and asked.bound = conv.bound
        and r2plus1d = conv.model and lstm.clip_id = conv.clip_id
    group by all
),
shares as (
    select asked.*, coalesce(clips, 0) as clips, coalesce(larger, 0) as larger, coalesce(smaller, 0) as smaller,
        larger / nullif(larger + smaller, 0) as share
    from asked
    left join counts using (dataset, vgg16lstm, r2plus1d, method, bound)
)
select 'VGG16LSTM needs a larger ratio than R(2+1)D' as claim,
    dataset, vgg16lstm, r2plus1d, method, bound,
    verdict(wilson_low(share, larger + smaller), wilson_high(share, larger + smaller), 0.5) as answer,
    round(100 * share, 1) as larger_percent,
    round(100 * wilson_low(share, larger + smaller), 1) as larger_percent_low,
    round(100 * wilson_high(share, larger + smaller), 1) as larger_percent_high,
    larger as larger_clips,
    smaller as smaller_clips,
    clips - larger - smaller as undecided_clips,
    clips
from shares
order by all
