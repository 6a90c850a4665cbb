"""A stage on all shards of a tiny audit."""

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.stages import predict


def predict_all(made: config.Config, model: str) -> None:
    """Predicts every test shard."""
    for shard in Job(made, "predict", dataset="planted", model=model).shards("predictions"):
        predict.run(Job(made, "predict", "planted", model, shard=shard))
