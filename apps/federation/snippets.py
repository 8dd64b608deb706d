"""What to paste into a CI's configuration so that its jobs log in by their own tokens; pure."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from apps.federation.jobs import GITHUB

GITHUB_ACTIONS, GITLAB_CI, OTHER = "github-actions", "gitlab-ci", "other"

_GITHUB_TEXT = """permissions:
  id-token: write
  contents: read
jobs:
  deploy:
    runs-on: ubuntu-latest{environment}
    steps:
      - uses: actions/checkout@v4
      - run: |
          curl --fail --silent --show-error --output corral {program} && chmod +x corral
          ./corral login {portal} --oidc --env {place} --audience {audience}
          ./corral up
"""
_GITLAB_TEXT = """deploy:
  id_tokens:
    CORRAL_OIDC_TOKEN:
      aud: {audience_yaml}
  script:
    - curl --fail --silent --show-error --output corral {program} && chmod +x corral
    - ./corral login {portal} --oidc --env {place}
    - ./corral up
"""
_OTHER_TEXT = """curl --fail --silent --show-error --output corral {program} && chmod +x corral
./corral login {portal} --oidc-token-file token.jwt --env {place}
./corral up
"""
_TEXTS = {GITHUB_ACTIONS: _GITHUB_TEXT, GITLAB_CI: _GITLAB_TEXT, OTHER: _OTHER_TEXT}


@dataclass(frozen=True, slots=True)
class CiSnippet:
    """A piece of configuration: of which system, the file that it belongs to, and the text."""

    kind: str
    file: str
    text: str


def kind_of(issuer: str, claims: object = ()) -> str:
    """Which system an issuer belongs to, judging by its address and the claims that a rule names."""
    names = set(claims) if isinstance(claims, dict) else set()
    if issuer == GITHUB or issuer.endswith("/_services/token") or "repository" in names:
        return GITHUB_ACTIONS
    return GITLAB_CI if names & {"project_path", "project_id", "namespace_path"} else OTHER


def snippet(kind: str, *, portal: str, place: str, audience: str, environment: str = "") -> CiSnippet:
    """The configuration for jobs that log in to the environment with the id `place` of `portal`.

    `environment` is what a rule says of the environment that the CI itself has by that name.
    """
    files = {GITHUB_ACTIONS: ".github/workflows/deploy.yml", GITLAB_CI: ".gitlab-ci.yml", OTHER: ""}
    text = _TEXTS[kind].format(
        portal=shlex.quote(portal),
        place=shlex.quote(place),
        program=shlex.quote(f"{portal}/cli/corral"),
        audience=shlex.quote(audience),
        audience_yaml=json.dumps(audience),
        environment=f"\n    environment: {json.dumps(environment)}" if environment and "*" not in environment else "",
    )
    return CiSnippet(kind, files[kind], text)
