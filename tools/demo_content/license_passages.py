"""Builds the demo data set "license family from text" out of the license texts that the package `spdx` ships.

A row is one passage (roughly a clause) of one license, its label the family the license belongs to. Whole license
*lines* (GPL-1.0, GPL-2.0, GPL-3.0, … are one line) are held out for the validation and the test split, wording that
two families share is dropped because it has no answer, and near-copies of a training passage are dropped from the
held-out splits because they would measure memory. Everything is a pure function of the package's files.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONTENT, COPYLEFT, PERMISSIVE = "content", "copyleft", "permissive"
LABELS = (CONTENT, COPYLEFT, PERMISSIVE)

# SPDX identifiers by family. `content`: written for texts, pictures and data (Creative Commons and its kin, whatever
# they reserve). `copyleft`: software licenses that ask for source, of the file, the library or the whole work.
# `permissive`: software licenses that ask for notices only. Left out: public-domain dedications (too few texts),
# proprietary terms, and texts in other languages than English.
FAMILIES: dict[str, str] = {
    CONTENT: """
        CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-1.0 CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0
        CC-BY-NC-4.0 CC-BY-NC-ND-1.0 CC-BY-NC-ND-2.0 CC-BY-NC-ND-2.5 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-1.0
        CC-BY-NC-SA-2.0 CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-1.0 CC-BY-ND-2.0 CC-BY-ND-2.5
        CC-BY-ND-3.0 CC-BY-ND-4.0 CC-BY-SA-1.0 CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0 GFDL-1.1 GFDL-1.2
        GFDL-1.3 LAL-1.3 ODbL-1.0
    """,
    COPYLEFT: """
        AGPL-1.0 AGPL-3.0 APL-1.0 APSL-1.0 APSL-1.1 APSL-1.2 APSL-2.0 Artistic-2.0 BSD-Protection BitTorrent-1.0
        BitTorrent-1.1 CATOSL-1.1 CDDL-1.0 CDDL-1.1 CECILL-1.1 CECILL-2.0 CPAL-1.0 CPL-1.0 CUA-OPL-1.0 EPL-1.0 EUPL-1.0
        EUPL-1.1 ErlPL-1.1 Frameworx-1.0 FreeImage GPL-1.0 GPL-2.0 GPL-3.0 IPA IPL-1.0 Interbase-1.0 LGPL-2.0 LGPL-2.1
        LGPL-3.0 LGPLLR LPL-1.0 LPL-1.02 MPL-1.0 MPL-1.1 MPL-2.0 MS-RL Motosoto NASA-1.3 NBPL-1.0 NGPL NOSL NPL-1.0
        NPL-1.1 NPOSL-3.0 Nokia OCCT-PL OCLC-2.0 OPL-1.0 OSET-PL-2.1 OSL-1.0 OSL-1.1 OSL-2.0 OSL-2.1 OSL-3.0 QPL-1.0
        RPL-1.1 RPL-1.5 RPSL-1.0 RSCPL SISSL SISSL-1.2 SNIA SPL-1.0 SimPL-2.0 Sleepycat SugarCRM-1.1.3 TMate YPL-1.0
        YPL-1.1 Zimbra-1.3 Zimbra-1.4 gSOAP-1.3b
    """,
    PERMISSIVE: """
        0BSD AAL ADSL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AMDPLPA AML AMPAS Adobe-2006 Adobe-Glyph Afmparse
        Apache-1.0 Apache-1.1 Apache-2.0 BSD-2-Clause BSD-2-Clause-FreeBSD BSD-2-Clause-NetBSD BSD-3-Clause
        BSD-3-Clause-Attribution BSD-3-Clause-Clear BSD-3-Clause-LBNL BSD-4-Clause BSD-4-Clause-UC BSD-Source-Code
        BSL-1.0 CNRI-Jython CNRI-Python
        CNRI-Python-GPL-Compatible DOC DSDP ECL-1.0 ECL-2.0 EFL-1.0 EFL-2.0 EUDatagrid Entessa FSFAP FTL Fair HPND
        HaskellReport ICU IJG ISC ImageMagick Info-ZIP Intel Intel-ACPI JSON JasPer-2.0 Leptonica Libpng MIT
        MIT-CMU MIT-advertising MIT-enna MIT-feh MITNFA MTLL MirOS Multics NCSA NRL NTP Naumen NetCDF Nunit OLDAP-2.0
        OLDAP-2.0.1 OLDAP-2.1 OLDAP-2.2 OLDAP-2.2.1 OLDAP-2.2.2 OLDAP-2.3 OLDAP-2.4 OLDAP-2.5 OLDAP-2.6 OLDAP-2.7
        OLDAP-2.8 OML OpenSSL PHP-3.0 PHP-3.01 Plexus PostgreSQL Python-2.0 SCEA SGI-B-2.0 SMLNJ SWL Sendmail
        Spencer-86 Spencer-94 Spencer-99 TCL UPL-1.0 VSL-1.0 W3C W3C-19980720 X11 XFree86-1.1 Xerox Xnet ZPL-1.1
        ZPL-2.0 ZPL-2.1 Zed Zend-2.0 Zlib bzip2-1.0.5 bzip2-1.0.6 curl eGenix iMatix libtiff mpich2
    """,
}
MINIMUM_WORDS, MAXIMUM_WORDS = 25, 75
ROWS_PER_LICENSE = 16  # keeps the long licenses from drowning the short ones
NEAR_COPY = 0.5  # share of a passage's word 5-grams that a training passage may also have


@dataclass(frozen=True)
class Passage:
    """One row: the text, its family and the SPDX identifier of the license it was cut from."""

    text: str
    label: str
    license_id: str


def line_of(license_id: str) -> str:
    """Returns the line a license belongs to: its identifier without the version (`GPL-2.0`, `GPL-3.0` → `GPL`)."""
    return re.sub(r"-?\d[\d.]*[a-z]?(?=-|$)", "", license_id) or license_id


def passages_of(text: str) -> Iterator[str]:
    """Cuts a license text into passages of 25 to 75 words: paragraphs, short ones joined, long ones split."""
    words: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        words += paragraph.split()
        while len(words) > MAXIMUM_WORDS:
            yield " ".join(words[:MAXIMUM_WORDS])
            words = words[MAXIMUM_WORDS:]
        if len(words) >= MINIMUM_WORDS:
            yield " ".join(words)
            words = []


def normalised(text: str) -> str:
    """Returns the text as compared for copies: lower case, letters only."""
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _shingles(text: str) -> frozenset[str]:
    words = normalised(text).split()
    return frozenset(" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4)))


def read_license(path: Path) -> str:
    """Reads a license text; some of the package's files are Latin-1, as the package itself reads them."""
    data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_passages(folder: Path) -> list[Passage]:
    """Reads and cuts every listed license; drops repeats within a family and wording that several families share."""
    found: dict[str, list[Passage]] = defaultdict(list)
    for label, identifiers in FAMILIES.items():
        for license_id in sorted(identifiers.split()):
            for passage in passages_of(read_license(folder / f"{license_id}.txt")):
                found[normalised(passage)].append(Passage(passage, label, license_id))
    unique = [rows[0] for rows in found.values() if len({row.label for row in rows}) == 1]
    chosen: dict[str, list[Passage]] = defaultdict(list)
    for row in sorted(unique, key=lambda row: _rank(row.text)):
        if len(chosen[row.license_id]) < ROWS_PER_LICENSE:
            chosen[row.license_id].append(row)
    return sorted((row for rows in chosen.values() for row in rows), key=lambda row: _rank(row.text))


