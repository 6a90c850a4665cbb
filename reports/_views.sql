-- What the reports share: views over the tables, inside audit.duckdb. Every view says in its comment what it holds.
-- What many of them read is stored as a table, once: each use of a view is planned and computed again.
-- A temporary view `NAME_samples` says what is estimated: each becomes the table NAME (stepaudit/report/statistics/means.py).

-- A column of what clips are a sample of. answer: yes or no of a clip (Wilson); share: in [0, 1]; difference: in [-1, 1];
-- number: anything, a ratio of sums if there is a whole; median_of: its median with the interval of order statistics;
-- contrast: in [-1, 1], the mean over a key's own clips less that over others.
create temp macro answer(x) as {'answer': x::double, 'whole': 1::double};
create temp macro share(x) as {'share': x::double, 'whole': 1::double};
create temp macro share_of(part, whole) as {'share': part::double, 'whole': whole::double};
create temp macro difference(x) as {'difference': x::double, 'whole': 1::double};
create temp macro number_of(part, whole) as {'number': part::double, 'whole': whole::double};
create temp macro contrast(x, own) as {'contrast': x::double, 'whole': own::int::double};
create temp macro median_of(x) as {'median': x::double, 'whole': 1::double};

create temp macro all_and(label) as if(label is null, [null], [null, label]);

create macro percent(share) as round(100 * share, 1);
create macro fine_percent(share) as round(100 * share, 2);

-- A share in words, to two digits or whole percents.
create macro in_percent(share) as format(
    case when share >= 0.1 then '{:.0f} %' when share >= 0.01 then '{:.1f} %' else '{:.2g} %' end, 100 * share
);

-- Floors with what each measures, such as 'center 77.8, random_pixel 6.1', the greatest first.
create macro floor_list(floor, number, pattern) as
    string_agg(floor || ' ' || format(pattern, number), ', ' order by round(number, 6) desc, floor desc);

-- The most frequent text, of equally frequent ones the last in the alphabet.
create macro most_frequent(text) as list_max(
    list_transform(map_entries(histogram(text)), lambda entry: {'count': entry.value, 'text': entry.key})
).text;

-- Whether something is greater than a threshold: the interval must leave one answer.
create macro verdict(low, high, threshold) as case
    when low > threshold then 'yes'
    when high < threshold then 'no'
    else 'cannot tell'
end;

-- Windows of one video are alike, and so are the labels of one clip: they are drawn together, and counted as one where single observations are compared.
create view sampling_units as
with stretches as (
    select *, count(*) over (partition by dataset, video_id, start, stop) as labels,
        exists (select * from models where gives in ('sigmoid', 'regression')) as asks_labels
    from segments
)
select dataset, clip_id,
    if(
        count(window_of) over (partition by dataset) > 0
        or (asks_labels and max(labels) over (partition by dataset) > 1),
        video_id, clip_id
    ) as unit
from stretches;
comment on view sampling_units is 'What each clip is a sample of, in intervals and tests: of the windows of a long video, and of clips with several labels, the video, else the clip.';

create view test_clips as
select * from clips where split = 'test' and view = 'middle';
comment on view test_clips is 'The clips that are explained: the middle view of each test segment, in each size that a model takes.';

create table controls as
select entry.key as model, entry.value ->> '$.of' as original,
    (entry.value ->> '$.randomise')::double as randomised,
    coalesce((entry.value ->> '$.shuffle_labels')::boolean, false) as shuffled_labels
from audit, json_each(config, '$.models') as entry
where entry.value ->> '$.of' is not null;
comment on table controls is 'Models of the configuration that are controls of another: which share of their layers is random, or that their labels were shuffled.';

create table metric_values as
select
    scores.metric,
    arg_max(metrics.name, length(metrics.name)) as metric_name,
    arg_max(metrics.use, length(metrics.name)) as metric_use,
    nullif(substr(scores.metric, max(length(metrics.name)) + 2), '') as part
