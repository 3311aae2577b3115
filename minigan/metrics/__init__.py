"""How good is a generator? Samples in, numbers out.

Every function takes NumPy arrays or Tensors; SciPy is imported when it is needed. Imports tensor, nn and train.
"""

from minigan.metrics.classifier import Classifier, Report, load_classifier, report, weights_sha256
from minigan.metrics.frechet import frechet_between_gaussians, frechet_distance
from minigan.metrics.kernel import kid, mmd2, polynomial_kernel
from minigan.metrics.lenet import make_lenet
from minigan.metrics.modes import (
    entropy,
    kl_from_uniform,
    label_coverage,
    mode_coverage,
    perfect_coverage,
    perfect_share,
    stacked_labels,
    uniform_kl_floor,
)
from minigan.metrics.neighbours import density_coverage, nearest_neighbour_accuracy, neighbour_scores, precision_recall
from minigan.metrics.sliced import sliced_wasserstein, sliced_wasserstein_pictures

__all__ = [
    "Classifier",
    "Report",
    "density_coverage",
    "entropy",
    "frechet_between_gaussians",
    "frechet_distance",
    "kid",
    "kl_from_uniform",
    "label_coverage",
    "load_classifier",
    "make_lenet",
    "mmd2",
    "mode_coverage",
    "nearest_neighbour_accuracy",
    "neighbour_scores",
    "perfect_coverage",
    "perfect_share",
    "polynomial_kernel",
    "precision_recall",
    "report",
    "sliced_wasserstein",
    "sliced_wasserstein_pictures",
    "stacked_labels",
    "uniform_kl_floor",
    "weights_sha256",
]
