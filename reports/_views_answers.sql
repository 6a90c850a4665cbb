-- What models answer, class by class: what the reports accuracy_by_class and confusions are made from.

create table given_answers as
with known as (
    select *, list_position(probabilities, list_max(probabilities)) - 1 as place
    from predictions
    where status = 'ok' and label is not null and model in (from classifiers)
        and model not in (select model from controls)
)
select known.dataset, known.model, known.clip_id, known.label,
    if(rank = 1, known.label, coalesce(predicted, class_labels.label, 'class ' || place, 'another class')) as answer,
    target_probability, list_max(probabilities) as answer_probability
from known
left join class_labels on known.dataset = class_labels.dataset and known.place = class_labels.target;
comment on table given_answers is 'The class that each model answers for a test clip with a label, and how probable it and the annotated class are, of models that name one class; controls are left out.';

create temp view class_answers_samples as
select dataset, model, label, clip_id, answer(answer = label) as right
from given_answers;
comment on view class_answers_samples is 'How often a model is right on the clips of each class.';

create temp view answered_classes_samples as
select dataset, model, answer as label, clip_id, answer(answer = label) as right
from given_answers;
comment on view answered_classes_samples is 'How often a model is right when it answers each class.';

create view confused_classes as
with confused as (
    select dataset, model, label, answer, count(*) as confused,
        list(clip_id order by answer_probability desc nulls last, clip_id) as clip_ids
    from given_answers
    where answer != label
    group by all
)
select dataset, model, label, answer, confused,
    row_number() over (partition by dataset, model, label order by confused desc, answer) as place, clip_ids
from confused;
comment on view confused_classes is 'Each class with the wrong answers to its clips, the most frequent first, and these clips, the most confident answer first.';

create temp view confusion_means_samples as
select given_answers.dataset, given_answers.model, given_answers.label, confused_classes.answer as answered, clip_id,
    answer(given_answers.answer = confused_classes.answer) as confused
from given_answers
join confused_classes using (dataset, model, label)
where place <= 5;
comment on view confusion_means_samples is 'How often a class is taken for another one, the five most frequent of each class.';

create view box_masses as
with boxes as (
    select dataset, clip_id, avg(value) as box
    from measured
    where metric_use = 'box_share' and metric in (select name from metrics where annotation = 'own')
    group by all
),
masses as (
    select dataset, model, method, ratio, metric, clip_id, any_value(optimises_masks) as is_mask, avg(value) as on_box
    from measured
    join methods on measured.method = methods.name
    where metric_use = 'mass_in_box' and metric in (select name from metrics where annotation = 'own')
        and not ignores_model and model not in (select model from controls)
    group by all
)
select dataset, model, clip_id, method, ratio, on_box, box
from masses
join boxes using (dataset, clip_id)
qualify row_number() over (
    partition by dataset, model, clip_id order by is_mask desc, method, ratio, metric
) = 1;
comment on view box_masses is 'How much of a map lies on the boxes of a clip, and how much of the picture they are: one map for each clip and model, optimised masks first, and of these the least ratio.';

create view label_answers as
with stretches as (
    select segments.dataset, model, coalesce(any_value("group"), video_id) as video,
        any_value(probabilities) as probabilities, list(segments.target) as targets
    from predictions
    join segments using (dataset, clip_id)
    where status = 'ok' and gives = 'sigmoid' and segments.target is not null
    group by segments.dataset, model, video_id, start, stop
)
select stretches.dataset, model, video, label, probabilities[target + 1] as probability,
    list_contains(targets, target) as is_there
from stretches
join class_labels using (dataset);
comment on view label_answers is 'How probable a model with a sigmoid for each label finds each label in each stretch of test video, and whether it is annotated there.';

create temp view error_means_samples as
with means as (
    select dataset, avg(value) as value from segments where split = 'train' group by all
),
errors as (
    select predictions.dataset, model, coalesce("group", video_id) as clip_id, abs(output - segments.value) as off,
        abs(means.value - segments.value) as off_mean, abs(output - segments.value) <= tolerance as is_within
    from predictions
    join models on predictions.model = models.name
    join segments on predictions.dataset = segments.dataset and predictions.clip_id = segments.clip_id
    left join means on predictions.dataset = means.dataset
    where status = 'ok' and predictions.gives = 'regression' and segments.value is not null
)
select dataset, model, clip_id, number_of(off, 1) as error, number_of(off_mean, 1) as mean_error,
    number_of(off_mean - off, 1) as gain, share(is_within::int) as within
from errors;
comment on view error_means_samples is 'How far regressions are off, beside always answering the mean of the training clips (by how much less: gain), and how often by no more than the tolerance; videos (or groups) are the sampling unit.';
