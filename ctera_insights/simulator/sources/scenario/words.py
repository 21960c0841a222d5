"""The words of the office: names of people, departments, projects, folders and documents."""

from __future__ import annotations

from typing import Final, NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST: Final = _words("""
    Anna Björn Chidi Daniela Emre Fatima Georg Hana Igor Jelena Kofi Léa Marek Noor Olga Paulo Quinn Rosa
    Søren Tariq Ulla Viktor Wanda Ximena Yusuf Zoé 美咲 Дмитрий
""")
LAST: Final = _words("""
    Adeyemi Bergström Castillo Dvořák Eriksen Fischer García Haddad Ivanova Jensen Kowalski Laurent Müller
    Novák O'Brien Papadopoulos Quist Rossi Šimek Tanaka Ünal Vogel Weiß Yildiz Zhang
""")
DEPARTMENTS: Final = (
    "Finance",
    "Engineering",
    "Marketing",
    "Human Resources",
    "Legal",
    "Sales",
    "Research",
    "Operations",
    "Design",
)
TENANTS: Final = (("5", 1, "nordlicht.example"), ("7", -5, "harbor-pine.example"), ("9", 8, "lotus.example"))
"""Tenant id, hours from UTC (no summer time), domain."""
PROJECT_FIRST: Final = _words("""
    Amber Atlas Birch Cobalt Delta Ember Falcon Granite Harbour Indigo Juniper Kestrel Lagoon Maple Nimbus
    Orchid Pelican Quartz Raven Saffron Tundra Umber Velvet Willow Zephyr
""")
PROJECT_LAST: Final = _words("""
    bridge rollout audit campaign migration tender relocation prototype survey handbook launch refit merger
    training platform catalogue station study upgrade review
""")
FOLDERS: Final = (
    "01 Brief",
    "02 Working",
    "03 Review",
    "04 Deliverables",
    "Correspondence",
    "Meetings",
    "Data",
)
MORE_FOLDERS: Final = _words("""
    Drafts Photos Scans Exports Invoices Contracts Notes Models Versions Input Old
""")
SUBJECTS: Final = _words("""
    Budget Contract Schedule Minutes Offer Report Specification Invoice Forecast Presentation Checklist Plan
    Letter Drawing Analysis Survey Protocol Quotation Agenda Summary Inventory Proposal Evaluation Guideline
    Übersicht Résumé 見積書
""")
QUALIFIERS: Final = _words("""
    draft final internal revised client signed working copy summary Q1 Q2 Q3 Q4 north south phase v2 v3
    comments approved
""")


class Kind(NamedTuple):
    """A kind of document: how often it is made, and how large it is (log-normal)."""

    extension: str
    share: float
    median_bytes: int
    sigma: float


KINDS: Final = (
    Kind("docx", 0.24, 60_000, 1.0),
    Kind("xlsx", 0.19, 90_000, 1.3),
    Kind("pdf", 0.18, 400_000, 1.3),
    Kind("pptx", 0.08, 2_500_000, 1.1),
    Kind("jpg", 0.08, 2_800_000, 0.6),
    Kind("png", 0.05, 600_000, 1.0),
    Kind("txt", 0.04, 4_000, 1.2),
    Kind("csv", 0.04, 300_000, 1.8),
    Kind("eml", 0.04, 70_000, 1.2),
    Kind("dwg", 0.03, 5_000_000, 0.9),
    Kind("zip", 0.02, 20_000_000, 1.4),
    Kind("mp4", 0.01, 90_000_000, 0.8),
)
IMPORTED: Final = Kind("mov", 0.0, 400_000_000, 0.5)
LARGEST_BYTES: Final = 4_000_000_000
