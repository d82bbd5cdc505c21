"""Make the reference of feature `musicnn`: what the original graph, run by TensorFlow, says of notes.

The wheel's `models.py` builds the graph, and TensorFlow restores its checkpoint. The wheel's own spectrogram
is in float16, which overflows; here it is in float32. Run it in an environment of its own, because the wheel
requires a TensorFlow that has `tf.compat.v1.layers`:

    pip install tensorflow-cpu==2.15.1 librosa==0.11.0 'numpy<2'
    pip install --no-deps musicnn==0.1.0
    python tests/features/musicnn_reference/make.py

It writes `reference.npz` beside this file: for `msd` and `mtt`, the outputs of each of the windows that begin
at `STARTS`, and of the first `SHORT` samples by themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE, SECONDS, WINDOW = 16000, 7, 187
#: First frames of the windows: two side by side, and one that ends with the wave; samples of a short chunk.
STARTS, SHORT = (0, 187, 251), 25000


def notes() -> NDArray[np.float32]:
    """Return 7 s of notes, two in each second, with noise; the same on every machine."""
    time = np.arange(RATE * SECONDS) / RATE
    # The legacy generator's numbers never change.
    wave = np.random.RandomState(0).normal(0, 0.02, len(time))
    pitch = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 2, 5, 9, 12, 9, 5, 0, 7])[(time * 2).astype(int)] / 12)
    envelope = np.exp(-5 * (time % 0.5))
    for overtone in range(1, 7):
        wave += 0.4 / overtone * envelope * np.sin(2 * np.pi * overtone * pitch * time)
    return wave.astype(np.float32)


def log_mel(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the wheel computes of a wave, in float32: shape (frames, 96)."""
    import librosa

    mel = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=512, hop_length=256, n_mels=96).T
    rows: NDArray[np.float32] = np.log10(10000 * mel + 1)
    return rows


def outputs(name: str, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return what the original graph computes of windows (n, frames, 96)."""
    import musicnn.models
    import tensorflow

    tf = tensorflow.compat.v1
    tf.disable_eager_execution()
    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [None, windows.shape[1], 96])
    training = tf.placeholder(tf.bool)
    logits, *_, penultimate = musicnn.models.define_model(x, training, f"{name.upper()}_musicnn", 50)
    folder = Path(musicnn.models.__file__).parent / f"{name.upper()}_musicnn"
    with tf.Session() as session:
        tf.train.Saver().restore(session, f"{folder}/")
        values: Any = session.run([penultimate, tf.nn.sigmoid(logits)], {x: windows, training: False})
    return dict(zip(("penultimate", "tags"), values, strict=True))


def main() -> None:
    """Write the reference."""
    wave = notes()
    rows, short = log_mel(wave), log_mel(wave[:SHORT])[None]
    whole = np.stack([rows[start : start + WINDOW] for start in STARTS])
    arrays: dict[str, NDArray[np.float32]] = {}
    for name in ("msd", "mtt"):
        for part, windows in (("windows", whole), ("short", short)):
            for output, values in outputs(name, windows).items():
                arrays[f"{name}_{part}_{output}"] = values
    np.savez_compressed(Path(__file__).with_name("reference.npz"), **arrays)


if __name__ == "__main__":
    main()
