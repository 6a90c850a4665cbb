-- Training: how often was a model right after each epoch?
-- One row per dataset, model and views (those of the training, or the validation clips), with a list over epochs. Intervals: 95 %, over validation clips; training views have none.
with shares as (
    select training_log.*, 'validation' as views, validation_accuracy as share, right_low as low, right_high as high,
        right_clips as clips
    from training_log
    left join validation_means using (dataset, model, epoch)
    union all
    select training_log.*, 'training', train_accuracy, null, null, null
    from training_log
)
select dataset, model, views,
    list(epoch order by epoch) as epoch,
    list(percent(share) order by epoch) as percent,
    list(percent(low) order by epoch) as low,
    list(percent(high) order by epoch) as high,
    list(clips order by epoch) as clips,
    list(best and views = 'validation' order by epoch) as kept
from shares
where share is not null
group by all
order by all
