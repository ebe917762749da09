"""What schemathesis has to be told about this API, each thing with its reason.

Read by `schemathesis run` from tests/e2e/contract.rs (SCHEMATHESIS_HOOKS).
"""

import os
import re

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# Webhooks lead nowhere: what ends in .invalid never has an address (RFC 6761). And they are few, so
# that thousands of events do not meet thousands of webhooks.
schemathesis.openapi.format(
    "uri",
    st.builds(
        "https://{}.invalid/{}".format,
        st.sampled_from(["a", "b", "xn--bcher-kva", "c-1.d"]),
        st.sampled_from(["", "v1/new", "x?y=z"]),
    ),
)

# Of the key that asks: without it nothing more could be asked.
OWN_KEY = os.environ["CONTRACT_KEY_ID"]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """An answer that does not end cannot be compared; whatever has one says so, and why."""
    for methods in raw_schema["paths"].values():
        for method in [name for name, said in methods.items() if "x-endless" in said]:
            print(f"left out: {methods[method]['operationId']}: {methods[method]['x-endless']}")
            del methods[method]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Nothing goes out, and nobody saws off the branch they sit on."""
    if case.path_parameters.get("id") == OWN_KEY:
        case.path_parameters["id"] = "key_" + "0" * 26
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("webhook_url"), str):
        # The document's examples are on hosts that exist.
        case.body = {**body, "webhook_url": nowhere(body["webhook_url"])}


def nowhere(url):
    """The same URL, on a host that does not exist; others stay as wrong as they are."""
    return re.sub(r"(?i)^(https://)([a-z0-9.-]+\.[a-z]+)(?=[:/?#]|$)", r"\1a.invalid", url)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops what no JSON Schema can say, and only that."""
    answer = problem(response)
    if isinstance(failure, RejectedPositiveData):
        return not is_beyond_a_schema(answer.get("code"), case)
    if isinstance(failure, AcceptedNegativeData):
        return not (case.path == "/v1/events/batch" and has_a_refusal(answer))
    return True


def problem(response):
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def is_beyond_a_schema(code, case):
    """Whether a refusal follows a rule that a schema cannot hold."""
    body = case.body if isinstance(case.body, dict) else {}
    if code in ("cursor_invalid", "cursor_mismatch"):
        # A cursor is one that a list returned, with the same filters.
        return "cursor" in case.query or "cursor" in body
    if code in ("description_too_long", "metadata_too_large", "name_invalid"):
        # A schema counts characters, the bounds are in bytes.
        return not str(body).isascii()
    if code == "filter_required":
        # One of several that may each be left out.
        return case.path in ("/v1/deliveries/retry", "/v1/deliveries/cancel")
    if code == "parameter_invalid" and case.path == "/v1/stats":
        # A time has an end after its begin, and parts of it are not too many.
        return any(name in case.query for name in ("since", "until", "interval_ms"))
    if code == "log_level_invalid":
        # What can be said of a level is a small language.
        return "level" in body
    if code == "idempotency_key_conflict":
        # A key names one event for as long as that is kept.
        return "Idempotency-Key" in case.headers
    if code == "retry_invalid":
        # One field is bounded by another.
        retry = body.get("retry") or {}
        base, cap = retry.get("base_ms"), retry.get("cap_ms")
        return (5_000 if base is None else base) > (43_200_000 if cap is None else cap)
    names = [name.lower() for name in body.get("headers") or {}]
    if code == "headers_invalid":
        # Names that differ by their case alone are one name.
        return len(names) != len(set(names))
    if code == "authorization_conflict":
        return "authorization" in names
    return False


def has_a_refusal(answer):
    """Each event of a batch is judged for itself: what is wrong with one is in its result."""
    return any("error" in result for result in answer.get("results", []))


@schemathesis.check
def valid_events_of_a_batch_are_taken(ctx, response, case):
    """So that the rule above cannot hide that good events are refused."""
    meta = case.meta
    if case.path != "/v1/events/batch" or response.status_code != 202:
        return
    if meta is None or not meta.generation.mode.is_positive:
        return
    # An id names one event for ever, and a key of a tenant publishes for its own.
    fine = ("event_id_conflict", "not_found")
    errors = [result["error"] for result in problem(response)["results"] if "error" in result]
    wrong = [error for error in errors if error["code"] not in fine]
    assert not wrong, f"a valid event of a batch was refused: {wrong[0]}"
