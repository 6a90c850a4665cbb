-- Planted shortcut: does a trained model follow a cue that says nothing about the class?
-- One row per dataset, trained model and network set by hand that looks at the background or the decoy. Only test clips count on which that network's answer is not the label: there, a model that follows the cue fails as the network does. Yes or no: the 95 % interval (Wilson, clips) of the share of these clips that it follows leaves 50 %. Beside it the accuracy on test clips and, of the epoch kept, on validation clips, which share the training videos' backgrounds.
select cues.dataset, cues.model, looks_at as cue, network,
    verdict(followed_low, followed_high, 0.5) as answer,
    percent(followed) as followed_percent,
    percent(followed_low) as followed_percent_low,
    percent(followed_high) as followed_percent_high,
    followed_clips as conflict_clips,
    percent(top1) as top1_percent, percent(top1_low) as top1_percent_low, percent(top1_high) as top1_percent_high,
    top1_clips as clips,
    percent(validation_accuracy) as validation_percent
from cue_means as cues
join accuracy_means using (dataset, model)
left join training_log
    on cues.dataset = training_log.dataset and cues.model = training_log.model and training_log.best
order by all
