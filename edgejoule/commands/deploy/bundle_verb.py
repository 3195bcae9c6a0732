"""``edgejoule deploy bundle``: everything a board needs in one file, or such a file checked."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.deploy.bundle.making import Ingredients
    from edgejoule.deploy.bundle.own_wheel import OwnWheel
    from edgejoule.deploy.bundle.signing import Signer
    from edgejoule.deploy.onboard.bundle_format import Bundle, Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what goes in."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", metavar="ID", help="the board's system: see edgejoule deploy targets")
    what.add_argument(
        "--check", type=Path, metavar="FILE", help="verify a bundle, file by file; exit 1 if it is damaged"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: edgejoule-VERSION-TARGET.bundle.zip")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="edgejoule's wheel; else built from the checkout")
    parser.add_argument(
        "--wheelhouse", type=Path, action="append", default=[], metavar="DIR", help="look here first for wheels"
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing: --wheelhouse and the cache must do")
    parser.add_argument("--models", type=Path, metavar="DIR", help="a catalogue of models to bring along")
    parser.add_argument(
        "--model", action="append", default=[], metavar="ID", help="only these of it; may stand several times"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the agent's configuration")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="an Ed25519 private key that signs the bundle")
    parser.add_argument("--sign-passphrase-file", type=Path, metavar="FILE", help="the passphrase of that key")
    parser.add_argument(
        "--require-signature", type=Path, metavar="KEY", help="with --check: the public key that must have signed it"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Make or check it. Raises ConfigurationError."""
    if arguments.check is not None:
        return _check(arguments)
    from edgejoule.deploy.bundle.making import make_bundle

    with TemporaryDirectory() as folder:
        signer = _signer(arguments)
        ingredients = _gather(arguments, Path(folder))
        path = arguments.out or Path(f"edgejoule-{ingredients.own.version}-{ingredients.target.id}.bundle.zip")
        manifest = make_bundle(path, ingredients, signer)
    if arguments.json:
        write_json({"bundle": str(path), **_facts(manifest, path)})
        return EXIT_DONE
    console = stdout_console()
    console.print(f"{path}: {_words(manifest, path)}", markup=False, soft_wrap=True)
    for name, data in ingredients.models.items():
        if name == "catalog.toml":
            console.print(_how_to_use(data), markup=False, soft_wrap=True)
    return EXIT_DONE


def _gather(arguments: argparse.Namespace, folder: Path) -> "Ingredients":
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.deploy.bundle.making import Ingredients
    from edgejoule.deploy.bundle.models import catalogue_files
    from edgejoule.deploy.bundle.wheels import find_wheels
    from edgejoule.deploy.installer_zipapp import installer_zipapp
    from edgejoule.deploy.locks import lock_path, read_lock
    from edgejoule.deploy.targets import find_target

    if arguments.require_signature is not None:
        raise ConfigurationError("--require-signature belongs to --check; to sign a new bundle: --sign KEY")
    target = find_target(arguments.target)
    created = _stated_time()
    models = {}
    if arguments.models is not None or arguments.model:
        models = catalogue_files(_models_dir(arguments.models), arguments.model)
    config = _config(arguments.config)
    own = _own_wheel(arguments.wheel, folder)
    locked = read_lock(lock_path(target.id))
    pip = read_lock(lock_path("pip"))
    with _progress("wheels", len(locked) + len(pip)) as found:
        wheels = find_wheels(target, (*locked, *pip), arguments.wheelhouse, offline=arguments.offline, found=found)
    return Ingredients(
        target=target,
        own=own,
        locked=locked,
        wheels={name: path for name, path in wheels.items() if name != "pip"},
        pip=wheels["pip"],
        installer=installer_zipapp(),
        models=models,
        config=config,
        created=created,
    )


def _signer(arguments: argparse.Namespace) -> "Signer | None":
    from edgejoule.deploy.bundle.signing import load_signer

    return None if arguments.sign is None else load_signer(arguments.sign, arguments.sign_passphrase_file)


def _models_dir(named: Path | None) -> Path:
    from edge_agent.model_catalog import models_dir

    return models_dir() if named is None else named


def _own_wheel(named: Path | None, folder: Path) -> "OwnWheel":
    from edgejoule.deploy.bundle.own_wheel import build_own_wheel, read_own_wheel

    return build_own_wheel(folder) if named is None else read_own_wheel(named)


def _config(path: Path | None) -> bytes | None:
    """Return the configuration if the agent would take it."""
    if path is None:
        return None
    from edge_agent.config import load_config

    load_config(path)
    return path.read_bytes()


def _stated_time() -> str | None:
    """Return the time that the builder states in the usual variable; the present one would make other bytes."""
    from edge_agent.wire.errors import ConfigurationError

    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not stated:
        return None
    try:
        return datetime.fromtimestamp(int(stated), tz=UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(f"SOURCE_DATE_EPOCH is {stated!r}, not seconds since 1970; unset it") from error


def _check(arguments: argparse.Namespace) -> int:
    """Verify a bundle. What is wrong with it is the answer, not a fault of the command."""
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.deploy.onboard.bundle_format import Bundle, BundleError

    if arguments.sign is not None:
        raise ConfigurationError("--sign belongs to --target; to check who signed a bundle: --require-signature KEY")
    if not arguments.check.is_file():
        raise ConfigurationError(f"{arguments.check}: there is no such file; name a bundle")
    try:
        with Bundle(arguments.check) as bundle:
            _verify(bundle, arguments.require_signature)
            manifest, signed = bundle.manifest, bundle.signature is not None
    except BundleError as error:
        if arguments.json:
            write_json({"bundle": str(arguments.check), "good": False, "why": str(error)})
        else:
            stderr_console().print(f"edgejoule: {error}", markup=False, soft_wrap=True)
        return EXIT_NO
    if arguments.json:
        write_json(
            {"bundle": str(arguments.check), "good": True, "signed": signed, **_facts(manifest, arguments.check)}
        )
        return EXIT_DONE
    by = "" if arguments.require_signature is None else f", signed by {arguments.require_signature}"
    stdout_console().print(
        f"{arguments.check}: good: {_words(manifest, arguments.check)}{by}", markup=False, soft_wrap=True
    )
    return EXIT_DONE


def _verify(bundle: "Bundle", key: Path | None) -> None:
    from edge_agent.wire.text_file import read_text
    from edgejoule.deploy.onboard.bundle_signature import check_signature

    if key is not None:
        check_signature(bundle, read_text(key, remedy="name a public key"), str(key))
    with _progress("files", len(bundle.manifest.files)) as found:
        for name, _size in bundle.verify():
            found(name)


def _facts(manifest: "Manifest", path: Path) -> dict[str, object]:
    return {
        "version": manifest.version,
        "target": manifest.target,
        "release": manifest.release,
        "manifest_sha256": manifest.sha256,
        "created": manifest.created,
        "files": len(manifest.files),
        "size_bytes": path.stat().st_size,
    }


def _words(manifest: "Manifest", path: Path) -> str:
    size = path.stat().st_size / 1e6
    return f"{manifest.release} for {manifest.target}, {len(manifest.files)} files, {size:.1f} MB"


def _how_to_use(catalog: bytes) -> str:
    import hashlib

    sha256 = hashlib.sha256(catalog).hexdigest()
    return f'models: in agent.toml, [model]: catalog = "/opt/edgejoule/current/models", catalog_sha256 = "{sha256}"'


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = stderr_console()
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda name: progress.update(task, advance=1, description=name)
