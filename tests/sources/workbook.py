"""Workbooks for tests, written part by part: what a cell is stands in the test and not in another library's rules."""

import datetime as dt
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DATE, TIME, CLOCK = 1, 2, 3  # styles
STYLES = (
    "<fonts count='1'><font/></fonts><fills count='1'><fill/></fills><borders count='1'><border/></borders>"
    "<cellStyleXfs count='1'><xf/></cellStyleXfs><cellXfs count='4'><xf numFmtId='0'/>"
    + "".join(f"<xf numFmtId='{number}' applyNumberFormat='1'/>" for number in (14, 22, 21))
    + "</cellXfs>"
)


class Raw(str):
    """A cell's XML as it stands, without its reference: ``t='e'><v>#N/A</v>``."""

    __slots__ = ()


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    """Write sheets of cells: texts, numbers, booleans, dates, None for no cell, ``Raw`` for anything else."""
    parts = {
        "[Content_Types].xml": f"<Types xmlns='{PACKAGE}/content-types'>"
        "<Default Extension='rels' ContentType='application/vnd.openxmlformats-package.relationships+xml'/>"
        "<Default Extension='xml' ContentType='application/xml'/></Types>",
        "_rels/.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>"
        f"<Relationship Id='a' Type='{RELATIONS}/officeDocument' Target='xl/workbook.xml'/></Relationships>",
        "xl/styles.xml": f"<styleSheet xmlns='{MAIN}'>{STYLES}</styleSheet>",
        "xl/workbook.xml": f"<workbook xmlns='{MAIN}' xmlns:r='{RELATIONS}'><sheets>"
        + "".join(f"<sheet name='{name}' sheetId='{n}' r:id='r{n}'/>" for n, name in enumerate(sheets, 1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>"
        f"<Relationship Id='s' Type='{RELATIONS}/styles' Target='styles.xml'/>"
        + "".join(
            f"<Relationship Id='r{n}' Type='{RELATIONS}/worksheet' Target='worksheets/sheet{n}.xml'/>"
            for n, _ in enumerate(sheets, 1)
        )
        + "</Relationships>",
    }
    for n, rows in enumerate(sheets.values(), 1):
        lines = "".join(
            f"<row r='{number}'>{''.join(_cell(f'{_letters(place)}{number}', cell) for place, cell in enumerate(row))}</row>"
            for number, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f"<worksheet xmlns='{MAIN}'><sheetData>{lines}</sheetData></worksheet>"
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, f"<?xml version='1.0' encoding='UTF-8'?>{text}")
    return path


def _letters(place: int) -> str:
    return chr(ord("A") + place)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Raw):
        return f"<c r='{name}' {value}</c>"
    if isinstance(value, bool):
        return f"<c r='{name}' t='b'><v>{int(value)}</v></c>"
    if isinstance(value, dt.datetime):
        return f"<c r='{name}' s='{TIME}'><v>{(value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)!r}</v></c>"
    if isinstance(value, dt.date):
        return f"<c r='{name}' s='{DATE}'><v>{(value - dt.date(1899, 12, 30)).days}</v></c>"
    if isinstance(value, int | float):
        return f"<c r='{name}'><v>{value!r}</v></c>"
    return f"<c r='{name}' t='inlineStr'><is><t xml:space='preserve'>{escape(str(value))}</t></is></c>"
