#!/bin/sh
# Trains the adapters of models/adapters one after the other, from data folders that `folders` wrote.
# A run that was stopped goes on where it was; each takes its minutes of computing on one thread.
#
#   train.sh FOLDERS OUT [NAME ...]     all that are shipped by default
#
# LOAM_DEVICE=cuda trains those that write on a GPU, where they see all of their rows several times.
set -eu
folders=$1 out=$2
shift 2
names=${*:-question topic spam intent sentiment emotion reply brief digits clothes signs objects spoken-digits sounds \
  voice-emotion activity-watch activity-phone falls vqa topic-text emotion-text command banking emoji yes-no \
  reader python explain slots frames scene things crowd portrait pose stained-glass}

adapter() {
    component=$1 name=$2 data=$3 minutes=$4 description=$5
    shift 5
    case " $names " in *" $name "*) ;; *) return 0 ;; esac
    [ -e "$out/$name.safetensors" ] && return 0
    python -m loam_train adapter "$folders/$data" --on "$component" --name "$name" --minutes "$minutes" --test-rows 300 \
        --description "$description" --out "$out/$name.safetensors" "$@"
}

# What writes: on a GPU so many passes over the rows, with a batch, a reach and a rate, instead of the minutes.
writer() {
    name=$1 data=$2 minutes=$3 passes=$4 batch=$5 reach=$6 rate=$7 description=$8
    case "${LOAM_DEVICE:-cpu}" in
    cpu) adapter backbone "$name" "$data" "$minutes" "$description" ;;
    *)  set -- --device "$LOAM_DEVICE" --passes "$passes" --reach "$reach" --rate "$rate" --batch "$batch"
        adapter backbone "$name" "$data" 30 "$description" "$@" ;;
    esac
}

adapter backbone question trec_qc 6 "What a question asks for: an abbreviation, description, thing, person, place or number."
adapter backbone topic slurp_topic 5 "Which part of a home assistant a command is for: alarm, calendar, music, ..."
adapter backbone spam sms_spam 3 "Whether a text message is spam."
adapter backbone intent clinc150 12 "Which of 150 things a user of an assistant wants, or that it is none of them (oos)."
adapter backbone sentiment sst2 12 "Whether a sentence of a review is positive or negative."
adapter backbone emotion tweeteval_emotion 4 "Anger, joy, optimism or sadness of a short message."
adapter backbone reply replies 8 "Suggests a short reply to the last messages of a conversation."
adapter backbone brief brief 8 "Answers in one or two sentences."
adapter backbone vqa easy_vqa 8 "Answers questions about the colour and the shape in a small picture."
adapter image digits mnist 3 "Reads a handwritten digit."
adapter image clothes fashion_mnist 3 "Names a piece of clothing."
adapter image signs gtsrb 3 "Names a German traffic sign."
adapter image objects cifar10 3 "Names an animal or a vehicle."
adapter sound spoken-digits fsdd 2 "Says which digit was spoken."
adapter sound sounds esc10 2 "Names what is heard: animals, weather, tools, people."
adapter sound voice-emotion emodb 2 "Says how a voice sounds, on acted German sentences."
adapter imu activity-watch wisdm_watch 3 "Says what a person is doing, from a watch's motion."
adapter imu activity-phone wisdm_phone 3 "Says what a person is doing, from the motion of a phone in the pocket."
adapter text emotion-text tweeteval_emotion 5 "Anger, joy, optimism or sadness of a short message; on the text encoder, quicker and better than emotion."
adapter text topic-text slurp_topic 3 "Which part of a home assistant a command is for; on the text encoder, smaller and quicker."
adapter text command snips 2.5 "What a command to an assistant is for: music, weather, a restaurant, a book, a film or a list."
adapter text banking banking77 4 "Which of 77 things a customer of a bank asks about."
adapter text emoji tweeteval_emoji 5 "Which of 20 emoji goes with a short message."
adapter text yes-no boolq 2.5 "Answers a question with yes or no, from what is commonly known."
writer reader squad 8 4 16 attention 1.5e-3 "Answers a question from a text in a few words."
writer python conala 6 8 16 attention 1.5e-3 "Writes one line of Python for what is asked."
writer explain conala_doc 5 8 16 attention 1.5e-3 "Says in one sentence what a line of Python does."
adapter text slots snips_slots 6.5 "What a command to an assistant is for, and its slots: artist, playlist, city, time, ..."
adapter text frames slurp_frames 5 "What a command to a home assistant asks for, and its entities: date, place, person, song, ..."
adapter imu falls falls 2 "Tells a fall from movements of daily life, worn at the waist."
# Heads over the places of a picture, from scenes that are put together: no set at hand has boxes, masks, points or counts.
for kind in scene things crowd portrait pose; do
    case " $names " in *" $kind "*) ;; *) continue ;; esac
    [ -e "$out/$kind.safetensors" ] || python -m loam_train dense "$kind" --minutes 6 --out "$out/$kind.safetensors"
done
# The upscaler in a style.
case " $names " in
*" stained-glass "*)
    [ -e "$out/stained-glass.safetensors" ] ||
        python -m loam_train style --name stained-glass --minutes 4 --out "$out/stained-glass.safetensors" ;;
esac
# Benchmarks that are not shipped: the data of the first ones is for non-commercial use, or its terms are unclear.
writer correct jfleg 7 6 32 linears 8e-4 "Corrects the mistakes of learners in an English sentence."
writer summary dialogsum 7 8 16 linears 6e-4 "Summarises a conversation in one or two sentences."
writer caption captions 6 6 32 linears 8e-4 "Describes a picture in one sentence."
adapter image caption-search caption_search 5 "Finds the picture that a sentence describes."
writer to-english multi30k_en 14 5 64 linears 8e-4 "Translates a German sentence into English."
writer to-german multi30k_de 9 5 64 linears 8e-4 "Translates an English sentence into German."
adapter image flowers flowers5 6 "Names a flower of five kinds."
adapter text news ag_news 3.5 "The topic of a piece of news: the world, sports, business or science."
adapter imu movements sisfall 2 "Which of 34 movements and falls, worn at the waist."
adapter imu gestures utd_mhad 1.5 "Which of 27 gestures, from a watch's motion."
