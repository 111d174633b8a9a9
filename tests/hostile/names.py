"""Names and texts that would act on a terminal, on markup, or on a reader's eyes."""

import base64
from collections.abc import Iterator

from hostile.case import FOUR, SQUARE, SQUARE_JSON, Case, Room, entry, safetensors, squares

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"
CLIP = base64.b64encode(b"PWNED-clipboard").decode()

TERMINAL_NAMES = {
    "ansi_sgr": f"{ESC}[31;1mRED{ESC}[0m.weight",
    "ansi_clear_home": f"{ESC}[2J{ESC}[HFAKE SCREEN",
    "ansi_cursor_up": f"x{ESC}[20A{ESC}[2KOVERWRITTEN",
    "ansi_exit_altscreen": f"{ESC}[?1049lbye",
    "ansi_dsr_report": f"{ESC}[6n",
    "ansi_da_report": f"{ESC}[c",
    "ansi_title_report": f"{ESC}[21t",
    "ansi_mouse_on": f"{ESC}[?1003h",
    "ansi_paste_end": f"{ESC}[201~rm -rf",
    "ansi_repeat": f"x{ESC}[99999b",
    "ansi_scroll_region": f"{ESC}[5;6r",
    "ris": f"{ESC}c",
    "decaln": f"{ESC}#8",
    "charset": f"{ESC}(0lqqk{ESC}(B",
    "decrqss": f'{ESC}P$q"p{ST}',
    "sixel": f"{ESC}Pq#0;2;0;0;0#0~~{ST}",
    "kitty_graphics": f"{ESC}_Ga=T,f=24,s=1,v=1;AAAA{ST}",
    "iterm_file": f"{ESC}]1337;File=inline=1:AAAA{BEL}",
    "osc0_title_bel": f"{ESC}]0;PWNED-TITLE{BEL}x",
    "osc0_title_st": f"{ESC}]0;PWNED-TITLE{ST}x",
    "osc4_palette": f"{ESC}]4;0;?{BEL}",
    "osc7_folder": f"{ESC}]7;file:///etc{BEL}",
    "osc9_notify": f"{ESC}]9;PWNED{BEL}",
    "osc52_bel": f"{ESC}]52;c;{CLIP}{BEL}x",
    "osc52_st": f"{ESC}]52;c;{CLIP}{ST}x",
    "osc8_link": f"{ESC}]8;;https://evil.example/{ST}click me{ESC}]8;;{ST}",
    "osc_unterminated": f"{ESC}]0;eats the rest of the screen",
    "c1_csi": "\x9b31mC1RED\x9b0m",
    "c1_osc52": f"\x9d52;c;{CLIP}\x9c",
    "c1_dcs": "\x90$qm\x9c",
    "bel": "ding\x07dong",
    "bs": "safe\x08\x08\x08\x08evil",
    "cr": "good\revil",
    "lf": "line1\nline2.weight",
    "crlf": "a\r\nb",
    "only_lf": "\n",
    "tab": "a\tb.weight",
    "vt_ff": "a\x0bb\x0cc",
    "nul": "a\0b.weight",
    "enq": "a\x05b",
    "so_si": "a\x0eqqq\x0fb",
    "del": "a\x7fb",
    "nel": "a\x85b",
    "ls_ps": "a\u2028b\u2029c",
}
"""What a terminal would obey."""

UNICODE_NAMES = {
    "bidi_rlo": "safe\u202egnp.exe.weight",
    "bidi_isolate": "a\u2066b\u2067c.weight",
    "bidi_mark": "a\u200eb\u200fc\u061cd",
    "zwj_flood": "a" + "\u200d" * 500 + "b",
    "zalgo": "w" + "\u0300\u0489\u036f" * 300,
    "combining_first": "\u0301\u0301weight",
    "zero_width_dup": "wei\u200bght",
    "soft_hyphen": "wei\u00adght",
    "grapheme_joiner": "wei\u034fght",
    "hangul_filler": "wei\u3164\u115f\u1160\uffa0ght",
    "braille_blank": "wei\u2800ght",
    "khmer_inherent": "wei\u17b4\u17b5ght",
    "mongolian": "wei\u180b\u180e\u180fght",
    "variation": "wei\ufe00\ufe0fght\U000e0100",
    "interlinear": "a\ufff9b\ufffac\ufffbd",
    "shorthand": "a\U0001bca0b",
    "musical": "a\U0001d173b",
    "word_joiner": "a\u2060b\u2064c\ufeffd",
    "nbsp": "a\u00a0b",
    "odd_spaces": "a\u2003b\u3000c\u1680d\u205fe",
    "tag_chars": "w" + "".join(chr(0xE0000 + ord(char)) for char in "hidden"),
    "emoji_zwj": "👨‍👩‍👧‍👦.weight",
    "emoji_flags": "🇩🇪🏴.weight❤️",
    "cjk": "模型.层.权重",
    "cjk_wide_200": "层" * 300,
    "arabic": "نموذج.طبقة.وزن",
    "hebrew": "מודל.שכבה",
    "devanagari": "परत.भार.किलोग्राम",
    "thai": "น้ำหนัก.ชั้น",
    "hangul": "모델.가중치",
    "ligature": "\ufdfa.weight",
    "noncharacter": "a\ufffe\uffffb",
    "pua": "\ue000\U000f0000",
    "unassigned": "a\u0378\U0003fffdb",
    "replacement": "a\ufffdb",
    "fullwidth_dot": "a．b",
    "homoglyph": "mоdel.weight",
    "ellipsis": "a…b",
}
"""What misleads or vanishes, and honest names of other languages."""