from (select distinct metric from scores) as scores
join metrics on scores.metric = metrics.name or starts_with(scores.metric, metrics.name || '.')
group by scores.metric;
comment on table metric_values is 'Each name in scores.metric: the metric that gave it, what that uses, and which further value of it this is.';

create view score_rows as
select scores.*, segments.label, methods.use as method_use, metric_name, metric_use, part
from scores
join segments using (dataset, clip_id)
join metric_values using (metric)
join methods on scores.method = methods.name;
comment on view score_rows is 'The scores, with the clip''s label and what the method and the metric use.';

create view frame_scores as
select * from score_rows where frame is not null;
comment on view frame_scores is 'Score rows of single frames.';

create view clip_scores as
select * from score_rows where frame is null;
comment on view clip_scores is 'Score rows of whole clips.';

-- What became of each row, over all tables that say so.
create view outcomes as
select 'clips' as stage, dataset, clip_id, size, null as model, null as method, null as ratio, null as seed, null as metric,
    status, error
from clips
union all by name
select 'predictions' as stage, dataset, clip_id, model, status, error from predictions
union all by name
select 'maps' as stage, dataset, clip_id, model, method, ratio, seed, status, error from maps
union all by name
select 'preservation' as stage, dataset, clip_id, model, method, seed, status, error from preservation
union all by name
select 'scores' as stage, dataset, clip_id, model, method, ratio, seed, metric, status, error from scores;
comment on view outcomes is 'The status of every row of clips, predictions, maps, preservation and scores.';

create view failed as
with upstream as (
    select outcomes.*,
        case
            when test_clips.status not in ('ok', 'upstream')
                then {'stage': 'clips', 'status': test_clips.status, 'error': test_clips.error}
            when predictions.status not in ('ok', 'upstream')
                then {'stage': 'predictions', 'status': predictions.status, 'error': predictions.error}
            when maps.status not in ('ok', 'upstream') then {'stage': 'maps', 'status': maps.status, 'error': maps.error}
            else {'stage': stage, 'status': outcomes.status, 'error': outcomes.error}
        end as first
    from outcomes
    left join models on outcomes.model = models.name
    left join test_clips
        on outcomes.dataset = test_clips.dataset and outcomes.clip_id = test_clips.clip_id
        and coalesce(outcomes.size, models.size) = test_clips.size
    left join predictions
        on outcomes.dataset = predictions.dataset and outcomes.clip_id = predictions.clip_id
        and outcomes.model = predictions.model
    left join maps
        on outcomes.dataset = maps.dataset and outcomes.clip_id = maps.clip_id and outcomes.model = maps.model
        and outcomes.method = maps.method and outcomes.ratio is not distinct from maps.ratio and outcomes.seed = maps.seed
    where outcomes.status = 'upstream'
)
select *, stage as cause_stage, status as cause_status, error as cause
from outcomes
where status not in ('ok', 'upstream')
union all by name
select * exclude (first), first.stage as cause_stage, first.status as cause_status, first.error as cause
from upstream;
comment on view failed is 'Every row without a value; those that failed upstream name the stage, status and error that began it.';

-- What cannot be measured by its nature comes before what the annotation lacks.
create table reasons as
with causes as (
    select dataset, model, method, ratio, metric, cause_status, concat_ws(': ', cause_status, cause) as cause, count(*) as rows
    from failed
    where stage = 'scores'
    group by all
)
select dataset, model, method, ratio, metric,
    coalesce(
        arg_max(cause, (rows, cause)) filter (cause_status = 'not_applicable'), arg_max(cause, (rows, cause))
    ) as reason
from causes
group by all;
comment on table reasons is 'The most frequent reason why rows of scores hold no value, by method, ratio and metric.';

