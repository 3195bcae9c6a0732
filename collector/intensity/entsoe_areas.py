"""Areas of ENTSO-E's Transparency Platform: their names here, and their energy identification codes (EIC).

Codes: the list of areas in the documentation of the platform's web interface, as entsoe-py 0.8.1 (MIT) repeats it.
"""

import re
from typing import Final

AREAS: Final = {
    "AL": "10YAL-KESH-----5",
    "AT": "10YAT-APG------L",
    "BA": "10YBA-JPCC-----D",
    "BE": "10YBE----------2",
    "BG": "10YCA-BULGARIA-R",
    "CH": "10YCH-SWISSGRIDZ",
    "CY": "10YCY-1001A0003J",
    "CZ": "10YCZ-CEPS-----N",
    "DE": "10Y1001A1001A83F",
    "DE-50HZ": "10YDE-VE-------2",
    "DE-AMPRION": "10YDE-RWENET---I",
    "DE-LU": "10Y1001A1001A82H",
    "DE-TENNET": "10YDE-EON------1",
    "DE-TRANSNET": "10YDE-ENBW-----N",
    "DK": "10Y1001A1001A65H",
    "DK1": "10YDK-1--------W",
    "DK2": "10YDK-2--------M",
    "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U",
    "FR": "10YFR-RTE------C",
    "GB": "10YGB----------A",
    "GE": "10Y1001A1001B012",
    "GR": "10YGR-HTSO-----Y",
    "HR": "10YHR-HEP------M",
    "HU": "10YHU-MAVIR----U",
    "IE": "10YIE-1001A00010",
    "IE-SEM": "10Y1001A1001A59C",
    "IT": "10YIT-GRTN-----B",
    "IT-CALA": "10Y1001C--00096J",
    "IT-CNOR": "10Y1001A1001A70O",
    "IT-CSUD": "10Y1001A1001A71M",
    "IT-NORD": "10Y1001A1001A73I",
    "IT-SARD": "10Y1001A1001A74G",
    "IT-SICI": "10Y1001A1001A75E",
    "IT-SUD": "10Y1001A1001A788",
    "LT": "10YLT-1001A0008Q",
    "LU": "10YLU-CEGEDEL-NQ",
    "LV": "10YLV-1001A00074",
    "MD": "10Y1001A1001A990",
    "ME": "10YCS-CG-TSO---S",
    "MK": "10YMK-MEPSO----8",
    "MT": "10Y1001A1001A93C",
    "NIE": "10Y1001A1001A016",
    "NL": "10YNL----------L",
    "NO": "10YNO-0--------C",
    "NO1": "10YNO-1--------2",
    "NO2": "10YNO-2--------T",
    "NO3": "10YNO-3--------J",
    "NO4": "10YNO-4--------9",
    "NO5": "10Y1001A1001A48H",
    "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P",
    "RS": "10YCS-SERBIATSOV",
    "SE": "10YSE-1--------K",
    "SE1": "10Y1001A1001A44P",
    "SE2": "10Y1001A1001A45N",
    "SE3": "10Y1001A1001A46L",
    "SE4": "10Y1001A1001A47J",
    "SI": "10YSI-ELES-----O",
    "SK": "10YSK-SEPS-----K",
    "TR": "10YTR-TEIAS----W",
}
"""Countries by their two letters, bidding zones and control areas by the names that are usual for them."""

_CHARACTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"


def is_eic(code: str) -> bool:
    """Return whether ``code`` has the form of an EIC of an area, its check character included.

    16 characters; the third is Y for areas; the last one checks the others (ENTSO-E, EIC reference manual).
    """
    if not re.fullmatch(r"[0-9]{2}Y[0-9A-Z-]{12}[0-9A-Z]", code):
        return False
    weighted = sum(_CHARACTERS.index(one) * weight for one, weight in zip(code, range(16, 1, -1), strict=False))
    return _CHARACTERS[36 - (weighted - 1) % 37] == code[-1]
