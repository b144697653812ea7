import json
import os
import pathlib
import urllib.request

MARKER = "<!-- sandbox diff -->"
ISSUES = "{GITHUB_API_URL}/repos/{GITHUB_REPOSITORY}/issues".format(**os.environ)
RUN = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format(**os.environ)
NUMBER = os.environ["PULL_REQUEST"]


def call(method, path, body=None):
    request = urllib.request.Request(
        f"{ISSUES}/{path}",
        method=method,
        data=None if body is None else json.dumps({"body": body}).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["GITHUB_TOKEN"],
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def earlier():
    page = 0
    while True:
        page += 1
        found = call("GET", f"{NUMBER}/comments?per_page=100&page={page}")
        for comment in found:
            # Whoever writes the marker into a comment of their own is not answered by changing it.
            if comment["user"]["type"] == "Bot" and comment["body"].startswith(MARKER):
                return comment["id"]
        if len(found) < 100:
            return None


file = pathlib.Path(os.environ["REPORT"], "comment.md")
if file.is_file():
    text = file.read_text("utf-8")[:60_000]
else:
    text = f"### ⚠️ sandbox diff: could not be judged\n\nIt ended with status {os.environ['STATUS']}.\n"
body = f"{MARKER}\n{text}\n<sub>The report and the log are in [this run]({RUN}).</sub>\n"
try:
    there = earlier()
    if there is None:
        call("POST", f"{NUMBER}/comments", body)
    else:
        call("PATCH", f"comments/{there}", body)
except OSError as error:  # the gate decides, not the comment: a fork's token may not write one
    print(f"::notice::no comment was written: {error}")
