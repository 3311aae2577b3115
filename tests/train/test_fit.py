"""The loop: what it logs and saves, and that a resumed run is, bit for bit, one that was never interrupted."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim
from minigan.data import Batches
from minigan.train import Game, Rules, RunError, RunFolder, fit, load_checkpoint

PICTURES = np.random.default_rng(0).uniform(-1, 1, (20, 1, 4, 4)).astype(np.float32)


def tiny_gan():
    """A GAN with everything that has a state: batch norm, dropout (chance), Adam, a schedule."""
    mg.manual_seed(0)
    G = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(64, 1),
    )
    opt_G, opt_D = optim.Adam(G.parameters(), 1e-2), optim.RMSprop(D.parameters(), 1e-3, momentum=0.5)
    schedule = optim.StepLR(opt_G, step_size=3)
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D, "schedule": schedule}


def train(folder, steps, *, resume=False, k=2, stop_at=None):
    """Train the tiny GAN; `stop_at` presses Ctrl-C in the middle of that step."""
    state = tiny_gan()
    run = RunFolder.open(folder) if resume else RunFolder.create(folder, {"seed": 0})
    z = mg.randn(4, 3)
    made = [0]
    optimizers = state["opt_G"], state["opt_D"]
    game = Game(state["G"], state["D"], (3,), Rules(d_steps=k), optimizers=optimizers)

    def step(reals):
        made[0] += 1
        if made[0] == stop_at:
            signal.raise_signal(signal.SIGINT)
        metrics = game.step(reals)
        state["schedule"].step()
        return metrics

    def sample():
        with mg.no_grad():
            pictures = state["G"].eval()(z)
        state["G"].train()
        return pictures

    with run:
        fit(run, step, Batches(PICTURES, 4, seed=1), state, steps=steps, batches_per_step=k, sample=sample)
    return run


def contents(folder):
    """Every file of a run by its name, but for the picture of the curves, whose title is the folder's name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != "losses.png"
    }


def test_a_run_leaves_metrics_samples_curves_and_a_checkpoint(tmp_path):
    run = train(tmp_path / "run", 5)
    metrics = run.metrics()
    assert list(metrics) == ["step", "epoch", "d_loss", "g_loss", "D(x)", "D(G(z))"]
    assert metrics["step"].tolist() == [1, 2, 3, 4, 5]
    assert metrics["epoch"].tolist() == [0.5, 1, 1.5, 2, 2.5]  # 5 batches an epoch, 2 a step
    names = [path.name for path in sorted(run.samples_path.iterdir())]
    assert names == ["step-000000.png", "step-000002.png", "step-000004.png", "step-000005.png"]
    assert run.losses_path.stat().st_size > 0
    arrays, meta = load_checkpoint(run.checkpoint_path)
    assert meta["step"] == 5
    assert {name.split("/")[0] for name in arrays} == {"G", "D", "opt_G", "opt_D", "schedule"}


@pytest.mark.parametrize("first", [1, 2, 4])
def test_n_plus_m_steps_equal_n_then_resume_then_m_bit_for_bit(tmp_path, first):
    whole = contents(train(tmp_path / "whole", 7).path)
    train(tmp_path / "parts", first)
    parts = contents(train(tmp_path / "parts", 7, resume=True).path)
    extra = (
        f"samples/step-{first:06d}.png"  # the end of the first part, where the whole run draws only at an epoch's end
    )
    if extra not in whole:
        parts.pop(extra)
    assert list(parts) == list(whole)
    for name in whole:
        assert parts[name] == whole[name], name


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_resume(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path / "run", 7, stop_at=3)
    assert stopped.value.code == 130
    assert f"--resume {tmp_path / 'run'}" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")[1]["step"] == 3
    resumed = contents(train(tmp_path / "run", 7, resume=True).path)
    assert resumed == contents(train(tmp_path / "whole", 7).path)


def test_ctrl_c_works_as_before_after_the_loop(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    train(tmp_path / "run", 1)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    failures = []

    def work():
        try:
            train(tmp_path / "run", 2)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


KILLED_WHILE_SAVING = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_fit
from pathlib import Path

saves = [0]
fsync = os.fsync

def fsync_or_die(fd):
    # the fourth checkpoint, of step 6, dies half-way: half of its bytes are written, its name is not taken over
    if "checkpoint" in os.readlink(f"/proc/self/fd/{{fd}}"):
        saves[0] += 1
        if saves[0] == 4:
            os.ftruncate(fd, os.fstat(fd).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
    fsync(fd)

os.fsync = fsync_or_die
test_fit.train(Path({folder!r}), 7)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds the file that is written through /proc")
def test_resuming_is_bit_for_bit_after_kill_9_in_the_middle_of_a_checkpoint(tmp_path):
    folder = tmp_path / "run"
    script = KILLED_WHILE_SAVING.format(tests=os.path.dirname(__file__), folder=str(folder))
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert load_checkpoint(folder / "checkpoint.safetensors")[1]["step"] == 4  # the one before is whole
    train(folder, 7, resume=True)
    assert contents(folder) == contents(train(tmp_path / "whole", 7).path)


def test_a_checkpoint_of_other_networks_is_refused(tmp_path):
    run = train(tmp_path / "run", 1)
    with pytest.raises(RunError, match="holds 'D', but this program trains net"):
        fit(run, lambda _: {}, Batches(PICTURES, 4), {"net": nn.Linear(2, 2)}, steps=2)
    state = tiny_gan() | {"D": nn.Linear(2, 2)}
    with pytest.raises(RunError, match=r"(?s)D is not the one of this program.*missing"):
        fit(run, lambda _: {}, Batches(PICTURES, 4), state, steps=2)


def test_a_finished_run_that_is_resumed_has_nothing_to_do(tmp_path):
    whole = contents(train(tmp_path / "run", 3).path)
    assert contents(train(tmp_path / "run", 3, resume=True).path) == whole


def test_a_run_can_be_resumed_from_before_its_first_step(tmp_path):
    def fail(reals):
        raise KeyError("at the first step")

    run, state = RunFolder.create(tmp_path / "run", {"seed": 0}), tiny_gan()
    mg.randn(4, 3)  # the fixed latents, as `train` draws them
    with pytest.raises(KeyError):
        fit(run, fail, Batches(PICTURES, 4, seed=1), state, steps=3)
    resumed = train(tmp_path / "run", 7, resume=True)
    whole = train(tmp_path / "whole", 7)
    assert resumed.checkpoint_path.read_bytes() == whole.checkpoint_path.read_bytes()
