-- Planted benchmark: which methods find the evidence that was planted?
-- One row per dataset, model, method and ratio. Clips whose target the model does not put first, above 50 %, are left out; means over clips, frames and seeds averaged. looks_at is the truth for networks set by hand: support holds the voxels that their answer depends on. Decoys carry no information. Intervals: 95 %, over clips.
with asked as (
    select dataset, model, looks_at, method, ratio, count(*) as clips_asked
    from planted_scores
    group by all
),
averages as (
    select dataset, model, method, ratio, count(*) as clips,
        avg(on_support) as on_support, mean_margin(on_support) as support_margin, avg(support) as support,
        avg(spatial) as spatial, mean_margin(spatial) as spatial_margin,
        avg(temporal) as temporal, mean_margin(temporal) as temporal_margin,
        avg(in_box) as in_box, avg(box_auc) as box_auc, avg(box_iou) as box_iou, avg(in_segment) as in_segment,
        avg(segment_auc) as segment_auc, mean_margin(segment_auc) as segment_margin,
        avg(on_decoy) as on_decoy, mean_margin(on_decoy) as decoy_margin, avg(peak_on_decoy) as peak_on_decoy,
        avg(abs(volume - support)) filter (looks_at is not null and ratio is not null) as area_error,
        avg(kept) as kept
    from planted_scores
    where decided
    group by all
),
reasons as (
    select dataset, model, method, ratio, mode(concat_ws(': ', cause_status, cause)) as reason
    from failed
    where stage = 'maps'
    group by all
)
select asked.dataset, asked.model, looks_at, asked.method, asked.ratio,
    round(100 * on_support, 1) as on_support_percent,
    round(100 * clamped(on_support - support_margin, 1), 1) as on_support_percent_low,
    round(100 * clamped(on_support + support_margin, 1), 1) as on_support_percent_high,
    round(100 * support, 1) as support_percent,
    round(100 * spatial, 1) as spatial_percent,
    round(100 * clamped(spatial - spatial_margin, 1), 1) as spatial_percent_low,
    round(100 * clamped(spatial + spatial_margin, 1), 1) as spatial_percent_high,
    round(100 * temporal, 1) as temporal_percent,
    round(100 * clamped(temporal - temporal_margin, 1), 1) as temporal_percent_low,
    round(100 * clamped(temporal + temporal_margin, 1), 1) as temporal_percent_high,
    round(100 * in_box, 1) as in_box_percent,
    round(100 * box_auc, 1) as box_auc_percent,
    round(100 * box_iou, 1) as box_iou_percent,
    round(100 * in_segment, 1) as in_segment_percent,
    round(100 * segment_auc, 1) as segment_auc_percent,
    round(100 * clamped(segment_auc - segment_margin, 1), 1) as segment_auc_percent_low,
    round(100 * clamped(segment_auc + segment_margin, 1), 1) as segment_auc_percent_high,
    round(100 * on_decoy, 1) as on_decoy_percent,
    round(100 * clamped(on_decoy - decoy_margin, 1), 1) as on_decoy_percent_low,
    round(100 * clamped(on_decoy + decoy_margin, 1), 1) as on_decoy_percent_high,
    round(100 * peak_on_decoy, 1) as peak_on_decoy_percent,
    round(100 * area_error, 1) as area_error_points,
    round(kept, 3) as kept_probability,
    coalesce(clips, 0) as clips, clips_asked,
    if(on_support is null, reason, null) as reason
from asked
left join averages
    on asked.dataset = averages.dataset and asked.model = averages.model and asked.method = averages.method
    and asked.ratio is not distinct from averages.ratio
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio
order by all
