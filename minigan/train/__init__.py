"""Training: the game and its rules, the loop around it, and the folder that a run leaves."""

from minigan.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigan.train.fit import fit
from minigan.train.game import Game
from minigan.train.rules import Rules
from minigan.train.run_folder import RunError, RunFolder
from minigan.train.settings import begin
from minigan.train.unroll import unrolled