-- Rows of methods with one seed are their own average, and many.
create table measured as
with seeds as (
    select method, min(seed) is not distinct from max(seed) as only_one from scores group by method
),
known as (
    select score_rows.*, only_one
    from score_rows
    join seeds using (method)
    where part is null and value is not null
)
select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id, frame, value
from known
where only_one
union all
select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id, frame, avg(value) as value
from known
where not only_one
group by all;
comment on table measured is 'What each metric measured by frame (NULL for a whole clip), seeds averaged.';

-- Pointing games. Seeds are averaged first; the floors are measured on the same frames.
create view pointing_hits as
select * exclude (value), value as hit
from measured
where metric_use in ('spatial_pointing', 'spatial_pointing_released', 'temporal_pointing');
comment on view pointing_hits is 'Hits of the pointing games by frame (NULL for a whole clip), seeds averaged.';

create table pointing_clips as
with clips as (
    select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id,
        count(*) as frames, sum(hit) as hits
    from pointing_hits
    group by all
)
select *,
    if(
        metric_use = 'spatial_pointing_released',
        1 / sum(frames) over (partition by dataset, model, method, ratio, metric, label),
        1
    ) as weight
from clips;
comment on table pointing_clips is 'Hits and measured frames (1 for a whole clip) of a pointing game by clip, and the weight of a frame: the released game gives each class the same.';

create view pointing_floors as
with floors as (
    select dataset, model, metric, clip_id, frame, method as floor, avg(hit) as hit
    from pointing_hits
    where method in (select name from methods where ignores_model)
    group by all
)
select hits.dataset, hits.model, method, ratio, hits.metric, hits.clip_id, floor,
    count(*) as frames, sum(hits.hit) as hits, sum(floors.hit) as floor_hits
from pointing_hits as hits
join floors
    on hits.dataset = floors.dataset and hits.model = floors.model and hits.metric = floors.metric
    and hits.clip_id = floors.clip_id and hits.frame is not distinct from floors.frame
group by all;
comment on view pointing_floors is 'Hits of a method and of each floor by clip, on the frames where both were measured.';

-- Smoothing in time is compared with EP-3D that was optimised in the same way.
create table ep3d_pairs as
with variants as (
    select name, use, ratios, smoothing,
        settings ->> ['$.preset', '$.schedule', '$.iterations', '$.perturbation', '$.blur_sigma', '$.mask_sigma'] as way
    from methods
    join paper_smoothing on use = paper_smoothing.method_use
)
select smooth.name as method, smooth.use as method_use, smooth.smoothing, plain.name as ep3d,
    list_intersect(smooth.ratios, plain.ratios) as ratios
from variants as smooth
join variants as plain
    on smooth.smoothing is not null and plain.smoothing is null and smooth.way is not distinct from plain.way;
comment on table ep3d_pairs is 'STEP and the baselines of smoothness, each with the EP-3D of the same preset, schedule and perturbation.';

create table classifiers as
select name as model from models where gives in ('softmax', 'logit');
comment on table classifiers is 'Models that name one class for a clip, so that an answer is right or wrong.';

create table right_answers as
select predictions.dataset, predictions.model, predictions.clip_id,
    case predictions.gives
        when 'sigmoid' then target_probability >= 0.5
        when 'regression' then abs(output - value) <= tolerance
        else rank = 1
    end as is_right
from predictions
join models on predictions.model = models.name
left join segments on predictions.dataset = segments.dataset and predictions.clip_id = segments.clip_id
where predictions.status = 'ok';
comment on table right_answers is 'Whether each answer is right: the class comes first, the label has a probability of at least 0.5, or the value is off by no more than the tolerance (NULL if it is not annotated).';

create temp view accuracy_means_samples as
select dataset, model, clip_id, answer(rank = 1) as top1,
    answer(if(len(probabilities) <= 5, null, rank <= 5)) as top5, -- of five classes it is always among them
    share(target_probability) as target_probability, answer(predicted = predicted_when_blurred) as same_when_blurred
