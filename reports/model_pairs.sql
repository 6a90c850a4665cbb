-- Model pairs: which of two models needs to keep less of a clip? (beside Table 2)
-- One row per dataset, method, bound and pair of models, on the clips that both were searched on, first seed. Equal: known, but brackets overlap; undecided: censoring leaves either order. Differences (model less other) only where both are known. The answer is the exact sign test's on decided clips, after Holm below 0.05.
select dataset, method, bound, name as model, other_name as other_model,
    case
        when p_holm >= 0.05 then 'cannot tell'
        when less > more then name || ' needs less of a clip than ' || other_name
        else other_name || ' needs less of a clip than ' || name
    end as answer,
    percent(less_share) as less_percent,
    percent(less_share_low) as less_percent_low,
    percent(less_share_high) as less_percent_high,
    less as less_clips,
    more as more_clips,
    equal as equal_clips,
    undecided as undecided_clips,
    clips,
    round(p, 4) as p,
    round(p_holm, 4) as p_holm,
    round(median_difference, 4) as median_difference_ratio,
    round(median_difference_low, 4) as median_difference_ratio_low,
    round(median_difference_high, 4) as median_difference_ratio_high,
    round(mean_difference, 4) as mean_difference_ratio,
    round(mean_difference_low, 4) as mean_difference_ratio_low,
    round(mean_difference_high, 4) as mean_difference_ratio_high,
    known as known_clips
from ratio_comparisons
where varied = 'model'
order by all
