"""Text that means harm or is merely awkward, in families, and how each of it must look on the page.

Whatever of it runs as a script sets `window.CANARY`, whatever fetches asks for ELSEWHERE: a test looks at both. The
marks are worked out here from Unicode's own tables, apart from the browser's code. Does not know any view.
"""

from __future__ import annotations

import unicodedata

CANARY = "__ran"
ELSEWHERE = "hostile.invalid"
_RUN = f"window.{CANARY}=1"

FAMILIES: dict[str, tuple[str, ...]] = {
    "scripts": (
        f"<script>{_RUN}</script>", f"</script><script>{_RUN}</script>", f"<img src=x onerror={_RUN}>",
        f'"><img src=x onerror="{_RUN}">', f"'><img src=x onerror='{_RUN}'>", f"<body onload={_RUN}>",
        f"<iframe srcdoc='<script>parent.{CANARY}=1</script>'></iframe>", f"<details open ontoggle={_RUN}>x</details>",
        f"<input autofocus onfocus={_RUN}>", f"<a href=\"javascript:{_RUN}\">x</a>", f"javascript:{_RUN}",
        f"<video><source onerror={_RUN}></video>", f"<marquee onstart={_RUN}>x</marquee>",
        f'" onmouseover="{_RUN}" x="', f"' onfocus='{_RUN}' autofocus x='",
        f"<style>@import '//{ELSEWHERE}/a.css'</style>",
        f"<link rel=stylesheet href=//{ELSEWHERE}/b.css>", f"<img src=//{ELSEWHERE}/c.png>",
        f"<base href=//{ELSEWHERE}/>",
        f"<object data=//{ELSEWHERE}/d></object>", f"<form action=//{ELSEWHERE}><button>x</button></form>",
        f"<meta http-equiv=refresh content='0;url=//{ELSEWHERE}'>", f"<template><script>{_RUN}</script></template>",
        f"<noscript><p title=\"</noscript><img src=x onerror={_RUN}>\">", f"<!--><img src=x onerror={_RUN}>-->",
        f"<x-card onclick={_RUN} tabindex=1>x</x-card>", "</textarea>x", "</title>x", "<plaintext>", "<![CDATA[x]]>",
        f"alert`1`;{_RUN}", f"\");{_RUN};//", f"');{_RUN};//", f"\\\");{_RUN};//", "&lt;b&gt;x&lt;/b&gt;",
        "&#60;b&#62;",
        "&amp;lt;", "&nbsp;&quot;", "<b>bold</b><br><i>x</i>",
    ),
    "templates": (
        f"${{{_RUN}}}", f"{{{{{_RUN}}}}}", "{{ 7*7 }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% raw %}x{% endraw %}",
        "{% for x in y %}", "{{value}}", "${value}", "{{{value}}}", "`${value}`", "{@html value}", "{#if x}y{/if}",
        "{{constructor.constructor('x')()}}", "{{#children}}", "{0.__class__}", "%(name)s", "%s%n%x", "$name $$",
        "{}", "{x!r:>{y}}", "[[value]]", "*{value}", "{{ config.items() }}", "${T(java.lang.Runtime)}",
        "\\u003cb\\u003e",
        f"`{_RUN}`", "{{!-- x --}}", "{{> partial}}", "__TITLE__ __DATA__ __SCRIPTS__", "{TITLE}{DATA}{SHELL}",
    ),
    "charts": (
        "<b>x</b>", "<sup>2</sup><sub>3</sub>", f"<a href='javascript:{_RUN}'>p</a>", "%{x} %{y} %{customdata[0]}",
        "<extra></extra>", "%{text}<extra>x</extra>", "<span style='font-size:99px'>x</span>", "$\\alpha$",
        "$$x^2$$", "<br>",
    ),
    "pictures": (
        f"<svg onload={_RUN}></svg>", f"<svg><script>{_RUN}</script></svg>",
        f"<svg><animate onbegin={_RUN} attributeName=x>",
        f"<math><mi xlink:href=\"javascript:{_RUN}\">x</mi></math>", "]]></text></svg><text>", "<?xml version='1.0'?>",
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", f"<use href=//{ELSEWHERE}/e.svg#x />",
    ),
    "invisible": (
        "a\x00b", "bell\x07", "\x1b[31mred\x1b[0m", "back\x08space", "del\x7f", "c1\x85\x9b", "a\u200bb",
        "zwnj\u200cx",
        "\u200djoin", "\ufeffbom", "soft\u00adhyphen", "word\u2060join", "\u180emvs", "\u2028line\u2029par",
        "tag\U000e0041\U000e0042",
        "hangul\u3164filler", "\u115f\u1160x", "half\uffa0x", "vs\ufe0f", "object\ufffcx", "private\ue000x",
        "no\ufdd0character",
        "\u2062times", "annot\ufff9a\ufffab\ufffb", "vs17\U000e0100", "\x0b\x0cx", "last\U0010ffff",
    ),
    "directions": (
        "\u202egnp.exe", "a\u202db\u202c", "\u2066iso\u2069", "\u2067rtl\u2069", "\u2068first\u2069",
        "\u200erl\u200fm", "\u061calm",
        "שלום עולם", "مرحبا بالعالم", "abc שלום 123", "\u202a\u202b\u202c", "(שלום)", "٠١٢٣٤٥",
    ),
    "graphemes": (
        "e" + "\u0301" * 1000, "z" + "\u0335\u0489" * 300, "👩\u200d💻 coder", "👨\u200d👩\u200d👧\u200d👦",
        "🏳️\u200d🌈", "🇩🇪🇫🇷",
        "👍🏽", "❤️", "1️⃣", "नि", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "ﷺ", "𒐫", "ǆ ﬀ ß İ",
        "한글", "日本語テキスト", "𝕳𝖊𝖑𝖑𝖔", "½ Ⅻ ①",
    ),
    "cells": (
        "=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "=HYPERLINK(\"http://hostile.invalid\",\"x\")",
        "a,b;c",
        "quote\"inside", "'=1+1", "\"=1+1\"", "|pipe|", "1e309", "00123", "NaN", "Infinity", "-inf", "TRUE", "1/2",
    ),
    "markup": (
        "# heading", "**bold** _it_ `code`", f"[link](javascript:{_RUN})", f"![img](http://{ELSEWHERE}/m.png)",
        "```html\n<b>x</b>\n```", "<https://hostile.invalid>", "[x]: javascript:x", "> quote", "- item", "1. item",
        "---",
        "| a | b |", "\\documentclass{x}\\input{/etc/passwd}", "\\write18{ls}", "$\\href{javascript:x}{y}$", "\\(x\\)",
        "\\begin{x}", "~~x~~", "H~2~O ^x^", "[^1]", f"[a](data:text/html,<script>{_RUN}</script>)",
    ),
    "queries": (
        "'; DROP TABLE run; --", "\" OR 1=1 --", "%", "_", "\\", "a' UNION SELECT 1 --", "MATCH *", "NEAR(a b)",
        "\"\"", "/*x*/",
        "../../etc/passwd", "..\\..\\boot.ini", "/proc/self/environ", "C:\\con\\nul", "file:///etc/passwd",
        "~/.ssh/id_rsa",
    ),
    "objects": (
        "__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "valueOf", "__defineGetter__",
        "null", "undefined",
        "true", "{\"a\":1}", "[1,2", "\\u0000", "\\n", "\"", "'", "0", "-0", "length", "then", "default",
    ),
    "long": (
        "w" * 3000, "long " * 400, "\u4e2d" * 500, "a-b" * 300, "http://" + "x" * 600, "🙂" * 200,
    ),
    "spaces": (
        " lead", "trail ", "  two  spaces  ", "nb\u00a0sp", "\u3000wide", "thin\u2009sp", "tab\tin", "line\nbreak",
        "cr\rx",
        "crlf\r\nx", "many\n\n\nlines", "\u1680ogham", "a\u2003b",
    ),
}  # fmt: skip
TEXTS: tuple[str, ...] = tuple(dict.fromkeys(text for family in FAMILIES.values() for text in family))
# tokens that are parts of characters or no text at all: their bytes are shown in hexadecimal
BROKEN: tuple[bytes, ...] = (
    b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc3(",
)  # fmt: skip
# halves of characters, which JSON can carry and no UTF-8 text can
SURROGATES: tuple[str, ...] = ("\ud800", "x\udfffy", "\udc00\ud800")

_NAMED = {
    0: "NUL", 7: "BEL", 8: "BS", 11: "VT", 12: "FF", 13: "CR", 27: "ESC", 127: "DEL", 0xAD: "SHY", 0x61C: "ALM",
    0x180E: "MVS", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM", 0x200F: "RLM", 0x2028: "LS",
    0x2029: "PS",
    0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO", 0x2060: "WJ", 0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI", 0x2069: "PDI", 0xFEFF: "BOM", 0x3164: "HF", 0x115F: "HCF", 0x1160: "HJF", 0xFFA0: "HHF",
}  # fmt: skip
_BLANK = {0x3164, 0x115F, 0x1160, 0xFFA0, 0xFFFC}
_FLAG, _KEYCAP_OR_PICTURE = "\U0001f3f4", ("So", "Sk")


def acts(sign: str) -> bool:
    """Whether a character is invisible or changes its neighbours, so that a reader must be shown a mark for it."""
    code = ord(sign)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or code in _BLANK or unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _builds_a_picture(text: str, i: int) -> bool:
    code = ord(text[i])
    if code in (0xFE0E, 0xFE0F):
        return i > 0 and not acts(text[i - 1])
    if code == 0x200D and 0 < i < len(text) - 1:
        return all(
            one == "\ufe0f" or unicodedata.category(one) in _KEYCAP_OR_PICTURE for one in (text[i - 1], text[i + 1])
        )
    return 0xE0020 <= code <= 0xE007F and _FLAG in text[:i]


def mark(sign: str) -> str:
    """What stands for a character that must not act."""
    code = ord(sign)
    if sign in "\n\t":
        return {"\n": "↵", "\t": "⇥"}[sign]
    if code in _NAMED:
        return f"⟨{_NAMED[code]}⟩"
    if 0xFE00 <= code <= 0xFE0F:
        return f"⟨VS{code - 0xFDFF}⟩"
    return f"⟨^{chr(64 + code)}⟩" if code < 32 else f"⟨{code:04X}⟩"


def marked(text: str, breaks: bool = False) -> str:
    """The text as a reader sees it, all of it; with `breaks` line breaks and tabs also act behind their marks."""
    shown = []
    for i, sign in enumerate(text):
        if not acts(sign) or _builds_a_picture(text, i):
            shown.append(sign)
        else:
            shown.append(mark(sign) + (sign if breaks and sign in "\n\t" else ""))
    return "".join(shown)
