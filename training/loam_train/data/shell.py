"""Commands of the shell with what they do in words: the examples of tldr-pages for programs that many people have."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .published import Row, rows

SEED = 7
TEST_ROWS = 200
_LISTED = """
7z adb alias apt apt-cache apt-get awk base64 basename bat brew cal cargo cat chmod chown cmake column comm conda cp
crontab curl cut date dd df diff dig dirname dnf docker dpkg du echo env exiftool export fd fdisk ffmpeg file find
flatpak free gcc gh git go grep groups gunzip gzip head helm history hostname id ip iptables join journalctl jq kill
kubectl less ln locate ls lsblk lscpu lsof magick make man md5sum mkdir mount mv mysqldump nano nc nl nmap nmcli node
nohup npm nslookup openssl pacman pandoc passwd paste pdftotext perl pg_dump ping pip pkill pnpm podman printf ps psql
pwd pytest python readlink realpath redis-cli rev rg rm rsync rustup scp screen sed seq sha256sum shellcheck shuf sleep
snap sort split sqlite3 ss ssh ssh-keygen stat strace systemctl tail tar tcpdump tee terraform timedatectl tmux top
touch tr truncate ufw umount uname uniq unzip uptime useradd userdel usermod uv vim watch wc wget whereis which whoami
xargs xz yarn yes yt-dlp zip zstd
"""
PROGRAMS = frozenset(_LISTED.split())
"""tldr knows 4,000 more, most of them seen once or twice."""

_OPTION = re.compile(r"\{\{\[(?P<short>[^|\]]*)\|(?P<long>[^\]]*)\]\}\}")
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
_MNEMONIC = re.compile(r"\[(\w+)\]")


def program(command: str) -> str:
    """The first word of a command, `sudo` aside."""
    words = command.removeprefix("sudo ").split()
    return words[0] if words else ""


def plain_command(template: str) -> str:
    """A tldr template as a command: long options are chosen, braces round placeholders go."""
    return _PLACEHOLDER.sub(r"\1", _OPTION.sub(r"\g<long>", template)).strip()


def commands(folder: Path, split: str) -> Iterator[Row]:
    """Descriptions that belong to one program only; a command and a description are in one row, so in one split."""
    if split == "valid":
        return
    everything = rows(folder, "train") + rows(folder, "valid")
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in everything:
        owners[row["intent"].lower()].add(program(plain_command(row["code"])))
    found: dict[str, Row] = {}
    known: set[str] = set()
    for row in everything:
        command, asked = plain_command(row["code"]), row["intent"]
        listed = program(command) in PROGRAMS and PROGRAMS & {row["command"], row["command"].split("-")[0]}
        clear = len(owners[asked.lower()]) == 1 and "{{" not in command and "\n" not in command
        question = _MNEMONIC.sub(r"\1", asked).replace("`", "")
        new = command not in known and question.lower() not in found
        if listed and clear and new and row["platform"] in ("common", "linux"):
            known.add(command)
            found[question.lower()] = {"text": question, "output": command}
    made = list(found.values())
    random.Random(SEED).shuffle(made)
    yield from made[:TEST_ROWS] if split == "test" else made[TEST_ROWS:]
