"""Sounds, motion and stand-in sets in their formats."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

if TYPE_CHECKING:
    from make_fixtures import Writer


def write(to: Writer) -> None:
    speech(to)
    sounds(to)
    motion(to)
    stand_ins(to)


def speech(to: Writer) -> None:
    for chapter, lines in [("134686", ["HE HOPED THERE WOULD BE STEW", "STUFF IT INTO YOU"]), ("134691", ["GO ON"])]:
        to.text(
            f"librispeech/LibriSpeech/test-clean/1089/{chapter}/1089-{chapter}.trans.txt",
            *(f"1089-{chapter}-{i:04} {text}" for i, text in enumerate(lines)),
        )
    head = ",path,speakerId,transcription,action,object,location"
    lights = '0,wavs/speakers/a/1.wav,a,"Turn on, please, the lights",activate,lights,kitchen'
    music = "1,wavs/speakers/a/2.wav,a,Play music,activate,music,none"
    to.text("fsc/data/train_data.csv", head, lights, music)
    to.text("fsc/data/test_data.csv", head, music)
    tokens = [{"surface": word, "id": i} for i, word in enumerate(["put", "Meeting", "with", "pawel", "tomorrow"])]
    utterance = {
        "slurp_id": 4775,
        "sentence": "put meeting with pawel tomorrow",
        "scenario": "calendar",
        "action": "set",
        "intent": "calendar_set",
        "tokens": tokens,
        "entities": [{"span": [1], "type": "event_name"}, {"span": [2, 3], "type": "person"}],
        "recordings": [
            {"file": "audio-1-headset.flac", "wer": 0.0, "ent_wer": None, "status": "correct"},
            {"file": "audio-1.flac", "wer": 0.5, "ent_wer": 0.5, "status": "correct"},
        ],
    }
    to.text("slurp/dataset/slurp/test.jsonl", json.dumps(utterance))
    turns = [
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
        "",
        "[6.2901 - 8.2357]\tSes05F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]",
        "C-E2:\tNeutral;\t()",
        "",
        "[10.0100 - 11.3925]\tSes05F_impro01_F001\texc\t[4.0000, 3.0000, 2.0000]",
        "",
        "[14.8872 - 18.0175]\tSes05F_impro01_M000\txxx\t[2.5000, 2.5000, 2.5000]",
    ]
    to.text("iemocap/Session5/dialog/EmoEvaluation/Ses05F_impro01.txt", *turns)
    to.text(
        "ljspeech/metadata.csv",
        "LJ001-0001|In 1455, printing|In fourteen fifty-five, printing",
        "LJ001-0002|in being|in being",
    )


def sounds(to: Writer) -> None:
    to.text(
        "esc50/meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take",
        "1-100032-A-0.wav,1,0,dog,True,100032,A",
        "5-103415-A-1.wav,5,1,rooster,True,103415,A",
    )
    for word in ["backward", "bed", "_background_noise_"]:
        to.bytes(f"speechcommands/{word}/0a_nohash_0.wav", b"")
        to.bytes(f"speechcommands/{word}/0b_nohash_0.wav", b"")
    to.text("speechcommands/testing_list.txt", "bed/0a_nohash_0.wav")
    to.text("speechcommands/validation_list.txt", "backward/0a_nohash_0.wav")
    to.text(
        "clotho/clotho_captions_evaluation.csv",
        "file_name,caption_1,caption_2,caption_3,caption_4,caption_5",
        'Santa Motor.wav,"A machine whines, then stops.",b,c,d,"e ""loud"""',
    )
    to.text(
        "audiocaps/test.csv",
        "audiocap_id,youtube_id,start_time,caption",
        '103541,7fmOlUlwoNg,0,"Wind, and waves"',
        "103542,7fmOlUlwoNg,0,Waves break",
        "103543,6BJ455B1aAs,10,A rocket flies",
    )


