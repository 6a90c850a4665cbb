-- Class cues: can a class be recognised by text, borders, repeated frames or the size of its videos?
-- One row per dataset, class and property, the greatest difference from chance first; properties that are the same in all clips are left out. AUC: area under the ROC curve, the chance that a video of the class has more of it than one of another class; 50 is chance, 0 and 100 are certain. Yes: at least 75, or at most 25, and clear after Holm's correction over all rows. Clips of earlier versions have no properties of pixels. Intervals: 95 %, over videos.
select dataset, label, property, clips, videos,
    own, own_low, own_high, others, others_low, others_high,
    round(100 * auc, 1) as auc_percent,
    p, holm_p, if(holm_p < 0.05 and abs(auc - 0.5) >= 0.25, 'yes', 'cannot tell') as answer
from cue_estimates
order by answer desc, abs(auc - 0.5) desc, dataset, label, property
