-- Planted benchmark: which methods find the evidence that was planted?
-- One row per dataset, model, method and ratio. Clips whose target the model does not put first, above 50 %, are left out; means over clips, frames and seeds averaged. looks_at is the truth for networks set by hand: support holds the voxels that their answer depends on. Decoys carry no information. Intervals: 95 %, over clips.
with asked as (
    select dataset, model, looks_at, method, ratio, count(*) as clips_asked, count(*) filter (decided) as clips
    from planted_scores
    group by all
),
reasons as (
    select dataset, model, method, ratio, most_frequent(concat_ws(': ', cause_status, cause)) as reason
    from failed
    where stage = 'maps'
    group by all
)
select asked.dataset, asked.model, asked.looks_at, asked.method, asked.ratio,
    percent(on_support) as on_support_percent,
    percent(on_support_low) as on_support_percent_low,
    percent(on_support_high) as on_support_percent_high,
    percent(support) as support_percent,
    percent(spatial) as spatial_percent,
    percent(spatial_low) as spatial_percent_low,
    percent(spatial_high) as spatial_percent_high,
    percent(temporal) as temporal_percent,
    percent(temporal_low) as temporal_percent_low,
    percent(temporal_high) as temporal_percent_high,
    percent(in_box) as in_box_percent,
    percent(box_auc) as box_auc_percent,
    percent(box_iou) as box_iou_percent,
    percent(in_segment) as in_segment_percent,
    percent(segment_auc) as segment_auc_percent,
    percent(segment_auc_low) as segment_auc_percent_low,
    percent(segment_auc_high) as segment_auc_percent_high,
    percent(on_decoy) as on_decoy_percent,
    percent(on_decoy_low) as on_decoy_percent_low,
    percent(on_decoy_high) as on_decoy_percent_high,
    percent(peak_on_decoy) as peak_on_decoy_percent,
    percent(area_error) as area_error_points,
    round(kept, 3) as kept_probability,
    clips, asked.clips_asked,
    if(on_support is null, reason, null) as reason
from asked
left join planted_means as means
    on asked.dataset = means.dataset and asked.model = means.model and asked.method = means.method
    and asked.ratio is not distinct from means.ratio
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio
order by all
