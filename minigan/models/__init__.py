"""The variants, a file each, and how one is found, trained and opened again. Imports train and everything below it.

Begin with `vanilla.py` and `dcgan.py`, which have networks; most others are those with other rules.
"""

from minigan.models.acgan import ACGAN
from minigan.models.cgan import CGAN, CGAN_PROJECTION
from minigan.models.dcgan import DCGAN
from minigan.models.dragan import DRAGAN
from minigan.models.feature_matching import FEATURE_MATCHING
from minigan.models.fgan import FGAN
from minigan.models.hinge import HINGE
from minigan.models.lsgan import LSGAN
from minigan.models.pacgan import PACGAN
from minigan.models.r3gan import R3GAN
from minigan.models.session import Session
from minigan.models.timegan_1d import TIMEGAN_1D
from minigan.models.unrolled import UNROLLED
from minigan.models.vanilla import VANILLA
from minigan.models.variant import Networks, Variant
from minigan.models.wavegan import WAVEGAN
from minigan.models.wgan import WGAN
from minigan.models.wgan_gp import WGAN_GP
from minigan.train.rules import known

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        *(VANILLA, DCGAN, CGAN, CGAN_PROJECTION, ACGAN, LSGAN),
        *(FGAN, HINGE, WGAN, WGAN_GP, DRAGAN, PACGAN),
        *(UNROLLED, R3GAN, FEATURE_MATCHING, WAVEGAN, TIMEGAN_1D),
    )
}


def find_variant(name: str) -> Variant:
    """The variant of this name, one of `VARIANTS`.

    Raises
    ------
    ValueError
        If there is none; it tells the nearest name.

    Examples
    --------
    >>> find_variant("dcgan").paper[:13]
    'Radford, Metz'
    """
    known("variant", name, VARIANTS)
    return VARIANTS[name]
