"""Sources of credentials that give none, and configurations that cannot be meant: one sentence that names the file, the
program or the host, and the documented exit code. One more kind is one more line of a table."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest
from botocore import exceptions as boto
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

from engine.errors import BadCredentials
from engine.s3 import credential_sources
from tests.cli.commands import SECRET, Terminal, assert_said_well

NOWHERE = "http://127.0.0.1:9"
PROFILE = f"[default]\nregion = us-east-2\nendpoint_url = {NOWHERE}\n"
KEYS = f"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n"
ROLE = "arn:aws:iam::123456789012:role/r"
GOOD = json.dumps({"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": SECRET})


def cache(of: str) -> str:
    return f".aws/sso/cache/{hashlib.sha1(of.encode()).hexdigest()}.json"


SSO = (
    f"{PROFILE}sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\n"
    "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n"
)
LEGACY_SSO = (
    f"{PROFILE}sso_start_url = https://corp.example/start\nsso_region = us-east-1\n"
    "sso_account_id = 123456789012\nsso_role_name = r\n"
)
PROCESS = f"{PROFILE}credential_process = HOME/p --password {SECRET}\n"
WITH_MFA = (
    f"{PROFILE}{KEYS}[profile x]\nrole_arn = {ROLE}\nsource_profile = default\n"
    f"mfa_serial = arn:aws:iam::123456789012:mfa/me\nregion = us-east-2\nendpoint_url = {NOWHERE}\n"
)


class Case(NamedTuple):
    """A configuration, what the sentence says of it, and what else there is: files under HOME, the environment."""

    config: str
    says: str
    files: Mapping[str, str] = MappingProxyType({})
    environment: Mapping[str, str] = MappingProxyType({})
    code: int = 1


def printing(text: str) -> dict[str, str]:
    """A program that prints this."""
    return {"p": f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"}


SOURCES = {
    "a program that prints nothing": Case(
        PROCESS, "HOME/p) gives no credentials (what it gives is not JSON)", printing("")
    ),
    "a program that prints words": Case(PROCESS, "(what it gives is not JSON)", printing("Please open https://x/")),
    "a program that warns first": Case(PROCESS, "(what it gives is not JSON)", printing(f"warning\n{GOOD}")),
    "a program that prints a list": Case(PROCESS, "(what it gives has another form)", printing("[]")),
    "a program that prints no version": Case(PROCESS, "Unsupported version", printing("{}")),
    "a program that prints no key": Case(PROCESS, "Missing required key", printing('{"Version": 1}')),
    "a program whose keys are null": Case(
        PROCESS, "its key or its secret is empty", printing('{"Version":1,"AccessKeyId":null,"SecretAccessKey":null}')
    ),
    "a program that prints no UTF-8": Case(PROCESS, "no text in UTF-8", {"p": "#!/bin/sh\nprintf '\\377'\n"}),
    "a program whose expiry is no time": Case(
        PROCESS, "HOME/p) gives no credentials", printing(GOOD.replace("}", ', "Expiration": "soon"}'))
    ),
    "a program that fails": Case(PROCESS, "(no session)", {"p": "#!/bin/sh\necho no session >&2; exit 3\n"}),
    "a program that is not there": Case(PROCESS, "HOME/p) gives no credentials (No such file"),
    "a program with an open quote": Case(f'{PROFILE}credential_process = HOME/p "a\n', "No closing quotation"),
    "a program without a name": Case(f"{PROFILE}credential_process =\n", "the program of credential_process"),
    "a web identity without its file": Case(
        PROFILE,
        "the web identity in /nonexistent/token",
        environment={"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token", "AWS_ROLE_ARN": ROLE},
    ),
    "a container that is none": Case(
        PROFILE,
        "the container's endpoint http://192.0.2.1/creds gives no credentials (Unsupported host",
        environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/creds"},
    ),
    "a container without its token": Case(
        PROFILE,
        "/nonexistent/t: No such file",
        environment={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{NOWHERE}/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/t",
        },
    ),
    "an SSO session that was never begun": Case(SSO, "the SSO session has ended"),
    "an SSO session whose cache is no JSON": Case(SSO, "the SSO session corp", {cache("corp"): "not json"}),
    "an SSO session whose cache is empty": Case(SSO, "the SSO session corp", {cache("corp"): ""}),
    "an SSO session with a bad date": Case(
        SSO, "the SSO session corp", {cache("corp"): '{"accessToken":"x","expiresAt":"soon"}'}
    ),
    "an SSO session that has ended": Case(
        SSO, "the SSO session has ended", {cache("corp"): '{"accessToken":"x","expiresAt":"2020-01-01T00:00:00Z"}'}
    ),
    "an SSO session that is not defined": Case(SSO.replace("[sso-session corp]", "[sso-session x]"), "corp"),
    "an older SSO whose cache is no JSON": Case(
        LEGACY_SSO, "https://corp.example/start", {cache("https://corp.example/start"): "not json"}
    ),
    "a role of a profile that is not there": Case(f"{PROFILE}role_arn = {ROLE}\nsource_profile = nobody\n", "nobody"),
    "a role of itself": Case(f"{PROFILE}role_arn = {ROLE}\nsource_profile = default\n", ROLE),
    "a role from nowhere": Case(f"{PROFILE}role_arn = {ROLE}\ncredential_source = Moon\n", "Moon"),
    "a role that is asked for by a proxy that is no URL": Case(
        f"{PROFILE}{KEYS}role_arn = {ROLE}\nsource_profile = default\n",
        "gives no credentials (the proxy that the environment names, or the address that is asked, is no URL)",
        environment={"HTTP_PROXY": f"http://user:{SECRET}#@proxy:8080"},
    ),
    "a role with MFA and no terminal": Case(
        WITH_MFA, "asks for an MFA code, and there is no terminal", environment={"AWS_PROFILE": "x"}
    ),
    "a key without its secret": Case(f"{PROFILE}aws_access_key_id = AKIA\n", "aws_secret_access_key is missing"),
    "a key in the environment without its secret": Case(
        PROFILE, "AWS_SECRET_ACCESS_KEY is missing", environment={"AWS_ACCESS_KEY_ID": "AKIA"}
    ),
    # Configurations that cannot be meant.
    "s3 on one line": Case(f"{PROFILE}{KEYS}s3 = addressing_style = path\n", "on one line", code=2),
    "a service's s3 on one line": Case(
        f"[default]\nregion = us-east-2\nservices = mine\n{KEYS}[services mine]\ns3 = endpoint_url = {NOWHERE}\n",
        "on one line",
        code=2,
    ),
    "no such style": Case(f"{PROFILE}{KEYS}s3 =\n  addressing_style = sideways\n", "'sideways'", code=2),
    "a comment behind the region": Case(
        f"[default]\nregion = us-east-2 # home\nendpoint_url = {NOWHERE}\n{KEYS}", "'us-east-2 # home'", code=2
    ),
    "a comment behind the endpoint": Case(f"{PROFILE.strip()} # mine\n{KEYS}", "is not a URL", code=2),
    "a line that is none": Case(f"{PROFILE}{KEYS}rubbish\n", "HOME/.aws/config", code=2),
    "a profile that is not there": Case(f"{PROFILE}{KEYS}", "nobody", environment={"AWS_PROFILE": "nobody"}, code=2),
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_gives_no_credentials_is_named_in_a_sentence(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = SOURCES[name]
    home = terminal.folder
    monkeypatch.setattr(credential_sources, "has_terminal", lambda: False)
    for path, text in {".aws/config": case.config, **case.files}.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text.replace("HOME", str(home)))
        (home / path).chmod(0o700)
    # botocore works out where its caches are when it is imported.
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(home / ".aws/sso/cache"))
    monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(home / ".aws/sso/cache"))
    terminal.set(HOME=str(home), AWS_CONFIG_FILE=str(home / ".aws/config"), **case.environment)
    ended = terminal.call("ls", "s3://bucket/old/", "--give-up-after", "0.2")
    assert_said_well(ended, "ls")
    assert ended.code == case.code
    assert case.says.replace("HOME", str(home)) in ended.err, ended.err
    assert len(ended.err.splitlines()) == 2, "a sentence, what to do, and nothing of a library's own"


async def test_a_source_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_sources, "WAIT_S", 0.0)
    with pytest.raises(TimeoutError):
        await credential_sources.bounded(asyncio.Event().wait)
    said = credential_sources.credentials_error(TimeoutError(), credential_sources.Source("the program p"))
    assert "the program p gives no credentials (nothing came within" in said.message


def test_a_cache_of_sso_that_cannot_be_written_is_no_reason_to_sign_in_again() -> None:
    source = credential_sources.source_of({"sso_session": "corp"}, {})
    read_only = OSError(errno.EROFS, "Read-only file system", "/config/.aws/sso/cache/a.json")
    assert "has to be writable" in credential_sources.credentials_error(read_only, source).advice
    for error in (TimeoutError(), ValueError("another")):
        assert "aws sso login" in credential_sources.credentials_error(error, source).advice


def test_only_the_program_is_named_and_not_what_it_is_called_with() -> None:
    for line, program in {"/bin/p --token x": "/bin/p", '"/opt/my p" x': "/opt/my p", "p": "p"}.items():
        source = credential_sources.source_of({"credential_process": line}, {})
        assert f"({program})" in source.name


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (boto.CredentialRetrievalError(provider="custom-process", error_msg=""), True),
        (boto.CredentialRetrievalError(provider="custom-process", error_msg="curl: (22) 503"), True),
        (
            boto.CredentialRetrievalError(provider="custom-process", error_msg="run aws sso login first"),
            False,
        ),
        (boto.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"), False),
        (boto.ClientError({"Error": {"Code": "Throttling"}}, "AssumeRole"), True),
        (boto.EndpointConnectionError(endpoint_url="https://sts.example"), True),
        (boto.ProfileNotFound(profile="p"), False),
        (TimeoutError(), True),
        (EOFError(), False),
        (boto.SSOTokenLoadError(error_msg="none"), False),
    ],
)
def test_only_what_fails_by_itself_is_asked_again(error: Exception, may_pass: bool) -> None:
    said = credential_sources.credentials_error(error, credential_sources.Source("the program p"))
    assert isinstance(said, BadCredentials) and said.may_pass is may_pass


def test_a_program_that_fails_without_a_word_is_said_to() -> None:
    error = boto.CredentialRetrievalError(provider="custom-process", error_msg="")
    said = credential_sources.credentials_error(error, credential_sources.Source("the program p"))
    assert said.message == "the program p gives no credentials (it ended without a word)"
