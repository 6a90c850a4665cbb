"""A training that is stopped after any epoch ends, when it goes on, with the same weights, bit by bit."""

import pytest
import torch
from narrow_models import narrow
from torch import nn

from stepaudit.audit.sections import Training
from stepaudit.networks import training
from stepaudit.running import ledger
from stepaudit.running.epochs import Epochs

SETTINGS = {
    "epochs": 4, "batch_size": 4, "learning_rate": 0.05, "step_epochs": 2, "flips": ["horizontal"], "shift_px": 2,
}  # fmt: skip


def clips(count):
    targets = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, 3, 4, 16, 16), generator=torch.Generator().manual_seed(1))
    return (noise + 60 * targets.view(-1, 1, 1, 1, 1)).to(torch.uint8), targets


TRAIN, VALIDATION = clips(8), clips(4)


class Dropping(nn.Module):
    """Batch norm, whose statistics are no weights, and dropout, which is random."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.Dropout(0.5))
        self.fc = nn.Linear(4, 2)

    def forward(self, clips):
        return self.fc(self.layers(clips).mean(dim=(2, 3, 4)))


def fit(make, path, *, stop_after=None, fingerprint="x", **settings):
    """Weights and log of a training; or of none, if it is stopped after some epochs."""
    with training.seeded(7):
        model = make()
    chosen = Training(**{**SETTINGS, **settings})
    epochs = None if path is None else Epochs(path, fingerprint, chosen.epochs)
    done = []

    def advance(count, note=""):
        done.append(count)
        if sum(done) == stop_after:
            raise KeyboardInterrupt

    log = training.fit(
        model, TRAIN, VALIDATION, chosen, seed=3, device=torch.device("cpu"), advance=advance, epochs=epochs
    )
    return model.state_dict(), [{**row, "seconds": None} for row in log], done


def stopped(make, path, epoch, **settings):
    with pytest.raises(KeyboardInterrupt):
        fit(make, path, stop_after=epoch, **settings)
    torch.rand(5)


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("make", [Dropping, lambda: narrow("r2plus1d_18")], ids=["dropping", "r2plus1d"])
def test_stopped_after_every_epoch_it_ends_as_if_it_had_not_been(tmp_path, make, optimizer):
    path = tmp_path / "model.safetensors"
    weights, log, _ = fit(make, None, optimizer=optimizer)
    for epoch in (1, 2, 3):
        stopped(make, path, epoch, optimizer=optimizer)
    found, found_log, done = fit(make, path, optimizer=optimizer)
    assert same(found, weights)
    assert found_log == log
    assert done == [3, 1]
    ledger.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_the_best_epoch_stays_the_best_also_if_it_was_before_the_stop(tmp_path):
    """With steps that are much too long later epochs are worse."""
    path, settings = tmp_path / "model.safetensors", {"learning_rate": 0.5}
    weights, log, _ = fit(Dropping, None, **settings)
    best = [row["best"] for row in log].index(True)
    assert best < 3, "the premise"
    stopped(Dropping, path, 3, **settings)
    found, found_log, _ = fit(Dropping, path, **settings)
    assert (same(found, weights), found_log) == (True, log)


def test_stopped_after_the_last_epoch_nothing_is_trained_again(tmp_path):
    path = tmp_path / "model.safetensors"
    weights, log, _ = fit(Dropping, path)
    found, found_log, done = fit(Dropping, path)
    assert (same(found, weights), found_log, done) == (True, log, [4])


def test_an_epoch_of_other_settings_or_a_damaged_one_is_not_gone_on_from(tmp_path):
    path = tmp_path / "model.safetensors"
    weights, log, _ = fit(Dropping, None)
    stopped(Dropping, path, 2, fingerprint="y")
    assert fit(Dropping, path)[2] == [1] * 4
    ledger.remove(path)
    stopped(Dropping, path, 2)
    (epoch,) = path.parent.glob(".*.parts/epoch-*")
    data = bytearray(epoch.read_bytes())
    data[len(data) // 2] ^= 1
    epoch.write_bytes(data)
    found, found_log, done = fit(Dropping, path)
    assert (same(found, weights), found_log, done) == (True, log, [1] * 4)


def test_only_the_last_epoch_is_kept(tmp_path):
    path = tmp_path / "model.safetensors"
    stopped(Dropping, path, 3)
    assert [file.name for file in tmp_path.glob(".*.parts/epoch-*")] == ["epoch-000003.pt"]
