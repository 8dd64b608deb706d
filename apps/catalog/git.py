"""Git in a jail: one branch of a foreign repository is fetched into a bare store, and read from there.

Git is given argument lists, an empty home and none of the machine's configuration. It never makes a work tree, so
there are no hooks, links, filters or submodules to follow. Time, memory and the size of what arrives are bounded, and
the whole process group ends with the time. Credentials are passed in the environment or in a file that ends with the
fetch, never as arguments or in addresses.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.catalog.git_url import GitUrl
from apps.catalog.source import SourceError, StoredFile

FETCH_SECONDS = 60.0
READ_SECONDS = 30.0
MAX_PACK = 256 * 2**20
MAX_MEMORY = 2 * 2**30
MAX_LISTING = 64 * 2**20
CHUNK = 8 * 2**20
MAX_PACKS = 12
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
REF, INCOMING = "refs/corral/current", "refs/corral/incoming"
# What must hold whatever the repository or the machine says.
_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.bigFileThreshold": "1m",
    "core.symlinks": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "pack.threads": "1",
}


class GitError(SourceError):
    """Git failed; `str()` says why, in words for people."""


@dataclass(frozen=True, slots=True)
class GitCredential:
    """An account at a git server: `secret` is a password, a token, or for ssh a private key."""

    username: str = ""
    secret: str = ""

    @property
    def is_private_key(self) -> bool:
        """Whether the secret is a key for ssh."""
        return self.secret.lstrip().startswith("-----BEGIN")


class GitStore:
    """A bare repository on this machine that holds the last commits of one branch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self, url: GitUrl, branch: str, *, credential: GitCredential | None = None, address: str = "") -> str:
        """Fetch the branch (empty: the default one) or a commit by its full id; the commit's id. Raises `GitError`.

        `address` is the IP address to connect to, as it was checked. What was fetched last stays readable.
        """
        self._prepare()
        wanted = f"refs/heads/{branch}" if branch else "HEAD"
        if _COMMIT.fullmatch(branch):
            wanted = branch
        with tempfile.TemporaryDirectory(prefix="corral-git-") as folder:
            config, environment = _connection(url, credential or GitCredential(), address, Path(folder), self.folder)
            flags = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--force"]
            arguments = ["fetch", *flags, "--", url.text, f"{wanted}:{INCOMING}"]
            self._git(arguments, config=config, environment=environment, seconds=FETCH_SECONDS, protocol=url.scheme)
        return self._git(("rev-parse", "--verify", "--end-of-options", f"{INCOMING}^{{commit}}")).decode().strip()

    def keep(self, commit: str) -> None:
        """Make `commit` the one that is read from now on, and give back the space of old ones now and then."""
        self._git(("update-ref", "--end-of-options", REF, commit))
        packs = list((self.folder / "objects" / "pack").glob("*.pack"))
        if len(packs) > MAX_PACKS:
            with contextlib.suppress(GitError):  # it is tried again with the next fetch
                self._git(("gc", "--quiet", "--prune=now"))

    def has(self, commit: str) -> bool:
        """Whether the commit can be read on this machine."""
        try:
            self._git(("cat-file", "-e", "--end-of-options", f"{commit}^{{commit}}"))
        except GitError:
            return False
        return True

    def entries(self, commit: str) -> list[StoredFile]:
        """Every plain file of a commit with its digest and size, and every folder with its digest.

        Raises `GitError`.
        """
        listed = self._git(("ls-tree", "-r", "-t", "-z", "-l", "--full-tree", commit), limit=MAX_LISTING)
        return list(_parse_listing(listed))

    def read(self, files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
        """The contents of files by digest, given as (digest, size), a few megabytes at once. Raises `GitError`."""
        chunk: list[str] = []
        size = 0
        for digest, length in dict(files).items():
            if chunk and size + length > CHUNK:
                yield from self._read_chunk(chunk, size)
                chunk, size = [], 0
            chunk.append(digest)
            size += length
        if chunk:
            yield from self._read_chunk(chunk, size)

    def _read_chunk(self, digests: Sequence[str], size: int) -> Iterator[tuple[str, bytes]]:
        limit = size + 128 * len(digests)
        found = self._git(("cat-file", "--batch"), sent="".join(f"{each}\n" for each in digests).encode(), limit=limit)
        position = 0
        while position < len(found):
            end = found.index(b"\n", position)
            words = found[position:end].split()
            if len(words) != 3 or words[1] != b"blob":
                raise GitError(f"The object {words[0][:40].decode('ascii', 'replace')} cannot be read.")
            start, length = end + 1, int(words[2])
            yield words[0].decode(), found[start : start + length]
            position = start + length + 1

    def remove(self) -> None:
        """Delete the store."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> None:
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._git(("init", "--quiet", "--bare", "--template="))

    def _git(
        self,
        arguments: Sequence[str],
        *,
        config: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        sent: bytes = b"",
        seconds: float = READ_SECONDS,
        limit: int = 2**20,
        protocol: str = "none",
    ) -> bytes:
        settings = {**_CONFIG, **(config or {})}
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "SSH_ASKPASS": "/bin/false",
            "GIT_ALLOW_PROTOCOL": protocol,
            "GIT_CONFIG_COUNT": str(len(settings)),
            **{f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(settings)},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(settings.values())},
            **(environment or {}),
        }
        return run_bounded(["git", *arguments], variables, sent=sent, seconds=seconds, limit=limit)


def _connection(
    url: GitUrl, credential: GitCredential, address: str, folder: Path, store: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """What git's configuration and environment need for the connection; `folder` ends with it."""
    if url.scheme == "ssh":
        return {}, {"GIT_SSH_COMMAND": _ssh_command(url, credential, address, folder, store), "GIT_SSH_VARIANT": "ssh"}
    if url.scheme != "https":
        return {}, {}
    config = {}
    host = f"[{url.host}]" if ":" in url.host else url.host
    if address and address != url.host:
        found = f"[{address}]" if ":" in address else address
        config["http.curloptResolve"] = f"{host}:{url.port}:{found}"
    if credential.secret or credential.username:
        pair = base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()
        config[f"http.https://{host}:{url.port}/.extraHeader"] = f"Authorization: Basic {pair}"
    return config, {}


def _ssh_command(url: GitUrl, credential: GitCredential, address: str, folder: Path, store: Path) -> str:
    """The program that git connects with: all that differs is in a configuration file of its own."""
    lines = {
        "BatchMode": "yes",
        "ConnectTimeout": "15",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": f'"{store / "known_hosts"}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": url.host,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
    }
    if address:
        lines["Hostname"] = address
    if credential.is_private_key:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(f"{credential.secret.strip()}\n")
        lines["IdentityFile"] = f'"{key}"'
    config = folder / "ssh_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    return f"ssh -F '{config}'"  # both words are ours: the folder is named by `tempfile`


def _parse_listing(listed: bytes) -> Iterator[StoredFile]:
    for record in listed.split(b"\0"):
        head, _tab, path = record.partition(b"\t")
        words = head.split()
        if len(words) != 4:
            continue
        mode, kind, digest, size = words
        name = path.decode("utf-8", "replace")
        if kind == b"tree":
            yield StoredFile(name, digest.decode(), 0, is_folder=True)
        elif kind == b"blob" and mode in {b"100644", b"100755"}:  # no links, no submodules
            yield StoredFile(name, digest.decode(), int(size), is_executable=mode == b"100755")


def run_bounded(
    command: Sequence[str], environment: Mapping[str, str], *, sent: bytes, seconds: float, limit: int
) -> bytes:
    """Run a program in a process group of its own, and return what it wrote. Raises `GitError`.

    At most `limit` bytes are taken, and after `seconds` the whole group is killed.
    """
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as standard_input:
        standard_input.write(sent)
        standard_input.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        except FileNotFoundError:
            raise GitError("The program git is not installed beside the portal.") from None
        try:
            with contextlib.suppress(OSError, ValueError):  # it may have ended already
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MAX_PACK, MAX_PACK))
                resource.prlimit(process.pid, resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
            output = _read_output(process, deadline, limit)
            status = process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise GitError(_too_slow(seconds)) from None
        finally:
            _end(process)
        errors.seek(0)
        if status:
            raise GitError(_reason(errors.read(8192).decode("utf-8", "replace"), status))
    return output


def _read_output(process: subprocess.Popen[bytes], deadline: float, limit: int) -> bytes:
    found = bytearray()
    if process.stdout is None:  # pragma: no cover - it was asked for
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise subprocess.TimeoutExpired(process.args, 0)
            chunk = os.read(process.stdout.fileno(), 262_144)
            if not chunk:
                return bytes(found)
            found += chunk
            if len(found) > limit:
                raise GitError("The repository is too large: git answered with more than may be read.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group: helpers such as ssh outlive git."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _too_slow(seconds: float) -> str:
    return f"The repository did not answer within {seconds:.0f} seconds."


_REASONS = (
    ("couldn't find remote ref", "The repository has no such branch."),
    ("Authentication failed", "The repository refused the user and password."),
    ("could not read Username", "The repository wants a user and a password; enter them with the catalog."),
    ("Permission denied (publickey", "The repository refused the key; enter a private key that it knows."),
    (
        "Host key verification failed",
        "The server's host key has changed; remove the catalog and add it again if that is right.",
    ),
    ("Could not resolve host", "The host is not known."),
    ("Connection refused", "The host refused the connection."),
    ("unable to update url base from redirection", "The server leads to another address; enter that one."),
    ("not found", "There is no repository at this address, or it needs a user and password."),
    ("does not appear to be a git repository", "There is no git repository at this address."),
    ("File size limit exceeded", f"The repository is larger than {MAX_PACK // 2**20} MB."),
)


def _reason(said: str, status: int) -> str:
    """Why git failed, for people; of other failures its last line."""
    if status == -signal.SIGXFSZ or "signal 25" in said:
        return f"The repository is larger than {MAX_PACK // 2**20} MB."
    for words, reason in _REASONS:
        if words.lower() in said.lower():
            return reason
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    text = reason.partition(":")[2].strip() or reason or f"it ended with status {status}"
    return f"Git failed: {text[:300]}"
