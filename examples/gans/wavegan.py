"""WaveGAN: sounds, number by number, from a DCGAN that was made one-dimensional. Listen to them: tones.wav.

The kernels are 25 steps long and the stride is 4, for a sound has few edges and many periods; the game is WGAN-GP's
(Donahue et al. 2019). The data are plucked notes of the C major scale, from a formula. Look at the waveforms: a sharp
attack, then a decay, which G learns first. And at the spectrograms, frequency upwards and time to the right: a real tone
is a ladder of harmonics, of which the upper ones die first. A ladder is hard: all its rungs must fit one pitch, over four
thousand numbers.

    python examples/gans/wavegan.py                 three minutes on two cores
    python examples/gans/wavegan.py --epochs 100    half an hour
"""

import numpy as np
from matplotlib.figure import Figure

from minigan import viz
from minigan.cli import train

RATE, FINER = 16_000, 4  # steps a second; how much finer the spectrum is looked at
SHOWN = 6


def pitch(sound):
    """The fundamental in Hz, from 250 to 550, whose first five harmonics hold most of the sound, and how large a share."""
    n = FINER * len(sound)
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), n)) ** 2
    around = np.convolve(power, np.ones(4 * FINER + 1), mode="same")  # what lies within two bins of each frequency
    f = np.arange(250 * n // RATE, 550 * n // RATE)
    held = sum(around[h * f] for h in range(1, 6))
    return f[held.argmax()] * RATE / n, held.max() / (power.sum() + 1e-12)


def main(argv=None):
    session = train("wavegan", argv, __doc__)
    real, fake = session.dataset.samples[:200, 0], session.sample(200)[:, 0]

    figure = Figure(figsize=(2 * SHOWN, 6.4), dpi=120, layout="constrained")
    panels = figure.subplots(4, SHOWN)
    for rows, (name, sounds) in zip((panels[:2], panels[2:]), (("real", real), ("generated", fake))):
        rows[0, 0].set_ylabel(f"{name}\nwaveform")
        rows[1, 0].set_ylabel(f"{name}\n0 to 4 kHz")
        for wave, spectrogram, sound in zip(*rows, sounds):
            wave.plot(sound, lw=0.3)
            wave.set(xlim=(0, len(sound)), ylim=(-1, 1), xticks=[], yticks=[])
            spectrogram.specgram(sound + 1e-6, NFFT=512, noverlap=448, Fs=RATE, vmin=-100, vmax=-30, cmap="magma")
            spectrogram.set(ylim=(0, 4000), xticks=[], yticks=[])
    viz.save_figure(figure, path := session.run.path / "wavegan.png")
    viz.save_wav(session.sample(16), sound := session.run.path / "tones.wav")

    found = {name: float(np.mean([pitch(s)[1] for s in x])) for name, x in (("real", real), ("generated", fake))}
    print("of a real tone {real:.0%} are harmonics of one pitch, of a generated one {generated:.0%}".format(**found))
    print(f"drawn: {path}\nto listen to: {sound}")
    return found


if __name__ == "__main__":
    main()
