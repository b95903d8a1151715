"""botocore's sessions: one of our own for a profile, or one that a Python user hands in. What they know (profiles,
regions, endpoints) is asked for here; credentials are `credential_sources`'.

boto is imported inside functions alone: it costs 0.2 s and 25 MB, which a run that needs none of it should not pay.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from engine import freshness
from engine.errors import UsageError

CONNECT_TIMEOUT_S = 10


def own_session(profile: str, region: str) -> Any:
    """A session of botocore's on this machine's AWS configuration. Raises `UsageError` for a profile that there is not,
    and for files that cannot be read."""
    import botocore.session

    session = botocore.session.Session(profile=profile or None)
    if region:
        session.set_config_variable("region", region)
    scoped_config(session)
    return session


def inner_session(given: Any) -> Any:
    """botocore's session (aiobotocore's is one) in what was handed in: that itself, or what boto3's and aioboto3's
    stand on. Raises `UsageError` where it is none of these."""
    for candidate in (given, getattr(given, "_session", None)):
        if all(hasattr(candidate, name) for name in ("get_scoped_config", "get_credentials", "instance_variables")):
            scoped_config(candidate)
            return candidate
    raise UsageError(
        f"session is a {type(given).__module__}.{type(given).__qualname__}, which gives no credentials.",
        advice="Options(session=…) takes a session of boto3's, aioboto3's or botocore's (not a client of theirs).",
    )


def blocking_session(session: Any) -> Any:
    """The session itself where its clients are botocore's, else one with the same configuration: aiobotocore's clients
    are coroutines, and need a package that the base does not have."""
    if not iscoroutinefunction(session.get_credentials):
        return session
    import botocore.session

    return configured_as(session, botocore.session.Session())


def configured_as(session: Any, other: Any) -> Any:
    """The other session, told all that was set on the one by hand: a profile, a region, files."""
    for name, value in session.instance_variables().items():
        other.set_config_variable(name, value)
    if (config := session.get_default_client_config()) is not None:
        other.set_default_client_config(config)
    return other


def scoped_config(session: Any) -> dict[str, Any]:
    """What the profile says. Raises `UsageError` for a profile that there is not, and for files that cannot be read."""
    from botocore.exceptions import BotoCoreError, ProfileNotFound

    try:
        found: dict[str, Any] = session.get_scoped_config()
    except ProfileNotFound as error:
        raise UsageError(f"{error}.", advice="aws configure list-profiles shows those there are.") from error
    except BotoCoreError as error:
        raise UsageError(
            f"the AWS configuration cannot be read: {str(error).rstrip('.')}.",
            advice="It is text in UTF-8: [default] or [profile NAME] on a line, and name = value under it.",
        ) from error
    return found


def configured_endpoint(session: Any) -> str:
    """The endpoint of S3 that the environment or the profile names, by botocore's rules of precedence; or empty."""
    from botocore.configprovider import ConfiguredEndpointProvider

    profile = scoped_config(session)
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return ""
    services = profile.get("services", "")
    if services and services not in session.full_config.get("services", {}):
        raise UsageError(
            f"the AWS configuration names services = {services}, and has no [services {services}].",
            advice="Add that section, or take the line out.",
        )
    section(session.full_config.get("services", {}).get(services, {}), "s3")  # says it in words
    named = ConfiguredEndpointProvider(session.full_config, profile, "s3").provide()
    return str(named or "")


def addressing_style(session: Any) -> str:
    """How buckets are addressed by the profile: auto, path or virtual."""
    style = str(section(scoped_config(session), "s3").get("addressing_style", "auto"))
    if style not in ("auto", "path", "virtual"):
        raise UsageError(
            f"the AWS configuration has addressing_style = {style!r}.", advice="It is auto, path or virtual."
        )
    return style


def section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """The indented lines under `name =`. Raises `UsageError` where they stand on its own line."""
    found = config.get(name) or {}
    if not isinstance(found, dict):
        raise UsageError(
            f"the AWS configuration has '{name} = {found}' on one line.",
            advice=f"What belongs to {name} goes under '{name} =', a line each, indented.",
        )
    return found


def client_settings(path_style: bool, *, signs: bool) -> dict[str, Any]:
    """What every client is told, blocking or not: to try once, to sign as S3 asks or nothing, to follow nothing."""
    from botocore import UNSIGNED

    return {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": CONNECT_TIMEOUT_S,
        "parameter_validation": False,
        "signature_version": "s3v4" if signs else UNSIGNED,
        "s3": {
            "addressing_style": "path" if path_style else "virtual",
            "us_east_1_regional_endpoint": "regional",  # s3.amazonaws.com is every region's, and redirects
        },
    }


def put_hooks_on(events: Any, payer: str) -> None:
    """Have a client do otherwise than it would by itself, by its `events`. `payer` is what x-amz-request-payer says,
    empty for nothing."""
    # botocore would ask for the region and sign anew after a 301 or a bare 400, at every object.
    events.register_last("before-parameter-build.s3", _no_redirect)
    if payer:
        # On every request, as the wire does: botocore has the parameter for those on objects alone.
        events.register("before-call.s3", partial(_paying, payer))
    events.register_last("before-send.s3", _sending)


def _sending(request: Any, event_name: str, **_: Any) -> None:
    """Raises `TooLate`. A connection may still have to be made after this."""
    freshness.sending(event_name.rpartition(".")[2], request.url.partition("?")[0])


def _no_redirect(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True


def _paying(payer: str, params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-amz-request-payer"] = payer
