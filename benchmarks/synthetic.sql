-- The rows of a made-up audit, from the tables asked (dataset, clips, pictured), models, uses, metrics and sizes.
-- Every number is a hash of what it belongs to, so that the same audit has the same rows.

create macro chance(key) as hash(key) / 18446744073709551616.0;
create macro share(score) as 1 / (1 + exp(-score));
create macro spread(key) as 2.5 * (chance(key || 'a') + chance(key || 'b') + chance(key || 'c') - 1.5);

-- Clips differ in how easy they are; one in fifty cannot be read, half have boxes, half an annotated action.
create table test as
select dataset, n, n < pictured as pictured, n % 24 as target, 'class_' || lpad((n % 24)::varchar, 2, '0') as label,
    printf('v_%s_%07d_g%02d_c%02d', label, n, n % 25, n % 7) as clip_id,
    spread(dataset || n) as ease,
    not pictured and chance('broken' || dataset || n) < 0.02 as broken,
    chance('boxed' || dataset || n) < 0.5 as boxed, chance('timed' || dataset || n) < 0.5 as timed,
    if(broken, 'bad_video: ' || clip_id || '.avi: 11 of 16 frames decoded', null) as cause
from (select dataset, unnest(range(clips)) as n, pictured from asked);

create view segments_rows as
select n, clip_id, dataset, 'v' || n as video_id, 'UCF-101/' || clip_id || '.avi' as path, 'test' as split, 'g' || n % 25 as group,
    label, target, 0 as start, 160 as stop, if(timed, 40, null) as action_start, if(timed, 120, null) as action_stop,
    null::double as value, null::varchar as window_of, null::double as second, null::double as last_second
from test;

create view clips_rows as
select n, clip_id, dataset, size, 'middle' as view, 'test' as split, label, target,
    if(broken, null, [10 * frame + 5 for frame in range(frames)]) as frames,
    if(broken or not timed, null, [frame * 4 >= frames and frame * 4 < 3 * frames for frame in range(frames)]) as in_action,
    240 as source_height, 320 as source_width, 300 as source_frames, height, width, null::varchar as annotation_error,
    if(pictured, repeat(chr(40 + n::int % 80), frames * height * width * 3)::blob, null) as pixels,
    if(broken, null, sha256(clip_id || size)) as sha256, null::blob as small_frames,
    if(broken, null, 0.3 + 0.4 * chance(clip_id || 'brightness')) as brightness,
    if(broken, null, 0.1 + 0.2 * chance(clip_id || 'contrast')) as contrast,
    if(broken, null, 0.1 * chance(clip_id || 'motion')) as motion,
    if(broken, null, floor(1.2 * chance(clip_id || 'cuts'))) as cuts,
    if(broken, null, greatest(0, chance(clip_id || 'frozen') - 0.8)) as frozen_frames,
    if(broken, null, greatest(0, chance(clip_id || 'borders') - 0.7)) as borders,
    if(broken, null, 0.01 * chance(clip_id || 'still')) as still_edges,
    if(broken, 'bad_video', 'ok') as status, if(broken, split_part(cause, ': ', 2), null) as error
from test, sizes;

create view clip_boxes_rows as
select n, clip_id, dataset, size, 'middle' as view, frame, label, 20 + 20 * chance(clip_id) + frame as x0, 20.0 as y0, x0 + 40 as x1, 80.0 as y1
from test, sizes, range(frames) as each(frame)
where boxed and not broken;

create view predictions_rows as
select n, clip_id, dataset, model, target, label, if(broken, null, share(2 + ease + spread(clip_id || model))) as target_probability,
    if(broken, null, if(target_probability > 0.5, 1, 2 + floor(4 * chance(clip_id || model || 'rank')))) as rank,
    if(broken, null, [if(k = target, target_probability, (1 - target_probability) / 23) for k in range(24)]) as probabilities,
    if(broken, null, 'class_' || lpad(floor(24 * chance(clip_id || model || 'answer'))::int::varchar, 2, '0')) as predicted,
    null::varchar as outputs, 'softmax' as gives, null::double as output,
    if(broken, null, 'class_' || lpad(floor(24 * chance(clip_id || model || 'blurred'))::int::varchar, 2, '0')) as predicted_when_blurred,
    if(broken, 'upstream', 'ok') as status, cause as error
from test, models;

create view frame_orders_rows as
select n, clip_id, dataset, model, frame_order, target,
    if(broken, null, share(1 + ease + spread(clip_id || model || frame_order))) as target_probability,
    if(broken, 'upstream', 'ok') as status, cause as error
from test, models, (values ('shuffled'), ('reversed'), ('frozen')) as orders(frame_order);

create view made as
select test.* exclude (broken), model, method, ratio, seed, skill, is_mask, options,
    broken or list_contains(unsuitable, models.use) as failed,
    case when broken then 'upstream' when failed then 'not_applicable' else 'ok' end as status,
    coalesce(cause, if(failed, method || ' does not suit this model: its activation_layer has other dimensions', null)) as error,
    share(2 + ease + spread(clip_id || model)) as own, own * share(1 + skill + 10 * coalesce(ratio, 0) + spread(clip_id || model || method)) as kept
from test, models, uses;

