-- Planted methods: how well does each method find what a network set by hand looks at?
-- One row per dataset, method and ratio. Share of the map on the support of the networks that look at the object, the background and the decoy; a map that follows the video and not the model cannot be right on all three. The rest is of the network that looks at the object: by part of the clip that shows it, in time, and on the decoy, where all is a false alarm. Clips that the network is sure of, seeds averaged. Intervals: 95 %, over clips.
with asked as (
    select dataset, method, ratio, count(*) filter (looks_at = 'object') as clips_asked
    from planted_scores
    where looks_at is not null
    group by all
),
shares as (
    select dataset, method, ratio,
        if(looks_at = 'object', on_support, null) as object,
        if(looks_at = 'background', on_support, null) as background,
        if(looks_at = 'decoy', on_support, null) as decoy,
        part, spatial, temporal, segment_auc, on_decoy, volume, support
    from planted_scores
    where decided and looks_at is not null
),
means as (
    select dataset, method, ratio,
        avg(object) as object, mean_margin(object) as object_margin,
        avg(background) as background, mean_margin(background) as background_margin,
        avg(decoy) as decoy, mean_margin(decoy) as decoy_margin,
        avg(object) filter (part = 'head') as head,
        avg(object) filter (part = 'middle') as middle,
        avg(object) filter (part = 'tail') as tail,
        avg(if(object is null, null, spatial)) as spatial,
        mean_margin(if(object is null, null, spatial)) as spatial_margin,
        avg(if(object is null, null, temporal)) as temporal,
        mean_margin(if(object is null, null, temporal)) as temporal_margin,
        avg(if(object is null, null, segment_auc)) as segment_auc,
        avg(if(object is null, null, on_decoy)) as on_decoy,
        mean_margin(if(object is null, null, on_decoy)) as on_decoy_margin,
        avg(abs(volume - support)) filter (object is not null and ratio is not null) as area_error,
        count(object) as clips
    from shares
    group by all
),
reasons as (
    select dataset, method, ratio, mode(concat_ws(': ', cause_status, cause)) as reason
    from failed
    join planted_models using (model)
    where stage = 'maps'
    group by all
)
select asked.dataset, asked.method, asked.ratio,
    round(100 * object, 1) as object_percent,
    round(100 * clamped(object - object_margin, 1), 1) as object_percent_low,
    round(100 * clamped(object + object_margin, 1), 1) as object_percent_high,
    round(100 * background, 1) as background_percent,
    round(100 * clamped(background - background_margin, 1), 1) as background_percent_low,
    round(100 * clamped(background + background_margin, 1), 1) as background_percent_high,
    round(100 * decoy, 1) as decoy_percent,
    round(100 * clamped(decoy - decoy_margin, 1), 1) as decoy_percent_low,
    round(100 * clamped(decoy + decoy_margin, 1), 1) as decoy_percent_high,
    round(100 * head, 1) as head_percent,
    round(100 * middle, 1) as middle_percent,
    round(100 * tail, 1) as tail_percent,
    round(100 * spatial, 1) as spatial_percent,
    round(100 * clamped(spatial - spatial_margin, 1), 1) as spatial_percent_low,
    round(100 * clamped(spatial + spatial_margin, 1), 1) as spatial_percent_high,
    round(100 * temporal, 1) as temporal_percent,
    round(100 * clamped(temporal - temporal_margin, 1), 1) as temporal_percent_low,
    round(100 * clamped(temporal + temporal_margin, 1), 1) as temporal_percent_high,
    round(100 * segment_auc, 1) as segment_auc_percent,
    round(100 * on_decoy, 1) as on_decoy_percent,
    round(100 * clamped(on_decoy - on_decoy_margin, 1), 1) as on_decoy_percent_low,
    round(100 * clamped(on_decoy + on_decoy_margin, 1), 1) as on_decoy_percent_high,
    round(100 * area_error, 1) as area_error_points,
    coalesce(clips, 0) as clips, clips_asked,
    if(object is null and background is null and decoy is null, reason, null) as reason
from asked
left join means
    on asked.dataset = means.dataset and asked.method = means.method and asked.ratio is not distinct from means.ratio
left join reasons
    on asked.dataset = reasons.dataset and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio
order by asked.dataset, object desc nulls last, asked.method, asked.ratio
