"""Pictures: samples of any kind, animations of a training run, curves of its losses, histograms of its labels.

Everything here takes plain NumPy arrays and knows nothing of tensors, networks or training, so of minigan it
imports only the files module. Pillow and matplotlib are imported when the first picture is drawn.
"""

from minigan.viz.grid import make_grid, save_gif, save_image
from minigan.viz.plots import plot_histogram, plot_losses, read_metrics, save_figure
from minigan.viz.samples import save_points, save_samples, save_series, save_wav

__all__ = [
    "make_grid",
    "plot_histogram",
    "plot_losses",
    "read_metrics",
    "save_figure",
    "save_gif",
    "save_image",
    "save_points",
    "save_samples",
    "save_series",
    "save_wav",
]