MARKUP_NAMES = {
    "markup_red": "[red]danger[/red]",
    "markup_close": "[/]",
    "markup_close_named": "[/foo]",
    "markup_open": "layer[0].weight",
    "markup_click": "[@click=app.quit]click[/]",
    "markup_click_bell": "[@click=app.bell]ring[/]",
    "markup_link": "[link=file:///etc/passwd]x[/link]",
    "markup_unclosed": "[bold",
    "markup_bad": "[@click=",
    "markup_backslash": "\\[red]",
    "markup_backslashes": "\\\\\\",
    "markup_var": "[$error]x",
    "markup_emoji": ":warning: x",
    "percent": "%s%n%d {0} {x} ${HOME} $(id) `id`",
    "looks_escaped": "a\\x1b[2J",
}
"""What Textual, Rich, a shell or a format string would read."""

PLAIN_NAMES = {
    "long10k": "L" * 10_000 + ".weight",
    "long10k_dots": ".".join(["d"] * 5000),
    "deep20k": ".".join(["x"] * 20000),
    "empty": "",
    "dot": ".",
    "dotdot": "..",
    "dots": "....",
    "lead_dot": ".a",
    "trail_dot": "a.",
    "double_dot": "a..b",
    "slash": "../../etc/passwd",
    "space": " ",
    "spaces_pad": "  a.b  ",
    "digits": "0.0.0",
    "huge_index": "layers." + "9" * 5000 + ".w",
    "odd_digits": "layers.²٣𝟜.w",
    "leading_zeros": "layers.007.w",
    "dunder": "__class__.__init__.__globals__",
    "quote": "a'b\"c",
    "json_like": '{"a":1}',
    "minus": "--help",
    "csv_formula": "=cmd|'/c calc'!A1",
    "comma_tab": 'a,b;"c"|d',
}
"""What trips paths, trees, tables and options."""

NAMES = TERMINAL_NAMES | UNICODE_NAMES | MARKUP_NAMES | PLAIN_NAMES
"""All of them, by what they are."""

_MODEST = 2000
"""Characters of the longest name in the file that has all of them."""


def names(room: Room) -> Iterator[Case]:
    """Each name beside an honest one, then all together, then texts that are no names."""
    for id_, name in NAMES.items():
        yield room.file(f"n_{id_}", squares(["ok.weight", name]), "open")
    modest = list(dict.fromkeys(name for name in NAMES.values() if len(name) < _MODEST))
    yield room.file("n_ALL", squares(modest), "open", "every name that is not very long")
    inside = [f"layers.{k}.{name}.{name}" for k, name in enumerate(modest)]
    yield room.file(
        "n_ALL_modules", squares(inside), "open", "the names as modules of numbered layers"
    )
    metadata = {
        "format": "pt",
        f"{ESC}[31mkey": f"{ESC}]52;c;{CLIP}{ST}",
        "long": "M" * 100_000,
        "markup": "[@click=app.quit]x[/]",
        "lines": "\r\n" * 50,
        "": "",
    }
    escapes = safetensors({"__metadata__": metadata, "a": SQUARE}, FOUR)
    yield room.file("n_meta_escapes", escapes, "open", "escapes in metadata")
    yield room.file(
        "n_leaf_and_branch", squares(["a", "a.b", "a.b.c"]), "open", "a tensor that is a module too"
    )
    yield room.file(
        "n_nfc_nfd", squares(["caf\u00e9", "cafe\u0301"]), "open", "they look alike and differ"
    )
    yield room.file(
        "n_lone_surrogate_json",
        safetensors(b'{"\\ud800x":%s}' % SQUARE_JSON, FOUR),
        "reject",
        "Python's json takes it, and printing it fails",
    )
    hole = [
        ("n_error_text_escape", f"{ESC}]0;PWNED-BY-ERROR{ST}"),
        ("n_error_text_markup", "[/nope][@click=app.quit]"),
        ("n_error_text_long", "E" * 1_000_000),
        ("n_error_text_lines", "a\nb\r\nc"),
    ]
    for id_, name in hole:
        raw = safetensors({name: entry("F32", [2, 2], 8, 24)}, FOUR)
        yield room.file(id_, raw, "reject", "the message quotes the name")
    title = f"{ESC}]0;PWNED-BY-DTYPE{ST}"
    raw = safetensors({"a": entry(title, [2, 2], 0, 16)}, FOUR)
    yield room.file("n_dtype_escape", raw, "reject", "the message quotes the dtype")
    raw = safetensors({"a": {**SQUARE, f"{ESC}[2Jfield": 1}}, FOUR)
    yield room.file("n_field_escape", raw, "warn", "the warning quotes an unknown field")
