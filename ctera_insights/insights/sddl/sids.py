"""Principals: one table of the well-known ones, by SDDL abbreviation and by SID."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Abbreviation, SID and name. ``-512`` is a relative identifier in any domain: S-1-5-21-…-512.
_WELL_KNOWN: Final = (
    ("WD", "S-1-1-0", "Everyone"), ("CO", "S-1-3-0", "Creator Owner"), ("CG", "S-1-3-1", "Creator Group"),
    ("OW", "S-1-3-4", "Owner Rights"), ("NU", "S-1-5-2", "Network"), ("", "S-1-5-3", "Batch"),
    ("IU", "S-1-5-4", "Interactive"), ("SU", "S-1-5-6", "Service"), ("AN", "S-1-5-7", "Anonymous"),
    ("ED", "S-1-5-9", "Enterprise Domain Controllers"), ("PS", "S-1-5-10", "Self"),
    ("AU", "S-1-5-11", "Authenticated Users"), ("RC", "S-1-5-12", "Restricted"),
    ("", "S-1-5-13", "Terminal Server Users"), ("", "S-1-5-14", "Remote Interactive Logon"),
    ("", "S-1-5-15", "This Organization"), ("SY", "S-1-5-18", "Local System"),
    ("LS", "S-1-5-19", "Local Service"), ("NS", "S-1-5-20", "Network Service"),
    ("BA", "S-1-5-32-544", "Administrators"), ("BU", "S-1-5-32-545", "Users"),
    ("BG", "S-1-5-32-546", "Guests"), ("PU", "S-1-5-32-547", "Power Users"),
    ("AO", "S-1-5-32-548", "Account Operators"), ("SO", "S-1-5-32-549", "Server Operators"),
    ("PO", "S-1-5-32-550", "Printer Operators"), ("BO", "S-1-5-32-551", "Backup Operators"),
    ("RE", "S-1-5-32-552", "Replicator"), ("RU", "S-1-5-32-554", "Pre-Windows 2000 Compatible Access"),
    ("RD", "S-1-5-32-555", "Remote Desktop Users"), ("NO", "S-1-5-32-556", "Network Configuration Operators"),
    ("MU", "S-1-5-32-558", "Performance Monitor Users"), ("LU", "S-1-5-32-559", "Performance Log Users"),
    ("IS", "S-1-5-32-568", "IIS Users"), ("CY", "S-1-5-32-569", "Cryptographic Operators"),
    ("ER", "S-1-5-32-573", "Event Log Readers"), ("CD", "S-1-5-32-574", "Certificate Service DCOM Access"),
    ("RA", "S-1-5-32-575", "RDS Remote Access Servers"), ("ES", "S-1-5-32-576", "RDS Endpoint Servers"),
    ("MS", "S-1-5-32-577", "RDS Management Servers"), ("HA", "S-1-5-32-578", "Hyper-V Administrators"),
    ("AA", "S-1-5-32-579", "Access Control Assistance Operators"),
    ("RM", "S-1-5-32-580", "Remote Management Users"), ("HO", "S-1-5-32-584", "User Mode Hardware Operators"),
    ("WR", "S-1-5-33", "Write Restricted"), ("UD", "S-1-5-84-0-0-0-0-0", "User Mode Drivers"),
    ("AC", "S-1-15-2-1", "All Application Packages"), ("LW", "S-1-16-4096", "Low Integrity"),
    ("ME", "S-1-16-8192", "Medium Integrity"), ("MP", "S-1-16-8448", "Medium Plus Integrity"),
    ("HI", "S-1-16-12288", "High Integrity"), ("SI", "S-1-16-16384", "System Integrity"),
    ("AS", "S-1-18-1", "Authentication Authority Asserted Identity"),
    ("SS", "S-1-18-2", "Service Asserted Identity"),
    ("RO", "-498", "Enterprise Read-only Domain Controllers"), ("LA", "-500", "Administrator"),
    ("LG", "-501", "Guest"), ("DA", "-512", "Domain Admins"), ("DU", "-513", "Domain Users"),
    ("DG", "-514", "Domain Guests"), ("DC", "-515", "Domain Computers"), ("DD", "-516", "Domain Controllers"),
    ("CA", "-517", "Certificate Publishers"), ("SA", "-518", "Schema Admins"),
    ("EA", "-519", "Enterprise Admins"), ("PA", "-520", "Group Policy Admins"),
    ("", "-521", "Read-only Domain Controllers"), ("CN", "-522", "Cloneable Domain Controllers"),
    ("AP", "-525", "Protected Users"), ("KA", "-526", "Key Admins"), ("EK", "-527", "Enterprise Key Admins"),
    ("RS", "-553", "RAS Servers"),
)  # fmt: skip
_BY_ABBREVIATION: Final = {short: name for short, _, name in _WELL_KNOWN if short}
_BY_SID: Final = {sid: name for _, sid, name in _WELL_KNOWN}
# Revision 1, an authority of 48 bits, at most 15 numbers of 32 bits, each decimal or hexadecimal.
_NUMBER: Final = r"(?:0x[0-9a-f]{1,12}|[0-9]{1,15})"
SID: Final = re.compile(rf"S-1(?:-{_NUMBER}){{2,16}}", re.IGNORECASE)
ABBREVIATION: Final = re.compile(r"[A-Z]{2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """Whom an entry is about.

    Attributes:
        name: a well-known name, else the SID in its usual form, or an abbreviation that nobody knows.
        domain: the domain's SID where the name is relative to one and the text says which.
    """

    name: str
    domain: str = ""


def principal(text: str) -> Principal | None:
    """The principal of an SDDL abbreviation or a SID, in any case of letters; ``None`` for other text."""
    text = text.strip()
    if ABBREVIATION.fullmatch(text):
        short = text.upper()
        return Principal(_BY_ABBREVIATION.get(short, short))
    if not SID.fullmatch(text):
        return None
    parts = [int(part, 16 if part[:2].lower() == "0x" else 10) for part in text.split("-")[1:]]
    if parts[1] >= 1 << 48 or max(parts[2:]) >= 1 << 32:
        return None
    sid = "-".join(("S", *map(str, parts)))
    if sid in _BY_SID:
        return Principal(_BY_SID[sid])
    if parts[1:3] == [5, 21] and len(parts) == 7:
        domain, _, relative = sid.rpartition("-")
        if name := _BY_SID.get(f"-{relative}"):
            return Principal(name, domain)
    return Principal(sid)


def principal_name(sid: str) -> str:
    """The name of a well-known SID or SDDL abbreviation; any other text as it stands.

    Example:
        >>> principal_name("bu"), principal_name("S-1-5-32-545"), principal_name("S-1-5-21-1-2-3-513")
        ('Users', 'Users', 'Domain Users')
    """
    found = principal(sid)
    return found.name if found else sid
