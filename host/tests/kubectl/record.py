#!/usr/bin/env python3
"""Records what kubectl makes of the texts in readings.json: `./record.py` rewrites the file in its place.

kubectl reads a file, changes nothing (`patch --local` with an empty patch) and prints every object as JSON. No cluster is
asked. Texts are added by hand, with a name and a text.
"""

import json
import pathlib
import subprocess

FILE = pathlib.Path(__file__).with_name("readings.json")
KUBECTL = ["kubectl", "patch", "--local", "-f", "-", "--type", "merge", "-p", "{}", "-o", "json"]


def objects(printed):
    """The documents that kubectl printed, one after the other."""
    decoder, found, rest = json.JSONDecoder(), [], printed.lstrip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def main():
    recorded = json.loads(FILE.read_text())
    version = json.loads(subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True).stdout)
    for text in recorded["texts"]:
        run = subprocess.run(KUBECTL, input=text["text"].encode(), capture_output=True)
        text["objects"] = objects(run.stdout.decode())
        text["fails"] = run.returncode != 0
    recorded["kubectl"] = version["clientVersion"]["gitVersion"]
    FILE.write_text(json.dumps(recorded, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
