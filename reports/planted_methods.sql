-- Planted methods: how well does each method find what a network set by hand looks at?
-- One row per dataset, method and ratio. Share of the map on the support of the networks that look at the object, the background and the decoy; a map that follows the video and not the model cannot be right on all three. The rest is of the network that looks at the object: by part of the clip that shows it, in time, and on the decoy, where all is a false alarm. Clips that the network is sure of, seeds averaged. Intervals: 95 %, over clips.
with asked as (
    select dataset, method, ratio, count(*) filter (looks_at = 'object') as clips_asked
    from planted_scores
    where looks_at is not null
    group by all
),
parts as (
    select dataset, method, ratio, map_from_entries(list((part, on_support))) as on_support
    from planted_truth_means
    where part is not null
    group by all
),
reasons as (
    select dataset, method, ratio, most_frequent(concat_ws(': ', cause_status, cause)) as reason
    from failed
    join planted_models using (model)
    where stage = 'maps'
    group by all
)
select asked.dataset, asked.method, asked.ratio,
    percent(object.on_support) as object_percent,
    percent(object.on_support_low) as object_percent_low,
    percent(object.on_support_high) as object_percent_high,
    percent(background.on_support) as background_percent,
    percent(background.on_support_low) as background_percent_low,
    percent(background.on_support_high) as background_percent_high,
    percent(decoy.on_support) as decoy_percent,
    percent(decoy.on_support_low) as decoy_percent_low,
    percent(decoy.on_support_high) as decoy_percent_high,
    percent(parts.on_support['head']) as head_percent,
    percent(parts.on_support['middle']) as middle_percent,
    percent(parts.on_support['tail']) as tail_percent,
    percent(object.spatial) as spatial_percent,
    percent(object.spatial_low) as spatial_percent_low,
    percent(object.spatial_high) as spatial_percent_high,
    percent(object.temporal) as temporal_percent,
    percent(object.temporal_low) as temporal_percent_low,
    percent(object.temporal_high) as temporal_percent_high,
    percent(object.segment_auc) as segment_auc_percent,
    percent(object.on_decoy) as on_decoy_percent,
    percent(object.on_decoy_low) as on_decoy_percent_low,
    percent(object.on_decoy_high) as on_decoy_percent_high,
    percent(object.area_error) as area_error_points,
    coalesce(object.on_support_clips, 0) as clips, asked.clips_asked,
    if(coalesce(object.on_support, background.on_support, decoy.on_support) is null, reason, null) as reason
from asked
left join planted_truth_means as object
    on object.looks_at = 'object' and object.part is null and asked.dataset = object.dataset
    and asked.method = object.method and asked.ratio is not distinct from object.ratio
left join planted_truth_means as background
    on background.looks_at = 'background' and asked.dataset = background.dataset
    and asked.method = background.method and asked.ratio is not distinct from background.ratio
left join planted_truth_means as decoy
    on decoy.looks_at = 'decoy' and asked.dataset = decoy.dataset
    and asked.method = decoy.method and asked.ratio is not distinct from decoy.ratio
left join parts
    on asked.dataset = parts.dataset and asked.method = parts.method and asked.ratio is not distinct from parts.ratio
left join reasons
    on asked.dataset = reasons.dataset and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio
order by asked.dataset, object.on_support desc nulls last, asked.method, asked.ratio
