"""Where credentials come from, and what is said where that place gives none that can be used.

botocore reads other people's files, runs their programs and asks their hosts for credentials, and lets through whatever
is raised on the way. Here each source has a name, so that a sentence says which file, program or host has to be mended.
"""

from __future__ import annotations

import asyncio
import atexit
import getpass
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from engine.errors import AttemptError, BadCredentials, CredentialsExpired, StoreError
from engine.s3.classify import EXPIRED, classify
from engine.to_the_end import in_own_thread

WAIT_S = 120.0
"""How long a source may take: a program may ask somebody to sign in first, and one that hangs must not be waited for
for ever."""

CHECK_PROFILE = "Check the profile in your AWS configuration: aws sts get-caller-identity must work."
CACHE = (
    "A token that runs out is renewed in ~/.aws/sso/cache, which has to be writable; in a container mount that folder "
    "once more, without :ro."
)
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


class AskedCredentials:
    """The credentials of a session of botocore's or aiobotocore's: asked for once, and refreshed when they are due,
    which may read files, run a program, or wait for a host. `ours` is a session that nobody else has: it asks for MFA
    codes as `ask_mfa_code` does, and a program that is given up is ended."""

    def __init__(self, session: Any, *, ours: bool) -> None:
        self._session = session
        self._found: Any = None
        self._asking = asyncio.Lock()
        self._programs: list[subprocess.Popen[bytes]] = []
        self._given_up = False
        if ours:
            resolver = session.get_component("credential_provider")
            resolver.get_provider("assume-role")._prompter = ask_mfa_code
            resolver.get_provider("custom-process")._popen = self._start

    async def frozen(self) -> Any:
        """What requests of this moment are signed with. Raises `BadCredentials` where there is nothing, else whatever
        botocore stumbles over."""
        if self._found is None or _may_wait(self._found):
            async with self._asking:
                if self._found is None:
                    self._found = await self._ask(self._session.get_credentials)
                if self._found is None:
                    raise no_credentials()
                return await self._ask(self._found.get_frozen_credentials)
        return self._found.get_frozen_credentials()

    @property
    def end_s(self) -> float:
        """When they end, in seconds since the epoch; 0 where they do not, or botocore does not know."""
        ends = getattr(self._found, "_expiry_time", None)
        return ends.timestamp() if ends is not None else 0.0

    async def _ask(self, call: Callable[[], Any]) -> Any:
        self._programs, self._given_up = [], False
        try:
            return await bounded(call)
        except (TimeoutError, asyncio.CancelledError):
            self._given_up = True
            for program in self._programs:
                program.kill()
            raise

    def _start(self, *arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(*arguments, **more)
        self._programs.append(program)
        if self._given_up:  # before it was begun
            program.kill()
        return program


def end_of_text(text: str) -> float:
    """A time as the environment has it, in seconds since the epoch; 0 for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _may_wait(found: Any) -> bool:
    """Whether asking these credentials for what they are now may take a while: they are about to expire, or are
    aiobotocore's, which are asked on the event loop."""
    due = getattr(found, "refresh_needed", None)
    return iscoroutinefunction(found.get_frozen_credentials) or (due is not None and due())


async def bounded(call: Callable[[], Any]) -> Any:
    """What a source answers: a coroutine function here, any other call in a thread. Raises `TimeoutError` where it
    takes longer than `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        return await (call() if iscoroutinefunction(call) else in_own_thread(call))


def ask_mfa_code(prompt: str) -> str:
    """An MFA code, typed at a terminal. Raises `EOFError` where there is none: getpass would then read a code from
    standard input, where none is."""
    if not has_terminal():
        raise EOFError
    _show_what_is_typed_after_the_end()
    return getpass.getpass(prompt)


def _show_what_is_typed_after_the_end() -> None:
    """Whoever ends the command at the prompt gets back a terminal that shows what is typed: the thread that asks is
    then left to itself, and getpass with it."""
    try:
        import termios

        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        atexit.register(termios.tcsetattr, terminal, termios.TCSANOW, termios.tcgetattr(terminal))
    except (ImportError, OSError):  # Windows, or none: getpass finds another way to ask
        return


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
        "(aws configure makes one). What anybody may read needs none: --no-sign-request.",
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
    said = f"{source.name} gives no credentials ({_why(error, source.name)})"
    advice = CACHE if source.advice == SIGN_IN and _is_of_a_file(error) else source.advice
    failed = BadCredentials(said, operation="Sign", code=code, advice=advice)
    failed.may_pass = _may_pass(error)
    return failed


_WANTS_SOMEBODY = re.compile(r"\b(sso|mfa|log ?in|logged|sign ?in|denied|expired)\b", re.IGNORECASE)
"""In the words of a source that gives nothing until somebody has done something."""


def _may_pass(error: Exception) -> bool:
    """Whether a source failed in a way that the next question need not meet: out of reach, in time, or by itself."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        said = error.response
        status = int(said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return isinstance(classify("Sign", "", status, str(said.get("Error", {}).get("Code", ""))), AttemptError)
    if isinstance(error, boto.CredentialRetrievalError):
        return not _WANTS_SOMEBODY.search(str(error))
    passing = (TimeoutError, boto.HTTPClientError, boto.ConnectionError, boto.MetadataRetrievalError)
    return isinstance(error, passing) and not _is_no_url(error)


def _is_of_a_file(error: Exception) -> bool:
    return isinstance(error, OSError) and bool(error.filename)


def _is_no_url(error: Exception) -> bool:
    return type(getattr(error, "kwargs", {}).get("error")).__name__ == "LocationParseError"  # urllib3's


def _why(error: Exception, source: str) -> str:
    """In a few words, what was raised: our own for what says nothing of its cause."""
    text = " ".join(str(error).split())
    if isinstance(error, UnicodeDecodeError):
        return "what it gives is no text in UTF-8"
    if isinstance(error, ValueError) and type(error).__name__ == "JSONDecodeError":
        return "what it gives is not JSON"
    if _is_no_url(error):  # its words have what could not be read: of a proxy, perhaps a part of its password
        return "the proxy that the environment names, or the address that is asked, is no URL"
    if isinstance(error, TimeoutError):
        return f"nothing came within {WAIT_S:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        file = str(error.filename or "")
        return f"{file}: {error.strerror}" if file and file not in source else error.strerror
    if isinstance(error, KeyError):  # botocore's cache of tokens, for a file that it cannot read
        return f"what is kept of it in ~/.aws/sso/cache or ~/.aws/cli/cache cannot be read: {text}"
    if isinstance(error, (AttributeError, TypeError)):
        return "what it gives has another form"
    _, failed, why = text.partition("Error when retrieving credentials from ")
    if failed:
        return why.partition(": ")[2] or "it ended without a word"
    return text or type(error).__name__
