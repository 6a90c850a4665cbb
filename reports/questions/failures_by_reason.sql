-- Question: Why are there rows without a value?
-- Answer: One row per stage and reason, the most frequent first: how many rows of how many clips failed for it, those of later
--   stages included, with one error as an example. Errors that differ only in their numbers are one reason.
-- Beware: 'not_applicable' and 'no_annotation' are no defects: the method does not suit the model, or nothing is annotated
--   there. Rows are not clips: one clip that cannot be read fails once for each model, method, ratio, seed and metric.
select cause_stage as stage, cause_status as status, min(cause) as error,
    count(*) as rows,
    count(distinct (dataset, clip_id)) as clips,
    string_agg(distinct model, ', ' order by model) as models,
    string_agg(distinct method, ', ' order by method) as methods
from failed
group by cause_stage, cause_status, regexp_replace(cause, '[0-9]+', '#', 'g')
order by rows desc, stage, status, error
