"""Why a portal did not answer, in words that say what to do about it."""

from __future__ import annotations

from corral_cli.errors import CliError, ExitCode


def unreachable(url: str, reason: object) -> CliError:
    """The error for a portal that did not answer, with what to do about it."""
    import socket
    import ssl
    from urllib.parse import urlsplit

    where = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CliError(
            f"The certificate of {where} is not known ({reason.verify_message}): give the file of its authority with "
            "--ca or CORRAL_CA.",
            ExitCode.UNREACHABLE,
        )
    if isinstance(reason, ssl.SSLError):
        return CliError(f"{where} does not speak TLS as expected: is it http:// instead?", ExitCode.UNREACHABLE)
    if isinstance(reason, socket.gaierror):
        return CliError(f"There is no host of the name in {where}: check the URL.", ExitCode.UNREACHABLE)
    if isinstance(reason, (TimeoutError, socket.timeout)):
        return CliError(f"{where} does not answer in time: try again a little later.", ExitCode.UNREACHABLE)
    if isinstance(reason, ConnectionRefusedError):
        return CliError(f"Nothing listens at {where}: is the portal running, or still starting?", ExitCode.UNREACHABLE)
    text = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
    return CliError(f"{where} does not answer: {text[:200]}.", ExitCode.UNREACHABLE)
