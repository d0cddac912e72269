"""Writes the goldens of sound preprocessing: `core/tests/fixtures/audio/expected.safetensors`.

`sound` is 2.5 s of 16-bit PCM at 16 kHz made from formulae: a sweep, noise, a
silence and clicks. `jfk.*` belong to `../shared/weights/whisper-vectors/jfk.wav`
and are left out where it is missing. Spectrograms are stored with every n-th
frame (`STRIDE`), from transformers' Whisper and AST extractors (the latter on
numpy, which has no Kaldi of its own here), torchaudio's Kaldi filter bank, torch's
STFT for our own log-mel, and ImageBind's steps as its data loader documents them. torch runs in double precision: beside a
loud tone, single precision leaves noise of 1e-2 in the logarithms of quiet bands.
`filters.*` are OpenAI's published mel filters. `resampled.*` are by scipy with a
filter far longer than its default.
"""

from __future__ import annotations

import json
import wave
from fractions import Fraction

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.signal import firwin, resample_poly
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank

import kaldi
import paths

RATE = 16000
SHARED = paths.SHARED / "weights" / "whisper-vectors"
STRIDE = {"whisper": 20, "ast": 16, "fbank": 4, "imagebind": 6, "raw": 16}
#: Our own towers': see the test that reads it.
OWN = {
    "sample_rate": RATE,
    "n_fft": 512,
    "hop": 256,
    "n_mels": 64,
    "f_min": 40.0,
    "f_max": 7800.0,
    "scale": "htk",
    "log": {"kind": "ln_plus", "offset": 1e-7},
    "ends": "centered",
    "normalize": {"kind": "clip_mean", "scale": 3.0},
    "frames": 192,
    "cut": "center",
}


def sound() -> np.ndarray:
    rng = np.random.default_rng(20240601)
    t = np.arange(RATE) / RATE
    sweep = 0.6 * np.sin(2 * np.pi * (60 * t + (7500 - 60) / 2 * t**2))
    noise = 0.05 * rng.standard_normal(RATE // 2)
    silence = np.zeros(RATE // 2)
    clicks = np.zeros(RATE // 2)
    clicks[:: RATE // 20] = 0.9
    # An offset, which Kaldi removes from each frame.
    whole = np.concatenate([sweep, noise, silence, clicks + 0.02])
    return np.round(np.clip(whole, -1, 1) * 32767).astype(np.int16)


def jfk() -> np.ndarray | None:
    path = SHARED / "jfk.wav"
    if not path.exists():
        print(f"{path} is missing: goldens on speech are left out")
        return None
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def spectrograms(out: dict, name: str, pcm: np.ndarray) -> None:
    samples = (pcm / 32768).astype(np.float32)
    for bins in (80, 128):
        extractor = WhisperFeatureExtractor(feature_size=bins)
        mel = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features[0]
        out[f"{name}.whisper.{bins}"] = mel[:, :: STRIDE["whisper"]]
    ast = ASTFeatureExtractor()(samples, sampling_rate=RATE, return_tensors="pt").input_values[0]
    out[f"{name}.ast"] = ast[:: STRIDE["ast"]]
    raw = Wav2Vec2FeatureExtractor()(samples, sampling_rate=RATE, return_tensors="pt").input_values[0]
    out[f"{name}.raw"] = raw[:: STRIDE["raw"]]


def fbanks(out: dict, pcm: np.ndarray) -> None:
    fbank = kaldi.load().fbank
    samples = torch.from_numpy(pcm / 32768)
    for window, bins in (("hanning", 128), ("povey", 40)):
        energies = fbank(samples[None], window_type=window, num_mel_bins=bins, sample_frequency=RATE)
        out[f"sound.fbank.{window}"] = energies[:: STRIDE["fbank"]]
    # Three clips of two seconds, evenly spread; 204 frames; AudioSet's constants.
    room = max(len(samples) - 2 * RATE, 0)
    clips = []
    for index in range(3):
        start = int(Fraction(room, 2) * index)
        clip = samples[start : start + 2 * RATE]
        clip = (clip - clip.mean())[None]
        mel = fbank(clip, htk_compat=True, window_type="hanning", num_mel_bins=128, sample_frequency=RATE).T
        mel = torch.nn.functional.pad(mel, (0, 204 - mel.shape[1]))
        clips.append((mel - -4.268) / 9.138)
    out["sound.imagebind"] = torch.stack(clips)[:, :, :: STRIDE["imagebind"]]


def own(out: dict, pcm: np.ndarray) -> None:
    samples = torch.from_numpy(pcm / 32768)
    window = torch.hann_window(OWN["n_fft"], dtype=torch.float64)
    power = torch.stft(samples, OWN["n_fft"], OWN["hop"], window=window, return_complex=True).abs() ** 2
    filters = mel_filter_bank(
        OWN["n_fft"] // 2 + 1, OWN["n_mels"], OWN["f_min"], OWN["f_max"], RATE, norm=None, mel_scale="htk"
    )
    mel = (torch.from_numpy(filters.T) @ power + OWN["log"]["offset"]).log()
    # Longer than the sound: filled; the test also cuts it to 100 frames.
    for frames, name in ((192, "own"), (100, "own.cut")):
        start = max(mel.shape[1] - frames, 0) // 2
        kept = mel[:, start : start + frames]
        kept = (kept - kept.mean()) / OWN["normalize"]["scale"]
        out[f"sound.{name}"] = torch.nn.functional.pad(kept, (0, frames - kept.shape[1]))[:, ::2]


def resampled(out: dict, pcm: np.ndarray) -> None:
    samples = (pcm[: RATE // 2 * 3][RATE // 2 :] / 32768).astype(np.float64)
    for rate in (8000, 22050, 44100, 48000):
        ratio = Fraction(rate, RATE)
        widest = max(ratio.numerator, ratio.denominator)
        # 256 zero crossings to either side under a window of 120 dB.
        taps = firwin(2 * 256 * widest + 1, 0.99 / widest, window=("kaiser", 12.0))
        whole = resample_poly(samples, ratio.numerator, ratio.denominator, window=taps)
        # The ends depend on what is assumed to lie outside.
        middle = len(whole) // 2
        out[f"jfk.resampled.{rate}"] = torch.from_numpy(whole[middle - 2000 : middle + 2000].astype(np.float32))


def main() -> None:
    torch.manual_seed(0)
    paths.AUDIO.mkdir(parents=True, exist_ok=True)
    out: dict[str, torch.Tensor] = {}
    pcm = sound()
    out["sound"] = torch.from_numpy(pcm)
    spectrograms(out, "sound", pcm)
    fbanks(out, pcm)
    own(out, pcm)
    speech = jfk()
    if speech is not None:
        spectrograms(out, "jfk", speech)
        resampled(out, speech)
        with np.load(SHARED / "mel_filters.npz") as filters:
            for bins in (80, 128):
                out[f"filters.{bins}"] = torch.from_numpy(filters[f"mel_{bins}"])
    (paths.AUDIO / "own.json").write_text(json.dumps(OWN, indent=2) + "\n")
    path = paths.AUDIO / "expected.safetensors"
    single = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in out.items()}
    save_file({name: tensor.contiguous() for name, tensor in single.items()}, path)
    print(f"audio       {len(out)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
