"""Where credentials come from, and what is said where that place gives none that can be used.

botocore reads other people's files, runs their programs and asks their hosts for credentials, and lets through whatever
is raised on the way. Here each source has a name, so that a sentence says which file, program or host has to be mended.
"""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.errors import BadCredentials, CredentialsExpired, StoreError
from engine.s3.classify import EXPIRED, classify

WAIT_S = 120.0
"""How long a source may take: a program may ask somebody to sign in first, and one that hangs must not be waited for
for ever."""

CHECK_PROFILE = "Check the profile in your AWS configuration: aws sts get-caller-identity must work."
SIGN_IN = "Sign in again with aws sso login (and your --profile), then run the same command: it goes on from there."


class Source(NamedTuple):
    """A place that credentials come from, as a sentence names it, and what to do where it gives none."""

    name: str
    advice: str = CHECK_PROFILE


def source_of(profile: Mapping[str, Any], environ: Mapping[str, str]) -> Source:
    """Which source botocore asks, by what a profile and the environment name, in its order (its documentation,
    "Configuring credentials")."""
    return next((make(text) for find, make in _SOURCES if (text := find(profile, environ))), Source("the AWS profile"))


def _in_profile(name: str) -> Callable[[Mapping[str, Any], Mapping[str, str]], str]:
    return lambda profile, _: str(profile.get(name) or ("''" if name in profile else ""))


def _in_environment(*names: str) -> Callable[[Mapping[str, Any], Mapping[str, str]], str]:
    return lambda _, environ: next((environ[name] for name in names if environ.get(name)), "")


_SOURCES: tuple[tuple[Callable[[Mapping[str, Any], Mapping[str, str]], str], Callable[[str], Source]], ...] = (
    (
        _in_environment("AWS_WEB_IDENTITY_TOKEN_FILE"),
        lambda path: Source(f"the web identity in {path}", "Check AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN."),
    ),
    (
        _in_profile("web_identity_token_file"),
        lambda path: Source(
            f"the web identity in {path}", "Check web_identity_token_file and role_arn in the profile."
        ),
    ),
    (_in_profile("role_arn"), lambda arn: Source(f"the role {arn}")),
    (_in_profile("sso_session"), lambda name: Source(f"the SSO session {name}", SIGN_IN)),
    (_in_profile("sso_start_url"), lambda url: Source(f"the SSO session of {url}", SIGN_IN)),
    (
        _in_profile("credential_process"),
        lambda program: Source(
            f"the program of credential_process ({_program(program)})",
            "Run it by hand: it has to print JSON with Version 1, AccessKeyId and SecretAccessKey, and nothing else.",
        ),
    ),
    (
        _in_environment("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        lambda uri: Source(f"the container's endpoint {uri}", "Check the AWS_CONTAINER_CREDENTIALS_… variables."),
    ),
)


def _program(line: str) -> str:
    """The program alone: what it is called with may be a secret."""
    line = line.strip()
    return line[1:].partition(line[0])[0] if line[:1] in ("'", '"') else line.partition(" ")[0]


async def bounded(asking: Any) -> Any:
    """What a source answers. Raises `TimeoutError` where it takes longer than `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        return await asking


def use_own_prompt(session: Any) -> None:
    """Let an aioboto3 session ask for MFA codes by `ask_mfa_code`."""
    session._session.get_component("credential_provider").get_provider("assume-role")._prompter = ask_mfa_code


def ask_mfa_code(prompt: str) -> str:
    """An MFA code, typed at a terminal. Raises `EOFError` where there is none: getpass would then read a code from
    standard input, where none is."""
    if not has_terminal():
        raise EOFError
    return getpass.getpass(prompt)


def has_terminal() -> bool:
    """Whether somebody can be asked: there is a terminal that the process belongs to, or reads from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return os.isatty(0)
    return True


def no_credentials() -> BadCredentials:
    """The error for a machine without any credentials."""
    return BadCredentials(
        "no credentials were found",
        operation="Sign",
        code="NoCredentials",
        advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile "
        "(aws configure makes one).",
    )


def credentials_error(error: Exception, source: Source | None = None) -> StoreError:
    """What was raised while credentials were looked for or refreshed, as the engine says it."""
    from botocore import exceptions as boto

    source = source or Source("the AWS profile")
    if isinstance(error, boto.NoCredentialsError):
        return no_credentials()
    if isinstance(error, boto.PartialCredentialsError):
        said = error.kwargs
        return BadCredentials(
            f"the credentials are not complete: {said['cred_var']} is missing ({said['provider']})",
            operation="Sign",
            code="PartialCredentials",
            advice="Give the access key and its secret in the same place.",
        )
    if isinstance(error, (boto.SSOError, boto.TokenRetrievalError)):
        return CredentialsExpired("the SSO session has ended", operation="Sign", code="ExpiredToken", advice=SIGN_IN)
    if isinstance(error, EOFError):
        return BadCredentials(
            f"{source.name} asks for an MFA code, and there is no terminal to type it on",
            operation="Sign",
            code="NoTerminal",
            advice="Run the command in a terminal, or put temporary credentials into the environment first (aws sts "
            "assume-role, or aws sts get-session-token, with --token-code).",
        )
    code = type(error).__name__
    if isinstance(error, boto.ClientError):  # of STS or SSO, whose role or session it was
        said = error.response.get("Error", {})
        code = str(said.get("Code", "")) or code
        if code in EXPIRED:
            return classify("Sign", "", 400, code, str(said.get("Message", "")))
    return BadCredentials(
        f"{source.name} gives no credentials ({_why(error)})", operation="Sign", code=code, advice=source.advice
    )


def _why(error: Exception) -> str:
    """In a few words, what was raised: our own for what says nothing of its cause."""
    text = " ".join(str(error).split())
    if isinstance(error, UnicodeDecodeError):
        return "what it gives is no text in UTF-8"
    if isinstance(error, ValueError) and type(error).__name__ == "JSONDecodeError":
        return "what it gives is not JSON"
    if isinstance(error, TimeoutError):
        return f"nothing came within {WAIT_S:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, KeyError):  # botocore's cache of tokens, for a file that it cannot read
        return f"what is kept of it in ~/.aws/sso/cache or ~/.aws/cli/cache cannot be read: {text}"
    if isinstance(error, (AttributeError, TypeError)):
        return "what it gives has another form"
    return (
        text.partition("Error when retrieving credentials from ")[2].partition(": ")[2] or text or type(error).__name__
    )
