-- Larger ratio: does VGG16LSTM need to keep more of a clip than R(2+1)D? (section 4.2)
-- One row per dataset, pair of models, method and bound. A clip is decided if the brackets of the two searches do not overlap; with two censored searches, or within the tolerance, it is not. Yes or no: the 95 % interval (Wilson, decided clips) of the share in which VGG16LSTM needs more leaves 50 %.
with asked as (
    select datasets.name as dataset, lstm.name as vgg16lstm, conv.name as r2plus1d, methods.name as method,
        unnest([bound for bound in bounds if bound != 'sufficiency']) as bound
    from datasets, methods, models as lstm, models as conv
    where lstm.use = 'vgg16_lstm' and conv.use = 'r2plus1d_18'
),
compared as (
    select dataset, method, bound, name as lstm, other_name as conv, more as larger, less as smaller, clips,
        1 - less_share as share, 1 - less_share_high as share_low, 1 - less_share_low as share_high
    from ratio_comparisons
    where varied = 'model'
    union all
    select dataset, method, bound, other_name, name, less, more, clips, less_share, less_share_low, less_share_high
    from ratio_comparisons
    where varied = 'model'
)
select 'VGG16LSTM needs a larger ratio than R(2+1)D' as claim,
    asked.dataset, vgg16lstm, r2plus1d, asked.method, asked.bound,
    verdict(share_low, share_high, 0.5) as answer,
    percent(share) as larger_percent,
    percent(share_low) as larger_percent_low,
    percent(share_high) as larger_percent_high,
    coalesce(larger, 0) as larger_clips,
    coalesce(smaller, 0) as smaller_clips,
    coalesce(clips - larger - smaller, 0) as undecided_clips,
    coalesce(clips, 0) as clips
from asked
left join compared
    on asked.dataset = compared.dataset and asked.method = compared.method and asked.bound = compared.bound
    and vgg16lstm = lstm and r2plus1d = conv
order by all