create view maps_rows as
select n, clip_id, dataset, model, method, ratio, seed, target, label as target_name, options, if(is_mask, 'corrected', null) as preset,
    if(is_mask, 'blur:sigma=20', null) as perturbation, if(failed, null, own) as target_probability,
    if(is_mask and not failed, kept, null) as kept_probability,
    if(pictured and not failed, [chance(clip_id || model || method || i) for i in range(16 * 16 * 16)], null) as grid,
    if(failed, null, [16, 16, 16]) as grid_shape, if(failed, null, 'trilinear') as upsampling,
    if(failed, null, coalesce(ratio, 0.3) * (0.9 + 0.2 * chance(clip_id || method))) as volume,
    if(failed, null, [volume * (0.5 + chance(clip_id || method || frame)) for frame in range(16)]) as frame_volume,
    if(failed, null, 0.2 + 0.7 * chance(clip_id || method || 'crisp')) as crispness, if(failed, null, least(1, 2 * volume)) as shown,
    if(is_mask and not failed, 1200, null) as steps, if(failed, null, 30 + chance(clip_id || method)) as seconds,
    status, error
from made;

-- Of the bound 'sufficiency' the runner-up needs more than the label, and one clip in twenty needs nothing.
create view preservation_rows as
with searched as (
    select firsts.*, bound, asked_class, bound = 'sufficiency' as crisp,
        clip_id || model || bound || asked_class as name,
        crisp and not failed and chance(name || 'v') < 0.05 as empty,
        if(crisp, share(ease + spread(name) + if(asked_class = 'label', -3, -1.5)), share(spread(name) - 1 - ease / 2) / 2) as found,
        case
            when failed or crisp then null
            when chance(name || 'c') < 0.1 then 'left'
            when chance(name || 'c') > 0.8 then 'right'
        end as side
    from (select distinct on (dataset, clip_id, model, method, seed) * from made) as firsts, bounds
    where list_contains(methods, method)
)
select * exclude (status, error, ratio, crisp, name, empty, found, side, own, kept, options, skill, is_mask),
    label as target_name, own as target_probability, if(bound = 'probability', own, null) as required_probability, side as censored,
    if(failed or crisp or side = 'right', null, own) as kept_probability,
    if(failed or side = 'right', null, if(empty, 0, round(found, 6))) as ratio,
    case when failed then null when side = 'left' or empty then 0 when side = 'right' then 0.4 else found * 0.9 end as lower,
    if(failed or side = 'right', null, if(empty, 0, round(found, 6))) as upper,
    if(failed, null, 4) as evaluations,
    if(crisp and not failed, empty, null) as vacuous,
    if(crisp and not failed and not empty, log2(found), null) as log2_ratio,
    if(crisp and not failed and not empty, log2(found * 0.9), null) as log2_lower,
    if(crisp and not failed, if(empty, 0, least(1, 1.5 * found)), null) as ratio_75,
    if(crisp and not failed and not empty, least(1, 1.5 * found) * 0.9, null) as lower_75,
    if(crisp and not failed, if(empty, 0, least(1, 2 * found)), null) as ratio_90,
    if(crisp and not failed and not empty, least(1, 2 * found) * 0.9, null) as lower_90,
    if(crisp and not failed and not empty, [found / 2, found, least(1, 2 * found)], null) as volumes,
    if(crisp and not failed and not empty, [0.2, 0.5, 0.9], null) as shares,
    if(crisp and not failed, ['blur', 'mean-colour', 'grey'], null) as fills,
    if(crisp and not failed, [0.1, 0.1, 0.1], null) as empty_probabilities,
    if(crisp and not failed, if(empty, [], ['blur', 'grey']), null) as asking_fills,
    null::varchar as background,
    if(crisp and not failed and not empty and asked_class = 'label', 0.6, null) as random_ratio,
    if(crisp and not failed and not empty and asked_class = 'label', log2(0.6), null) as random_log2_ratio,
    if(crisp and not failed and not empty and asked_class = 'label', 0.1 * chance(name || 'e'), null) as elsewhere_share,
    if(crisp and not failed, 190, null) as passes,
    if(crisp and not failed and not empty, 0.9, null) as crispness,
    if(pictured and crisp and not failed and not empty, [chance(name || i) for i in range(16 * 16 * 16)], null) as grid,
    if(crisp and not failed and not empty, [16, 16, 16], null) as grid_shape,
    if(crisp and not failed and not empty, 'smooth-max:sigma=11,step=7', null) as upsampling,
    if(crisp and not failed and not empty, found, null) as shown_ratio,
    null::int[] as fewest_frames, null::int as fewest_frames_lower, null::double as tube, null::double as tube_lower,
    null::int as disjoint_pieces, null::double as readings_passes,
    if(crisp and not failed, 'gradients', null) as search,
    status, error
from searched;

-- A metric gives a row a map, one for each frame, or one for each part; of a failed map one instead of the parts.
create view scores_rows as
select n, clip_id, dataset, model, method, ratio, seed, concat_ws('.', metric, part) as metric, frame,
    if(needs = 'boxes' and not boxed or needs = 'action' and not timed, 'no_annotation', null) as lacks,
    case
        when failed or lacks is not null then null
        when is_hit then (chance(concat_ws(' ', clip_id, model, method, metric, frame)) < share(ease + skill))::double
        else share(ease + skill + spread(concat_ws(' ', clip_id, model, method, metric, part, frame)))
    end as value,
    case when failed then 'upstream' else coalesce(lacks, 'ok') end as status,
    case when failed then status || ': ' || error when lacks is not null then 'no box' end as error
from made, rows_of_metrics as metrics
where (metrics.methods is null or list_contains(metrics.methods, method)) and (when_failed is null or when_failed = failed);
