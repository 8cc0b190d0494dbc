"""Run by the Python of the host's Salt: publishes calls as they are asked for and tells what comes back.

A line on stdin is a question, {"id", "ask", ...}. A line on stdout is an answer, "answer <id> <JSON>", or belongs to
the event stream, which has the form of salt-api's. The end of stdin ends it. `given` is what it was started with.
"""

import concurrent.futures
import json
import os
import sys
import threading

# Salt prints a word here and there, which must not get among the answers.
OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import salt.client
import salt.config
import salt.exceptions
import salt.utils.event

REFUSALS = (
    salt.exceptions.AuthenticationError,
    salt.exceptions.AuthorizationError,
    salt.exceptions.EauthAuthenticationError,
    salt.exceptions.SaltInvocationError,
)

OPTS = salt.config.client_config(given["master"])
SAYING = threading.Lock()
OWN = threading.local()


def say(text):
    with SAYING:
        OUT.write(text)
        OUT.flush()


def client():
    """This thread's client: making one takes longer than a call."""
    if not hasattr(OWN, "client"):
        OWN.client = salt.client.LocalClient(mopts=OPTS)
    return OWN.client


def publish(low):
    made = client().run_job(
        low["tgt"],
        low["fun"],
        arg=low["arg"],
        tgt_type=low["tgt_type"],
        jid=low["jid"],
        kwarg=low["kwarg"],
        timeout=given["limit"],
    )
    return {"return": [made]}


def remember(jid):
    cache = OPTS["master_job_cache"]
    load = client().returners[cache + ".get_load"](jid)
    if not load:
        return {"info": [{"Error": "no such job"}]}
    result = client().returners[cache + ".get_jid"](jid)
    return {"info": [{"Minions": load.get("Minions", []), "Result": result}]}


def answer(question):
    try:
        if question["ask"] == "publish":
            told = publish(question["low"])
        else:
            told = remember(question["jid"])
    except REFUSALS as error:
        told = {"refused": str(error)}
    except salt.exceptions.SaltDaemonNotRunning as error:
        told = {"away": str(error)}
    except Exception as error:  # Salt raises what it likes.
        told = {"unsure": str(error) or type(error).__name__}
    say("answer {} {}\n".format(question["id"], json.dumps(told, default=str)))


def take_questions():
    with concurrent.futures.ThreadPoolExecutor(given["at_once"]) as pool:
        for line in sys.stdin:
            pool.submit(answer, json.loads(line))
    os._exit(0)


def tell_events():
    bus = salt.utils.event.get_event(
        "master", sock_dir=OPTS["sock_dir"], opts=OPTS, listen=True
    )
    if not bus.connect_pub(timeout=given["limit"]):
        sys.exit("the event bus of the Salt master does not answer")
    say("retry: 400\n")
    for event in bus.iter_events(tag="salt/job/", full=True, auto_reconnect=True):
        if "/ret/" in event["tag"]:
            body = json.dumps(event, default=str)
            say("tag: {}\ndata: {}\n\n".format(event["tag"], body))


threading.Thread(target=take_questions, daemon=True).start()
tell_events()
