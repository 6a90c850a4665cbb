"""A stage on all shards of a tiny audit."""

from stepaudit.audit import config
from stepaudit.stages import predict


def predict_all(made: config.Config, model: str) -> None:
    """Predicts every test shard."""
    for shard in made.shards_of("predictions", "test", dataset="planted", model=model):
        predict.run(made, "planted", model, shard)