def motion(to: Writer) -> None:
    draw = np.random.default_rng(2)
    root = "ucihar/UCI HAR Dataset"
    to.text(f"{root}/activity_labels.txt", "1 WALKING", "2 WALKING_UPSTAIRS", "3 SITTING")
    to.text(f"{root}/test/y_test.txt", "3", "1")
    to.text(f"{root}/test/subject_test.txt", "2", "4")
    for kind in ["total_acc", "body_gyro"]:
        for axis in "xyz":
            lines = [" ".join(f"{value: .7e}" for value in row) for row in draw.normal(0, 0.3, (2, 128))]
            to.text(f"{root}/test/Inertial Signals/{kind}_{axis}_test.txt", *(f" {line}" for line in lines))
    names = [f"{kind}.{axis}" for kind in ["gravity", "rotationRate", "userAcceleration"] for axis in "xyz"]
    head = "," + ",".join(["attitude.roll", "attitude.pitch", "attitude.yaw", *names])
    for trial, count in [("wlk_7", 1), ("jog_16", 601)]:
        rows = [
            ",".join([str(i), "0", "0", "0", *(f"{value:.3f}" for value in draw.normal(0, 0.5, 9))])
            for i in range(count)
        ]
        to.text(f"motionsense/A_DeviceMotion_data/{trial}/sub_3.csv", head, *rows)
    head = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    for sensor, rate in [("accelerometer", 50), ("gyroscope", 40)]:
        rows = [head, "0,0,0,1,1,1,a,nexus4,nexus4_1,stand"]
        begin = 1_424_696_631_913_000_000
        for i in range(-2, int(6.3 * rate)):
            # A line of slope one: what lies between samples is known.
            time = begin + i * 1_000_000_000 // rate
            value = i / rate
            rows.append(f"{i + 2},0,{time},{value},{-value},{9.81},h,nexus4,nexus4_1,{'walk' if i >= 0 else 'null'}")
        to.text(f"hhar/Phones_{sensor}.csv", *rows)


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(data)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return buffer.getvalue()


def npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)  # its entries carry no time
    return buffer.getvalue()


def stand_ins(to: Writer) -> None:
    def text_set(name: str, meta: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        to.text(f"stand-in/{name}/meta.json", json.dumps(meta))
        for split in ["train", "test"]:
            to.bytes(f"stand-in/{name}/{split}.jsonl.zst", packed(lines(rows)))

    text_set("labels", {"labels": ["bad", "good"]}, [{"text": "fine", "label": 1}, {"text": "dull", "label": 0}])
    text_set("names", {}, [{"text": "play jazz", "label": "music"}, {"text": "wake me", "label": "alarm"}])
    text_set("tags", {}, [{"tokens": ["play", "jazz"], "tags": ["O", "B-genre"], "intent": "PlayMusic"}])
    text_set("pairs", {}, [{"en": "A dog.", "de": "Ein Hund.", "fr": "Un chien."}])
    text_set("score", {}, [{"text": "a", "text2": "b", "score": 4.75}])
    text_set("squad", {}, [{"context": "It is noon.", "question": "When?", "answers": ["noon"], "starts": [6]}])
    text_set("choices", {}, [{"question": "2 + 2?", "choices": ["3", "4"], "label": 1}])
    text_set("summary", {}, [{"text": "long", "summary": "s", "summary2": "t", "summary3": "u"}])
    text_set(
        "frames",
        {},
        [
            {
                "text": "set it",
                "scenario": "alarm",
                "action": "set",
                "intent": "alarm_set",
                "entities": [{"type": "time", "text": "Ten am"}],
            }
        ],
    )
    text_set("turns", {}, [{"turns": [{"speaker": "user", "text": "Hi"}, {"speaker": "system", "text": "Hello"}]}])
    manifest = [
        {"file": "b.flac", "split": "test", "seconds": 1.0, "label": 1, "text": "rain"},
        {"file": "a.flac", "split": "train", "seconds": 1.0, "label": 0, "text": "dog"},
    ]
    to.text("stand-in/sounds/meta.json", json.dumps({"hz": 16000, "classes": ["dog", "rain"]}))
    to.bytes("stand-in/sounds/manifest.jsonl", lines(manifest))
    to.bytes("stand-in/sounds/audio.tar", tar({"a.flac": b"first sound", "b.flac": b"second one"}))
    questions: list[dict[str, Any]] = [
        {"file": "x.png", "split": "test", "question": "what?", "answer": "circle"},
        {"file": "x.png", "split": "test", "captions": ["A circle .", "Round ."]},
    ]
    to.text("stand-in/images/meta.json", json.dumps({"answers": ["circle"]}))
    to.bytes("stand-in/images/manifest.jsonl.zst", packed(lines(questions)))
    to.bytes("stand-in/images/images.tar.zst", packed(tar({"x.png": b"a picture"})))
    windows = np.arange(2 * 4 * 6).reshape(2, 4, 6).astype(np.float16) / 4
    to.text(
        "stand-in/motion/meta.json", json.dumps({"hz": 20, "classes": ["fall", "walk"], "subjects": ["SA01", "SE02"]})
    )
    to.bytes(
        "stand-in/motion/data.npz",
        npz(
            {
                "x_test": windows,
                "y_test": np.array([1, 0]),
                "subject_test": np.array([1, 0]),
                "length_test": np.array([4, 2]),
            }
        ),
    )
    to.text("stand-in/grey/meta.json", json.dumps({"classes": ["zero", "one"]}))
    to.bytes(
        "stand-in/grey/data.npz",
        npz(
            {
                "x_test": np.arange(2 * 3 * 2, dtype=np.uint8).reshape(2, 3, 2),
                "y_test": np.array([0, 1]),
            }
        ),
    )