from predictions
where model in (from classifiers);
comment on view accuracy_means_samples is 'How often the label is the model''s first answer, or among its first five, how probable it is, and how often a complete blur leaves the first answer.';

-- Where answers are explained, or nothing says which are right, all clips count; else those that the model has right.
create table asked_answers as
with asked as (
    select datasets.name as dataset, coalesce(config ->> '$.target', 'label') as target, count(clip_id) as tested,
        count(label) as labelled
    from audit, datasets
    left join segments on datasets.name = segments.dataset and split = 'test'
    group by all
)
select dataset, target, tested, labelled,
    case when target = 'predicted' or (tested > 0 and labelled = 0) then 'all' else 'right' end as answers
from asked;
comment on table asked_answers is 'Whose needs the page speaks of on each data set: of the clips that a model has right, or of all where its answers are explained.';

create table class_labels as
select dataset, target, any_value(label) as label from segments where target is not null group by all;
comment on table class_labels is 'The classes of each data set by their index in the outputs of its models.';

create table explained_classes as
with known as (
    select predictions.*, predictions.label is null or asked_answers.target = 'predicted' as is_answer,
        list_position(probabilities, list_max(probabilities)) - 1 as place
    from predictions
    left join asked_answers on predictions.dataset = asked_answers.dataset
)
select known.dataset, model, clip_id,
    if(is_answer, coalesce(predicted, class_labels.label, 'class ' || place), known.label) as explained,
    if(is_answer, list_max(probabilities), target_probability) as probability
from known
left join class_labels on known.dataset = class_labels.dataset and place = class_labels.target;
comment on table explained_classes is 'The class of each clip that is explained, with its probability: the label, or the model''s own answer.';

create view chances as
with answered as (from predictions where status = 'ok' and model in (from classifiers)),
blurred as (from answered where predicted_when_blurred is not null),
clips as (select dataset, model, count(*) as count from blurred group by all),
labels as (select dataset, model, label, count(*) as count from answered where label is not null group by all),
commonest as (select dataset, model, max(count) / sum(count) as share from labels group by all),
answers as (select dataset, model, predicted as name, count(*) as count from blurred group by all),
blurred_answers as (select dataset, model, predicted_when_blurred as name, count(*) as count from blurred group by all),
agreements as (
    select dataset, model, sum(answers.count * blurred_answers.count)::double as pairs
    from answers
    join blurred_answers using (dataset, model, name)
    group by all
)
select dataset, model, commonest.share as commonest,
    coalesce(agreements.pairs, 0) / (clips.count * clips.count) as same_by_chance
from (select distinct dataset, model from answered)
left join commonest using (dataset, model)
left join clips using (dataset, model)
left join agreements using (dataset, model);
comment on view chances is 'What a model''s accuracy, and the agreement of its answers with those to the blurred clips, have to beat: the share of the commonest class, and the agreement of two independent answers with these shares of classes.';

-- The log holds the share alone, so that each validation clip counts with it.
create temp view validation_means_samples as
with validated as (
    select dataset, count(distinct unit) as clips
    from clips
    join sampling_units using (dataset, clip_id)
    where split = 'validation' and view = 'middle' and status = 'ok'
    group by all
)
select dataset, model, epoch, 'any ' || unnest(range(clips)) as clip_id, answer(validation_accuracy) as right
from training_log
join validated using (dataset);
comment on view validation_means_samples is 'How often a model was right on validation clips after each epoch.';

create temp view class_rates_samples as
select dataset, model, method, ratio, metric, metric_use, label, clip_id, share_of(hits, frames) as rate
from pointing_clips
where metric_use in ('spatial_pointing', 'temporal_pointing');
comment on view class_rates_samples is 'Hit rates of the pointing games in each class.';

-- A profile of thousands of clips is as sharp as one of millions, and costs a row for each frame.
create view profile_clips as
select dataset, clip_id
from segments
where split = 'test'
qualify row_number() over (partition by dataset order by md5(clip_id), clip_id) <= 4000;
comment on view profile_clips is 'The clips whose maps are profiled frame by frame: all test clips, but of more than 4,000 of a data set as many, drawn by their names.';