def held_out_lines(rows: list[Passage], share: float) -> dict[str, set[str]]:
    """Chooses whole lines for `test` and `validation`: per family, in order of a hash, until `share` is reached."""
    chosen: dict[str, set[str]] = {"test": set(), "validation": set()}
    for label in LABELS:
        of_family = [row for row in rows if row.label == label]
        sizes: dict[str, int] = defaultdict(int)
        for row in of_family:
            sizes[line_of(row.license_id)] += 1
        # A line that alone holds a third of its family must stay in training.
        candidates = sorted((line for line, size in sizes.items() if size < len(of_family) / 3), key=_rank)
        for split, part in (("test", share), ("validation", share / 2)):
            count = 0
            while candidates and count < part * len(of_family):
                line = candidates.pop(0)
                chosen[split].add(line)
                count += sizes[line]
    return chosen


def build_splits(folder: Path, share: float = 0.25) -> dict[str, list[Passage]]:
    """Returns the rows of `train`, `validation` and `test` cut from the license texts in `folder`."""
    rows = read_passages(folder)
    held = held_out_lines(rows, share)
    splits: dict[str, list[Passage]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        name = next((split for split, lines in held.items() if line_of(row.license_id) in lines), "train")
        splits[name].append(row)
    known = frozenset().union(*(_shingles(row.text) for row in splits["train"]))
    for name in ("validation", "test"):
        splits[name] = [r for r in splits[name] if len((s := _shingles(r.text)) & known) <= NEAR_COPY * len(s)]
    return splits
