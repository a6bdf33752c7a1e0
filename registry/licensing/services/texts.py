"""Texts of licenses that staff give where the shipped data hold none or an older one; a stored text never changes."""

from __future__ import annotations

from django.db import transaction

from registry.accounts.permissions import token_allows_globally
from registry.accounts.principal import Principal
from registry.audit.services import audit_record
from registry.licensing.errors import LicenseNotFoundError, LicensingDeniedError, TextExistsError, TextInvalidError
from registry.licensing.models import License, LicenseText
from registry.licensing.normalise import text_digest


@transaction.atomic
def license_text_add(
    *,
    principal: Principal | None,
    license_id: str,
    text: str,
    version: str = "",
    source: str = "",
    material: bool = True,
) -> LicenseText:
    """Adds a text and makes it the license's current one; the one before stays as it was.

    Args:
        principal: staff; None for the operator's command line.
        license_id: id in the catalogue.
        text: the whole text; its name is the SHA-256 of the normalised form.
        version: the steward's name of this version.
        source: where it was taken from.
        material: earlier acceptances do not cover it.

    Raises:
        LicensingDeniedError: the caller is not staff.
        LicenseNotFoundError: the catalogue has no such license.
        TextInvalidError: the text is empty.
        TextExistsError: the license has this text already.
    """
    if principal is not None and not (principal.is_staff and token_allows_globally(principal, "repositories.write")):
        raise LicensingDeniedError("only operators may add a license's text")
    if not text.strip():
        raise TextInvalidError("a license's text cannot be empty", field="text")
    digest = text_digest(text)
    # The license's row serialises rivals: one of its texts is current (`license_text_one_current`).
    if License.objects.select_for_update().filter(pk=license_id).first() is None:
        raise LicenseNotFoundError(f"the catalogue has no license `{license_id[:100]}`")
    if LicenseText.objects.filter(license_id=license_id, sha256=digest).exists():
        raise TextExistsError(f"`{license_id}` has this text already: {digest}", sha256=digest)
    LicenseText.objects.filter(license_id=license_id, is_current=True).update(is_current=False)
    row = LicenseText.objects.create(
        license_id=license_id, sha256=digest, version=version, text=text, source=source, material=material
    )
    audit_record(
        action="license_text.add",
        target=f"license:{license_id}",
        principal=principal,
        details={"sha256": digest, "version": version, "material": material},
    )
    return row
