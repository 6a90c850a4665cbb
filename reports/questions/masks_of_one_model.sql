-- Question: Which masks do not survive on another model?
-- Answer: One row per mask that keeps the answer of its own model, but not of each other model that was asked: `peers` of
--   them could tell, and of `peers_kept` it keeps the answer. `class` is what became of it in `evidence_clips`.
-- Beware: Another model may need other parts of the clip, and both be right: that a mask does not carry over is no proof that
--   it is adversarial. Clips on which the other model was wrong or unsure to begin with are not asked.
select dataset, model, method, ratio, seed, label, clip_id,
    round(clip, 3) as clip_probability,
    round(kept, 3) as kept_probability,
    peers_kept, peers, class
from mask_classes
where asks and sufficient and peers_kept < peers
order by peers_kept / peers, dataset, model, method, ratio, clip_id, seed
