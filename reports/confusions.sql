-- Confusions: which class is taken for which, and on which clips?
-- One row per dataset, model, class and wrong answer, the most clips first; of each class its five most frequent ones. Three clips stand for all, the most confident answers first. Controls are left out. Intervals: 95 %, over the clips of the class.
select means.dataset, means.model, means.label, answered,
    confused_classes.confused, confused_clips as clips,
    percent(means.confused) as confused_percent,
    percent(confused_low) as confused_percent_low,
    percent(confused_high) as confused_percent_high,
    array_to_string(clip_ids[1:3], ', ') || if(len(clip_ids) > 3, ' and ' || (len(clip_ids) - 3) || ' more', '')
        as wrong_clips
from confusion_means as means
join confused_classes
    on means.dataset = confused_classes.dataset and means.model = confused_classes.model
    and means.label = confused_classes.label and answered = answer
order by confused_classes.confused desc, means.dataset, means.model, means.label, answered
