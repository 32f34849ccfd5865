// How numbers and pieces of text are written for a person: units, percentages, invisible characters as marks, CSV cells.
// Pure functions; does not know the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const NA = "n/a";
  const LN2 = Math.LN2;
  const exists = (value) => typeof value === "number" && Number.isFinite(value);

  /** A number with about `digits` significant digits, true minus sign, "n/a" for what does not exist. */
  function number(value, digits = 4) {
    if (!exists(value)) return NA;
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return count(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return power(value);
    const whole = size < 1 ? 1 : Math.floor(Math.log10(size)) + 1;
    return value.toFixed(Math.max(0, Math.min(digits, digits - whole))).replace("-", "−");
  }

  function power(value) {
    const [base, exponent] = value.toExponential(1).split("e");
    const high = [...exponent.replace("+", "")].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[+c])).join("");
    return `${base.replace("-", "−")}×10${high}`;
  }

  /** 3000 as "3,000". */
  const count = (value) => (exists(value) ? String(Math.round(value)).replace("-", "−").replace(/\B(?=(\d{3})+$)/g, ",") : NA);

  /** A share in [0, 1] as "15.9 %"; tiny but not zero as "< 0.1 %". */
  function percent(share, digits = 1) {
    if (!exists(share)) return NA;
    if (share === 0) return "0\u00a0%";
    const least = 10 ** -digits;
    if (share > 0 && share * 100 < least / 2) return `<\u00a0${least.toFixed(digits)}\u00a0%`;
    return `${(100 * share).toFixed(digits)}\u00a0%`;
  }

  /** Seconds as "0.8 s", "12 s", "3 min 05 s". */
  function seconds(value) {
    if (!exists(value)) return NA;
    if (value < 10) return `${value.toFixed(1)}\u00a0s`;
    if (value < 60) return `${Math.round(value)}\u00a0s`;
    const whole = Math.round(value);
    return `${Math.floor(whole / 60)}\u00a0min\u00a0${String(whole % 60).padStart(2, "0")}\u00a0s`;
  }

  /** An ISO time as the reader's own date and time. */
  function date(iso) {
    const when = new Date(iso);
    return iso && !Number.isNaN(when.getTime()) ? when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";
  }

  const isNats = (unit) => unit === "nats" || unit === "nats²";
  /** The value in the unit the reader chose: nats stay or become bits, other units are left alone. */
  const convert = (value, unit, bits) => (!bits || !exists(value) ? value : unit === "nats" ? value / LN2 : unit === "nats²" ? value / (LN2 * LN2) : value);
  const unitName = (unit, bits) => (bits && isNats(unit) ? unit.replace("nats", "bits") : unit || "");
  const quantity = (value, unit, bits, digits) => {
    const shown = number(convert(value, unit, bits), digits);
    return shown === NA || !unit ? shown : `${shown}\u00a0${unitName(unit, bits)}`;
  };

  const NAMED = new Map(Object.entries({
    0: "NUL", 7: "BEL", 8: "BS", 11: "VT", 12: "FF", 13: "CR", 27: "ESC", 127: "DEL", 0xad: "SHY", 0x61c: "ALM",
    0x180e: "MVS", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LS", 0x2029: "PS",
    0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI",
    0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM", 0x3164: "HF", 0x115f: "HCF", 0x1160: "HJF", 0xffa0: "HHF",
  }).map(([code, name]) => [Number(code), name]));
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u3164\u115f\u1160\uffa0\ufffc\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]/u;
  const PICTURE = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f/u;
  const JOINED = /[\p{M}\p{Emoji_Modifier}\u200d\ufe0e\ufe0f\u{e0020}-\u{e007f}]/u;
  const hex = (code) => code.toString(16).toUpperCase().padStart(4, "0");

  function markOf(code) {
    const name = NAMED.get(code) || (code >= 0xfe00 && code <= 0xfe0f ? `VS${code - 0xfdff}` : code < 32 ? `^${String.fromCharCode(64 + code)}` : hex(code));
    return { mark: `⟨${name}⟩`, title: `U+${hex(code)}` };
  }

  /** Joiners and selectors that build one picture (👩‍💻, ❤️) stay; the same characters elsewhere are marked. */
  function partOfPicture(chars, i) {
    const code = chars[i].codePointAt(0);
    if (code === 0xfe0f || code === 0xfe0e) return i > 0 && !HIDDEN.test(chars[i - 1]);
    if (code === 0x200d) return i > 0 && i + 1 < chars.length && PICTURE.test(chars[i - 1]) && PICTURE.test(chars[i + 1]);
    if (code >= 0xe0020 && code <= 0xe007f) return chars.slice(0, i).includes("\u{1f3f4}");
    return false;
  }

  /**
   * Text cut into runs that may be shown and characters that must not act: [{text}] or [{mark, title}].
   * Newlines and tabs come as {mark: "↵", text: "\n"} and {mark: "⇥", text: "\t"}, so that prose may still break there.
   */
  function segments(text) {
    const out = [];
    if (!HIDDEN.test(text)) return text ? [{ text }] : out;
    let plain = "";
    const chars = [...text];
    const flush = () => { if (plain) out.push({ text: plain }); plain = ""; };
    chars.forEach((char, i) => {
      if (!HIDDEN.test(char) || partOfPicture(chars, i)) { plain += char; return; }
      flush();
      if (char === "\n") out.push({ mark: "↵", title: "line break", text: "\n" });
      else if (char === "\t") out.push({ mark: "⇥", title: "tab", text: "\t" });
      else out.push(markOf(char.codePointAt(0)));
    });
    flush();
    return out;
  }

  /** The text with marks for characters that must not act; line breaks and tabs stay what they are. */
  const marked = (text) => segments(text).map((part) => part.text ?? part.mark).join("");

  /** One line that names a piece: marks for what is invisible, "␣" for a bare space. keepSpace shows leading spaces as "·". */
  function label(text, keepSpace = false) {
    const flat = segments(String(text ?? "")).map((s) => s.mark || s.text).join("");
    if (/^ +$/.test(flat)) return "␣".repeat(Math.min(flat.length, 8)) + (flat.length > 8 ? `×${flat.length}` : "");
    const body = keepSpace ? flat.replace(/^ +| +$/g, (s) => "·".repeat(s.length)) : flat.replace(/^ /, "");
    return body.replaceAll("\u00a0", "⟨NBSP⟩") || "⟨empty⟩";
  }

  /** At most so many signs, the last one "…" where something is left out; no picture or accented letter is cut in two. */
  function cut(text, most) {
    const chars = [...text];
    if (chars.length <= most) return text;
    const wanted = Math.max(1, most - 1);
    let end = wanted;
    while (end > 0 && (JOINED.test(chars[end]) || chars[end - 1] === "\u200d")) end -= 1;
    return `${chars.slice(0, end || wanted).join("")}…`;
  }

  /** A cell that no spreadsheet runs as a formula, quoted where CSV asks for it. */
  function csvCell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r\t']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
  const csv = (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
  /** Tab-separated, for pasting: tabs and breaks inside a cell are written as \t and \n. */
  const tsv = (rows) => rows.map((row) => row.map((cell) => (typeof cell === "number" || cell === null || cell === undefined
    ? csvCell(cell) : (/^[=+\-@\t\r]/.test(cell) ? "'" : "") + String(cell).replaceAll("\t", "\\t").replace(/\r?\n|\r/g, "\\n"))).join("\t")).join("\n") + "\n";

  Forklore.format = { NA, exists, number, count, percent, seconds, date, isNats, convert, unitName, quantity, segments, marked, label, cut, csv, tsv };
})();
