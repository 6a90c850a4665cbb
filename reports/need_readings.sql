-- Readings: how many whole frames, how much of the picture and how many separate pieces are enough?
-- One row per dataset, model, method and answers, first seed, over clips that need something; none without `preserve.readings`. Frames, and the picture shown in all frames, for half of what a clip adds: medians from brackets (Turnbull). Exact: clips of which every smaller number of frames was ruled out. Several: clips of which two pieces or more, without a common voxel, each keep three quarters.
with readings as (
    select dataset, model, method, answers,
        any_value({'value': value, 'low': value_low, 'high': value_high, 'clips': value_clips, 'exact': exact_clips})
            filter (reading = 'frames') as frames,
        any_value({'value': value, 'low': value_low, 'high': value_high, 'clips': value_clips})
            filter (reading = 'tube') as tube,
        any_value({'value': value, 'low': value_low, 'high': value_high, 'clips': value_clips})
            filter (reading = 'disjoint') as several
    from need_reading_estimates
    group by all
)
select dataset, model, method, answers,
    frames.value::int as median_frames,
    frames.low::int as median_frames_low,
    frames.high::int as median_frames_high,
    frames.exact as exact_clips,
    fine_percent(tube.value) as median_tube_percent,
    fine_percent(tube.low) as median_tube_percent_low,
    fine_percent(tube.high) as median_tube_percent_high,
    percent(several.value) as several_percent,
    percent(several.low) as several_percent_low,
    percent(several.high) as several_percent_high,
    coalesce(frames.clips, tube.clips, several.clips) as clips
from readings
order by dataset, model, method, answers