create view frame_shares as
select maps.dataset, model, method, ratio, label, clip_id, frame, avg(in_frame / whole) as share
from (
    select *, unnest(frame_volume) as in_frame, list_sum(frame_volume) as whole,
        generate_subscripts(frame_volume, 1) - 1 as frame
    from maps
    semi join profile_clips using (dataset, clip_id)
    where status = 'ok' and list_sum(frame_volume) > 0
) as maps
left join segments using (dataset, clip_id)
group by all;
comment on view frame_shares is 'The share of each clip''s map that lies in each frame, seeds averaged; of the clips of profile_clips.';

create temp view frame_means_samples as
select dataset, model, method, ratio, unnest(all_and(label)) as label, frame, clip_id, share(share) as share
from frame_shares;
comment on view frame_means_samples is 'The share of a map that lies in each frame, in all classes (label NULL) and in each; of at most 4,000 clips of a data set (profile_clips).';

create view end_shares as
select maps.dataset, model, method, ratio, label, clip_id, avg(ends / frames) as even, avg(head / whole) as head,
    avg(tail / whole) as tail
from (
    select *, len(frame_volume) as frames, greatest(1, frames // 8) as ends, list_sum(frame_volume) as whole,
        list_sum(frame_volume[:ends]) as head, list_sum(frame_volume[frames - ends + 1:]) as tail
    from maps
    where status = 'ok' and list_sum(frame_volume) > 0
) as maps
left join segments using (dataset, clip_id)
group by all;
comment on view end_shares is 'The share of each clip''s map that lies in its first and in its last eighth, one frame at least, seeds averaged; `even` is the share of the frames.';

create temp view end_means_samples as
select dataset, model, method, ratio, unnest(all_and(label)) as label, clip_id,
    share(even) as even, share(head) as head, share(tail) as tail, share(head + tail) as ends
from end_shares;
comment on view end_means_samples is 'The share of a map that lies in the first and the last eighth of the frames, and in both, in all classes (label NULL) and in each.';

create table label_searches as
select preservation.dataset, model, method, bound, clip_id,
    coalesce(target_name, label, preservation.target::varchar) as target, censored,
    case censored when 'right' then lower when 'left' then upper else ratio end as ratio,
    censored is distinct from 'right' as reached, lower, coalesce(upper, 1) as upper
from preservation
join methods on method = methods.name
left join class_labels on preservation.dataset = class_labels.dataset and preservation.target = class_labels.target
where status = 'ok' and asked_class != 'runner_up' and coalesce(seed, seeds[1]) = seeds[1];
comment on table label_searches is 'Each clip''s minimum preservation ratio for the explained class, for every bound, with the method''s first seed, between lower and upper.';

-- The minimum preservation ratio as a survival time: a clip "survives" every ratio at which its probability is not kept.
create view preservation_times as from label_searches where bound != 'sufficiency';
comment on view preservation_times is 'Each clip''s a* by soft masks (the paper''s bound and the first place) with the method''s first seed, between lower and upper; left-censored clips count at the smallest ratio tried, right-censored ones leave (reached = false) at the largest.';

create view explained_clips as
select distinct dataset, clip_id
from maps
where status = 'ok' and model not in (select model from controls)
    and method in (select name from methods where not ignores_model);
comment on view explained_clips is 'Clips with a map of a model of the user''s by a method that looks at the model.';

-- Every failure counts that is the clip's own: neither a missing annotation nor what a method or a map is by its nature.
create view failed_tests as
select failed.*, explained.clip_id is not null as in_part
from failed
join segments on failed.dataset = segments.dataset and failed.clip_id = segments.clip_id and split = 'test'
left join explained_clips as explained
    on failed.dataset = explained.dataset and failed.clip_id = explained.clip_id
where cause_status not in ('no_annotation', 'not_applicable', 'no_peak');
comment on view failed_tests is 'Rows of test clips that failed for a reason of the clip or a method; in_part: some method explained the clip.';

create view look_alikes as
select *, alike_clips > 0 and alike_clips = alike_own_class as shows_class from likenesses;
comment on view look_alikes is 'Each test clip with the training or validation clip that looks most like it; shows_class: those that look like it are all of its own class.';

create view dataset_summary as
select datasets.name as dataset, datasets.use,
    count(distinct segments.label) as classes,
    count(*) filter (segments.split = 'train') as train_clips,
    count(*) filter (segments.split = 'validation') as validation_clips,
    count(*) filter (segments.split = 'test') as test_clips,
    count(*) filter (segments.split = 'test' and cut.ok) as extracted,
    count(*) filter (segments.split = 'test' and explained.clip_id is not null) as explained,
    if(count(likeness) > 0, count(*) filter (shows_class), null) as shown_in_training
from datasets
left join segments on datasets.name = segments.dataset
left join (select dataset, clip_id, bool_and(status = 'ok') as ok from test_clips group by all) as cut
    on segments.dataset = cut.dataset and segments.clip_id = cut.clip_id
left join explained_clips as explained
    on segments.dataset = explained.dataset and segments.clip_id = explained.clip_id
left join look_alikes as likenesses
    on segments.dataset = likenesses.dataset and segments.clip_id = likenesses.clip_id
group by all
order by all;
comment on view dataset_summary is 'What each data set holds, and how many of its test clips were asked for, extracted and explained (by at least one method that looks at a model), and were shown in training.';

-- With few clips an answer that is always wrong, or always the same, can be chance.
create view model_doubts as
with answers as (
    select dataset, model, target, probabilities, list_position(probabilities, list_max(probabilities)) - 1 as answer
    from predictions
    where status = 'ok' and len(probabilities) > 1 and target is not null and model not in (select model from controls)
),
ranges as (
    select dataset, model, max(probability) - min(probability) as spread
    from (
        select dataset, model, unnest(probabilities) as probability, generate_subscripts(probabilities, 1) as place
        from answers
    )
    group by dataset, model, place
),
pairs as (
    select dataset, model, target, answer, count(*) as clips
    from answers
    group by all
),
usual as (
    select dataset, model, target, sum(clips) as clips, arg_max(answer, (clips + if(answer = target, 0.5, 0), -answer)) as answer,
        max(clips) as alike, sum(clips) filter (answer = target) as named
    from pairs
    group by all
),
usual_names as (
    select usual.*, given.label as label, found.label as answered, usual.model in (from classifiers) as names_one
    from usual
    left join class_labels as given on usual.dataset = given.dataset and usual.target = given.target
    left join class_labels as found on usual.dataset = found.dataset and usual.answer = found.target
)
select dataset, model, sum(clips)::bigint as clips, sum(alike)::bigint as alike, coalesce(sum(named), 0)::bigint as named,
    count(distinct answer) = count(*) and count(*) > 1 and bool_and(names_one) as one_to_one,
    any_value(answered || ' for ' || label order by target) filter (answer != target) as swapped,
    (
        select max(spread) from ranges where ranges.dataset = usual_names.dataset and ranges.model = usual_names.model
    ) as spread
from usual_names
group by all;
comment on view model_doubts is 'Each model''s answers to test clips: how many are its usual one for their class (alike), and the class itself (named); whether each class has a usual answer of its own (one_to_one), an example, and by how much any class''s probability differs at most (spread).';

create view stage_summary as
select stage, count(*) as jobs, sum(seconds) as seconds, max(peak_memory_mb) as peak_memory_mb,
    string_agg(distinct device, ', ' order by device) as devices
from runs
group by all
order by all;
comment on view stage_summary is 'Jobs, summed wall time and largest memory of each stage.';
