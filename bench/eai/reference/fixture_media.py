"""Pictures, and lists about them, in their official formats."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.io

if TYPE_CHECKING:
    from make_fixtures import Writer


def write(to: Writer) -> None:
    coco(to)
    lists(to)
    classes(to)
    masks(to)
    questions(to)


def mat(to: Writer, name: str, variables: dict[str, Any], compressed: bool = True) -> None:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=compressed)
    data = bytearray(buffer.getvalue())
    data[:116] = b"MATLAB 5.0 MAT-file".ljust(116)  # the rest of the header has the time
    to.bytes(name, bytes(data))


def coco(to: Writer) -> None:
    images = [
        {"id": 9, "file_name": "000000000009.jpg", "width": 640, "height": 480},
        {"id": 25, "file_name": "000000000025.jpg", "width": 640, "height": 426},
    ]
    categories = [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 18, "name": "dog", "supercategory": "animal"},
    ]
    boxes = [
        {
            "id": 1,
            "image_id": 9,
            "category_id": 18,
            "bbox": [10.5, 20, 30, 40],
            "area": 900.5,
            "iscrowd": 0,
            "segmentation": [[10, 20, 40, 20, 40, 60]],
        },
        {
            "id": 2,
            "image_id": 9,
            "category_id": 1,
            "bbox": [0, 0, 100, 90],
            "area": 4000,
            "iscrowd": 1,
            "segmentation": {"counts": [0, 9], "size": [3, 3]},
        },
    ]
    to.text(
        "coco/annotations/instances_val2017.json",
        json.dumps({"info": {}, "images": images, "annotations": boxes, "categories": categories}),
    )
    captions = [
        {"id": i, "image_id": 9, "caption": text} for i, text in enumerate(["A dog runs. ", "The dog is running."])
    ]
    named = [{**image, "file_name": f"COCO_val2014_{image['id']:012}.jpg"} for image in images]
    to.text("coco/annotations/captions_val2014.json", json.dumps({"images": named, "annotations": captions}))
    lvis = [
        {
            "id": 9,
            "coco_url": "http://images.cocodataset.org/val2017/000000000009.jpg",
            "width": 640,
            "height": 480,
            "neg_category_ids": [3],
            "not_exhaustive_category_ids": [2],
        }
    ]
    kinds = [
        {"id": i, "name": name, "synset": f"{name}.n.01", "frequency": "f"}
        for i, name in [(1, "acorn"), (2, "aerosol_can"), (3, "air_conditioner")]
    ]
    plain = {key: value for key, value in boxes[0].items() if key != "iscrowd"}
    to.text(
        "lvis/lvis_v1_val.json",
        json.dumps({"images": lvis, "annotations": [{**plain, "category_id": 2}], "categories": kinds}),
    )
    points = [float(value) for i in range(17) for value in (10 * i, 5 * i, 2 if i else 0)]
    pose = {
        "id": 1,
        "image_id": 9,
        "category_id": 1,
        "bbox": [0, 0, 170, 90],
        "area": 9000,
        "iscrowd": 0,
        "num_keypoints": 16,
        "keypoints": points,
    }
    to.text(
        "ap10k/annotations/ap10k-test-split1.json",
        json.dumps({"images": images, "annotations": [pose], "categories": [{"id": 1, "name": "antelope"}]}),
    )


def lists(to: Writer) -> None:
    to.text(
        "inshop/Eval/list_eval_partition.txt",
        "4",
        "image_name item_id evaluation_status",
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg          id_00000002 train",
        "img/WOMEN/Dresses/id_00000003/01_1_front.jpg          id_00000003 query",
        "img/WOMEN/Dresses/id_00000003/01_2_side.jpg           id_00000003 gallery",
        "img/MEN/Denim/id_00000080/01_1_front.jpg              id_00000080 gallery",
    )
    to.text("veri/name_query.txt", "0002_c002_00030600_0.jpg")
    to.text("veri/name_test.txt", "0002_c003_00084280_0.jpg", "0005_c003_00077625_1.jpg")
    to.text(
        "kinetics/val.csv",
        "label,youtube_id,time_start,time_end,split",
        "abseiling,-3B32lodo2M,59,69,val",
        '"air drumming",2cPLjY5AWXU,7,17,val',
    )
    to.text(
        "vggsound/vggsound.csv",
        '---g-f_I2yQ,1,"people marching",test',
        '--0PQM4-hqg,30,"waterfall burbling",train',
        '--56QUhyDQM,185,"playing tennis, indoors",test',
    )


def classes(to: Writer) -> None:
    draw = np.random.default_rng(0)
    records = b"".join(bytes([1, fine]) + draw.integers(0, 256, 3072, dtype=np.uint8).tobytes() for fine in (2, 0))
    to.bytes("cifar100/test.bin", records)
    to.text("cifar100/fine_label_names.txt", "apple", "aquarium_fish", "baby", "")
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O"), ("children", "O")]
    synsets = np.zeros((1001, 1), dtype=kinds)
    for i in range(1001):
        children = np.array([[1, 2]]) if i == 1000 else np.zeros((1, 0))
        synsets[i, 0] = (np.array([[float(i + 1)]]), f"n{i:08}", f"kind {i + 1}, sort {i + 1}", 0.0, children)
    mat(to, "imagenet/ILSVRC2012_devkit_t12/data/meta.mat", {"synsets": synsets})
    to.text("imagenet/ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", "490", "1", "1000")
    to.text(
        "gtsrb/Final_Test/Images/GT-final_test.csv",
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId",
        "00000.ppm;53;54;6;5;48;49;16",
        "00001.ppm;42;45;5;5;36;40;1",
    )
    signs = draw.integers(0, 256, (54, 53, 3), dtype=np.uint8).tobytes()
    to.bytes("gtsrb/Final_Test/Images/00000.ppm", b"P6\n# a comment\n53 54\n255\n" + signs)
    to.bytes("gtsrb/Final_Test/Images/00001.ppm", b"P6 42 45 255\n" + signs[: 3 * 42 * 44])
    head = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle\tfiducial_score"
    rows = [
        f"30601258@N03\t{name}.jpg\t{face}\t(25, 32)\t{gender}\t0\t414\t1086\t1383\t-115\t30\t17"
        for name, face, gender in [
            ("10399646885_67c7d20df9_o", 1, "f"),
            ("10424815813_e94629b1ec_o", 2, "m"),
            ("9733400995_85cd2c8d33_o", 3, "u"),
        ]
    ]
    for fold in range(5):
        to.text(f"adience/fold_{fold}_data.txt", head, *(rows if fold == 4 else rows[:1]))
    pixels = draw.integers(0, 256, (6, 6, 3))
    for name in ["test/AD/a.jpg", "test/AD/b.jpg", "test/ZW/c.jpg"]:
        to.image(f"class-folders/{name}", pixels)
    to.text("adience/aligned/README", "faces would be here")
    to.text("wikiart/Style/style_class.txt", "0 Abstract_Expressionism", "1 Action_painting")
    to.text(
        "wikiart/Style/style_val.csv",
        "Action_painting/franz-kline_accent-grave-1955.jpg,1",
        "Abstract_Expressionism/a_b.jpg,0",
    )
    to.image("wikiart/content/000000000009.jpg", draw.integers(0, 256, (16, 16, 3)))


def masks(to: Writer) -> None:
    draw = np.random.default_rng(1)
    pixels, classes = draw.integers(0, 256, (4, 5, 3)), draw.integers(0, 21, (4, 5))
    classes[0, :3] = [0, 20, 255]
    for folder, name in [
        ("ade20k/ADEChallengeData2016/images/validation", "ADE_val_00000001"),
        ("voc/VOCdevkit/VOC2012/JPEGImages", "2007_000033"),
        ("refmatte/image_all", "p_0001_1"),
        ("ucf/Test", "img_0001"),
        ("ucf/Test", "img_0002"),
    ]:
        to.image(f"{folder}/{name}.jpg", pixels)
    to.image("ade20k/ADEChallengeData2016/annotations/validation/ADE_val_00000001.png", classes % 151)
    to.text("voc/VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "2007_000033")
    to.image("voc/VOCdevkit/VOC2012/SegmentationClass/2007_000033.png", classes, palette=True)
    to.image("refmatte/mask/p_0001_1.png", draw.integers(0, 256, (4, 5)))
    label = {"image_name": "p_0001", "expressions": ["the man", "the man on the left"], "entity": "man"}
    to.text("refmatte/refmatte_rw100_label.json", json.dumps({"p_0001_1": label}))
    to.text("refmatte/eval_index_expression.json", json.dumps({"p_0001": 1}))
    mat(to, "ucf/Test/img_0001_ann.mat", {"annPoints": np.array([[10.5, 20.25], [300.0, 7.0], [0.5, 0.75]])})
    mat(to, "ucf/Test/img_0002_ann.mat", {"annPoints": np.array([[3, 4]], dtype=np.int16)}, compressed=False)
    to.image("set5/Set5/image_SRF_4/img_001_SRF_4_HR.png", draw.integers(0, 256, (16, 16, 3)))
    to.image("set5/Set5/image_SRF_4/img_001_SRF_4_LR.png", draw.integers(0, 256, (4, 4, 3)))


def questions(to: Writer) -> None:
    people = [
        {"answer": text, "answer_confidence": "yes", "answer_id": i + 1}
        for i, text in enumerate(["net"] * 7 + ["a net"] * 3)
    ]
    to.text(
        "vqa2/v2_OpenEnded_mscoco_val2014_questions.json",
        json.dumps(
            {
                "info": {},
                "task_type": "Open-Ended",
                "data_type": "mscoco",
                "license": {},
                "questions": [{"image_id": 458752, "question": "What is this?", "question_id": 458752000}],
            }
        ),
    )
    to.text(
        "vqa2/v2_mscoco_val2014_annotations.json",
        json.dumps(
            {
                "annotations": [
                    {
                        "question_type": "what is this",
                        "multiple_choice_answer": "net",
                        "answers": people,
                        "image_id": 458752,
                        "answer_type": "other",
                        "question_id": 458752000,
                    }
                ]
            }
        ),
    )
    to.text(
        "vizwiz/Annotations/val.json",
        json.dumps(
            [
                {
                    "image": "VizWiz_val_00000000.jpg",
                    "question": "Can you tell me what this is?",
                    "answers": people,
                    "answer_type": "other",
                    "answerable": 1,
                }
            ]
        ),
    )
    lines = [f"1000268201_693b08cb0e.jpg#{i}\tA child number {i} climbs ." for i in range(5)]
    other = ["1001773457_577c3a7d70.jpg#0\tA black dog ."]
    to.text("flickr8k/Flickr8k_text/Flickr8k.token.txt", *lines, *other)
    to.text("flickr8k/Flickr8k_text/Flickr_8k.testImages.txt", "1000268201_693b08cb0e.jpg")
    to.text("flickr30k/results_20130124.token", *lines, *other)
    to.text("flickr30k/test.txt", "1001773457_577c3a7d70")
