-- Sensitivity: does the minimum preservation ratio depend on what must be kept, or on what replaces removed pixels? (beside Table 2)
-- One row per dataset, model and pair of bounds, or of methods that differ only in the perturbation, on the clips that both were searched on, first seed. Medians count right-censored clips as the largest. Counts, differences (first less second) and p as in model_pairs.
with perturbations as (
    select dataset, model, method, min(perturbation) as perturbation from maps group by all
)
select varied, pairs.dataset, pairs.model, pairs.method, bound, name as first, other_name as second,
    one.perturbation as first_perturbation,
    other.perturbation as second_perturbation,
    round(median, 4) as first_median_ratio,
    round(other_median, 4) as second_median_ratio,
    round(median_difference, 4) as median_difference_ratio,
    round(median_difference_low, 4) as median_difference_ratio_low,
    round(median_difference_high, 4) as median_difference_ratio_high,
    known as known_clips,
    less as less_clips,
    more as more_clips,
    equal as equal_clips,
    undecided as undecided_clips,
    clips,
    round(p_holm, 4) as p_holm
from ratio_comparisons as pairs
left join perturbations as one
    on varied = 'perturbation' and one.method = name and one.dataset = pairs.dataset and one.model = pairs.model
left join perturbations as other
    on varied = 'perturbation' and other.method = other_name and other.dataset = pairs.dataset and other.model = pairs.model
where varied in ('bound', 'perturbation')
order by all
