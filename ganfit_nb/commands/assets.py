"""`ganfit assets` lists and verifies all files that a fit can use; `ganfit assets download NAME` downloads some."""

from __future__ import annotations

import argparse
from typing import Any

from ganfit_nb.errors import GanfitError


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    assets = commands.add_parser("assets", help="list and verify models and weights, download more")
    assets.set_defaults(run=run_list)
    download = assets.add_subparsers(metavar="COMMAND").add_parser("download", help="fetch weights that may not ship")
    download.add_argument("name", metavar="NAME", help="as `ganfit assets` lists it")
    download.set_defaults(run=run_download)


def run_list(options: argparse.Namespace) -> int:
    """Prints three lists. Then it raises GanfitError if a shipped file is absent or damaged."""
    from ganfit_nb.assets.registry import DOWNLOADS, SHIPPED, YOURS

    states = {asset: asset.state() for asset in SHIPPED + DOWNLOADS}
    print("Shipped with the package, SHA-256 verified:")
    for asset in SHIPPED:
        print(f"  {states[asset]:<8} {asset.file:<36} {asset.megabytes:5.1f} MB  {asset.licence}; {asset.source}")
    print("May be downloaded, by `ganfit assets download NAME`:")
    for asset in DOWNLOADS:
        print(f"  {states[asset]:<8} {asset.group}: {asset.file}, {asset.megabytes} MB, into {asset.folder()}")
        print(f"           licence {asset.licence}; {asset.source}, {asset.url}")
    print("Yours to bring:")
    for brought in YOURS:
        print(f"  {brought.name:<24} {brought.licence:<32} --{brought.argument:<14} {brought.source}")
    broken = [asset.file for asset in SHIPPED if states[asset] != "present"]
    if broken:
        raise GanfitError(f"The shipped {', '.join(broken)} cannot be used; reinstall ganfit_nb.")
    return 0


def run_download(options: argparse.Namespace) -> int:
    """Downloads the files of a group, and prints their paths and licences."""
    from ganfit_nb.assets.registry import fetch

    for asset in fetch(options.name):
        print(f"{asset.path}: verified. Licence: {asset.licence}.")
    return 0
