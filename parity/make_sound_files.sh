#!/usr/bin/env bash
# Makes the sound files of the command line's tests: half a second at 16 kHz, 440 Hz on the left and 660 Hz on the right.
# Needs Python's standard library and the encoders flac, lame and oggenc (Debian: flac, lame, vorbis-tools).
set -euo pipefail
cd "$(dirname "$0")/../cli/tests/fixtures/audio"

python3 - <<'EOF'
import math
import struct
import wave

with wave.open("tone.wav", "wb") as file:
    file.setnchannels(2)
    file.setsampwidth(2)
    file.setframerate(16000)
    for i in range(8000):
        levels = [
            level * math.sin(2 * math.pi * hertz * i / 16000) for level, hertz in ((0.5, 440), (0.3, 660))
        ]
        file.writeframes(struct.pack("<2h", *(round(level * 32767) for level in levels)))
EOF
flac --silent --force --best --no-padding --blocksize=1024 tone.wav
lame --silent -b 96 -m s tone.wav tone.mp3
oggenc --quiet --serial 1 -q 4 -o tone.ogg tone.wav
ls -l
