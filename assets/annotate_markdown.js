// Guidelines written in Markdown as elements: headings, lists, quotes, code, bold, italics, links; nothing else acts.
// Builds nodes and never markup; pictures are not fetched, links lead to http, https and mail only.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const DEEPEST = 6;
  const LINK = /!?\[([^\]\n]{0,300})\]\(\s*<?([^\s()<>]{1,2000})>?(?:\s+"[^"\n]{0,300}")?\s*\)/y;
  const ADDRESS = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
  const BULLET = /^( {0,12})([-*+]|\d{1,6}[.)])\s+(.*)$/;

  const safe = (address) => /^(https?:\/\/|mailto:)/i.test(address);

  function text(host, words) {
    if (words) Forklore.fillText(host, words);
  }

  /** One run of bold, italics or code that starts at i: [node, index behind it], null when it does not close. */
  function marked(source, i, open, depth, without) {
    if (without.has(open)) return null;
    const stop = source.indexOf(open, i + open.length);
    if (stop < 0) { without.add(open); return null; }
    const inner = source.slice(i + open.length, stop);
    if (!inner.trim()) return null;
    if (open[0] === "`") return [el("code", { text: inner }), stop + open.length];
    if (/^\s|\s$/.test(inner)) return null;
    if (open[0] === "_" && (/\w/.test(source[i - 1] || "") || /\w/.test(source[stop + open.length] || ""))) return null;
    const node = el(open.length === 2 ? "strong" : "em");
    inline(node, inner, depth + 1);
    return [node, stop + open.length];
  }

  function link(source, i) {
    for (const pattern of [LINK, ADDRESS]) {
      pattern.lastIndex = i;
      const found = pattern.exec(source);
      if (!found) continue;
      const [words, address] = pattern === LINK ? [found[1], found[2]] : [found[1], found[1]];
      if (!safe(address)) return [el("span", {}, words || address), i + found[0].length];
      const node = el("a", { href: address, target: "_blank", rel: "noopener noreferrer" });
      text(node, words || address);
      return [node, i + found[0].length];
    }
    return null;
  }

  function inline(host, source, depth = 0) {
    const without = new Set();
    let plain = "";
    let i = 0;
    const flush = () => { text(host, plain); plain = ""; };
    while (i < source.length) {
      const char = source[i];
      if (char === "\\" && /[!-/:-@[-`{-~]/.test(source[i + 1] || "")) { plain += source[i + 1]; i += 2; continue; }
      let found = null;
      if (depth < DEEPEST && (char === "*" || char === "_")) found = (source[i + 1] === char && marked(source, i, char + char, depth, without)) || marked(source, i, char, depth, without);
      else if (char === "`") found = marked(source, i, /^`+/.exec(source.slice(i, i + 8))[0], depth, without);
      else if (char === "[" || char === "<" || (char === "!" && source[i + 1] === "[")) found = link(source, i);
      else if (char === "\n") found = / {2}$/.test(plain) ? [el("br"), i + 1] : null;
      if (found) { flush(); host.append(found[0]); i = found[1]; continue; }
      plain += char === "\n" ? " " : char;
      i += 1;
    }
    flush();
    return host;
  }

  function fenced(lines, i, host) {
    const fence = /^\s*(```+|~~~+)/.exec(lines[i])[1];
    const body = [];
    let at = i + 1;
    while (at < lines.length && !lines[at].trim().startsWith(fence)) { body.push(lines[at]); at += 1; }
    host.append(el("pre", { tabindex: "0" }, el("code", { text: body.join("\n") })));
    return at + 1;
  }

  function quoted(lines, i, host, depth) {
    const body = [];
    let at = i;
    while (at < lines.length && /^\s{0,3}>/.test(lines[at])) { body.push(lines[at].replace(/^\s{0,3}> ?/, "")); at += 1; }
    const node = el("blockquote");
    host.append(node);
    blocks(node, body, depth + 1);
    return at;
  }

  /** A list and what is indented below its entries. */
  function listed(lines, i, host, depth) {
    const [, indent, sign] = BULLET.exec(lines[i]);
    const ordered = /\d/.test(sign);
    const node = el(ordered ? "ol" : "ul", { start: ordered && parseInt(sign, 10) !== 1 ? parseInt(sign, 10) : null });
    host.append(node);
    let at = i;
    while (at < lines.length) {
      const found = BULLET.exec(lines[at]);
      if (!found || found[1].length !== indent.length || /\d/.test(found[2]) !== ordered) break;
      const body = [found[3]];
      at += 1;
      while (at < lines.length && (/^\s+\S/.test(lines[at]) ? lines[at].length - lines[at].trimStart().length > indent.length : !lines[at].trim() && /^\s+\S/.test(lines[at + 1] || "") && !BULLET.test(lines[at + 1]))) {
        body.push(lines[at].slice(Math.min(lines[at].length, indent.length + 2)));
        at += 1;
      }
      const entry = el("li");
      node.append(entry);
      if (body.length === 1) inline(entry, body[0]);
      else blocks(entry, body, depth + 1);
    }
    return at;
  }

  const begins = (line) => /^\s{0,3}(#{1,6}\s|>|```|~~~)/.test(line) || BULLET.test(line) || /^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(line);

  function blocks(host, lines, depth) {
    let i = 0;
    while (i < lines.length) {
      const line = lines[i];
      const heading = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
      if (!line.trim()) i += 1;
      else if (heading) { host.append(inline(el(`h${Math.min(6, heading[1].length + 2)}`), heading[2])); i += 1; }
      else if (/^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) { host.append(el("hr")); i += 1; }
      else if (/^\s*(```|~~~)/.test(line)) i = fenced(lines, i, host);
      else if (depth < DEEPEST && /^\s{0,3}>/.test(line)) i = quoted(lines, i, host, depth);
      else if (depth < DEEPEST && BULLET.test(line)) i = listed(lines, i, host, depth);
      else {
        const body = [line];
        for (i += 1; i < lines.length && lines[i].trim() && !begins(lines[i]); i += 1) body.push(lines[i]);
        host.append(inline(el("p"), body.map((part) => part.trimStart()).join("\n").trimEnd()));
      }
    }
  }

  /** A node with the text drawn; one paragraph that says so where there is none. */
  function markdown(source, nothing = "") {
    const host = el("div", { class: "fl-an-markdown" });
    const lines = String(source || "").replace(/\r\n?/g, "\n").replaceAll("\t", "    ").split("\n");
    blocks(host, lines, 0);
    if (!host.childNodes.length && nothing) host.append(el("p", { class: "fl-an-soft", text: nothing }));
    return host;
  }

  Forklore.markdown = markdown;
})();
