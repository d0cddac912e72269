#!/bin/sh
# Trains the adapters of models/adapters one after the other, from data folders that `folders` wrote.
# A run that was stopped goes on where it was; each takes its minutes of computing on one thread.
#
#   train.sh FOLDERS OUT [NAME ...]     all that are shipped by default
set -eu
folders=$1 out=$2
shift 2
names=${*:-question topic spam intent sentiment emotion reply brief}

adapter() {
    name=$1 data=$2 minutes=$3 description=$4
    case " $names " in *" $name "*) ;; *) return 0 ;; esac
    [ -e "$out/$name.safetensors" ] && return 0
    python -m loam_train adapter "$folders/$data" --on backbone --name "$name" --minutes "$minutes" --test-rows 300 \
        --description "$description" --out "$out/$name.safetensors"
}

adapter question trec_qc 4 "What a question asks for: an abbreviation, description, thing, person, place or number."
adapter topic slurp_topic 1.2 "Which part of a home assistant a command is for: alarm, calendar, music, ..."
adapter spam sms_spam 1.2 "Whether a text message is spam."
adapter intent clinc150 3.5 "Which of 150 things a user of an assistant wants, or that it is none of them (oos)."
adapter sentiment sst2 3.5 "Whether a sentence of a review is positive or negative."
adapter emotion tweeteval_emotion 1.5 "Anger, joy, optimism or sadness of a short message."
adapter reply replies 2.5 "Suggests a short reply to the last messages of a conversation."
adapter brief brief 2.5 "Answers in one or two sentences."
adapter news ag_news 4 "The topic of a piece of news; a benchmark, not shipped: its data is for non-commercial use."
