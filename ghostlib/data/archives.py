"""Archives of images: downloaded, going on where an earlier try broke off, checked by their hash, and unpacked whole or not
at all."""

import re
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from ghostlib.cache import cache_folder
from ghostlib.errors import InputError, RunError, in_a_line
from ghostlib.lock import hold
from ghostlib.progress import progress_bar

CHUNK = 2**20  # bytes
PATIENCE = 30.0  # seconds that a server may be silent


def fetch(url: str, md5: str, inside: str, target: Path) -> Path:
    """Downloads an archive and puts a folder out of it in place.

    What has come of an archive stays in the cache when a download breaks off, and the next one goes on behind it.

    Args:
        url: Of a tar file, compressed or not.
        md5: Its hash, 32 hexadecimal digits, in letters of either case.
        inside: The folder in the archive that is wanted.
        target: Where that folder goes; its parent is made if need be. Nothing is downloaded when it is there already.

    Returns:
        `target`.

    Raises:
        InputError: For an md5 that is none; nothing is downloaded.
        RunError: If the download fails, its hash is wrong or the archive holds no such folder; `target` is not made then.
    """
    given, md5 = md5, md5.lower()
    if not re.fullmatch("[0-9a-f]{32}", md5):
        raise InputError(f"md5: {given!r} given; allowed are 32 hexadecimal digits")
    if target.is_dir():
        return target
    incoming = cache_folder() / "incoming" / md5
    with hold(incoming, "download"):
        if target.is_dir():  # another process was quicker
            return target
        archive = incoming / Path(urlsplit(url).path).name
        _download(url, archive)
        if (found := pooch.file_hash(str(archive), "md5")) != md5:
            archive.unlink()
            raise RunError(f"{url}: wrong hash, nothing was kept; md5 is {found}, wanted is {md5}")
        _unpack(archive, url, inside, target)
        archive.unlink()
    return target


def _download(url: str, archive: Path) -> None:
    there = archive.stat().st_size if archive.exists() else 0
    # As it lies there: of what is packed once more on its way, lengths and places would be others.
    wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    try:
        with requests.get(url, stream=True, timeout=PATIENCE, headers=wanted) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return  # all of it is there
            answer.raise_for_status()
            goes_on = answer.status_code == requests.codes.partial_content
            total = int(answer.headers.get("Content-Length", 0)) + (there if goes_on else 0)
            with archive.open("ab" if goes_on else "wb") as file, progress_bar(total, "bytes") as bar:
                bar.update(there if goes_on else 0)
                for part in answer.iter_content(CHUNK):
                    file.write(part)
                    bar.update(len(part))
            if total and archive.stat().st_size < total:
                raise OSError(f"{archive.stat().st_size:,} of {total:,} bytes came; the next try goes on behind them")
    except OSError as error:  # requests' own errors are such, too
        raise RunError(f"{url}: cannot be downloaded ({in_a_line(error)})") from None


def _unpack(archive: Path, url: str, inside: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as unpacked:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
            (Path(unpacked) / inside).rename(target)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise RunError(f"{url}: no archive of {inside} ({error})") from None
