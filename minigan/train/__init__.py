"""Training: the adversarial step, the loop around it, and the folder that a run leaves."""

from minigan.train.adversarial import adversarial_step
from minigan.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigan.train.fit import fit
from minigan.train.run_folder import RunError, RunFolder
from minigan.train.settings import begin
