-- How much of a clip a model needs (the bound 'sufficiency'): what the estimates of stepaudit/report/statistics/needs.py are made from.

create table start_needs as
with answers as (
    select preservation.*, coalesce(preservation.seed, seeds[1]) = seeds[1] as is_first
    from preservation
    join methods on preservation.method = methods.name
    where bound = 'sufficiency' and preservation.status = 'ok'
),
own as (select * from answers where asked_class != 'runner_up'),
other as (select * from answers where asked_class = 'runner_up')
select own.dataset, own.clip_id, own.model, own.method, own.seed, own.is_first, segments.label, coalesce(own.target_name, class_labels.label, own.target::varchar) as target,
    answers.is_right,
    own.vacuous, own.ratio, own.lower, own.ratio_75, own.lower_75, own.ratio_90, own.lower_90,
    own.log2_ratio, own.log2_lower, own.random_ratio, own.random_log2_ratio,
    own.random_log2_ratio - own.log2_ratio as excess,
    other.vacuous as runner_up_vacuous,
    other.ratio as runner_up_ratio, other.lower as runner_up_lower,
    other.ratio_75 as runner_up_ratio_75, other.lower_75 as runner_up_lower_75,
    other.ratio_90 as runner_up_ratio_90, other.lower_90 as runner_up_lower_90,
    other.log2_ratio as runner_up_log2_ratio,
    other.log2_ratio - own.log2_ratio as specificity,
    own.elsewhere_share, own.crispness, own.passes, coalesce(own.search, 'gradients') as search,
    len(own.fewest_frames) as whole_frames, own.fewest_frames_lower as whole_frames_lower, own.tube, own.tube_lower, own.disjoint_pieces,
    own.volumes, own.shares
from own
left join other
    on own.dataset = other.dataset and own.clip_id = other.clip_id and own.model = other.model
    and own.method = other.method and own.seed is not distinct from other.seed
left join right_answers as answers
    on own.dataset = answers.dataset and own.clip_id = answers.clip_id and own.model = answers.model
left join segments on own.dataset = segments.dataset and own.clip_id = segments.clip_id
left join class_labels on own.dataset = class_labels.dataset and own.target = class_labels.target;
comment on table start_needs is 'How much of a clip a model needs for the explained class, by start (seed): a* with its brackets, beside what the runner-up class and random pieces need.';

create table clip_needs as
select * exclude (seed, is_first, volumes, shares) from start_needs where is_first;
comment on table clip_needs is 'How much of each clip a model needs for the explained class, with the method''s first seed: a* with its brackets, beside what the runner-up class and random pieces need.';

-- What the best verified piece of at most a volume keeps; a level counts only from its a* on, which larger pieces confirm.
create view need_points as
with volumes as (select unnest([2 ** (-step / 2) for step in range(19)]) as volume)
select dataset, clip_id, model, method, label, target, is_right, volume,
    case
        when volume = 1 then 1
        else least(
            coalesce(list_max([shares[place] for place in range(1, len(volumes) + 1) if volumes[place] <= volume]), 0),
            case
                when volume < coalesce(ratio, 1) then 0.5
                when volume < coalesce(ratio_75, 1) then 0.75
                when volume < coalesce(ratio_90, 1) then 0.9
                else 1
            end
        )
    end as kept
from start_needs, volumes
where is_first and not vacuous;
comment on view need_points is 'What the best verified piece of at most a volume keeps of what the clip adds, for each clip that is needed at all, at volumes of equal distance on a logarithmic scale; the whole clip keeps all.';

-- The first method and bound of the configuration's search; controls are not shown.
create table gallery_searches as
with searches as (
    select dataset, clip_id, model, method, bound, target, censored, ratio, lower, upper,
        case censored
            when 'left' then 'at most ' || in_percent(ratio) when 'right' then 'more than ' || in_percent(ratio)
            else in_percent(ratio)
        end as need,
        true as counts
    from preservation_times
    union all by name
    select dataset, clip_id, model, method, 'sufficiency' as bound, target, 2 ** log2_ratio as ratio,
        coalesce(2 ** log2_lower, 0) as lower, 2 ** log2_ratio as upper, in_percent(2 ** log2_ratio) as need,
        coalesce(is_right, false) or dataset in (select dataset from asked_answers where answers = 'all') as counts
    from clip_needs
    where not vacuous
)
select searches.dataset, searches.clip_id, searches.model, searches.method, searches.bound, searches.target, censored, ratio,
    lower, upper, probability as target_probability, need, counts
from searches
join audit on searches.method = config ->> '$.preserve.methods[0]' and searches.bound = config ->> '$.preserve.bounds[0]'
left join explained_classes as own
    on searches.dataset = own.dataset and searches.clip_id = own.clip_id and searches.model = own.model
where searches.model not in (select model from controls);
comment on table gallery_searches is 'How much each clip and model needs that the gallery goes by, of the first method and bound: G where that is the sufficiency, else the minimum preservation ratio; in words as `need`; `counts`: it is among those of the table of needs. Clips that need nothing are left out.';

-- A window may stand once per label. It has one answer and one end, whatever its labels.
create view window_answers as
with known as (
    select segments.dataset, predictions.model, video_id, predictions.clip_id, predictions.label, second, last_second, is_right,
        predicted, if(rank = 1, predictions.label, null) as first_label
    from segments
    join predictions on segments.dataset = predictions.dataset and segments.clip_id = predictions.clip_id
    left join right_answers as answers
        on predictions.dataset = answers.dataset and predictions.clip_id = answers.clip_id and predictions.model = answers.model
    where window_of is not null and status = 'ok' and predictions.model not in (select model from controls)
),
windows as (
    select dataset, model, video_id, second,
        if(model in (select model from classifiers), coalesce(min(predicted), min(first_label), 'another class'), null) as answer,
        max(last_second) as ends,
        lead(second) over (partition by dataset, model, video_id order by second) as next_second
    from known
    group by dataset, model, video_id, second
)
select known.dataset, known.model, known.video_id, known.clip_id, known.label, known.second, last_second, answer, is_right,
    least(ends, coalesce(next_second, ends)) as until_second,
    explained, probability, needs.ratio as needed
from known
join windows
    on known.dataset = windows.dataset and known.model = windows.model and known.video_id = windows.video_id
    and known.second = windows.second
left join explained_classes as own
    on known.dataset = own.dataset and known.clip_id = own.clip_id and known.model = own.model
left join gallery_searches as needs
    on known.dataset = needs.dataset and known.clip_id = needs.clip_id and known.model = needs.model;
comment on view window_answers is 'What each model answers in each window of long footage, from its first second until the next window begins, and how much of it the first search needs: a row for each label of the window; controls are left out.';
