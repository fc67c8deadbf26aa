# Follows a conversation by long polls, with Python's standard library alone:
#
#   XFCHAT_MESSAGES=http://localhost:3000/api/conversations/ID/messages XFCHAT_TOKEN=... python3 examples/poll.py

import json
import os
import time
import urllib.error
import urllib.request

url = os.environ["XFCHAT_MESSAGES"] + "?wait=20s"
token = os.environ["XFCHAT_TOKEN"]


def show(message):
    print(message["seq"], message["content"], flush=True)


version = None
while True:
    after = "" if version is None else "&after=" + version
    request = urllib.request.Request(url + after, headers={"Authorization": "Bearer " + token})
    try:
        # Longer than the server waits. If it has not answered by then, the connection is dead, and we ask again.
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code in (401, 404):
            print("The server says", error.code, flush=True)
            break
        time.sleep(float(error.headers.get("Retry-After", "5")))
        continue
    except (OSError, ValueError):
        # No network, no server, or only part of an answer.
        time.sleep(1)
        continue
    for update in answer["updates"]:
        for message in update["snapshot"]["messages"] if "snapshot" in update else [update["message"]]:
            show(message)
    version = answer["version"]
