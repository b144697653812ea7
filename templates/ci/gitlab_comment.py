import json
import os
import pathlib
import urllib.request

MARKER = "<!-- sandbox diff -->"
NOTES = "{CI_API_V4_URL}/projects/{CI_PROJECT_ID}/merge_requests/{CI_MERGE_REQUEST_IID}/notes".format(
    **os.environ
)
if os.environ.get("SANDBOX_COMMENT_TOKEN"):
    TOKEN = {"PRIVATE-TOKEN": os.environ["SANDBOX_COMMENT_TOKEN"]}
else:
    TOKEN = {"JOB-TOKEN": os.environ["CI_JOB_TOKEN"]}


def call(method, address, body=None):
    request = urllib.request.Request(
        address,
        method=method,
        data=None if body is None else json.dumps({"body": body}).encode(),
        headers={"Content-Type": "application/json", **TOKEN},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def earlier():
    page = 0
    while True:
        page += 1
        found = call("GET", f"{NOTES}?per_page=100&page={page}")
        for note in found:
            if not note["system"] and note["body"].startswith(MARKER):
                yield note["id"]
        if len(found) < 100:
            return


def write(body):
    for there in earlier():
        try:
            return call("PUT", f"{NOTES}/{there}", body)
        except OSError:  # somebody else's note that bears the marker
            continue
    return call("POST", NOTES, body)


file = pathlib.Path(os.environ["REPORT"], "comment.md")
if file.is_file():
    text = file.read_text("utf-8")[:60_000]
else:
    text = f"### ⚠️ sandbox diff: could not be judged\n\nIt ended with status {os.environ['STATUS']}.\n"
try:
    write(f"{MARKER}\n{text}\n<sub>The report and the log are in [this job]({os.environ['CI_JOB_URL']}).</sub>\n")
except OSError as error:  # the gate decides, not the comment: a job's token may not write one
    print(f"no comment was written: {error}")
